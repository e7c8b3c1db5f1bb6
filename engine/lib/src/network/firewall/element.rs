//! Elements of the table's sets and maps.

use std::net::IpAddr;

use crate::network::netlink::message::{CREATE, Writer, attribute, attributes, read_text};
use crate::network::netlink::{octets, read_ip};

use super::layout::{
    BRIDGES, HAIRPINS, HOST_PORTS4, HOST_PORTS6, INTERNAL, ISOLATED, MASQUERADED, NAME_LENGTH, PORTS4,
    PORTS6, STRICT, TABLE,
};
use super::transaction::Transaction;
use super::{Isolation, Network, Port, Protocol};

pub(super) const NEW_ELEMENT: u16 = 12;
pub(super) const DELETE_ELEMENT: u16 = 14;

/// NFTA_SET_ELEM_LIST_*
const LIST_TABLE: u16 = 1;
const LIST_SET: u16 = 2;
pub(super) const LIST_ELEMENTS: u16 = 3;
/// NFTA_LIST_ELEM, NFTA_SET_ELEM_*, NFTA_DATA_VALUE
const ELEMENT: u16 = 1;
const KEY: u16 = 1;
const DATA: u16 = 2;
const USERDATA: u16 = 6;
const VALUE: u16 = 1;

/// An element: which set or map it belongs in, its key, and in a map what that leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Element {
    pub(super) set: &'static str,
    pub(super) key: Vec<u8>,
    pub(super) data: Vec<u8>,
}

impl Element {
    pub(super) fn is_port(&self) -> bool {
        !self.data.is_empty()
    }
}

/// What a network is in the table.
pub(super) fn of_network(network: &Network<'_>) -> Vec<Element> {
    let isolated = network.isolation != Isolation::None;
    let strict = network.isolation == Isolation::Strict;
    let sets = [
        (BRIDGES, true),
        (HAIRPINS, true),
        (MASQUERADED, network.masquerade),
        (INTERNAL, network.internal),
        (ISOLATED, isolated),
        (STRICT, strict),
    ];
    sets.iter().filter(|(_, is_in)| *is_in).map(|(set, _)| of_bridge(set, network.bridge)).collect()
}

fn of_bridge(set: &'static str, bridge: &str) -> Element {
    let name = padded(bridge);
    let key = if set == HAIRPINS { name.repeat(2) } else { name.to_vec() };
    Element { set, key, data: Vec::new() }
}

fn padded(name: &str) -> [u8; NAME_LENGTH] {
    let mut bytes = [0; NAME_LENGTH];
    for (to, from) in bytes[..NAME_LENGTH - 1].iter_mut().zip(name.bytes()) {
        *to = from;
    }
    bytes
}

/// None where the two addresses are of different families.
pub(super) fn of_port(port: &Port) -> Option<Element> {
    let set = match (port.container_address, port.host_address) {
        (IpAddr::V4(_), None) => PORTS4,
        (IpAddr::V6(_), None) => PORTS6,
        (IpAddr::V4(_), Some(IpAddr::V4(_))) => HOST_PORTS4,
        (IpAddr::V6(_), Some(IpAddr::V6(_))) => HOST_PORTS6,
        _ => return None,
    };
    let mut key = vec![number(port.protocol), 0, 0, 0];
    key.extend(port.host_address.map(octets).unwrap_or_default());
    key.extend(word(port.host_port));
    let mut data = octets(port.container_address);
    data.extend(word(port.container_port));
    Some(Element { set, key, data })
}

/// The other way.
pub(super) fn to_port(element: &Element) -> Option<Port> {
    let (protocol, rest) = element.key.split_at_checked(4)?;
    let (host, host_port) = rest.split_at_checked(rest.len().checked_sub(4)?)?;
    let (container, container_port) = element.data.split_at_checked(element.data.len().checked_sub(4)?)?;
    Some(Port {
        protocol: protocol_of(protocol[0])?,
        host_address: if host.is_empty() { None } else { Some(read_ip(host)?) },
        host_port: u16::from_be_bytes([host_port[0], host_port[1]]),
        container_address: read_ip(container)?,
        container_port: u16::from_be_bytes([container_port[0], container_port[1]]),
    })
}

pub(super) fn to_bridge(element: &Element) -> String {
    read_text(&element.key)
}

/// A port in a word of its own, in network byte order.
fn word(port: u16) -> [u8; 4] {
    let [high, low] = port.to_be_bytes();
    [high, low, 0, 0]
}

fn number(protocol: Protocol) -> u8 {
    match protocol {
        Protocol::Tcp => 6,
        Protocol::Udp => 17,
        Protocol::Sctp => 132,
    }
}

fn protocol_of(number: u8) -> Option<Protocol> {
    Some(match number {
        6 => Protocol::Tcp,
        17 => Protocol::Udp,
        132 => Protocol::Sctp,
        _ => return None,
    })
}

/// Adds an element; one that is there with the same data is as good, with other data EBUSY.
pub(super) fn push_add(transaction: &mut Transaction, element: &Element, owner: &str) {
    transaction.push(("add an element to", element.set), NEW_ELEMENT, CREATE, |message| {
        write(message, element, owner);
    });
}

/// Deletes an element; ENOENT if it is not there, whatever its data.
pub(super) fn push_delete(transaction: &mut Transaction, element: &Element) {
    transaction.push(("delete an element of", element.set), DELETE_ELEMENT, 0, |message| {
        write(message, &Element { data: Vec::new(), ..element.clone() }, "");
    });
}

fn write(message: &mut Writer<'_>, element: &Element, owner: &str) {
    message.text(LIST_TABLE, TABLE);
    message.text(LIST_SET, element.set);
    message.nest(LIST_ELEMENTS, |elements| {
        elements.nest(ELEMENT, |inner| {
            inner.nest(KEY, |key| key.attribute(VALUE, &element.key));
            if !element.data.is_empty() {
                inner.nest(DATA, |data| data.attribute(VALUE, &element.data));
            }
            if !owner.is_empty() {
                inner.attribute(USERDATA, &super::table::comment(owner));
            }
        });
    });
}

/// The question for all elements of a set.
pub(super) fn write_list(message: &mut Writer<'_>, set: &str) {
    message.text(LIST_TABLE, TABLE);
    message.text(LIST_SET, set);
}

/// The elements in an answer, with their owners.
pub(super) fn read<'a>(set: &'static str, body: &'a [u8]) -> impl Iterator<Item = (Element, String)> + 'a {
    let elements = attribute(body, LIST_ELEMENTS).unwrap_or_default();
    attributes(elements).filter_map(move |(_, inner)| {
        let value = |kind| attribute(attribute(inner, kind)?, VALUE).map(<[u8]>::to_vec);
        let owner = attribute(inner, USERDATA).map(super::table::read_comment).unwrap_or_default();
        Some((Element { set, key: value(KEY)?, data: value(DATA).unwrap_or_default() }, owner))
    })
}

/// A bridge in each set that a network can be in.
pub(super) fn everywhere(bridge: &str) -> Vec<Element> {
    [BRIDGES, HAIRPINS, MASQUERADED, INTERNAL, ISOLATED, STRICT].map(|set| of_bridge(set, bridge)).into()
}
