//! Capability sets: from names to masks, and onto the process.
//!
//! The order is the kernel's (capabilities(7)): the bounding set is dropped while `CAP_SETPCAP`
//! is still effective; the uid changes with the permitted set kept; one capset(2) gives the
//! three sets their final value; an ambient capability must be permitted and inheritable first.

use ketch_sys::{Errno, caps};

use crate::plan::Invalid;
use crate::plan::process::Capabilities;
use crate::spec::{Capability, LinuxCapabilities};
use crate::step::{At, StepError};

/// The configuration's sets as masks. Without `process.capabilities` all are empty, as in crun:
/// runc gives the container all that root on the host has.
pub(crate) fn plan(sets: Option<&LinuxCapabilities>) -> Result<Capabilities, Invalid> {
    let Some(sets) = sets else { return Ok(Capabilities::default()) };
    let mask = |set: &Option<crate::spec::Capabilities>| {
        set.iter().flatten().fold(0, |mask, capability| mask | 1 << number(*capability))
    };
    let mut planned = Capabilities {
        bounding: mask(sets.bounding()),
        effective: mask(sets.effective()),
        permitted: mask(sets.permitted()),
        inheritable: mask(sets.inheritable()),
        ambient: mask(sets.ambient()),
    };
    if planned.effective & !planned.permitted != 0 {
        return Err(Invalid::new(
            "process.capabilities.effective",
            "has a capability that is not in permitted",
        ));
    }
    if planned.inheritable & !planned.bounding != 0 {
        return Err(Invalid::new(
            "process.capabilities.inheritable",
            "has a capability that is not in bounding: operation not permitted (capabilities(7))",
        ));
    }
    // To the kernel the ambient set is one of what is both permitted and inheritable. Engines
    // list more: runc and crun then raise what can be raised, and so do we.
    planned.ambient &= planned.permitted & planned.inheritable;
    Ok(planned)
}

/// Drops from the bounding set all that is not in `keep`, those included that only this kernel knows.
pub(crate) fn limit(keep: u64) -> Result<(), StepError> {
    for capability in (0..u64::BITS).filter(|n| keep & 1 << n == 0) {
        match caps::drop_bounding(capability) {
            Ok(()) => {}
            Err(Errno::EINVAL) => break,
            // Without CAP_SETPCAP: no harm where it has gone already.
            Err(Errno::EPERM) if caps::in_bounding(capability) == Ok(false) => {}
            Err(errno) => {
                return Err(errno).at("drop from the bounding set", &format!("capability {capability}"));
            }
        }
    }
    Ok(())
}

/// What a seccomp filter is installed with, where `no_new_privs` is not to be set.
pub(crate) const SYS_ADMIN: u64 = 1 << 21;

/// Gives the process its sets, and those of `held` besides until [`give_up`]. Called as the final user, with the
/// permitted set kept.
pub(crate) fn set(plan: &Capabilities, held: u64) -> Result<(), StepError> {
    set_three(plan, held)?;
    // The caller's own ambient capabilities stay raised where they are permitted here as well.
    caps::clear_ambient().at("clear ambient capabilities", "")?;
    for capability in (0..u64::BITS).filter(|n| plan.ambient & 1 << n != 0) {
        caps::raise_ambient(capability).at("raise as ambient", &format!("capability {capability}"))?;
    }
    Ok(())
}

/// Leaves the process with its own sets.
pub(crate) fn give_up(plan: &Capabilities) -> Result<(), StepError> {
    set_three(plan, 0)
}

fn set_three(plan: &Capabilities, held: u64) -> Result<(), StepError> {
    let (effective, permitted) = (plan.effective | held, plan.permitted | held);
    caps::set(caps::Sets { effective, permitted, inheritable: plan.inheritable })
        .at("set capabilities", "(does the caller have those that it gives?)")
}

/// The kernel's number, from linux/capability.h.
fn number(capability: Capability) -> u32 {
    match capability {
        Capability::Chown => 0,
        Capability::DacOverride => 1,
        Capability::DacReadSearch => 2,
        Capability::Fowner => 3,
        Capability::Fsetid => 4,
        Capability::Kill => 5,
        Capability::Setgid => 6,
        Capability::Setuid => 7,
        Capability::Setpcap => 8,
        Capability::LinuxImmutable => 9,
        Capability::NetBindService => 10,
        Capability::NetBroadcast => 11,
        Capability::NetAdmin => 12,
        Capability::NetRaw => 13,
        Capability::IpcLock => 14,
        Capability::IpcOwner => 15,
        Capability::SysModule => 16,
        Capability::SysRawio => 17,
        Capability::SysChroot => 18,
        Capability::SysPtrace => 19,
        Capability::SysPacct => 20,
        Capability::SysAdmin => 21,
        Capability::SysBoot => 22,
        Capability::SysNice => 23,
        Capability::SysResource => 24,
        Capability::SysTime => 25,
        Capability::SysTtyConfig => 26,
        Capability::Mknod => 27,
        Capability::Lease => 28,
        Capability::AuditWrite => 29,
        Capability::AuditControl => 30,
        Capability::Setfcap => 31,
        Capability::MacOverride => 32,
        Capability::MacAdmin => 33,
        Capability::Syslog => 34,
        Capability::WakeAlarm => 35,
        Capability::BlockSuspend => 36,
        Capability::AuditRead => 37,
        Capability::Perfmon => 38,
        Capability::Bpf => 39,
        Capability::CheckpointRestore => 40,
    }
}
