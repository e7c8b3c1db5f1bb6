//! Networks: bridges and a firewall for root, pasta for others.

use std::fs::OpenOptions;

use nix::sched::CloneFlags;

use super::child::{drop_root, separate, tried};
use super::{Caller, Capability, no, tell, yes};
use crate::network::firewall::{self, Firewall};
use crate::network::netlink::{Bridge, Socket, ensure_bridge};
use crate::store::cause;

pub(super) fn explain(caller: &Caller) -> Vec<Capability> {
    let mut list = Vec::new();
    if caller.is_root() {
        list.push(tell(
            "bridge",
            tried(bridge),
            "one was made",
            Some("modprobe bridge, or a kernel with CONFIG_BRIDGE"),
        ));
    } else {
        list.push(no("bridge", "bridges are root's; an ordinary user's network goes through pasta", None));
    }
    list.push(tell(
        "nf_tables",
        tried(tables),
        "its tables were listed",
        Some("modprobe nf_tables, or a kernel with CONFIG_NF_TABLES_INET"),
    ));
    list.push(match caller.program("pasta") {
        Some(path) => yes("pasta", path.display().to_string()),
        None => no(
            "pasta",
            "not found in PATH: an ordinary user has --network none and host alone",
            Some("install the package passt"),
        ),
    });
    let cure = Some("modprobe tun; chmod 666 /dev/net/tun");
    list.push(tell("/dev/net/tun", tried(tun), "an ordinary user can open it, as pasta has to", cure));
    list
}

fn bridge() -> Result<(), String> {
    separate(CloneFlags::CLONE_NEWNET)?;
    let socket = Socket::open().map_err(|error| ketch_runtime::causes::line(&error))?;
    let bridge = Bridge { name: "trial", mark: "trial", addresses: &[], mtu: None, forward: false };
    ensure_bridge(&socket, &bridge).map(drop).map_err(|error| ketch_runtime::causes::line(&error))
}

fn tables() -> Result<(), String> {
    separate(CloneFlags::CLONE_NEWNET)?;
    let firewall = Firewall::open().map_err(|error| ketch_runtime::causes::line(&error))?;
    firewall::list(&firewall).map(drop).map_err(|error| ketch_runtime::causes::line(&error))
}

fn tun() -> Result<(), String> {
    drop_root()?;
    let opened = OpenOptions::new().read(true).write(true).open("/dev/net/tun");
    opened.map(drop).map_err(|error| format!("cannot open it: {}", cause(&error)))
}
