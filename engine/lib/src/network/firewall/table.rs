//! The table in the kernel: how it is found, and made as [`super::layout`] has it.

use crate::network::netlink::Error;
use crate::network::netlink::message::{APPEND, Batch, CREATE, EXCL, attribute, read_text};

use super::expression::Expression;
use super::layout::{CHAINS, Chain, INTERFACE, SETS, Set, TABLE, VERSION};
use super::transaction::{Firewall, Transaction, answer, push};

const NEW_TABLE: u16 = 0;
const GET_TABLE: u16 = 1;
const DELETE_TABLE: u16 = 2;
const NEW_CHAIN: u16 = 3;
const NEW_RULE: u16 = 6;
const NEW_SET: u16 = 9;
const NEW_GENERATION: u16 = 15;
const GET_GENERATION: u16 = 16;

/// NFTA_TABLE_NAME and _USERDATA.
const NAME: u16 = 1;
const USERDATA: u16 = 6;

/// The table's state, and the generation of the kernel's rules at which it was that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    Missing,
    Current,
    /// Of another version of ketch.
    Other,
}

pub(super) fn find(firewall: &Firewall) -> Result<(Found, u32), Error> {
    let mut batch = Batch::default();
    push(&mut batch, ("ask for", "the firewall's generation"), GET_GENERATION, 0, |_| ());
    push(&mut batch, ("find table", TABLE), GET_TABLE, 0, |message| message.text(NAME, TABLE));
    batch.tolerate(ketch_sys::Errno::ENOENT);
    batch.acknowledge();
    let mut generation = 0;
    let mut found = Found::Missing;
    firewall.query(&batch, |reply| {
        if let Some(body) = answer(reply, NEW_GENERATION) {
            let number = attribute(body, 1).and_then(|value| value.try_into().ok());
            generation = number.map_or(0, u32::from_be_bytes);
        } else if let Some(body) = answer(reply, NEW_TABLE) {
            let version = attribute(body, USERDATA).map(read_comment);
            found = if version.as_deref() == Some(VERSION) { Found::Current } else { Found::Other };
        }
    })?;
    Ok((found, generation))
}

/// A comment in the user data of a table or an element, as nft(8) keeps and shows it: type 0, length, text with NUL.
pub(super) fn comment(text: &str) -> Vec<u8> {
    let mut bytes = vec![0, (text.len() + 1) as u8];
    bytes.extend_from_slice(text.as_bytes());
    bytes.push(0);
    bytes
}

pub(super) fn read_comment(userdata: &[u8]) -> String {
    read_text(userdata.get(2..).unwrap_or_default())
}

/// Makes the table with all that is in it, in place of one of another version.
pub(super) fn make(transaction: &mut Transaction, found: Found) {
    if found == Found::Other {
        delete(transaction);
    }
    make_empty(transaction, VERSION);
    for (number, set) in SETS.iter().enumerate() {
        make_set(transaction, number as u32 + 1, set);
    }
    for chain in &CHAINS {
        make_chain(transaction, chain);
    }
    for chain in &CHAINS {
        for rule in chain.rules {
            make_rule(transaction, chain.name, rule);
        }
    }
}

pub(super) fn make_empty(transaction: &mut Transaction, version: &str) {
    transaction.push(("make table", TABLE), NEW_TABLE, CREATE | EXCL, |message| {
        message.text(NAME, TABLE);
        message.attribute(USERDATA, &comment(version));
    });
}

pub(super) fn delete(transaction: &mut Transaction) {
    transaction.push(("delete table", TABLE), DELETE_TABLE, 0, |message| message.text(NAME, TABLE));
}

fn make_set(transaction: &mut Transaction, id: u32, set: &Set) {
    /// NFT_SET_MAP
    const MAP: u32 = 8;
    let joined = |types: &[u32]| types.iter().fold(0, |joined, kind| joined << 6 | kind);
    transaction.push(("make set", set.name), NEW_SET, CREATE, |message| {
        message.text(1, TABLE);
        message.text(2, set.name);
        message.big(3, if set.data.is_some() { MAP } else { 0 });
        message.big(4, joined(set.key.0));
        message.big(5, set.key.1);
        if let Some((types, length)) = set.data {
            message.big(6, joined(types));
            message.big(7, length);
        }
        message.big(10, id);
        // Tells nft(8) to show a name as one: user data of type 0, 4 bytes, the machine's byte order.
        if set.key.0 == [INTERFACE] {
            let [a, b, c, d] = 1u32.to_ne_bytes();
            message.attribute(13, &[0, 4, a, b, c, d]);
        }
    });
}

fn make_chain(transaction: &mut Transaction, chain: &Chain) {
    transaction.push(("make chain", chain.name), NEW_CHAIN, CREATE, |message| {
        message.text(1, TABLE);
        message.text(3, chain.name);
        if let Some((kind, number, priority)) = chain.hook {
            message.nest(4, |hook| {
                hook.big(1, number);
                hook.big(2, priority as u32);
            });
            message.text(7, kind);
        }
    });
}

fn make_rule(transaction: &mut Transaction, chain: &str, rule: &[Expression<'_>]) {
    transaction.push(("make a rule of", chain), NEW_RULE, CREATE | APPEND, |message| {
        message.text(1, TABLE);
        message.text(2, chain);
        message.nest(4, |expressions| rule.iter().for_each(|expression| expression.write(expressions)));
    });
}
