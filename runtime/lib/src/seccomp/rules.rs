//! What a profile's entries come to for each name.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use oci_spec::runtime::{
    LinuxSeccomp, LinuxSeccompAction, LinuxSeccompArg, LinuxSeccompOperator, LinuxSyscall,
};

use super::abi::Multiplexer;
use super::{Invalid, action};

/// How an argument must compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Test {
    Equal(u64),
    NotEqual(u64),
    Less(u64),
    LessOrEqual(u64),
    Greater(u64),
    GreaterOrEqual(u64),
    /// `argument & mask == value`; the value has no bits outside of the mask.
    Masked {
        mask: u64,
        value: u64,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Condition {
    /// 0 to 5
    pub argument: u8,
    pub test: Test,
}

/// An answer (`SECCOMP_RET_*`) for calls that meet all conditions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rule {
    pub conditions: Vec<Condition>,
    pub answer: u32,
}

/// The answer to a call: that of the first rule that matches, or the other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    pub rules: Vec<Rule>,
    pub otherwise: u32,
}

/// Index of a verdict in [`Rules::verdicts`].
pub(super) type Id = usize;

/// The verdict on what has no rule.
pub(super) const DEFAULT: Id = 0;

type Names<'a> = HashMap<&'a str, Id, BuildHasherDefault<Fnv>>;

/// FNV-1a: cheaper than the standard hash for a thousand short names, and needs no random key. A profile
/// that makes names collide only slows its own container's start.
#[derive(Debug)]
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Fnv {
        Fnv(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[derive(Debug)]
pub(super) struct Rules<'a> {
    names: Names<'a>,
    pub verdicts: Vec<Verdict>,
    /// The answer to numbers that are newer than the profile.
    pub newer: u32,
    notifies: bool,
}

impl<'a> Rules<'a> {
    pub(super) fn new(profile: &'a LinuxSeccomp) -> Result<Rules<'a>, Invalid> {
        let default = action(profile.default_action(), profile.default_errno_ret(), "defaultErrnoRet")?;
        if profile.default_action() == LinuxSeccompAction::ScmpActNotify {
            return Err(Invalid::new("defaultAction", "cannot be SCMP_ACT_NOTIFY: nobody could answer"));
        }
        let entries = profile.syscalls().as_deref().unwrap_or_default();
        let names = entries.iter().map(|entry| entry.names().len()).sum();
        let mut rules = Rules {
            names: Names::with_capacity_and_hasher(names, BuildHasherDefault::default()),
            verdicts: vec![Verdict { rules: Vec::new(), otherwise: default }],
            newer: answer_to_newer(profile.default_action(), default),
            notifies: false,
        };
        // Until all entries are seen a name without an unconditional one has none here.
        let mut drafts: Vec<(Option<u32>, Vec<Rule>)> = vec![(None, Vec::new())];
        for (i, entry) in entries.iter().enumerate() {
            let named = |error: Invalid| Invalid { field: format!("syscalls[{i}].{}", error.field), ..error };
            if entry.names().is_empty() {
                return Err(named(Invalid::new("names", "is empty")));
            }
            let answer = action(entry.action(), entry.errno_ret(), "errnoRet").map_err(named)?;
            let alternatives = alternatives(entry).map_err(named)?;
            rules.notifies |= notifies(entry).map_err(named)?;

            for name in entry.names() {
                let id = *rules.names.entry(name).or_insert(drafts.len());
                if id == drafts.len() {
                    drafts.push((None, Vec::new()));
                }
                let (unconditional, conditional) = &mut drafts[id];
                if answer == default {
                    // The name is known to the profile, no more.
                } else if alternatives.is_empty() {
                    unconditional.get_or_insert(answer);
                } else {
                    let rule = |conditions: &Vec<_>| Rule { conditions: conditions.clone(), answer };
                    conditional.extend(alternatives.iter().map(rule));
                }
            }
        }
        rules.settle(default, drafts);
        Ok(rules)
    }

    /// Drafts to verdicts, the same ones once only.
    fn settle(&mut self, default: u32, drafts: Vec<(Option<u32>, Vec<Rule>)>) {
        let ids: Vec<Id> = drafts
            .into_iter()
            .map(|(unconditional, conditional)| match unconditional {
                Some(answer) => self.intern(Verdict { rules: Vec::new(), otherwise: answer }),
                None => self.intern(Verdict { rules: strictest_first(conditional), otherwise: default }),
            })
            .collect();
        self.names.values_mut().for_each(|id| *id = ids[*id]);
    }

    pub(super) fn intern(&mut self, verdict: Verdict) -> Id {
        self.verdicts.iter().position(|known| *known == verdict).unwrap_or_else(|| {
            self.verdicts.push(verdict);
            self.verdicts.len() - 1
        })
    }

    /// The verdict on a name; None if the profile does not mention it.
    pub(super) fn of(&self, name: &str) -> Option<Id> {
        self.names.get(name).copied()
    }

    pub(super) fn notifies(&self) -> bool {
        self.notifies
    }

    /// The verdict on a call that carries others; None if the profile mentions neither it nor them.
    pub(super) fn of_multiplexer(&mut self, outer: &Multiplexer) -> Option<Id> {
        let own = self.of(outer.name);
        let default = self.verdicts[DEFAULT].otherwise;
        let mut verdict = self.verdicts[own.unwrap_or(DEFAULT)].clone();
        let unconditional = verdict.rules.is_empty() && verdict.otherwise != default;
        let inner: Vec<(u32, Id)> =
            outer.calls.iter().filter_map(|(name, number)| Some((*number, self.of(name)?))).collect();
        if inner.is_empty() || unconditional {
            return own;
        }
        for (number, id) in inner {
            let inner = &self.verdicts[id];
            let mut answers: Vec<u32> = inner
                .rules
                .iter()
                .map(|rule| rule.answer)
                .filter(|a| severity(*a) < severity(default))
                .collect();
            if inner.rules.is_empty() && inner.otherwise != default {
                answers.push(inner.otherwise);
            }
            let test = match outer.mask {
                u32::MAX => Test::Equal(number.into()),
                mask => Test::Masked { mask: mask.into(), value: number.into() },
            };
            let conditions = vec![Condition { argument: 0, test }];
            verdict
                .rules
                .extend(answers.into_iter().map(|answer| Rule { conditions: conditions.clone(), answer }));
        }
        verdict.rules = strictest_first(verdict.rules);
        Some(self.intern(verdict))
    }
}

/// Smaller is stricter: the kernel compares the actions of several filters in this way.
fn severity(answer: u32) -> i32 {
    const ACTION: u32 = 0xffff_0000;
    (answer & ACTION).cast_signed()
}

fn strictest_first(mut rules: Vec<Rule>) -> Vec<Rule> {
    rules.sort_by_key(|rule| severity(rule.answer));
    // A condition that is there already can never decide again.
    let mut i = 0;
    while i < rules.len() {
        if rules[..i].iter().any(|earlier| earlier.conditions == rules[i].conditions) {
            rules.remove(i);
        } else {
            i += 1;
        }
    }
    rules
}

/// A permissive filter leaves newer calls to the kernel.
fn answer_to_newer(default: LinuxSeccompAction, answer: u32) -> u32 {
    use LinuxSeccompAction::{ScmpActAllow, ScmpActErrno, ScmpActLog, ScmpActTrace};
    const ENOSYS: u32 = ketch_sys::Errno::ENOSYS as u32;
    match default {
        ScmpActAllow | ScmpActLog | ScmpActTrace => answer,
        _ => ScmpActErrno.as_u32(Some(ENOSYS)),
    }
}

/// runc: `write` is what the listener is handed over with.
fn notifies(entry: &LinuxSyscall) -> Result<bool, Invalid> {
    if entry.action() != LinuxSeccompAction::ScmpActNotify {
        return Ok(false);
    }
    if entry.names().iter().any(|name| name == "write") {
        return Err(Invalid::new("action", "is SCMP_ACT_NOTIFY for write, by which the listener is sent"));
    }
    Ok(true)
}

/// Lists of conditions of which one must be met, none for an entry without conditions.
fn alternatives(entry: &LinuxSyscall) -> Result<Vec<Vec<Condition>>, Invalid> {
    let args = entry.args().as_deref().unwrap_or_default();
    let conditions: Vec<Condition> = args.iter().map(condition).collect::<Result<_, _>>()?;

    let repeats = |i: usize| conditions[..i].iter().any(|earlier| earlier.argument == conditions[i].argument);
    if conditions.is_empty() {
        Ok(Vec::new())
    } else if (0..conditions.len()).any(repeats) {
        Ok(conditions.into_iter().map(|condition| vec![condition]).collect())
    } else {
        Ok(vec![conditions])
    }
}

fn condition(arg: &LinuxSeccompArg) -> Result<Condition, Invalid> {
    let argument = match arg.index() {
        index @ 0..=5 => index as u8,
        other => {
            return Err(Invalid::new("args", format!("have index {other}: a call has 6 arguments")));
        }
    };
    let value = arg.value();
    let test = match arg.op() {
        LinuxSeccompOperator::ScmpCmpEq => Test::Equal(value),
        LinuxSeccompOperator::ScmpCmpNe => Test::NotEqual(value),
        LinuxSeccompOperator::ScmpCmpLt => Test::Less(value),
        LinuxSeccompOperator::ScmpCmpLe => Test::LessOrEqual(value),
        LinuxSeccompOperator::ScmpCmpGt => Test::Greater(value),
        LinuxSeccompOperator::ScmpCmpGe => Test::GreaterOrEqual(value),
        LinuxSeccompOperator::ScmpCmpMaskedEq => {
            Test::Masked { mask: value, value: arg.value_two().unwrap_or(0) & value }
        }
    };
    Ok(Condition { argument, test })
}
