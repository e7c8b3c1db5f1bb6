//! The bridge of a network.

use std::net::{IpAddr, Ipv6Addr};

use ketch_sys::Errno;

use super::address::push_address;
use super::error::Error;
use super::forwarding;
use super::link::{
    ADDRESS, AF_SPEC, IFALIAS, IFNAME, INET, INET_CONF, Link, MTU, NEW_LINK, ROUTE_LOCALNET, UP, delete,
    find_link, header, kind, mac_of, no_link_local, push_find, read_link,
};
use super::message::{Batch, CREATE, EXCL};
use super::socket::Socket;

/// Its address on the link, in every network that has IPv6.
const LINK_LOCAL: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1));

/// A bridge as it is to be.
#[derive(Debug, Clone, Copy)]
pub struct Bridge<'a> {
    pub name: &'a str,
    /// What the network is known by for ever, its id say: whose bridge it is.
    pub mark: &'a str,
    /// The gateways of the network's subnets, with their prefix lengths.
    pub addresses: &'a [(IpAddr, u8)],
    pub mtu: Option<u32>,
    /// Whether packets are to go beyond it: forwarding is turned on for the host.
    pub forward: bool,
}

/// Makes a bridge, unless it is there, and gives its index: configured, up, usable. Needs CAP_NET_ADMIN and the
/// namespace of `socket` as the caller's own (for the sysctls).
///
/// Any number of processes may do it at once, without a lock. The bridge is born with a hardware address that is made
/// from the mark, so it is never anybody else's; and its alias is set last, so where one is, it is complete. What is not
/// complete, because its maker is at it or was killed, is completed by whoever comes: each step may be done twice.
/// Nothing is undone on error; [`remove_bridge`] takes away what there is.
pub fn ensure_bridge(socket: &Socket, bridge: &Bridge<'_>) -> Result<u32, Error> {
    let link = match find_link(socket, bridge.name)? {
        Some(link) => link,
        None => create(socket, bridge)?,
    };
    if !is_of(&link, bridge.mark) {
        return Err(Error::Foreign { name: bridge.name.to_owned() });
    }
    if !is_complete(&link, bridge) {
        complete(socket, link.index, bridge)?;
    }
    Ok(link.index)
}

/// Deletes the bridge of a network. One that is not there is as good; one of somebody else stays, and is an error.
pub fn remove_bridge(socket: &Socket, name: &str, mark: &str) -> Result<(), Error> {
    match find_link(socket, name)? {
        None => Ok(()),
        Some(link) if is_of(&link, mark) => delete(socket, link.index, name),
        Some(_) => Err(Error::Foreign { name: name.to_owned() }),
    }
}

fn is_of(link: &Link, mark: &str) -> bool {
    link.kind == "bridge" && link.mac == mac_of(mark)
}

/// Forwarding may have been turned off since, and the interface put down.
fn is_complete(link: &Link, bridge: &Bridge<'_>) -> bool {
    link.is_up
        && link.alias == alias(bridge.mark)
        && bridge.mtu.is_none_or(|mtu| mtu == link.mtu)
        && link.routes_localnet
        && (!bridge.forward || (link.forwards && (link.forwards6 || !bridge.has_ipv6())))
}

fn alias(mark: &str) -> String {
    format!("ketch:{mark}")
}

impl Bridge<'_> {
    fn has_ipv6(&self) -> bool {
        self.addresses.iter().any(|(address, _)| address.is_ipv6())
    }
}

/// Whoever else makes it at the same moment: there is one afterwards.
fn create(socket: &Socket, bridge: &Bridge<'_>) -> Result<Link, Error> {
    let mut batch = Batch::default();
    batch.push(("make bridge", bridge.name), NEW_LINK, CREATE | EXCL, |message| {
        message.raw(&header(0, 0));
        message.text(IFNAME, bridge.name);
        message.attribute(ADDRESS, &mac_of(bridge.mark));
        if let Some(mtu) = bridge.mtu {
            message.number(MTU, mtu);
        }
        kind(message, "bridge");
    });
    batch.tolerate(Errno::EEXIST);
    push_find(&mut batch, bridge.name);
    batch.acknowledge();
    let mut made = None;
    socket.query(&batch, |reply| made = made.take().or_else(|| read_link(reply)))?;
    made.ok_or_else(|| Error::Failed {
        step: "make bridge",
        object: bridge.name.to_owned(),
        source: Errno::ENODEV,
    })
}

fn complete(socket: &Socket, index: u32, bridge: &Bridge<'_>) -> Result<(), Error> {
    forwarding::refuse_advertisements(bridge.name)?;
    let mut batch = Batch::default();
    batch.push(("configure bridge", bridge.name), NEW_LINK, 0, |message| {
        message.raw(&header(index, 0));
        // A published port is reached by 127.0.0.1; the firewall sees that nothing from outside is.
        message.nest(AF_SPEC, |families| {
            families.nest(INET, |inet| inet.nest(INET_CONF, |conf| conf.number(ROUTE_LOCALNET, 1)));
        });
    });
    if bridge.has_ipv6() {
        batch.push(("configure bridge", bridge.name), NEW_LINK, 0, |message| {
            message.raw(&header(index, 0));
            no_link_local(message);
        });
    }
    for &(address, prefix) in bridge.addresses {
        push_address(&mut batch, index, address, prefix);
    }
    if bridge.has_ipv6() {
        push_address(&mut batch, index, LINK_LOCAL, 64);
    }
    batch.push(("bring up bridge", bridge.name), NEW_LINK, 0, |message| {
        message.raw(&header(index, UP));
        if let Some(mtu) = bridge.mtu {
            message.number(MTU, mtu);
        }
    });
    batch.acknowledge();
    socket.send(&batch)?;
    if bridge.forward {
        forwarding::enable()?;
        if bridge.has_ipv6() {
            forwarding::enable6()?;
        }
    }
    // Last: from now on nobody looks further.
    let mut batch = Batch::default();
    batch.push(("name bridge", bridge.name), NEW_LINK, 0, |message| {
        message.raw(&header(index, 0));
        message.attribute(IFALIAS, alias(bridge.mark).as_bytes());
    });
    batch.acknowledge();
    socket.send(&batch)
}
