//! Interfaces: RTM_NEWLINK and its kin.

use ketch_runtime::netlink::link::{GET_LINK, ask};
pub(super) use ketch_runtime::netlink::link::{IFNAME, NET_NS_FD, NEW_LINK, header};
use ketch_sys::Errno;
use sha2::{Digest, Sha256};

use super::error::Error;
use super::message::{Batch, DUMP, Received, Writer, attribute, attributes, read_text, read_u32};
use super::socket::Socket;

pub(super) const DELETE_LINK: u16 = 17;

pub(super) const ADDRESS: u16 = 1;
pub(super) const MTU: u16 = 4;
pub(super) const LINK: u16 = 5;
pub(super) const MASTER: u16 = 10;
pub(super) const LINKINFO: u16 = 18;
pub(super) const INFO_KIND: u16 = 1;
pub(super) const INFO_DATA: u16 = 2;
pub(super) const IFALIAS: u16 = 20;
pub(super) const AF_SPEC: u16 = 26;

pub(super) const INET: u16 = 2;
pub(super) const INET6: u16 = 10;
/// IFLA_INET_CONF and IFLA_INET6_CONF: a device's sysctls.
pub(super) const INET_CONF: u16 = 1;
const INET6_CONF: u16 = 2;
/// IPV4_DEVCONF_FORWARDING and _ROUTE_LOCALNET, which count from 1; DEVCONF_FORWARDING, which counts from 0.
pub(super) const FORWARDING: u16 = 1;
pub(super) const ROUTE_LOCALNET: u16 = 26;
const FORWARDING6: usize = 0;

pub(super) const UP: u32 = 1;

/// A hardware address.
pub type Mac = [u8; 6];

/// The hardware address that belongs to a name: unicast, locally administered, and the same each time, so that no
/// neighbour's cache is ever wrong about it. (For a container: the network and its address make a good name.)
pub fn mac_of(name: &str) -> Mac {
    let hash = Sha256::digest(name);
    [(hash[0] & 0xfc) | 2, hash[1], hash[2], hash[3], hash[4], hash[5]]
}

/// An interface, as the kernel tells it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Link {
    pub index: u32,
    pub name: String,
    /// `bridge`, `veth`, …; empty for hardware and loopback.
    pub kind: String,
    pub mac: Mac,
    pub mtu: u32,
    pub alias: String,
    pub is_up: bool,
    /// The bridge that it is a port of.
    pub master: Option<u32>,
    /// Of a veth, the index of its other end, in that one's namespace.
    pub peer: Option<u32>,
    pub(super) forwards: bool,
    pub(super) forwards6: bool,
    pub(super) routes_localnet: bool,
}

impl Link {
    fn parse(body: &[u8]) -> Option<Link> {
        let mut link =
            Link { index: read_u32(body, 4)?, is_up: read_u32(body, 8)? & UP != 0, ..Link::default() };
        for (kind, value) in attributes(body.get(16..)?) {
            match kind {
                ADDRESS => link.mac = value.try_into().unwrap_or_default(),
                IFNAME => link.name = read_text(value),
                MTU => link.mtu = read_u32(value, 0)?,
                LINK => link.peer = read_u32(value, 0),
                MASTER => link.master = read_u32(value, 0),
                IFALIAS => link.alias = read_text(value),
                LINKINFO => link.kind = attribute(value, INFO_KIND).map(read_text).unwrap_or_default(),
                AF_SPEC => link.parse_families(value),
                _ => {}
            }
        }
        Some(link)
    }

    fn parse_families(&mut self, families: &[u8]) {
        let is_set = |family, conf, index: usize| {
            let table = attribute(families, family).and_then(|found| attribute(found, conf));
            table.and_then(|values| read_u32(values, 4 * index)).is_some_and(|value| value != 0)
        };
        self.forwards = is_set(INET, INET_CONF, usize::from(FORWARDING) - 1);
        self.routes_localnet = is_set(INET, INET_CONF, usize::from(ROUTE_LOCALNET) - 1);
        self.forwards6 = is_set(INET6, INET6_CONF, FORWARDING6);
    }
}

/// The interface of a name, if there is one.
pub fn find_link(socket: &Socket, name: &str) -> Result<Option<Link>, Error> {
    let mut batch = Batch::default();
    push_find(&mut batch, name);
    batch.tolerate(Errno::ENODEV);
    batch.acknowledge();
    let mut found = None;
    socket.query(&batch, |reply| found = found.take().or_else(|| read_link(reply)))?;
    Ok(found)
}

/// All interfaces of the namespace.
pub fn links(socket: &Socket) -> Result<Vec<Link>, Error> {
    let mut batch = Batch::default();
    batch.push(("list", "the interfaces"), GET_LINK, DUMP, |message| {
        ask(message, 0);
    });
    batch.acknowledge();
    let mut found = Vec::new();
    socket.query(&batch, |reply| found.extend(read_link(reply)))?;
    Ok(found)
}

pub(super) fn push_find(batch: &mut Batch, name: &str) {
    batch.push(("find interface", name), GET_LINK, 0, |message| {
        ask(message, 0);
        message.text(IFNAME, name);
    });
}

pub(super) fn push_find_index(batch: &mut Batch, index: u32, what: &str) {
    batch.push(("find", what), GET_LINK, 0, |message| {
        ask(message, index);
    });
}

pub(super) fn read_link(reply: Received<'_>) -> Option<Link> {
    if reply.kind == NEW_LINK { Link::parse(reply.body) } else { None }
}

/// Deletes an interface by index; one that is gone is as good.
pub(super) fn delete(socket: &Socket, index: u32, name: &str) -> Result<(), Error> {
    let mut batch = Batch::default();
    batch.push(("delete interface", name), DELETE_LINK, 0, |message| message.raw(&header(index, 0)));
    batch.tolerate(Errno::ENODEV);
    batch.acknowledge();
    socket.send(&batch)
}

/// No link-local address by itself: IFLA_INET6_ADDR_GEN_MODE none. In a message of its own, before the interface is up.
pub(super) fn no_link_local(message: &mut Writer<'_>) {
    const ADDR_GEN_MODE: u16 = 8;
    const NONE: u8 = 1;
    message.nest(AF_SPEC, |families| families.nest(INET6, |inet6| inet6.attribute(ADDR_GEN_MODE, &[NONE])));
}

/// IFLA_LINKINFO of a kind without settings.
pub(super) fn kind(message: &mut Writer<'_>, kind: &str) {
    message.nest(LINKINFO, |info| info.text(INFO_KIND, kind));
}
