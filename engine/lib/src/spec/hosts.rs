//! A container's `/etc/hosts`, in podman's order.

use std::net::IpAddr;

use super::{Facts, SpecError};
use crate::container::options::{HostsBase, Network, Options};

/// What `--add-host` takes for the host's own address.
const HOST_GATEWAY: &str = "host-gateway";

/// `--add-host`, the host's own lines or those of `--hosts-file`, the host's name inside, and the container's names.
pub(super) fn text(options: &Options, facts: &Facts<'_>, hostname: &str) -> Result<String, SpecError> {
    let mut lines = Vec::new();
    let gateway = facts.network.gateway.map(|ip| ip.to_string());
    for (name, address) in &options.hosts.add {
        let address = match (&**address, &gateway) {
            (HOST_GATEWAY, Some(gateway)) => gateway,
            (HOST_GATEWAY, None) if options.network == Network::Host => "127.0.0.1",
            (HOST_GATEWAY, None) => return Err(SpecError::HostGateway(name.clone())),
            (address, _) => address,
        };
        lines.push(format!("{address}\t{name}"));
    }
    let of_image = String::from_utf8_lossy(facts.hosts);
    let base = match options.hosts.base {
        HostsBase::Image => &of_image,
        _ => facts.host.hosts.as_str(),
    };
    lines.extend(base.lines().map(str::to_owned));
    // The host's own has it; another one may not.
    let has_localhost = |line: &&str| {
        let words = line.split('#').next().unwrap_or_default().split_whitespace();
        words.skip(1).any(|name| name == "localhost")
    };
    if options.hosts.base != HostsBase::Host && !base.lines().any(|line| has_localhost(&line)) {
        lines.extend(["127.0.0.1\tlocalhost", "::1\tlocalhost"].map(str::to_owned));
    }
    if let Some(gateway) = &gateway {
        lines.push(format!("{gateway}\thost.containers.internal host.docker.internal"));
    }
    let own = if facts.name == hostname { hostname.to_owned() } else { format!("{hostname} {}", facts.name) };
    let loopback = [IpAddr::from([127, 0, 0, 1])];
    let addresses = match &options.network {
        // The host's file has the host's name already.
        Network::Host => &[],
        _ if facts.network.addresses.is_empty() => &loopback[..],
        _ => &facts.network.addresses,
    };
    lines.extend(addresses.iter().map(|address| format!("{address}\t{own}")));
    Ok(lines.iter().map(|line| format!("{line}\n")).collect())
}
