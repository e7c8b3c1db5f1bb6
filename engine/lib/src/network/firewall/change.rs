//! Changes of the table, each one transaction.

use ketch_sys::Errno;

use crate::network::netlink;
use crate::network::netlink::socket::Failure;

use super::element::{self, Element, push_add, push_delete};
use super::list::{Contents, list};
use super::table::{self, Found};
use super::transaction::{Firewall, Transaction};
use super::{Error, Network, Port};

/// Adds networks and published ports, `owner` (a container's id, at most 120 bytes) being noted with the ports. Makes the table if it is missing. What is there already is as good. On error nothing
/// is added.
///
/// Meant for each start of a container, with its networks: a table that was flushed comes back.
pub fn add(firewall: &Firewall, networks: &[Network<'_>], ports: &[Port], owner: &str) -> Result<(), Error> {
    let mut elements: Vec<Element> = networks.iter().flat_map(element::of_network).collect();
    for port in ports {
        elements.push(element::of_port(port).ok_or_else(|| Error::Families(port.clone()))?);
    }
    // As if the table were there, which it nearly always is: it costs no question.
    let transaction = with(Transaction::begin(None), &elements, owner);
    let messages = transaction.len();
    let failed = transaction.commit(firewall)?;
    if failed.is_empty() {
        return Ok(());
    }
    if !failed.iter().any(|failure| failure.errno == Errno::ENOENT) {
        return Err(error_of(failed, messages, ports));
    }
    loop {
        let (found, generation) = table::find(firewall)?;
        let mut transaction = Transaction::begin(Some(generation));
        if found != Found::Current {
            table::make(&mut transaction, found);
        }
        let transaction = with(transaction, &elements, owner);
        let messages = transaction.len();
        let failed = transaction.commit(firewall)?;
        if failed.is_empty() {
            return Ok(());
        }
        // Somebody else has changed rules since we looked; perhaps the table is there now.
        if failed.iter().all(|failure| failure.errno != Errno::ERESTART) {
            return Err(error_of(failed, messages, ports));
        }
    }
}

/// Removes published ports; those that are not there, or lead elsewhere by now, are as good.
pub fn remove_ports(firewall: &Firewall, ports: &[Port]) -> Result<(), Error> {
    remove(firewall, ports.iter().filter_map(element::of_port).collect())
}

/// Removes a network. Its bridge need not be there.
pub fn remove_network(firewall: &Firewall, bridge: &str) -> Result<(), Error> {
    remove(firewall, element::everywhere(bridge))
}

/// Removes the table if no network and no port is in it, of any engine; whether it is gone.
pub fn remove_if_empty(firewall: &Firewall) -> Result<bool, Error> {
    loop {
        let (found, generation) = table::find(firewall)?;
        if found == Found::Missing {
            return Ok(true);
        }
        if list(firewall)? != Contents::default() {
            return Ok(false);
        }
        let mut transaction = Transaction::begin(Some(generation));
        table::delete(&mut transaction);
        let failed = transaction.commit(firewall)?;
        // ERESTART: rules have changed since; perhaps it is not empty any more.
        match failed.into_iter().next() {
            None => return Ok(true),
            Some(failure) if failure.errno == Errno::ERESTART => {}
            Some(failure) => return Err(netlink::Error::from(failure).into()),
        }
    }
}

/// An element is added before it is deleted, in the same transaction: the kernel deletes by key alone, but refuses to add
/// a key that is there with other data. So what somebody else has put in the place stays.
fn remove(firewall: &Firewall, mut elements: Vec<Element>) -> Result<(), Error> {
    while !elements.is_empty() {
        let mut transaction = Transaction::begin(None);
        for element in &elements {
            push_add(&mut transaction, element, "");
            push_delete(&mut transaction, element);
        }
        let failed = transaction.commit(firewall)?;
        let Some(first) = failed.first() else { return Ok(()) };
        let is_other =
            |failure: &Failure| matches!(failure.errno, Errno::EBUSY | Errno::EEXIST | Errno::ENOENT);
        if !failed.iter().any(is_other) {
            return Err(netlink::Error::from(first.clone()).into());
        }
        // Two messages each, after the begin.
        let mut others = vec![false; elements.len()];
        for failure in failed.iter().filter(|failure| is_other(failure)) {
            if let Some(other) = failure.place.checked_sub(1).and_then(|place| others.get_mut(place / 2)) {
                *other = true;
            }
        }
        if !others.contains(&true) {
            return Err(netlink::Error::from(first.clone()).into());
        }
        let mut others = others.into_iter();
        elements.retain(|_| !others.next().unwrap_or_default());
    }
    Ok(())
}

fn with(mut transaction: Transaction, elements: &[Element], owner: &str) -> Transaction {
    for element in elements {
        push_add(&mut transaction, element, if element.is_port() { owner } else { "" });
    }
    transaction
}

/// The ports are the last of the elements, and the elements the last messages of `messages`.
fn error_of(failed: Vec<Failure>, messages: usize, ports: &[Port]) -> Error {
    let taken = failed.iter().filter(|failure| matches!(failure.errno, Errno::EBUSY | Errno::EEXIST));
    for failure in taken {
        let port = (failure.place + ports.len()).checked_sub(messages).and_then(|place| ports.get(place));
        if let Some(port) = port {
            return Error::PortTaken(port.clone());
        }
    }
    match failed.into_iter().next() {
        Some(failure) => netlink::Error::from(failure).into(),
        None => unreachable!("nothing failed"),
    }
}
