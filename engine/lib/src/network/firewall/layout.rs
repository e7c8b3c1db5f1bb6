//! The table: its sets, chains and rules, the same on every host.

use super::expression::Expression::{self, *};
use super::expression::{Header, Meta, Register, Verdict as To};

pub(super) const TABLE: &str = "ketch";

/// Changes with every change of what is below. A table of another one is replaced; what was published through it by
/// running containers is published again by `network reload`.
pub(super) const VERSION: &str = "ketch 1";

/// nft(8)'s numbers of what a key holds; 6 bits each where several are joined.
const IPV4: u32 = 7;
const IPV6: u32 = 8;
const PROTOCOL: u32 = 12;
const SERVICE: u32 = 13;
pub(super) const INTERFACE: u32 = 41;

/// A set, or with `data` a map: types and length in bytes.
#[derive(Debug)]
pub(super) struct Set {
    pub(super) name: &'static str,
    pub(super) key: (&'static [u32], u32),
    pub(super) data: Option<(&'static [u32], u32)>,
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
pub(super) struct Chain {
    pub(super) name: &'static str,
    pub(super) hook: Option<(&'static str, u32, i32)>,
    pub(super) rules: &'static [&'static [Expression<'static>]],
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

const LOOPBACK6: &[u8] = &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];

const RTN_LOCAL: &[u8] = &2u32.to_ne_bytes();

/// IPS_DST_NAT
const HAS_NEW_DESTINATION: [Expression<'_>; 3] =
    [ConnectionStatus(R0), Mask(R0, &0x20u32.to_ne_bytes()), NotEqual(R0, &[0; 4])];

const DROP: Expression<'_> = Verdict(To::Drop);
const ACCEPT: Expression<'_> = Verdict(To::Accept);

/// fib daddr type local, jump to the ports.
const IF_LOCAL_TO_PORTS: &[Expression<'_>] =
    &[DestinationType(R0), Equal(R0, RTN_LOCAL), Verdict(To::Jump("ports"))];

pub(super) const CHAINS: [Chain; 6] = [
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
    // The kernel leads nothing from ::1 to another interface; who holds the port forwards that.
    Chain {
        name: "output",
        hook: Some(("nat", OUTPUT, -100)),
        rules: &[
            &[IS_IPV6[0], IS_IPV6[1], destination(24, 16, R0), Equal(R0, LOOPBACK6), ACCEPT],
            IF_LOCAL_TO_PORTS,
        ],
    },
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
