//! `linux.netDevices`: interfaces of the runtime's network namespace become the container's, with their addresses.
//!
//! Runs in the runtime, while init waits. rtnetlink(7); runtime-spec, config-linux, "Network Devices".

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use ketch_sys::Errno;
use nix::fcntl::{OFlag, open};
use nix::sched::{CloneFlags, setns};
use nix::sys::stat::Mode;

use crate::netlink::link::{GET_LINK, IFNAME, NET_NS_FD, NEW_LINK, ask, header};
use crate::netlink::message::{Batch, CREATE, DUMP, EXCL, Received, attributes, read_u32};
use crate::netlink::{Error, Socket};
use crate::plan::net_device::NetDevice;
use crate::step::{At, StepError};

const NEW_ADDRESS: u16 = 20;
const GET_ADDRESS: u16 = 22;

// IFLA_*
/// Linux 5.13.
const NEW_IFINDEX: u16 = 49;

const UP: u32 = 1;

// IFA_*
const FLAGS: u16 = 8;
/// ADDRESS, LOCAL, BROADCAST, CACHEINFO, RT_PRIORITY and PROTO.
const KEPT: [u16; 6] = [1, 2, 4, 6, 9, 11];
const PERMANENT: u32 = 0x80;
/// HOMEADDRESS, MANAGETEMPADDR, NOPREFIXROUTE and MCAUTOJOIN: what its owner has set and not the kernel.
const KEPT_FLAGS: u32 = 0x710;
/// The address was the device's a moment ago on the same link: it need not be asked for again, and is usable at once.
const NODAD: u32 = 0x2;
const INET6: u8 = 10;

/// The devices that were moved, until it is certain that they stay. Keeps their new namespace alive.
#[derive(Debug)]
pub(super) struct Moved {
    home: OwnedFd,
    namespace: OwnedFd,
    outside: Socket,
    inside: Socket,
    devices: Vec<Device>,
}

#[derive(Debug)]
struct Device {
    name: String,
    /// Outside.
    index: u32,
    index_inside: u32,
    was_up: bool,
    addresses: Vec<Address>,
}

/// An address as the kernel gave it.
#[derive(Debug, PartialEq, Eq)]
struct Address {
    family: u8,
    prefix: u8,
    flags: u32,
    attributes: Vec<(u16, Vec<u8>)>,
}

#[derive(Debug, Clone, Copy)]
struct Link {
    index: u32,
    is_up: bool,
}

impl Moved {
    /// None yet. `namespace` is the container's; the process enters it for a moment.
    pub(super) fn none_to(namespace: BorrowedFd<'_>) -> Result<Moved, StepError> {
        const OWN: &str = "/proc/self/ns/net";
        let home = open(OWN, OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty()).at("open", OWN)?;
        let outside = Socket::open()?;
        setns(namespace, CloneFlags::CLONE_NEWNET).at("enter", "the container's network namespace")?;
        let inside = Socket::open();
        setns(&home, CloneFlags::CLONE_NEWNET).at("return to", "the runtime's network namespace")?;
        let namespace = namespace.try_clone_to_owned().at("duplicate", "a descriptor")?;
        Ok(Moved { home, namespace, outside, inside: inside?, devices: Vec::new() })
    }

    /// Moves the devices in, each under its new name, up, and with its permanent addresses of global scope. On error those
    /// moved so far are noted, for [`Moved::undo`].
    pub(super) fn take(&mut self, devices: &[NetDevice]) -> Result<(), StepError> {
        devices.iter().try_for_each(|device| self.take_one(device))
    }

    /// The same for those that are not in yet, by the names that they get there: a namespace that outlives the container has kept them.
    pub(super) fn take_missing(&mut self, devices: &[NetDevice]) -> Result<(), StepError> {
        devices.iter().try_for_each(|device| {
            let is_in = !device.is_pattern() && find(&self.inside, &device.new_name)?.is_some();
            if is_in { Ok(()) } else { self.take_one(device) }
        })
    }

    fn take_one(&mut self, device: &NetDevice) -> Result<(), StepError> {
        let NetDevice { name, new_name } = device;
        let step = "move the network device";
        let link = find(&self.outside, name)?.ok_or(Errno::ENODEV).at(step, name)?;
        if !device.is_pattern() && find(&self.inside, new_name)?.is_some() {
            let object = format!("{name} to {new_name}, which the container has already");
            return Err(Errno::EEXIST).at(step, &object);
        }
        let addresses = addresses(&self.outside, link.index)?;
        let index_inside = free_index(&self.inside, link.index)?;

        let sent =
            send_away(&self.outside, link.index, (name, new_name), index_inside, self.namespace.as_fd());
        // A name that is refused is refused after the move.
        if sent.is_ok() || find_index(&self.outside, link.index)?.is_none() {
            let was_up = link.is_up;
            self.devices.push(Device {
                name: name.clone(),
                index: link.index,
                index_inside,
                was_up,
                addresses,
            });
        }
        sent?;
        let moved = self.devices.last().expect("pushed above");
        Ok(configure(&self.inside, index_inside, new_name, &moved.addresses)?)
    }

    /// Moves them back, the last one first; what went wrong with that.
    pub(super) fn undo(self) -> Vec<String> {
        let mut problems = Vec::new();
        for device in self.devices.iter().rev() {
            let name = &device.name;
            let back =
                send_away(&self.inside, device.index_inside, (name, name), device.index, self.home.as_fd());
            let back = back.and_then(|()| match device.was_up {
                true => configure(&self.outside, device.index, name, &device.addresses),
                false => add_addresses(&self.outside, device.index, name, &device.addresses),
            });
            problems.extend(back.err().map(|error| error.to_string()));
        }
        problems
    }
}

/// The interface `name` of the namespace.
fn find(socket: &Socket, name: &str) -> Result<Option<Link>, Error> {
    look_for(socket, name, |message| message.text(IFNAME, name), 0)
}

fn find_index(socket: &Socket, index: u32) -> Result<Option<Link>, Error> {
    look_for(socket, &format!("number {index}"), |_| (), index)
}

fn look_for(
    socket: &Socket,
    what: &str,
    name: impl FnOnce(&mut crate::netlink::message::Writer<'_>),
    index: u32,
) -> Result<Option<Link>, Error> {
    let mut batch = Batch::default();
    batch.push(("find the network device", what), GET_LINK, 0, |message| {
        ask(message, index);
        name(message);
    });
    batch.tolerate(Errno::ENODEV);
    batch.acknowledge();
    let mut found = None;
    socket.query(&batch, |reply| found = found.or_else(|| read_link(reply)))?;
    Ok(found)
}

fn read_link(reply: Received<'_>) -> Option<Link> {
    if reply.kind != NEW_LINK {
        return None;
    }
    Some(Link { index: read_u32(reply.body, 4)?, is_up: read_u32(reply.body, 8)? & UP != 0 })
}

/// `wanted`, or if that is in use there, the one after the last. Chosen here, so that the device is known whatever name
/// the kernel finds for it.
fn free_index(socket: &Socket, wanted: u32) -> Result<u32, Error> {
    let mut batch = Batch::default();
    batch.push(("list", "the container's network devices"), GET_LINK, DUMP, |message| {
        ask(message, 0);
    });
    batch.acknowledge();
    let mut used = Vec::new();
    socket.query(&batch, |reply| used.extend(read_link(reply).map(|link| link.index)))?;
    let next = used.iter().max().map_or(1, |last| last + 1);
    Ok(if used.contains(&wanted) { next } else { wanted })
}

/// The device's addresses that the specification has kept: permanent, and of global scope.
fn addresses(socket: &Socket, index: u32) -> Result<Vec<Address>, Error> {
    let mut batch = Batch::default();
    batch.push(("list", "the addresses"), GET_ADDRESS, DUMP, |message| message.raw(&[0; 8]));
    batch.acknowledge();
    let mut found = Vec::new();
    socket.query(&batch, |reply| {
        if reply.kind == NEW_ADDRESS && read_u32(reply.body, 4) == Some(index) {
            found.extend(read_address(reply.body));
        }
    })?;
    Ok(found)
}

/// ifaddrmsg: family, prefix length, the lower flags, scope, index; then attributes.
fn read_address(body: &[u8]) -> Option<Address> {
    let &[family, prefix, low_flags, scope] = body.first_chunk()?;
    let all = attributes(body.get(8..)?);
    let mut flags = u32::from(low_flags);
    let mut kept = Vec::new();
    for (kind, value) in all {
        match kind {
            FLAGS => flags = read_u32(value, 0)?,
            _ if KEPT.contains(&kind) => kept.push((kind, value.to_vec())),
            _ => {}
        }
    }
    if scope != 0 || flags & PERMANENT == 0 {
        return None;
    }
    let nodad = if family == INET6 { NODAD } else { 0 };
    Some(Address { family, prefix, flags: flags & KEPT_FLAGS | nodad, attributes: kept })
}

/// Moves the device `index` to `namespace`, where it gets a new index, and a name.
fn send_away(
    socket: &Socket,
    index: u32,
    (name, new_name): (&str, &str),
    new_index: u32,
    namespace: BorrowedFd<'_>,
) -> Result<(), Error> {
    let mut batch = Batch::default();
    let what = if name == new_name { name.to_owned() } else { format!("{name} to {new_name}") };
    batch.push(("move the network device", &what), NEW_LINK, 0, |message| {
        message.raw(&header(index, 0));
        message.number(NET_NS_FD, namespace.as_raw_fd().cast_unsigned());
        message.number(NEW_IFINDEX, new_index);
        message.text(IFNAME, new_name);
    });
    batch.acknowledge();
    socket.send(&batch)
}

/// Brings the device up, and gives it the addresses that the move took from it.
fn configure(socket: &Socket, index: u32, name: &str, addresses: &[Address]) -> Result<(), Error> {
    let mut batch = Batch::default();
    batch.push(("bring up the network device", name), NEW_LINK, 0, |message| message.raw(&header(index, UP)));
    batch.acknowledge();
    socket.send(&batch)?;
    add_addresses(socket, index, name, addresses)
}

fn add_addresses(socket: &Socket, index: u32, name: &str, addresses: &[Address]) -> Result<(), Error> {
    if addresses.is_empty() {
        return Ok(());
    }
    let mut batch = Batch::default();
    for address in addresses {
        batch.push(
            ("give its addresses to the network device", name),
            NEW_ADDRESS,
            CREATE | EXCL,
            |message| {
                let [a, b, c, d] = index.to_ne_bytes();
                message.raw(&[address.family, address.prefix, 0, 0, a, b, c, d]);
                for (kind, value) in &address.attributes {
                    message.attribute(*kind, value);
                }
                message.number(FLAGS, address.flags);
            },
        );
    }
    batch.acknowledge();
    socket.send(&batch)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(scope: u8, flags: u32, family: u8) -> Vec<u8> {
        let mut body = vec![family, 24, 0, scope, 7, 0, 0, 0];
        for (kind, value) in [(2u16, [10u8, 0, 0, 1]), (3, *b"eth0"), (FLAGS, flags.to_ne_bytes())] {
            body.extend(8u16.to_ne_bytes());
            body.extend(kind.to_ne_bytes());
            body.extend(value);
        }
        body
    }

    #[test]
    fn kept_addresses() {
        for (scope, flags, family, kept) in [
            (0, PERMANENT, 2, Some(0)),
            // A secondary one with no route of its own.
            (0, PERMANENT | 0x201, 2, Some(0x200)),
            (0, PERMANENT | 0x40, INET6, Some(NODAD)),
            // From a router, with a lifetime.
            (0, 0, INET6, None),
            (253, PERMANENT, INET6, None),
        ] {
            let address = read_address(&message(scope, flags, family));
            assert_eq!(address.as_ref().map(|a| a.flags), kept, "{scope} {flags:#x} {family}");
            // The label starts with the old name.
            assert!(address.is_none_or(|a| a.attributes == [(2, vec![10, 0, 0, 1])]));
        }
    }
}
