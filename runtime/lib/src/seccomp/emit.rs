//! Classic BPF, written from its end to its beginning.
//!
//! Jumps of this machine go forwards only, and conditional ones at most 255 instructions far. Written
//! backwards a jump's target is always known, and one that is too far gets a stepping
//! stone at once: a copy of the answer, or an unlimited jump.

use ketch_sys::seccomp::Insn;

use super::rules::{Condition, Test, Verdict};

/// `BPF_MAXINSNS`
pub(super) const MAX_INSTRUCTIONS: usize = 4096;

const LOAD_WORD: u16 = 0x20;
const RETURN: u16 = 0x06;
const AND: u16 = 0x54;
const JUMP: u16 = 0x05;

/// Conditional jumps on the accumulator and a constant, unsigned.
#[derive(Debug, Clone, Copy)]
#[repr(u16)]
pub(super) enum If {
    Equal = 0x15,
    Greater = 0x25,
    GreaterOrEqual = 0x35,
    AnyBit = 0x45,
}

/// An instruction that can be jumped to: how many there were when it had been written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Label(usize);

/// A field of `struct seccomp_data`, by its offset. The low half of an argument comes first.
#[derive(Debug, Clone, Copy)]
pub(super) enum Field {
    Number,
    Arch,
    Low(u8),
    High(u8),
}

impl Field {
    fn offset(self) -> u32 {
        match self {
            Field::Number => 0,
            Field::Arch => 4,
            Field::Low(argument) => 16 + 8 * u32::from(argument),
            Field::High(argument) => 20 + 8 * u32::from(argument),
        }
    }
}

/// The program so far, last instruction first.
#[derive(Debug, Default)]
pub(super) struct Emitter {
    backwards: Vec<Insn>,
    /// The nearest instruction of each answer.
    answers: Vec<(u32, Label)>,
}

impl Emitter {
    pub(super) fn finish(mut self) -> Vec<Insn> {
        self.backwards.reverse();
        self.backwards
    }

    fn push(&mut self, code: u16, jump_true: u8, jump_false: u8, k: u32) -> Label {
        self.backwards.push(Insn { code, jump_true, jump_false, k });
        Label(self.backwards.len())
    }

    /// How many instructions one written next would go past to get to `label`.
    fn distance(&self, label: Label) -> usize {
        self.backwards.len() - label.0
    }

    /// Answers the call; an instruction near enough is used again.
    pub(super) fn answer(&mut self, answer: u32) -> Label {
        // As it may be a while before this label is jumped to, only half the way counts as near.
        const NEAR: usize = 128;
        let known = self.answers.iter().position(|(a, _)| *a == answer);
        if let Some(label) = known.map(|i| self.answers[i].1).filter(|label| self.distance(*label) < NEAR) {
            return label;
        }
        let label = self.push(RETURN, 0, 0, answer);
        match known {
            Some(i) => self.answers[i].1 = label,
            None => self.answers.push((answer, label)),
        }
        label
    }

    pub(super) fn load(&mut self, field: Field) -> Label {
        self.push(LOAD_WORD, 0, 0, field.offset())
    }

    pub(super) fn branch(&mut self, test: If, value: u32, yes: Label, no: Label) -> Label {
        let (yes, no) = (self.reach(yes), self.reach(no));
        let (yes, no) = (self.distance(yes), self.distance(no));
        self.push(test as u16, yes as u8, no as u8, value)
    }

    /// `label`, or a stepping stone to it. Near enough means that one more stone still fits in between.
    fn reach(&mut self, label: Label) -> Label {
        const REACH: usize = u8::MAX as usize - 1;
        let distance = self.distance(label);
        if distance <= REACH {
            return label;
        }
        let target = self.backwards[label.0 - 1];
        if target.code == RETURN { self.answer(target.k) } else { self.push(JUMP, 0, 0, distance as u32) }
    }

    /// The code that settles a verdict with the arguments' help.
    pub(super) fn verdict(&mut self, verdict: &Verdict, wide: bool) -> Label {
        let mut next = self.answer(verdict.otherwise);
        for rule in verdict.rules.iter().rev() {
            let mut met = self.answer(rule.answer);
            for condition in rule.conditions.iter().rev() {
                met =
                    if wide { self.wide(*condition, met, next) } else { self.narrow(*condition, met, next) };
            }
            next = met;
        }
        next
    }

    /// A condition on 64 bits, by halves.
    fn wide(&mut self, Condition { argument, test }: Condition, yes: Label, no: Label) -> Label {
        match test {
            Test::Equal(value) => {
                let low = self.low(If::Equal, argument, value, yes, no);
                self.high(If::Equal, argument, value, low, no)
            }
            Test::Masked { mask, value } => self.masked(argument, mask, value, yes, no),
            Test::Greater(value) => self.ordered(If::Greater, argument, value, yes, no),
            Test::GreaterOrEqual(value) => self.ordered(If::GreaterOrEqual, argument, value, yes, no),
            negated => self.wide(Condition { argument, test: negate(negated) }, no, yes),
        }
    }

    /// A condition on the low half, the other is not there.
    fn narrow(&mut self, Condition { argument, test }: Condition, yes: Label, no: Label) -> Label {
        match test {
            Test::Equal(value) => self.low(If::Equal, argument, value, yes, no),
            Test::Masked { mask, value } => {
                self.masked(argument, mask & u64::from(u32::MAX), value & u64::from(u32::MAX), yes, no)
            }
            Test::Greater(value) => self.low(If::Greater, argument, value, yes, no),
            Test::GreaterOrEqual(value) => self.low(If::GreaterOrEqual, argument, value, yes, no),
            negated => self.narrow(Condition { argument, test: negate(negated) }, no, yes),
        }
    }

    fn low(&mut self, test: If, argument: u8, value: u64, yes: Label, no: Label) -> Label {
        self.branch(test, low(value), yes, no);
        self.load(Field::Low(argument))
    }

    fn high(&mut self, test: If, argument: u8, value: u64, yes: Label, no: Label) -> Label {
        self.branch(test, high(value), yes, no);
        self.load(Field::High(argument))
    }

    /// The high halves decide unless they are equal.
    fn ordered(&mut self, test: If, argument: u8, value: u64, yes: Label, no: Label) -> Label {
        let low = self.low(test, argument, value, yes, no);
        let not_above = match high(value) {
            0 => low,
            high => self.branch(If::Equal, high, low, no),
        };
        self.branch(If::Greater, high(value), yes, not_above);
        self.load(Field::High(argument))
    }

    fn masked(&mut self, argument: u8, mask: u64, value: u64, yes: Label, no: Label) -> Label {
        let low = self.masked_half(Field::Low(argument), low(mask), low(value), yes, no);
        self.masked_half(Field::High(argument), high(mask), high(value), low, no)
    }

    fn masked_half(&mut self, field: Field, mask: u32, value: u32, yes: Label, no: Label) -> Label {
        match (mask, value) {
            (0, _) => return yes,
            (mask, 0) => self.branch(If::AnyBit, mask, no, yes),
            (u32::MAX, value) => self.branch(If::Equal, value, yes, no),
            (mask, value) => {
                self.branch(If::Equal, value, yes, no);
                self.push(AND, 0, 0, mask)
            }
        };
        self.load(field)
    }
}

fn negate(test: Test) -> Test {
    match test {
        Test::NotEqual(value) => Test::Equal(value),
        Test::Less(value) => Test::GreaterOrEqual(value),
        Test::LessOrEqual(value) => Test::Greater(value),
        other => other,
    }
}

fn low(value: u64) -> u32 {
    value as u32
}

fn high(value: u64) -> u32 {
    (value >> 32) as u32
}
