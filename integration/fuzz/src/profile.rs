//! A profile made of bytes, and the arguments that it is worth asking about.

use ketch_runtime::spec::{
    Arch, LinuxSeccomp, LinuxSeccompAction, LinuxSeccompArg, LinuxSeccompArgBuilder, LinuxSeccompBuilder,
    LinuxSeccompOperator, LinuxSyscall, LinuxSyscallBuilder,
};

/// Names on all architectures and on some, old and new, multiplexed, adjacent, and of none.
const NAMES: [&str; 48] = [
    "read",
    "write",
    "open",
    "close",
    "stat",
    "fstat",
    "mmap",
    "mmap2",
    "brk",
    "rt_sigaction",
    "ioctl",
    "readv",
    "execve",
    "ptrace",
    "personality",
    "prctl",
    "arch_prctl",
    "clone",
    "clone3",
    "unshare",
    "setns",
    "openat",
    "openat2",
    "fchmodat2",
    "socket",
    "bind",
    "accept",
    "accept4",
    "sendmsg",
    "recvmmsg",
    "socketcall",
    "ipc",
    "semop",
    "semtimedop",
    "shmat",
    "msgsnd",
    "getpid",
    "getppid",
    "mkdir",
    "uname",
    "kexec_load",
    "io_uring_setup",
    "landlock_create_ruleset",
    "statmount",
    "cacheflush",
    "set_tls",
    "renameat",
    "no_such_call",
];

const ACTIONS: [LinuxSeccompAction; 8] = [
    LinuxSeccompAction::ScmpActAllow,
    LinuxSeccompAction::ScmpActErrno,
    LinuxSeccompAction::ScmpActLog,
    LinuxSeccompAction::ScmpActTrace,
    LinuxSeccompAction::ScmpActTrap,
    LinuxSeccompAction::ScmpActKill,
    LinuxSeccompAction::ScmpActKillProcess,
    LinuxSeccompAction::ScmpActKillThread,
];

const OPERATORS: [LinuxSeccompOperator; 7] = [
    LinuxSeccompOperator::ScmpCmpEq,
    LinuxSeccompOperator::ScmpCmpNe,
    LinuxSeccompOperator::ScmpCmpLt,
    LinuxSeccompOperator::ScmpCmpLe,
    LinuxSeccompOperator::ScmpCmpGt,
    LinuxSeccompOperator::ScmpCmpGe,
    LinuxSeccompOperator::ScmpCmpMaskedEq,
];

const ARCHITECTURES: [Arch; 4] =
    [Arch::ScmpArchX86_64, Arch::ScmpArchX86, Arch::ScmpArchX32, Arch::ScmpArchAarch64];

struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> Option<T> {
        Some(all[usize::from(self.byte()?) % all.len()])
    }

    /// Small, at an edge, or any.
    fn number(&mut self) -> Option<u64> {
        let kind = self.byte()?;
        let small = u64::from(self.byte()?);
        Some(match kind % 6 {
            0 => small,
            1 => u64::from(u32::MAX).wrapping_sub(2).wrapping_add(small % 5),
            2 => u64::MAX - small % 3,
            3 => small << 32,
            4 => 1 << (small % 64),
            _ => (0..7).try_fold(small, |number, _| Some(number << 8 | u64::from(self.byte()?)))?,
        })
    }

    fn arg(&mut self) -> Option<LinuxSeccompArg> {
        let builder =
            LinuxSeccompArgBuilder::default().index(usize::from(self.byte()? % 6)).value(self.number()?);
        let op = self.one_of(&OPERATORS)?;
        let builder = match op {
            LinuxSeccompOperator::ScmpCmpMaskedEq => builder.value_two(self.number()?),
            _ => builder,
        };
        builder.op(op).build().ok()
    }

    fn entry(&mut self) -> Option<LinuxSyscall> {
        let action = self.one_of(&ACTIONS)?;
        let names = (0..self.byte()? % 4 + 1).map(|_| self.one_of(&NAMES).map(str::to_owned));
        let names: Vec<String> = names.collect::<Option<_>>()?;
        let args =
            (0..self.byte()?.saturating_sub(128) % 4).map(|_| self.arg()).collect::<Option<Vec<_>>>()?;
        let mut builder = LinuxSyscallBuilder::default().names(names).action(action);
        if matches!(action, LinuxSeccompAction::ScmpActErrno | LinuxSeccompAction::ScmpActTrace) {
            builder = builder.errno_ret(u32::from(self.byte()?));
        }
        if !args.is_empty() {
            builder = builder.args(args);
        }
        builder.build().ok()
    }
}

/// The profile that `bytes` stand for; entries until there are none left.
pub fn of(bytes: &[u8]) -> Option<LinuxSeccomp> {
    let mut bytes = Bytes(bytes);
    let default = bytes.one_of(&ACTIONS)?;
    let archs = bytes.byte()?;
    let given = ARCHITECTURES.iter().enumerate().filter(|(i, _)| archs & 1 << i != 0).map(|(_, arch)| *arch);
    let architectures: Vec<Arch> = given.collect();
    let entries: Vec<LinuxSyscall> = std::iter::from_fn(|| bytes.entry()).collect();
    LinuxSeccompBuilder::default()
        .default_action(default)
        .architectures(architectures)
        .syscalls(entries)
        .build()
        .ok()
}

/// Argument values on both sides of every edge that the profile has.
pub fn values(profile: &LinuxSeccomp) -> Vec<u64> {
    let mut values = vec![0, 1, 2, 3, 21, 0x1_0001, u64::from(u32::MAX), 1 << 32, u64::MAX];
    for arg in profile.syscalls().iter().flatten().flat_map(|entry| entry.args().iter().flatten()) {
        for value in [arg.value(), arg.value_two().unwrap_or(0)] {
            let edges = [
                value,
                value.wrapping_sub(1),
                value.wrapping_add(1),
                value ^ 1 << 32,
                value << 32,
                value >> 32,
            ];
            values.extend(edges);
        }
    }
    values.sort_unstable();
    values.dedup();
    values
}

/// Calls with arguments of these values: the same in all places, and different ones beside each other.
pub fn arguments(values: &[u64]) -> impl Iterator<Item = [u64; 6]> {
    values.iter().enumerate().flat_map(move |(i, &value)| {
        let other = values[(i * 7 + 3) % values.len()];
        [[value; 6], [value, other, other, value, 0, other], [other, value, value, 0, 9, 9]]
    })
}
