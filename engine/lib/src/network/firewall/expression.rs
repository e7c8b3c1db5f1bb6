//! What rules are made of: loads into registers, comparisons, look-ups, verdicts.
//!
//! Registers are counted in words of 4 bytes; a value takes as many as it needs, from its register on.

use crate::network::netlink::message::Writer;

const ELEMENT: u16 = 1;
const NAME: u16 = 1;
const DATA: u16 = 2;
/// NFTA_DATA_VALUE, NFTA_DATA_VERDICT and what is in a verdict.
const VALUE: u16 = 1;
const VERDICT: u16 = 2;
const CODE: u16 = 1;
const CHAIN: u16 = 2;

/// A register by its number among the words.
#[derive(Debug, Clone, Copy)]
pub(super) struct Register(pub(super) u32);

impl Register {
    /// NFT_REG32_00 is 8.
    fn number(self) -> u32 {
        8 + self.0
    }
}

/// NFT_META_*
#[derive(Debug, Clone, Copy)]
pub(super) enum Meta {
    InputIndex = 4,
    InputName = 6,
    OutputName = 7,
    Family = 15,
    Protocol = 16,
}

/// Where a payload's offset counts from: NFT_PAYLOAD_*_HEADER.
#[derive(Debug, Clone, Copy)]
pub(super) enum Header {
    Network = 1,
    Transport = 2,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Verdict<'a> {
    Drop,
    Accept,
    Jump(&'a str),
}

/// One step of a rule. A step that does not match ends it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Expression<'a> {
    Meta(Meta, Register),
    Payload {
        header: Header,
        offset: u32,
        length: u32,
        to: Register,
    },
    /// What the destination is to this host: RTN_LOCAL and so on.
    DestinationType(Register),
    SourceType(Register),
    /// The bits of IPS_*.
    ConnectionStatus(Register),
    /// Leaves the masked bits of a register of at most 4 bytes.
    Mask(Register, &'a [u8]),
    Equal(Register, &'a [u8]),
    NotEqual(Register, &'a [u8]),
    /// Whether a set has the value that begins there.
    IsIn(&'a str, Register),
    /// The value that a map has for it.
    Map {
        map: &'a str,
        key: Register,
        to: Register,
    },
    /// NFPROTO_IPV4 or _IPV6, registers of the address and the port.
    Destination {
        family: u8,
        address: Register,
        port: Register,
    },
    Masquerade,
    Verdict(Verdict<'a>),
}

impl Expression<'_> {
    pub(super) fn write(self, rule: &mut Writer<'_>) {
        match self {
            Expression::Meta(key, to) => element(rule, "meta", |data| {
                data.big(1, to.number());
                data.big(2, key as u32);
            }),
            Expression::Payload { header, offset, length, to } => element(rule, "payload", |data| {
                data.big(1, to.number());
                data.big(2, header as u32);
                data.big(3, offset);
                data.big(4, length);
            }),
            Expression::SourceType(to) => address_type(rule, 1, to),
            Expression::DestinationType(to) => address_type(rule, 2, to),
            Expression::ConnectionStatus(to) => element(rule, "ct", |data| {
                const STATUS: u32 = 2;
                data.big(1, to.number());
                data.big(2, STATUS);
            }),
            Expression::Mask(register, mask) => element(rule, "bitwise", |data| {
                data.big(1, register.number());
                data.big(2, register.number());
                data.big(3, mask.len() as u32);
                data.nest(4, |value| value.attribute(VALUE, mask));
                data.nest(5, |value| value.attribute(VALUE, &[0; 4][..mask.len()]));
            }),
            Expression::Equal(register, value) => compare(rule, register, 0, value),
            Expression::NotEqual(register, value) => compare(rule, register, 1, value),
            Expression::IsIn(set, key) => element(rule, "lookup", |data| {
                data.text(1, set);
                data.big(2, key.number());
            }),
            Expression::Map { map, key, to } => element(rule, "lookup", |data| {
                data.text(1, map);
                data.big(2, key.number());
                data.big(3, to.number());
            }),
            Expression::Destination { family, address, port } => element(rule, "nat", |data| {
                const DNAT: u32 = 1;
                data.big(1, DNAT);
                data.big(2, family.into());
                data.big(3, address.number());
                data.big(5, port.number());
            }),
            Expression::Masquerade => element(rule, "masq", |_| ()),
            Expression::Verdict(verdict) => element(rule, "immediate", |data| {
                const VERDICT_REGISTER: u32 = 0;
                data.big(1, VERDICT_REGISTER);
                data.nest(2, |value| {
                    value.nest(VERDICT, |inner| match verdict {
                        Verdict::Drop => inner.big(CODE, 0),
                        Verdict::Accept => inner.big(CODE, 1),
                        Verdict::Jump(chain) => {
                            const JUMP: i32 = -3;
                            inner.big(CODE, JUMP as u32);
                            inner.text(CHAIN, chain);
                        }
                    });
                });
            }),
        }
    }
}

/// `whose` is NFTA_FIB_F_SADDR or _DADDR.
fn address_type(rule: &mut Writer<'_>, whose: u32, to: Register) {
    const RESULT_ADDRTYPE: u32 = 3;
    element(rule, "fib", |data| {
        data.big(1, to.number());
        data.big(2, RESULT_ADDRTYPE);
        data.big(3, whose);
    });
}

fn compare(rule: &mut Writer<'_>, register: Register, operator: u32, with: &[u8]) {
    element(rule, "cmp", |data| {
        data.big(1, register.number());
        data.big(2, operator);
        data.nest(3, |value| value.attribute(VALUE, with));
    });
}

fn element(rule: &mut Writer<'_>, name: &str, data: impl FnOnce(&mut Writer<'_>)) {
    rule.nest(ELEMENT, |expression| {
        expression.text(NAME, name);
        expression.nest(DATA, data);
    });
}
