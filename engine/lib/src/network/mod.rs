//! Networks of containers, made in-process by netlink messages.
//!
//! `netlink/` makes interfaces, addresses and routes, `firewall/` the nf_tables rules that publish ports and lead
//! containers out. Neither knows containers or the state database: what exists is told by the kernel.
//!
//! `pasta` is for those who may make no interfaces, and a process of its own.
//!
//! Above them a network is a row, and a bridge that is made when the first container needs it. What a container has of
//! its networks is a [hold](crate::state::holds::Hold): reserved in one transaction before anything is made, and given
//! back after all of it is gone. A hold whose container has died is taken by whoever needs what it holds.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

pub mod firewall;
pub mod netlink;

mod bridge;
pub mod connect;
pub mod create;
mod default;
pub mod filter;
mod hosts;
pub mod inspect;
pub mod pasta;
pub mod ports;
pub mod prune;
mod release;
pub mod remove;
mod reserve;
mod rules;
pub(crate) mod setup;
pub mod subnet;
pub mod view;

pub use default::DEFAULT;
pub(crate) use hosts::renamed;
pub use ports::ports_of;
pub(crate) use release::release;
pub use setup::SetupError;

/// A network as the database keeps it. All are bridges.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Network {
    /// 64 hex digits.
    pub id: String,
    pub name: String,
    /// The bridge's interface.
    pub bridge: String,
    /// RFC 3339, UTC, nanoseconds.
    pub created: String,
    /// At most one of each family.
    pub subnets: Vec<Subnet>,
    pub ipv6: bool,
    /// No way out of it, or in.
    pub internal: bool,
    /// Its containers know each other by name.
    pub dns: bool,
    pub labels: BTreeMap<String, String>,
    /// `--opt`: mtu, isolate, metric, no_default_route.
    pub options: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subnet {
    pub subnet: IpNet,
    /// The bridge's address. None: `--internal` without one.
    pub gateway: Option<IpAddr>,
    /// First and last address that are given without being asked for by number; None: all.
    pub range: Option<(IpAddr, IpAddr)>,
}

impl Network {
    /// None: the kernel's default.
    pub fn mtu(&self) -> Option<u32> {
        self.options.get("mtu").and_then(|text| text.parse().ok()).filter(|mtu| *mtu > 0)
    }

    /// Of the default routes inside; podman's is 100.
    pub fn metric(&self) -> u32 {
        self.options.get("metric").and_then(|text| text.parse().ok()).unwrap_or(100)
    }

    pub fn isolation(&self) -> firewall::Isolation {
        match self.options.get("isolate").map(String::as_str) {
            Some("strict") => firewall::Isolation::Strict,
            Some("true" | "1") => firewall::Isolation::Isolated,
            _ => firewall::Isolation::None,
        }
    }

    /// Whether its containers get a way out.
    pub fn has_default_route(&self) -> bool {
        !self.internal && !self.is_on("no_default_route")
    }

    fn is_on(&self, option: &str) -> bool {
        self.options.get(option).is_some_and(|value| matches!(&**value, "true" | "1"))
    }
}
