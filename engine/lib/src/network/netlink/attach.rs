//! A container's interface: a veth pair, one end a port of the bridge, the other in the container's namespace.

use std::net::IpAddr;
use std::os::fd::{AsRawFd, BorrowedFd};

use ketch_sys::Errno;

use super::address::{octets, push_address};
use super::error::Error;
use super::forwarding;
use super::link::{
    ADDRESS, DELETE_LINK, IFNAME, INET, INET6, INFO_DATA, INFO_KIND, LINKINFO, MASTER, MTU, Mac, NET_NS_FD,
    NEW_LINK, UP, delete, header, no_link_local, push_find, push_find_index, read_link,
};
use super::message::{APPEND, Batch, CREATE, EXCL};
use super::namespace::within;
use super::socket::Socket;

const NEW_ROUTE: u16 = 24;
const DESTINATION: u16 = 1;
const OUT_INTERFACE: u16 = 4;
const GATEWAY: u16 = 5;
const PRIORITY: u16 = 6;
/// rtmsg: main table, RTPROT_STATIC, everywhere, RTN_UNICAST.
const MAIN: u8 = 254;
const STATIC: u8 = 4;
const UNICAST: u8 = 1;

/// IFLA_INFO_SLAVE_DATA and IFLA_BRPORT_MODE: frames may leave by the port that they came by.
const INFO_PORT_DATA: u16 = 5;
const PORT_HAIRPIN: u16 = 4;

/// VETH_INFO_PEER
const PEER: u16 = 1;
const LOOPBACK: u32 = 1;

/// A container's end of a network.
#[derive(Debug, Clone, Copy)]
pub struct Attachment<'a> {
    /// The index of the bridge.
    pub bridge: u32,
    /// The name of the end on the bridge: at most 15 bytes, and free.
    pub host_name: &'a str,
    /// The container's namespace.
    pub namespace: BorrowedFd<'a>,
    /// The name there: `eth0`.
    pub name: &'a str,
    pub mac: Mac,
    pub addresses: &'a [(IpAddr, u8)],
    pub routes: &'a [Route],
    pub mtu: Option<u32>,
    /// Leave the end on the bridge down, until [`speak`]: nothing comes in or goes out.
    pub quiet: bool,
}

/// A route by way of a gateway on the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// None: the default route.
    pub destination: Option<(IpAddr, u8)>,
    pub gateway: IpAddr,
    /// podman's is 100.
    pub metric: u32,
}

/// Connects a namespace to a bridge, and brings its loopback up. The calling thread enters the namespace for a moment.
/// On error nothing stays.
///
/// The pair dies with the namespace; [`detach`] is for one that goes on without it.
pub fn attach(socket: &Socket, attachment: &Attachment<'_>) -> Result<(), Error> {
    let inside = within(attachment.namespace, || {
        // Before there is an interface that could hear one.
        forwarding::refuse_advertisements("default")?;
        Socket::open()
    })?;
    let (index, peer) = make_pair(socket, attachment)?;
    let result = configure(&inside, peer, attachment).and_then(|()| settle(socket, attachment));
    if result.is_err() {
        // The error that is told is why.
        let _ = delete(socket, index, attachment.host_name);
    }
    result
}

/// Lets an interface that was attached quietly be heard, by the name of the end on the bridge.
pub fn speak(socket: &Socket, host_name: &str) -> Result<(), Error> {
    let mut batch = Batch::default();
    push_up(&mut batch, host_name);
    batch.acknowledge();
    socket.send(&batch)
}

fn push_up(batch: &mut Batch, host_name: &str) {
    batch.push(("bring up interface", host_name), NEW_LINK, 0, |message| {
        message.raw(&header(0, UP));
        message.text(IFNAME, host_name);
    });
}

/// Takes a network from its container, by the name of the end on the bridge. One that is gone is as good.
pub fn detach(socket: &Socket, host_name: &str) -> Result<(), Error> {
    let mut batch = Batch::default();
    batch.push(("delete interface", host_name), DELETE_LINK, 0, |message| {
        message.raw(&header(0, 0));
        message.text(IFNAME, host_name);
    });
    batch.tolerate(Errno::ENODEV);
    batch.acknowledge();
    socket.send(&batch)
}

/// Gives the indices of both ends, each in its namespace. The near one is up, and a port of the bridge.
fn make_pair(socket: &Socket, attachment: &Attachment<'_>) -> Result<(u32, u32), Error> {
    let mut batch = Batch::default();
    batch.push(("make interface", attachment.host_name), NEW_LINK, CREATE | EXCL, |message| {
        message.raw(&header(0, 0));
        message.text(IFNAME, attachment.host_name);
        message.number(MASTER, attachment.bridge);
        if let Some(mtu) = attachment.mtu {
            message.number(MTU, mtu);
        }
        message.nest(LINKINFO, |info| {
            info.text(INFO_KIND, "veth");
            info.nest(INFO_DATA, |data| {
                data.nest(PEER, |peer| {
                    // Not up yet: it has no other end before the message is done (ENOTCONN).
                    peer.raw(&header(0, 0));
                    peer.text(IFNAME, attachment.name);
                    peer.attribute(ADDRESS, &attachment.mac);
                    peer.number(NET_NS_FD, attachment.namespace.as_raw_fd() as u32);
                    if let Some(mtu) = attachment.mtu {
                        peer.number(MTU, mtu);
                    }
                });
            });
        });
    });
    // A port of a bridge has no use for an address, nor the bridge for the packets that look for who has it already.
    batch.push(("configure interface", attachment.host_name), NEW_LINK, 0, |message| {
        message.raw(&header(0, 0));
        message.text(IFNAME, attachment.host_name);
        no_link_local(message);
        // Where br_netfilter is on, what a container sends to itself by way of a published port is bridged, not routed.
        message.nest(LINKINFO, |info| {
            info.nest(INFO_PORT_DATA, |port| port.attribute(PORT_HAIRPIN, &[1]));
        });
    });
    if !attachment.quiet {
        push_up(&mut batch, attachment.host_name);
    }
    push_find(&mut batch, attachment.host_name);
    batch.acknowledge();
    let mut made = None;
    socket.query(&batch, |reply| made = made.take().or_else(|| read_link(reply)))?;
    made.and_then(|link| Some((link.index, link.peer?))).ok_or_else(|| Error::Failed {
        step: "make interface",
        object: attachment.host_name.to_owned(),
        source: Errno::ENODEV,
    })
}

/// Has the bridge see that the link is up now. By itself the kernel does that later, and until then drops what is sent, the
/// first question for a neighbour for instance, which is asked again after a second: being asked for the link, it does
/// it at once (Linux 6.8).
fn settle(socket: &Socket, attachment: &Attachment<'_>) -> Result<(), Error> {
    let mut batch = Batch::default();
    push_find(&mut batch, attachment.host_name);
    // With its first port the bridge's own link is up, too.
    push_find_index(&mut batch, attachment.bridge, "the bridge");
    batch.acknowledge();
    socket.send(&batch)
}

fn configure(inside: &Socket, index: u32, attachment: &Attachment<'_>) -> Result<(), Error> {
    let mut batch = Batch::default();
    batch.push(("bring up", "the loopback interface"), NEW_LINK, 0, |message| {
        message.raw(&header(LOOPBACK, UP));
    });
    batch.push(("bring up", attachment.name), NEW_LINK, 0, |message| message.raw(&header(index, UP)));
    for &(address, prefix) in attachment.addresses {
        push_address(&mut batch, index, address, prefix);
    }
    for route in attachment.routes {
        push_route(&mut batch, index, route);
    }
    batch.acknowledge();
    inside.send(&batch)
}

/// Of two networks that offer the same route with the same metric, the first keeps it.
fn push_route(batch: &mut Batch, index: u32, route: &Route) {
    let what = match route.destination {
        None => format!("by {}", route.gateway),
        Some((to, prefix)) => format!("to {to}/{prefix} by {}", route.gateway),
    };
    batch.push(("add a route", &what), NEW_ROUTE, CREATE | APPEND, |message| {
        let family = if route.gateway.is_ipv4() { INET } else { INET6 } as u8;
        let length = route.destination.map_or(0, |(_, prefix)| prefix);
        message.raw(&[family, length, 0, 0, MAIN, STATIC, 0, UNICAST, 0, 0, 0, 0]);
        if let Some((to, _)) = route.destination {
            message.attribute(DESTINATION, &octets(to));
        }
        message.attribute(GATEWAY, &octets(route.gateway));
        message.number(OUT_INTERFACE, index);
        message.number(PRIORITY, route.metric);
    });
}
