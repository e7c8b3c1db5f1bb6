//! The table: its sets, chains and rules, the same on every host.

use crate::network::netlink::Error;
use crate::network::netlink::message::{APPEND, Batch, CREATE, EXCL, attribute, read_text};

use super::expression::Expression::{self, *};
use super::expression::{Header, Meta, Register, Verdict as To};
use super::transaction::{Firewall, Transaction, answer, push};

pub(super) const TABLE: &str = "ketch";

/// Changes with every change of what is below. A table of another one is replaced; what was published through it by
/// running containers is published again by `network reload`.
const VERSION: &str = "ketch 1";

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

/// nft(8)'s numbers of what a key holds; 6 bits each where several are joined.
const IPV4: u32 = 7;
const IPV6: u32 = 8;
const PROTOCOL: u32 = 12;
const SERVICE: u32 = 13;
const INTERFACE: u32 = 41;

/// A set, or with `data` a map: types and length in bytes.
#[derive(Debug)]
pub(super) struct Set {
    pub(super) name: &'static str,
    key: (&'static [u32], u32),
    data: Option<(&'static [u32], u32)>,
}

/// Length of an interface's name in a key: NUL-padded.
pub(super) const NAME_LENGTH: usize = 16;

/// The bridges of all networks.
pub(super) const BRIDGES: &str = "bridges";
/// Each bridge joined with itself: what comes from it and goes to it. (No expression compares two registers.)
pub(super) const HAIRPINS: &str = "hairpins";
pub(super) const MASQUERADED: &str = "masqueraded";
pub(super) const INTERNAL: &str = "internal";
pub(super) const ISOLATED: &str = "isolated";
pub(super) const STRICT: &str = "strict";
/// Published ports: of any address of the host, and of one.
pub(super) const PORTS4: &str = "ports4";
pub(super) const PORTS6: &str = "ports6";
pub(super) const HOST_PORTS4: &str = "hostports4";
pub(super) const HOST_PORTS6: &str = "hostports6";

const fn bridges(name: &'static str) -> Set {
    Set { name, key: (&[INTERFACE], 16), data: None }
}

pub(super) const SETS: [Set; 10] = [
    bridges(BRIDGES),
    Set { name: HAIRPINS, key: (&[INTERFACE, INTERFACE], 32), data: None },
    bridges(MASQUERADED),
    bridges(INTERNAL),
    bridges(ISOLATED),
    bridges(STRICT),
    Set { name: PORTS4, key: (&[PROTOCOL, SERVICE], 8), data: Some((&[IPV4, SERVICE], 8)) },
    Set { name: PORTS6, key: (&[PROTOCOL, SERVICE], 8), data: Some((&[IPV6, SERVICE], 20)) },
    Set { name: HOST_PORTS4, key: (&[PROTOCOL, IPV4, SERVICE], 12), data: Some((&[IPV4, SERVICE], 8)) },
    Set { name: HOST_PORTS6, key: (&[PROTOCOL, IPV6, SERVICE], 24), data: Some((&[IPV6, SERVICE], 20)) },
];

/// A chain; one with a hook (kind, NF_INET_* number, priority) is begun by the kernel.
#[derive(Debug)]
struct Chain {
    name: &'static str,
    hook: Option<(&'static str, u32, i32)>,
    rules: &'static [&'static [Expression<'static>]],
}

const PREROUTING: u32 = 0;
const FORWARD: u32 = 2;
const OUTPUT: u32 = 3;
const POSTROUTING: u32 = 4;

const R0: Register = Register(0);
const R4: Register = Register(4);
const NFPROTO_IPV4: u8 = 2;
const NFPROTO_IPV6: u8 = 10;

const IS_IPV4: [Expression<'_>; 2] = [Meta(Meta::Family, R0), Equal(R0, &[NFPROTO_IPV4])];
const IS_IPV6: [Expression<'_>; 2] = [Meta(Meta::Family, R0), Equal(R0, &[NFPROTO_IPV6])];
const SOURCE4: Expression<'_> = Payload { header: Header::Network, offset: 12, length: 4, to: R0 };
const DESTINATION4: Expression<'_> = Payload { header: Header::Network, offset: 16, length: 4, to: R0 };

const fn destination(offset: u32, length: u32, to: Register) -> Expression<'static> {
    Payload { header: Header::Network, offset, length, to }
}

const fn port(to: Register) -> Expression<'static> {
    Payload { header: Header::Transport, offset: 2, length: 2, to }
}

const INPUT_NAME: Expression<'_> = Meta(Meta::InputName, R0);
const OUTPUT_NAME: Expression<'_> = Meta(Meta::OutputName, R0);
const OUTPUT_NAME_TOO: Expression<'_> = Meta(Meta::OutputName, R4);
const IS_HAIRPIN: [Expression<'_>; 3] = [INPUT_NAME, OUTPUT_NAME_TOO, IsIn(HAIRPINS, R0)];

const RTN_LOCAL: &[u8] = &2u32.to_ne_bytes();

/// IPS_DST_NAT
const HAS_NEW_DESTINATION: [Expression<'_>; 3] =
    [ConnectionStatus(R0), Mask(R0, &0x20u32.to_ne_bytes()), NotEqual(R0, &[0; 4])];

const DROP: Expression<'_> = Verdict(To::Drop);
const ACCEPT: Expression<'_> = Verdict(To::Accept);

/// fib daddr type local, jump to the ports.
const IF_LOCAL_TO_PORTS: &[Expression<'_>] =
    &[DestinationType(R0), Equal(R0, RTN_LOCAL), Verdict(To::Jump("ports"))];

const CHAINS: [Chain; 6] = [
    // The bridges route 127/8, for ports published there: nothing that comes from a bridge may say that it goes there.
    Chain {
        name: "spoofed",
        hook: Some(("filter", PREROUTING, -300)),
        rules: &[&[
            INPUT_NAME,
            IsIn(BRIDGES, R0),
            IS_IPV4[0],
            IS_IPV4[1],
            DESTINATION4,
            Mask(R0, &[255, 0, 0, 0]),
            Equal(R0, &[127, 0, 0, 0]),
            DROP,
        ]],
    },
    Chain {
        name: "ports",
        hook: None,
        rules: &[
            &[
                IS_IPV4[0],
                IS_IPV4[1],
                Meta(Meta::Protocol, R0),
                destination(16, 4, Register(1)),
                port(Register(2)),
                Map { map: HOST_PORTS4, key: R0, to: R0 },
                Destination { family: NFPROTO_IPV4, address: R0, port: Register(1) },
            ],
            &[
                IS_IPV4[0],
                IS_IPV4[1],
                Meta(Meta::Protocol, R0),
                port(Register(1)),
                Map { map: PORTS4, key: R0, to: R0 },
                Destination { family: NFPROTO_IPV4, address: R0, port: Register(1) },
            ],
            &[
                IS_IPV6[0],
                IS_IPV6[1],
                Meta(Meta::Protocol, R0),
                destination(24, 16, Register(1)),
                port(Register(5)),
                Map { map: HOST_PORTS6, key: R0, to: R0 },
                Destination { family: NFPROTO_IPV6, address: R0, port: Register(4) },
            ],
            &[
                IS_IPV6[0],
                IS_IPV6[1],
                Meta(Meta::Protocol, R0),
                port(Register(1)),
                Map { map: PORTS6, key: R0, to: R0 },
                Destination { family: NFPROTO_IPV6, address: R0, port: Register(4) },
            ],
        ],
    },
    Chain { name: "prerouting", hook: Some(("nat", PREROUTING, -100)), rules: &[IF_LOCAL_TO_PORTS] },
    Chain { name: "output", hook: Some(("nat", OUTPUT, -100)), rules: &[IF_LOCAL_TO_PORTS] },
    Chain {
        name: "forward",
        hook: Some(("filter", FORWARD, 0)),
        rules: &[
            &[IS_HAIRPIN[0], IS_HAIRPIN[1], IS_HAIRPIN[2], ACCEPT],
            &[INPUT_NAME, IsIn(INTERNAL, R0), DROP],
            &[OUTPUT_NAME, IsIn(INTERNAL, R0), DROP],
            &[INPUT_NAME, IsIn(ISOLATED, R0), OUTPUT_NAME, IsIn(ISOLATED, R0), DROP],
            &[INPUT_NAME, IsIn(STRICT, R0), OUTPUT_NAME, IsIn(BRIDGES, R0), DROP],
            &[INPUT_NAME, IsIn(BRIDGES, R0), OUTPUT_NAME, IsIn(STRICT, R0), DROP],
        ],
    },
    Chain {
        name: "postrouting",
        hook: Some(("nat", POSTROUTING, 100)),
        rules: &[
            // From 127.0.0.1 to a published port.
            &[
                OUTPUT_NAME,
                IsIn(BRIDGES, R0),
                IS_IPV4[0],
                IS_IPV4[1],
                SOURCE4,
                Mask(R0, &[255, 0, 0, 0]),
                Equal(R0, &[127, 0, 0, 0]),
                Masquerade,
            ],
            // A container that reaches itself or a neighbour by a published port: the answer must come back here.
            &[
                IS_HAIRPIN[0],
                IS_HAIRPIN[1],
                IS_HAIRPIN[2],
                HAS_NEW_DESTINATION[0],
                HAS_NEW_DESTINATION[1],
                HAS_NEW_DESTINATION[2],
                Masquerade,
            ],
            // The same where br_netfilter is on: such a packet is bridged, has come from nowhere by now, and is not the
            // host's own.
            &[
                OUTPUT_NAME,
                IsIn(BRIDGES, R0),
                Meta(Meta::InputIndex, R0),
                Equal(R0, &[0; 4]),
                SourceType(R0),
                NotEqual(R0, RTN_LOCAL),
                HAS_NEW_DESTINATION[0],
                HAS_NEW_DESTINATION[1],
                HAS_NEW_DESTINATION[2],
                Masquerade,
            ],
            &[IS_HAIRPIN[0], IS_HAIRPIN[1], IS_HAIRPIN[2], ACCEPT],
            // Multicast keeps its source.
            &[
                INPUT_NAME,
                IsIn(MASQUERADED, R0),
                IS_IPV4[0],
                IS_IPV4[1],
                DESTINATION4,
                Mask(R0, &[0xf0, 0, 0, 0]),
                NotEqual(R0, &[0xe0, 0, 0, 0]),
                Masquerade,
            ],
            &[
                INPUT_NAME,
                IsIn(MASQUERADED, R0),
                IS_IPV6[0],
                IS_IPV6[1],
                destination(24, 1, R0),
                NotEqual(R0, &[0xff]),
                Masquerade,
            ],
        ],
    },
];

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
