//! The seccomp compiler beside libseccomp, fed as runc feeds it: both programs through one interpreter, over every system call
//! number of every architecture, with arguments on both sides of every edge.
//!
//!     compare_libseccomp COUNT [PROFILE.json …]     COUNT profiles made of random bytes, and those given
//!
//! What is left out is where the compiler differs by intention (see its documentation): one action for all conditional entries
//! of a profile, no conditional entries for calls inside `socketcall` and `ipc`, no version in the upper half of the call that `ipc`
//! carries, and ENOSYS for numbers that are newer than the profile, which runc puts in front of libseccomp's program.
//! Profiles that libseccomp refuses, for entries that contradict each other, are counted.

use std::fs::File;
use std::io::{Read, Seek};
use std::process::ExitCode;

use ketch_fuzz::profile;
use ketch_runtime::fuzzing::{Judge, run};
use ketch_runtime::spec::{
    Arch, LinuxSeccomp, LinuxSeccompAction, LinuxSeccompArg, LinuxSeccompOperator, LinuxSyscall,
};
use ketch_sys::seccomp::Insn;
use libseccomp::{ScmpAction, ScmpArch, ScmpArgCompare, ScmpCompareOp, ScmpFilterContext, ScmpSyscall};

const X86_64: u32 = 0xc000_003e;
const X86: u32 = 0x4000_0003;
const AARCH64: u32 = 0xc000_00b7;
const X32_BIT: u32 = 0x4000_0000;
const ENOSYS: u32 = 0x0005_0026;

/// Calls that i386 may make through another one.
const INNER: [&str; 34] = [
    "socketcall",
    "ipc",
    "socket",
    "bind",
    "connect",
    "listen",
    "accept",
    "getsockname",
    "getpeername",
    "socketpair",
    "send",
    "recv",
    "sendto",
    "recvfrom",
    "shutdown",
    "setsockopt",
    "getsockopt",
    "sendmsg",
    "recvmsg",
    "accept4",
    "recvmmsg",
    "sendmmsg",
    "semop",
    "semget",
    "semctl",
    "semtimedop",
    "msgsnd",
    "msgrcv",
    "msgget",
    "msgctl",
    "shmat",
    "shmdt",
    "shmget",
    "shmctl",
];

fn action(action: LinuxSeccompAction, errno: Option<u32>) -> ScmpAction {
    let errno = errno.unwrap_or(1);
    match action {
        LinuxSeccompAction::ScmpActAllow => ScmpAction::Allow,
        LinuxSeccompAction::ScmpActLog => ScmpAction::Log,
        LinuxSeccompAction::ScmpActTrap => ScmpAction::Trap,
        LinuxSeccompAction::ScmpActErrno => ScmpAction::Errno(errno.cast_signed()),
        LinuxSeccompAction::ScmpActTrace => ScmpAction::Trace(errno as u16),
        LinuxSeccompAction::ScmpActKillProcess => ScmpAction::KillProcess,
        LinuxSeccompAction::ScmpActKill | LinuxSeccompAction::ScmpActKillThread => ScmpAction::KillThread,
        LinuxSeccompAction::ScmpActNotify => ScmpAction::Notify,
    }
}

fn condition(arg: &LinuxSeccompArg) -> ScmpArgCompare {
    let (op, datum) = match arg.op() {
        LinuxSeccompOperator::ScmpCmpEq => (ScmpCompareOp::Equal, arg.value()),
        LinuxSeccompOperator::ScmpCmpNe => (ScmpCompareOp::NotEqual, arg.value()),
        LinuxSeccompOperator::ScmpCmpLt => (ScmpCompareOp::Less, arg.value()),
        LinuxSeccompOperator::ScmpCmpLe => (ScmpCompareOp::LessOrEqual, arg.value()),
        LinuxSeccompOperator::ScmpCmpGt => (ScmpCompareOp::Greater, arg.value()),
        LinuxSeccompOperator::ScmpCmpGe => (ScmpCompareOp::GreaterEqual, arg.value()),
        LinuxSeccompOperator::ScmpCmpMaskedEq => {
            (ScmpCompareOp::MaskedEqual(arg.value()), arg.value_two().unwrap_or(0) & arg.value())
        }
    };
    ScmpArgCompare::new(arg.index() as u32, op, datum)
}

/// libseccomp's program.
fn theirs(profile: &LinuxSeccomp) -> Result<Vec<Insn>, Box<dyn std::error::Error>> {
    let default = action(profile.default_action(), profile.default_errno_ret());
    let mut context = ScmpFilterContext::new(default)?;
    for arch in profile.architectures().iter().flatten() {
        match arch {
            Arch::ScmpArchX86_64 => context.add_arch(ScmpArch::X8664)?,
            Arch::ScmpArchX86 => context.add_arch(ScmpArch::X86)?,
            Arch::ScmpArchX32 => context.add_arch(ScmpArch::X32)?,
            _ => continue,
        };
    }
    for entry in profile.syscalls().iter().flatten() {
        let action = action(entry.action(), entry.errno_ret());
        if action == default {
            continue;
        }
        for name in entry.names() {
            let Ok(call) = ScmpSyscall::from_name(name) else { continue };
            let conditions: Vec<ScmpArgCompare> = entry.args().iter().flatten().map(condition).collect();
            let mut indices: Vec<usize> = entry.args().iter().flatten().map(LinuxSeccompArg::index).collect();
            indices.sort_unstable();
            indices.dedup();
            if conditions.is_empty() {
                context.add_rule(action, call)?;
            } else if indices.len() < conditions.len() {
                for condition in conditions {
                    context.add_rule_conditional(action, call, &[condition])?;
                }
            } else {
                context.add_rule_conditional(action, call, &conditions)?;
            }
        }
    }
    let path = std::env::temp_dir().join(format!("ketch-libseccomp-{}", std::process::id()));
    let mut file = File::options().create_new(true).read(true).write(true).open(&path)?;
    std::fs::remove_file(&path)?;
    context.export_bpf(&mut file)?;
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    let insn = |bytes: &[u8; 8]| Insn {
        code: u16::from_ne_bytes([bytes[0], bytes[1]]),
        jump_true: bytes[2],
        jump_false: bytes[3],
        k: u32::from_ne_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]),
    };
    Ok(bytes.as_chunks::<8>().0.iter().map(insn).collect())
}

/// The profile without what the two differ about by intention.
fn comparable(mut profile: LinuxSeccomp) -> LinuxSeccomp {
    let mut entries: Vec<LinuxSyscall> = profile.syscalls().clone().unwrap_or_default();
    let first = entries.iter().find(|entry| entry.args().is_some()).cloned();
    for entry in &mut entries {
        let known = entry.names().iter().filter(|name| ScmpSyscall::from_name(name).is_ok());
        let mut names: Vec<String> = known.cloned().collect();
        if entry.args().as_ref().is_some_and(|args| !args.is_empty()) {
            names.retain(|name| !INNER.contains(&name.as_str()));
            if let Some(first) = &first {
                entry.set_action(first.action()).set_errno_ret(first.errno_ret());
            }
        }
        entry.set_names(names);
    }
    entries.retain(|entry| !entry.names().is_empty());
    profile.set_syscalls(Some(entries));
    profile
}

/// i386's `ipc`, with a version.
fn is_versioned(arch: u32, number: u32, args: [u64; 6]) -> bool {
    arch == X86 && number == 117 && args[0] as u32 > 0xffff
}

/// Compares over all calls; how many they were, and the first few on which the two differ. None: libseccomp refuses the profile.
fn compare(profile: &LinuxSeccomp) -> Option<(usize, Vec<String>)> {
    let judge = Judge::new(profile).expect("the profile compiles");
    let theirs = theirs(profile).ok()?;
    let values = profile::values(profile);
    let (mut calls, mut different) = (0, Vec::new());
    let x32 = (X32_BIT - 1..X32_BIT + 600).chain([u32::MAX]);
    for arch in [X86_64, X86, AARCH64] {
        for number in (0..600).chain(x32.clone()) {
            for args in profile::arguments(&values).filter(|args| !is_versioned(arch, number, *args)) {
                let (ours, _) = judge.answers(arch, number, args);
                let their = run(&theirs, arch, number, args);
                calls += 1;
                if ours != their && ours != ENOSYS && different.len() < 5 {
                    different.push(format!(
                        "arch {arch:#x}, number {number:#x}, {args:x?}: {ours:#x}, libseccomp {their:#x}"
                    ));
                }
            }
        }
    }
    Some((calls, different))
}

/// xorshift64*
fn random(state: &mut u64) -> u64 {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    state.wrapping_mul(0x2545_f491_4f6c_dd1d)
}

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let count: usize =
        args.next().and_then(|count| count.parse().ok()).expect("how many random profiles to compare");
    let given = args.map(|path| {
        let text = std::fs::read(&path).expect("the profile can be read");
        let profile = serde_json::from_slice(&text).expect("the profile is in the runtime's format");
        (path, comparable(profile))
    });
    let mut state = 0x9e37_79b9_7f4a_7c15;
    let made = (0..count).filter_map(|number| {
        let length = random(&mut state) % 200 + 4;
        let bytes: Vec<u8> = (0..length).map(|_| (random(&mut state) >> 32) as u8).collect();
        Some((format!("random profile {number}"), comparable(profile::of(&bytes)?)))
    });
    let (mut profiles, mut calls, mut failed, mut refused) = (0, 0, 0, 0);
    for (name, profile) in given.chain(made) {
        profiles += 1;
        let Some((compared, different)) = compare(&profile) else {
            refused += 1;
            continue;
        };
        calls += compared;
        if !different.is_empty() {
            failed += 1;
            println!(
                "{name}: {}\n{}",
                different.join("\n"),
                serde_json::to_string(&profile).expect("prints")
            );
        }
    }
    println!(
        "{profiles} profiles ({refused} refused by libseccomp), {calls} calls: {failed} profiles differ"
    );
    if failed == 0 && refused < profiles { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
