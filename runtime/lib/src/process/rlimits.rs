//! Resource limits.

use ketch_sys::rlimit::{self, Resource};

use crate::plan::Invalid;
use crate::spec::{PosixRlimit, PosixRlimitType};
use crate::step::{At, StepError};

/// One limit; `u64::MAX` is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    pub resource: Resource,
    pub soft: u64,
    pub hard: u64,
}

pub(crate) fn plan(limits: &[PosixRlimit]) -> Result<Vec<Limit>, Invalid> {
    let mut planned: Vec<Limit> = Vec::with_capacity(limits.len());
    for limit in limits {
        let (name, resource) = (limit.typ(), resource(limit.typ()));
        if planned.iter().any(|other| other.resource == resource) {
            return Err(Invalid::new("process.rlimits", format!("{name} is there twice")));
        }
        if limit.soft() > limit.hard() {
            let reason = format!("{name}: soft {} is above hard {}", limit.soft(), limit.hard());
            return Err(Invalid::new("process.rlimits", reason));
        }
        planned.push(Limit { resource, soft: limit.soft(), hard: limit.hard() });
    }
    Ok(planned)
}

/// Sets the caller's own limits.
pub(crate) fn set(limits: &[Limit]) -> Result<(), StepError> {
    limits.iter().try_for_each(|limit| set_one(0, *limit))
}

/// Makes room for [`set`] in `pid`, which may be in a user namespace: raises the hard limits
/// that are to rise, with the caller's privilege, and leaves the soft ones.
pub(crate) fn make_room(pid: i32, limits: &[Limit]) -> Result<(), StepError> {
    for limit in limits {
        let (soft, hard) = rlimit::get(pid, limit.resource).at("read limit", &name(limit.resource))?;
        if hard < limit.hard {
            set_one(pid, Limit { soft, ..*limit })?;
        }
    }
    Ok(())
}

fn set_one(pid: i32, Limit { resource, soft, hard }: Limit) -> Result<(), StepError> {
    rlimit::set(pid, resource, soft, hard).at("set limit", &format!("{} to {soft}:{hard}", name(resource)))
}

/// `RLIMIT_NOFILE`
fn name(resource: Resource) -> String {
    format!("RLIMIT_{resource:?}").to_uppercase()
}

fn resource(typ: PosixRlimitType) -> Resource {
    match typ {
        PosixRlimitType::RlimitCpu => Resource::Cpu,
        PosixRlimitType::RlimitFsize => Resource::Fsize,
        PosixRlimitType::RlimitData => Resource::Data,
        PosixRlimitType::RlimitStack => Resource::Stack,
        PosixRlimitType::RlimitCore => Resource::Core,
        PosixRlimitType::RlimitRss => Resource::Rss,
        PosixRlimitType::RlimitNproc => Resource::Nproc,
        PosixRlimitType::RlimitNofile => Resource::Nofile,
        PosixRlimitType::RlimitMemlock => Resource::Memlock,
        PosixRlimitType::RlimitAs => Resource::As,
        PosixRlimitType::RlimitLocks => Resource::Locks,
        PosixRlimitType::RlimitSigpending => Resource::Sigpending,
        PosixRlimitType::RlimitMsgqueue => Resource::Msgqueue,
        PosixRlimitType::RlimitNice => Resource::Nice,
        PosixRlimitType::RlimitRtprio => Resource::Rtprio,
        PosixRlimitType::RlimitRttime => Resource::Rttime,
    }
}
