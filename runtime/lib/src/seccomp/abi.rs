//! System call numbers: which names an architecture has.

use syscalls::{aarch64, arm, x86, x86_64};

/// A calling convention with numbers of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Abi {
    X86_64,
    X86,
    X32,
    Aarch64,
    Arm,
}

pub(super) const ALL: [Abi; 5] = [Abi::X86_64, Abi::X86, Abi::X32, Abi::Aarch64, Abi::Arm];

/// What this machine can run, its own first.
#[cfg(target_arch = "x86_64")]
pub(super) const RUNNABLE: &[Abi] = &[Abi::X86_64, Abi::X86, Abi::X32];
#[cfg(target_arch = "aarch64")]
pub(super) const RUNNABLE: &[Abi] = &[Abi::Aarch64, Abi::Arm];

/// x32 shares x86_64's `AUDIT_ARCH`, and is told from it by this bit of the number.
pub(super) const X32_BIT: u32 = 0x4000_0000;

/// x32's own numbers, from 512: calls whose structures differ.
const X32: [&str; 36] = [
    "rt_sigaction",
    "rt_sigreturn",
    "ioctl",
    "readv",
    "writev",
    "recvfrom",
    "sendmsg",
    "recvmsg",
    "execve",
    "ptrace",
    "rt_sigpending",
    "rt_sigtimedwait",
    "rt_sigqueueinfo",
    "sigaltstack",
    "timer_create",
    "mq_notify",
    "kexec_load",
    "waitid",
    "set_robust_list",
    "get_robust_list",
    "vmsplice",
    "move_pages",
    "preadv",
    "pwritev",
    "rt_tgsigqueueinfo",
    "recvmmsg",
    "sendmmsg",
    "process_vm_readv",
    "process_vm_writev",
    "setsockopt",
    "getsockopt",
    "io_setup",
    "io_submit",
    "execveat",
    "preadv2",
    "pwritev2",
];

/// Calls of 32-bit ARM outside of the common table, from `ARM_PRIVATE` on (asm/unistd.h).
const ARM_CALLS: [&str; 6] = ["breakpoint", "cacheflush", "usr26", "usr32", "set_tls", "get_tls"];
const ARM_PRIVATE: u32 = 0x000f_0001;

/// A call that carries others inside, told apart by its first argument.
#[derive(Debug)]
pub(super) struct Multiplexer {
    pub name: &'static str,
    /// The bits of the argument that tell.
    pub mask: u32,
    pub calls: &'static [(&'static str, u32)],
}

/// linux/net.h
const SOCKETCALL: Multiplexer = Multiplexer {
    name: "socketcall",
    mask: u32::MAX,
    calls: &[
        ("socket", 1),
        ("bind", 2),
        ("connect", 3),
        ("listen", 4),
        ("accept", 5),
        ("getsockname", 6),
        ("getpeername", 7),
        ("socketpair", 8),
        ("send", 9),
        ("recv", 10),
        ("sendto", 11),
        ("recvfrom", 12),
        ("shutdown", 13),
        ("setsockopt", 14),
        ("getsockopt", 15),
        ("sendmsg", 16),
        ("recvmsg", 17),
        ("accept4", 18),
        ("recvmmsg", 19),
        ("sendmmsg", 20),
    ],
};

/// linux/ipc.h. The upper half is a version that the kernel takes apart first: it must not hide the call.
const IPC: Multiplexer = Multiplexer {
    name: "ipc",
    mask: 0xffff,
    calls: &[
        ("semop", 1),
        ("semget", 2),
        ("semctl", 3),
        ("semtimedop", 4),
        ("msgsnd", 11),
        ("msgrcv", 12),
        ("msgget", 13),
        ("msgctl", 14),
        ("shmat", 21),
        ("shmdt", 22),
        ("shmget", 23),
        ("shmctl", 24),
    ],
};

impl Abi {
    /// `AUDIT_ARCH_*` of linux/audit.h.
    pub(super) fn audit_arch(self) -> u32 {
        match self {
            Abi::X86_64 | Abi::X32 => 0xc000_003e,
            Abi::X86 => 0x4000_0003,
            Abi::Aarch64 => 0xc000_00b7,
            Abi::Arm => 0x4000_0028,
        }
    }

    /// Whether arguments have 64 bits.
    pub(super) fn is_wide(self) -> bool {
        matches!(self, Abi::X86_64 | Abi::Aarch64)
    }

    pub(super) fn multiplexers(self) -> &'static [Multiplexer] {
        if self == Abi::X86 { &[SOCKETCALL, IPC] } else { &[] }
    }

    /// Every call of this ABI with its number, ascending.
    pub(super) fn calls(self) -> Vec<(u32, &'static str)> {
        match self {
            Abi::X86_64 => table(x86_64::Sysno::last().id(), |n| Some(x86_64::Sysno::new(n)?.name())),
            Abi::X86 => table(x86::Sysno::last().id(), |n| Some(x86::Sysno::new(n)?.name())),
            Abi::Aarch64 => table(aarch64::Sysno::last().id(), |n| Some(aarch64::Sysno::new(n)?.name())),
            Abi::Arm => {
                let mut calls = table(arm::Sysno::last().id(), |n| Some(arm::Sysno::new(n)?.name()));
                calls.extend((ARM_PRIVATE..).zip(ARM_CALLS));
                calls
            }
            Abi::X32 => {
                let mut calls = Abi::X86_64.calls();
                calls.retain(|(number, _)| !is_64_only(*number));
                calls.extend((512..).zip(X32));
                calls.iter_mut().for_each(|(number, _)| *number |= X32_BIT);
                calls
            }
        }
    }
}

/// The numbers of x86_64 that x32 has not (`64` in the kernel's syscall_64.tbl): most have a counterpart from 512 on.
const fn is_64_only(number: u32) -> bool {
    matches!(
        number,
        13 | 15
            | 16
            | 19
            | 20
            | 45
            | 46
            | 47
            | 54
            | 55
            | 59
            | 101
            | 127
            | 128
            | 129
            | 131
            | 134
            | 156
            | 174
            | 177
            | 178
            | 180
            | 205
            | 206
            | 209
            | 211
            | 214
            | 215
            | 222
            | 236
            | 244
            | 246
            | 247
            | 273
            | 274
            | 278
            | 279
            | 295
            | 296
            | 297
            | 299
            | 307
            | 310
            | 311
            | 322
            | 327
            | 328
            | 335
            | 336
            | 453
    )
}

/// `Sysno::iter` of the crate leaves out the last call; names that are Rust keywords have a prefix there.
fn table(last: i32, name: impl Fn(usize) -> Option<&'static str>) -> Vec<(u32, &'static str)> {
    (0..=last.cast_unsigned())
        .filter_map(|number| Some((number, name(number as usize)?)))
        .map(|(number, name)| (number, name.strip_prefix("r#").unwrap_or(name)))
        .collect()
}
