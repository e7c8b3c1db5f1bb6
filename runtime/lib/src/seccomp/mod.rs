//! `linux.seccomp` compiled to classic BPF, and installed.
//!
//! [`rules`] settles what a name's entries come to, [`abi`] which numbers it has on an architecture, [`tree`]
//! turns that into a binary search over ranges of numbers with the same answer, [`emit`] into instructions.
//! The crate seccompiler is not used: its filters know one action for all matches, and neither
//! notification, nor flags, nor x32; and its installer forces `no_new_privs`.
//!
//! Where libseccomp's documentation leaves a question open, its (2.6) and runc's behaviour was tried out:
//!
//! - An entry without conditions beats those with conditions for the same call; the first of several counts.
//! - An entry whose action is the default one is no rule at all (runc).
//! - Conditions of an entry are ANDed; if two are about the same argument, all of them are ORed (runc).
//! - Where several conditional entries match, libseccomp's answer depends on argument numbers and
//!   values but not on the order in the profile. Here the strictest action wins, as between two
//!   filters in the kernel, and among equals the first in the profile.
//! - Names that an architecture does not have are passed over for it, unknown names altogether.
//! - 32-bit ABIs, x32 among them, compare the low halves of values and arguments.
//! - The native architecture is always there. Calls through one that is not listed, and x32 calls if x32 is not,
//!   kill the thread; -1, which a tracer sets to skip a call, gets the default action.
//! - Numbers above the highest that the profile mentions are newer than the profile: they get
//!   ENOSYS, which makes programs fall back, unless the default action is permissive (runc).
//! - i386: `socketcall` and `ipc` are judged by the call inside. libseccomp takes the conditions of an
//!   entry to be about the outer call's arguments, which makes an allowance for some sockets one for
//!   all of them. Here a conditional entry for an inner call, whose arguments no filter can
//!   see, counts as unconditional if it is stricter than the default, and not at all otherwise.

use std::os::fd::OwnedFd;

use ketch_sys::seccomp as sys;
use oci_spec::runtime::{Arch, LinuxSeccomp, LinuxSeccompAction, LinuxSeccompFilterFlag};

use crate::step::{At, StepError};

mod abi;
mod emit;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod reading;
mod rules;
#[cfg(test)]
mod tests;
mod tree;

/// A filter ready to be installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    instructions: Vec<sys::Insn>,
    flags: u32,
}

/// Why a profile cannot be honoured.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("linux.seccomp.{field} {reason}")]
pub struct Invalid {
    pub field: String,
    pub reason: String,
}

impl Invalid {
    fn new(field: impl Into<String>, reason: impl Into<String>) -> Invalid {
        Invalid { field: field.into(), reason: reason.into() }
    }
}

/// Compiles a profile for this machine.
pub fn compile(profile: &LinuxSeccomp) -> Result<Program, Invalid> {
    let mut rules = rules::Rules::new(profile)?;
    if rules.notifies() && profile.listener_path().is_none() {
        return Err(Invalid::new("listenerPath", "is missing, and an entry has the action SCMP_ACT_NOTIFY"));
    }
    if profile.listener_metadata().is_some() && profile.listener_path().is_none() {
        return Err(Invalid::new("listenerMetadata", "is given without listenerPath"));
    }
    let instructions = tree::program(&mut rules, &architectures(profile));
    if instructions.len() > emit::MAX_INSTRUCTIONS {
        let reason = format!("is too long: {} instructions, and the kernel takes 4096", instructions.len());
        return Err(Invalid::new("syscalls", reason));
    }
    Ok(Program { instructions, flags: flags(profile, rules.notifies()) })
}

/// The first name in the profile that no architecture has.
pub(crate) fn unknown(profile: &LinuxSeccomp) -> Option<&str> {
    let known: Vec<_> = abi::ALL.iter().flat_map(|abi| abi.calls()).map(|(_, name)| name).collect();
    let mut names = profile.syscalls().iter().flatten().flat_map(|entry| entry.names());
    names.find(|name| !known.contains(&name.as_str())).map(String::as_str)
}

impl Program {
    /// Installs the filter for the calling thread and what comes of it; answers the listener if
    /// an entry has the action SCMP_ACT_NOTIFY.
    ///
    /// Needs `no_new_privs` or CAP_SYS_ADMIN, and sets neither: the caller knows which of the two there is. Until the
    /// listener is handed over, a call that the filter notifies about hangs; `write` is never one.
    pub fn install(&self) -> Result<Option<OwnedFd>, StepError> {
        sys::set_filter(&self.instructions, self.flags).at("install", "the seccomp filter")
    }

    /// How many BPF instructions it has.
    pub fn len(&self) -> usize {
        self.instructions.len()
    }

    pub fn is_empty(&self) -> bool {
        self.instructions.is_empty()
    }
}

/// The native one first: it is asked for most. No call can come through those that this machine cannot run.
fn architectures(profile: &LinuxSeccomp) -> Vec<abi::Abi> {
    let mut all = vec![abi::RUNNABLE[0]];
    for arch in profile.architectures().iter().flatten() {
        let abi = match arch {
            Arch::ScmpArchX86_64 => abi::Abi::X86_64,
            Arch::ScmpArchX86 => abi::Abi::X86,
            Arch::ScmpArchX32 => abi::Abi::X32,
            Arch::ScmpArchAarch64 => abi::Abi::Aarch64,
            Arch::ScmpArchArm => abi::Abi::Arm,
            _ => continue,
        };
        if abi::RUNNABLE.contains(&abi) && !all.contains(&abi) {
            all.push(abi);
        }
    }
    all
}

/// Without any given, SPEC_ALLOW, as runc and crun have it: the mitigation that it turns off is of use to
/// a process that separates secrets inside itself, and costs all others.
fn flags(profile: &LinuxSeccomp, notifies: bool) -> u32 {
    let Some(given) = profile.flags() else {
        return sys::FLAG_SPEC_ALLOW | if notifies { sys::FLAG_NEW_LISTENER } else { 0 };
    };
    let mut flags = 0;
    for flag in given {
        flags |= match flag {
            LinuxSeccompFilterFlag::SeccompFilterFlagLog => sys::FLAG_LOG,
            LinuxSeccompFilterFlag::SeccompFilterFlagSpecAllow => sys::FLAG_SPEC_ALLOW,
            LinuxSeccompFilterFlag::SeccompFilterFlagTsync if notifies => {
                sys::FLAG_TSYNC | sys::FLAG_TSYNC_ESRCH
            }
            LinuxSeccompFilterFlag::SeccompFilterFlagTsync => sys::FLAG_TSYNC,
            // Without a listener there is nothing to wait for, and the kernel refuses it.
            LinuxSeccompFilterFlag::SeccompFilterFlagWaitKillableRecv if !notifies => 0,
            LinuxSeccompFilterFlag::SeccompFilterFlagWaitKillableRecv => sys::FLAG_WAIT_KILLABLE_RECV,
        };
    }
    if notifies { flags | sys::FLAG_NEW_LISTENER } else { flags }
}

/// The filter's answer for an action: `SECCOMP_RET_*` with its data.
fn action(action: LinuxSeccompAction, errno: Option<u32>, field: &str) -> Result<u32, Invalid> {
    const MAX_ERRNO: u32 = 4095;
    if errno.is_some_and(|errno| errno > MAX_ERRNO) {
        return Err(Invalid::new(field, "is above 4095, the highest errno"));
    }
    let takes_errno = matches!(action, LinuxSeccompAction::ScmpActErrno | LinuxSeccompAction::ScmpActTrace);
    if errno.is_some() && !takes_errno {
        return Err(Invalid::new(field, "is for SCMP_ACT_ERRNO and SCMP_ACT_TRACE only"));
    }
    // EPERM unless said otherwise, for a tracer's message too.
    Ok(action.as_u32(errno))
}
