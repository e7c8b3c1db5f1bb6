//! What a program is checked against: the kernel's way to run it, and the module's documentation read one call at a time.

use ketch_sys::seccomp::Insn;
use oci_spec::runtime::{LinuxSeccomp, LinuxSeccompAction, LinuxSeccompOperator, LinuxSyscall};

pub(super) use super::abi::ALL;
use super::abi::{Abi, X32_BIT};
#[cfg(feature = "fuzzing")]
use super::{Invalid, Program, architectures, compile};

const KILL: u32 = 0;
const ENOSYS: u32 = 0x0005_0026;

/// What the kernel does with a program and `struct seccomp_data`: the answer, and the instructions that it took. Panics where the
/// kernel would have refused the program.
pub(crate) fn run(program: &[Insn], arch: u32, number: u32, args: [u64; 6]) -> (u32, usize) {
    let load = |offset: u32| match offset {
        0 => number,
        4 => arch,
        16..64 if offset % 8 == 4 => (args[(offset as usize - 16) / 8] >> 32) as u32,
        16..64 => args[(offset as usize - 16) / 8] as u32,
        other => panic!("load of offset {other}"),
    };
    let (mut a, mut pc, mut steps) = (0u32, 0usize, 0usize);
    loop {
        let Insn { code, jump_true, jump_false, k } = program[pc];
        pc += 1;
        steps += 1;
        let mut jump = |yes: bool| pc += usize::from(if yes { jump_true } else { jump_false });
        match code {
            0x20 => a = load(k),
            0x06 => return (k, steps),
            0x54 => a &= k,
            0x05 => pc += k as usize,
            0x15 => jump(a == k),
            0x25 => jump(a > k),
            0x35 => jump(a >= k),
            0x45 => jump(a & k != 0),
            other => panic!("instruction {other:#x}"),
        }
    }
}

/// What the module's documentation says, one call at a time.
#[derive(Debug)]
pub(super) struct Oracle<'a> {
    profile: &'a LinuxSeccomp,
    abis: Vec<Abi>,
    tables: Vec<Table>,
}

/// An ABI's calls, and the highest number of those that the profile mentions.
#[derive(Debug)]
struct Table {
    abi: Abi,
    calls: Vec<(u32, &'static str)>,
    highest: Option<u32>,
}

impl<'a> Oracle<'a> {
    pub(super) fn new(profile: &'a LinuxSeccomp, abis: &[Abi]) -> Oracle<'a> {
        let entries = || profile.syscalls().iter().flatten();
        let mentions = |name: &str| entries().any(|entry| entry.names().iter().any(|n| n == name));
        let table = |&abi: &Abi| {
            let calls = abi.calls();
            let counts = |name: &str| {
                let outer = abi.multiplexers().iter().find(|outer| outer.name == name);
                mentions(name)
                    || outer.is_some_and(|outer| outer.calls.iter().any(|(inner, _)| mentions(inner)))
            };
            let highest = calls.iter().filter(|(_, name)| counts(name)).map(|(number, _)| *number).max();
            Table { abi, calls, highest }
        };
        Oracle { profile, abis: abis.to_vec(), tables: abis.iter().map(table).collect() }
    }

    fn default(&self) -> u32 {
        self.profile.default_action().as_u32(self.profile.default_errno_ret())
    }

    fn newer(&self) -> u32 {
        use LinuxSeccompAction::*;
        match self.profile.default_action() {
            ScmpActAllow | ScmpActLog | ScmpActTrace => self.default(),
            _ => ENOSYS,
        }
    }

    pub(super) fn answer(&self, arch: u32, number: u32, args: [u64; 6]) -> u32 {
        if self.abis.iter().all(|abi| abi.audit_arch() != arch) {
            return KILL;
        }
        let abi = match arch {
            0xc000_003e if number == u32::MAX => return self.newer(),
            0xc000_003e if number >= X32_BIT => Abi::X32,
            arch => *ALL.iter().find(|abi| abi.audit_arch() == arch).unwrap(),
        };
        if !self.abis.contains(&abi) {
            return KILL;
        }
        let Table { calls, highest, .. } = self.tables.iter().find(|table| table.abi == abi).unwrap();
        if highest.is_none_or(|highest| number > highest) {
            return self.newer();
        }
        let Some((_, name)) = calls.iter().find(|(n, _)| *n == number) else { return self.default() };
        let wide = matches!(abi, Abi::X86_64 | Abi::Aarch64);
        match (abi, *name) {
            (Abi::X86, "socketcall") => self.multiplexed(name, 0, args, u32::MAX),
            (Abi::X86, "ipc") => self.multiplexed(name, 1, args, 0xffff),
            _ => self.judge(name, args, wide),
        }
    }

    fn rules_of(&self, name: &str) -> impl Iterator<Item = (&LinuxSyscall, u32)> {
        self.profile
            .syscalls()
            .iter()
            .flatten()
            .filter(move |entry| entry.names().iter().any(|n| n == name))
            .map(|entry| (entry, entry.action().as_u32(entry.errno_ret())))
            .filter(|(_, answer)| *answer != self.default())
    }

    fn judge(&self, name: &str, args: [u64; 6], wide: bool) -> u32 {
        if let Some((_, answer)) = self.rules_of(name).find(|(entry, _)| conditions(entry) == 0) {
            return answer;
        }
        let matching = self.rules_of(name).filter(|(entry, _)| matches(entry, args, wide));
        matching.map(|(_, answer)| answer).min_by_key(|a| severity(*a)).unwrap_or(self.default())
    }

    fn multiplexed(&self, name: &str, which: usize, args: [u64; 6], mask: u32) -> u32 {
        if let Some((_, answer)) = self.rules_of(name).find(|(entry, _)| conditions(entry) == 0) {
            return answer;
        }
        let number = args[0] as u32 & mask;
        let inner = Abi::X86.multiplexers()[which].calls.iter().find(|(_, n)| *n == number);
        let mut answers: Vec<u32> =
            self.rules_of(name).filter(|(e, _)| matches(e, args, false)).map(|(_, answer)| answer).collect();
        if let Some((inner, _)) = inner {
            match self.rules_of(inner).find(|(entry, _)| conditions(entry) == 0) {
                Some((_, answer)) => answers.push(answer),
                None => answers.extend(
                    self.rules_of(inner).map(|(_, a)| a).filter(|a| severity(*a) < severity(self.default())),
                ),
            }
        }
        answers.into_iter().min_by_key(|a| severity(*a)).unwrap_or(self.default())
    }
}

fn severity(answer: u32) -> i32 {
    (answer & 0xffff_0000).cast_signed()
}

fn conditions(entry: &LinuxSyscall) -> usize {
    entry.args().iter().flatten().count()
}

fn matches(entry: &LinuxSyscall, args: [u64; 6], wide: bool) -> bool {
    let list = entry.args().as_deref().unwrap_or_default();
    let cut = |n: u64| if wide { n } else { n & 0xffff_ffff };
    let meets = |arg: &oci_spec::runtime::LinuxSeccompArg| {
        let (given, value) = (cut(args[arg.index()]), cut(arg.value()));
        match arg.op() {
            LinuxSeccompOperator::ScmpCmpNe => given != value,
            LinuxSeccompOperator::ScmpCmpLt => given < value,
            LinuxSeccompOperator::ScmpCmpLe => given <= value,
            LinuxSeccompOperator::ScmpCmpEq => given == value,
            LinuxSeccompOperator::ScmpCmpGe => given >= value,
            LinuxSeccompOperator::ScmpCmpGt => given > value,
            LinuxSeccompOperator::ScmpCmpMaskedEq => {
                given & value == cut(arg.value_two().unwrap_or(0)) & value
            }
        }
    };
    let mut indices: Vec<usize> = list.iter().map(|arg| arg.index()).collect();
    indices.sort_unstable();
    indices.dedup();
    if indices.len() < list.len() { list.iter().any(meets) } else { list.iter().all(meets) }
}

/// A profile that was compiled for this machine, and read.
#[cfg(feature = "fuzzing")]
#[derive(Debug)]
pub struct Judge<'a> {
    program: Program,
    oracle: Oracle<'a>,
}

#[cfg(feature = "fuzzing")]
impl<'a> Judge<'a> {
    pub fn new(profile: &'a LinuxSeccomp) -> Result<Judge<'a>, Invalid> {
        let program = compile(profile)?;
        Ok(Judge { program, oracle: Oracle::new(profile, &architectures(profile)) })
    }

    pub fn instructions(&self) -> &[Insn] {
        &self.program.instructions
    }

    /// What the program answers to a call, and what it should.
    pub fn answers(&self, arch: u32, number: u32, args: [u64; 6]) -> (u32, u32) {
        (run(self.instructions(), arch, number, args).0, self.oracle.answer(arch, number, args))
    }
}
