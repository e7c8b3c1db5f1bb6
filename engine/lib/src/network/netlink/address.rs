//! Addresses: RTM_NEWADDR, RTM_GETADDR.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ketch_sys::Errno;

use super::error::Error;
use super::link::{INET, INET6};
use super::message::{Batch, CREATE, DUMP, EXCL, attributes, read_u32};
use super::socket::Socket;

const NEW_ADDRESS: u16 = 20;
const GET_ADDRESS: u16 = 22;

const ADDRESS: u16 = 1;
const LOCAL: u16 = 2;
const BROADCAST: u16 = 4;
const FLAGS: u16 = 8;
/// IFA_F_NODAD: usable at once, without a second of asking around. The addresses are ours to give.
const NO_DAD: u32 = 2;
const SCOPE_LINK: u8 = 253;

/// An address of an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address {
    pub index: u32,
    pub address: IpAddr,
    pub prefix: u8,
}

/// All addresses of the namespace, loopback's and link-local ones too.
pub fn addresses(socket: &Socket) -> Result<Vec<Address>, Error> {
    let mut batch = Batch::default();
    batch.push(("list", "the addresses"), GET_ADDRESS, DUMP, |message| message.raw(&[0; 8]));
    batch.acknowledge();
    let mut found = Vec::new();
    socket.query(&batch, |reply| {
        if reply.kind == NEW_ADDRESS {
            found.extend(parse(reply.body));
        }
    })?;
    Ok(found)
}

fn parse(body: &[u8]) -> Option<Address> {
    let mut found = None;
    for (kind, value) in attributes(body.get(8..)?) {
        // Of a point-to-point interface, ADDRESS is the other end.
        if kind == LOCAL || (kind == ADDRESS && found.is_none()) {
            found = read_ip(value);
        }
    }
    Some(Address { index: read_u32(body, 4)?, address: found?, prefix: *body.get(1)? })
}

/// Gives an interface an address; one that it has is as good.
pub(super) fn push_address(batch: &mut Batch, index: u32, address: IpAddr, prefix: u8) {
    let (family, scope) = match address {
        IpAddr::V4(_) => (INET, 0),
        IpAddr::V6(v6) if v6.is_unicast_link_local() => (INET6, SCOPE_LINK),
        IpAddr::V6(_) => (INET6, 0),
    };
    let what = format!("{address}/{prefix}");
    batch.push(("add address", &what), NEW_ADDRESS, CREATE | EXCL, |message| {
        let [a, b, c, d] = index.to_ne_bytes();
        message.raw(&[family as u8, prefix, 0, scope, a, b, c, d]);
        message.attribute(LOCAL, &octets(address));
        message.attribute(ADDRESS, &octets(address));
        match address {
            IpAddr::V4(v4) if prefix < 31 => {
                let broadcast = u32::from(v4) | (u32::MAX.checked_shr(prefix.into()).unwrap_or(0));
                message.attribute(BROADCAST, &broadcast.to_be_bytes());
            }
            IpAddr::V4(_) => {}
            IpAddr::V6(_) => message.number(FLAGS, NO_DAD),
        }
    });
    batch.tolerate(Errno::EEXIST);
}

/// An address as it stands in messages.
pub(crate) fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

pub(crate) fn read_ip(value: &[u8]) -> Option<IpAddr> {
    if let Ok(octets) = <[u8; 4]>::try_from(value) {
        return Some(Ipv4Addr::from(octets).into());
    }
    Some(Ipv6Addr::from(<[u8; 16]>::try_from(value).ok()?).into())
}
