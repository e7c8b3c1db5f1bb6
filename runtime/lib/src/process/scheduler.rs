//! CPU and I/O scheduling, CPU affinity, execution domain.

use ketch_sys::scheduler::{self, Attributes};

use crate::plan::Invalid;
use crate::plan::process::ProcessPlan;
use crate::spec::{
    ExecCPUAffinity, IOPriorityClass, LinuxIOPriority, LinuxPersonality, LinuxPersonalityDomain,
    LinuxSchedulerFlag, LinuxSchedulerPolicy, Scheduler,
};
use crate::step::{At, StepError};

/// ioprio_set(2): class and level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IoPriority {
    pub class: u16,
    pub level: u16,
}

/// CPU masks, bit n of the 64-bit words is CPU n; none where nothing is to change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Affinity {
    /// Before the process enters the container's cgroup.
    pub initial: Option<Vec<u64>>,
    /// After it did.
    pub last: Option<Vec<u64>>,
}

/// The kernel is never built for more (`CONFIG_NR_CPUS`).
const MAX_CPUS: usize = 8192;

const SCHED_DEADLINE: u32 = 6;

pub(crate) fn plan(scheduler: &Scheduler) -> Result<Attributes, Invalid> {
    const FIELD: &str = "process.scheduler";
    let policy = match scheduler.policy() {
        LinuxSchedulerPolicy::SchedOther => 0,
        LinuxSchedulerPolicy::SchedFifo => 1,
        LinuxSchedulerPolicy::SchedRr => 2,
        LinuxSchedulerPolicy::SchedBatch => 3,
        LinuxSchedulerPolicy::SchedIso => return Err(Invalid::new(FIELD, "Linux has no SCHED_ISO")),
        LinuxSchedulerPolicy::SchedIdle => 5,
        LinuxSchedulerPolicy::SchedDeadline => SCHED_DEADLINE,
    };
    let nice = scheduler.nice().unwrap_or(0);
    if !(-20..=19).contains(&nice) {
        return Err(Invalid::new(FIELD, format!("nice {nice} is outside -20..19")));
    }
    let real_time = matches!(policy, 1 | 2);
    let priority = scheduler.priority().unwrap_or(0);
    match (real_time, priority) {
        (true, 1..=99) | (false, 0) => {}
        (true, _) => return Err(Invalid::new(FIELD, format!("priority {priority} is outside 1..99"))),
        (false, _) => return Err(Invalid::new(FIELD, "priority is for SCHED_FIFO and SCHED_RR only")),
    }
    let times = (*scheduler.runtime(), *scheduler.deadline(), *scheduler.period());
    let (runtime, deadline, period) = (times.0.unwrap_or(0), times.1.unwrap_or(0), times.2.unwrap_or(0));
    if policy != SCHED_DEADLINE && (runtime, deadline, period) != (0, 0, 0) {
        return Err(Invalid::new(FIELD, "runtime, deadline and period are for SCHED_DEADLINE only"));
    }
    if policy == SCHED_DEADLINE {
        check_deadline(times).map_err(|reason| {
            // In crun's words.
            Invalid::new(FIELD, format!("sched_setattr: `SCHED_DEADLINE` {reason}"))
        })?;
    }
    let flags = scheduler.flags().iter().flatten().fold(0, |flags, flag| flags | flag_bit(*flag));
    Ok(Attributes {
        policy,
        flags,
        nice,
        priority: priority as u32,
        runtime,
        deadline,
        period,
        ..Default::default()
    })
}

/// sched(7), "SCHED_DEADLINE": runtime <= deadline <= period, none below 1024 ns, all below 2^63. A period of 0 is the
/// deadline's.
fn check_deadline(
    (runtime, deadline, period): (Option<u64>, Option<u64>, Option<u64>),
) -> Result<(), String> {
    const LEAST: u64 = 1024;
    const MOST: u64 = i64::MAX as u64;
    let runtime = runtime.ok_or("requires `runtime`")?;
    let deadline = deadline.ok_or("requires `deadline`")?;
    let period = period.filter(|period| *period != 0).unwrap_or(deadline);
    for (name, value) in [("runtime", runtime), ("deadline", deadline), ("period", period)] {
        match value {
            0 => return Err(format!("{name} must be greater than 0")),
            LEAST..=MOST => {}
            _ => return Err(format!("{name} {value} must be between {LEAST} and {MOST}")),
        }
    }
    if runtime > deadline {
        return Err(format!("runtime {runtime} must be <= deadline {deadline}"));
    }
    if deadline > period {
        return Err(format!("deadline {deadline} must be <= period {period}"));
    }
    Ok(())
}

/// linux/sched.h
fn flag_bit(flag: LinuxSchedulerFlag) -> u64 {
    match flag {
        LinuxSchedulerFlag::SchedResetOnFork => 0x01,
        LinuxSchedulerFlag::SchedFlagReclaim => 0x02,
        LinuxSchedulerFlag::SchedFlagDLOverrun => 0x04,
        LinuxSchedulerFlag::SchedFlagKeepPolicy => 0x08,
        LinuxSchedulerFlag::SchedFlagKeepParams => 0x10,
        LinuxSchedulerFlag::SchedFlagUtilClampMin => 0x20,
        LinuxSchedulerFlag::SchedFlagUtilClampMax => 0x40,
    }
}

pub(crate) fn plan_io(priority: &LinuxIOPriority) -> Result<IoPriority, Invalid> {
    let class = match priority.class() {
        IOPriorityClass::IoprioClassRt => 1,
        IOPriorityClass::IoprioClassBe => 2,
        IOPriorityClass::IoprioClassIdle => 3,
    };
    match priority.priority() {
        level @ 0..=7 => Ok(IoPriority { class, level: level as u16 }),
        level => Err(Invalid::new("process.ioPriority", format!("priority {level} is outside 0..7"))),
    }
}

/// `process.execCPUAffinity`: lists of CPUs as masks.
pub fn plan_affinity(affinity: Option<&ExecCPUAffinity>) -> Result<Affinity, Invalid> {
    let Some(affinity) = affinity else { return Ok(Affinity::default()) };
    let mask =
        |list: &Option<String>| list.as_deref().filter(|list| !list.is_empty()).map(cpu_mask).transpose();
    Ok(Affinity { initial: mask(affinity.initial())?, last: mask(affinity.cpu_affinity_final())? })
}

fn cpu_mask(list: &str) -> Result<Vec<u64>, Invalid> {
    let bad = || Invalid::new("process.execCPUAffinity", format!("{list:?} is no list of CPUs"));
    numbers(list, MAX_CPUS).ok_or_else(bad)
}

/// `0-3,7` as a mask; None if it is no such list, or has a number that is not below `limit`.
pub(super) fn numbers(list: &str, limit: usize) -> Option<Vec<u64>> {
    let number = |text: &str| text.trim().parse::<usize>().ok().filter(|n| *n < limit);
    let mut mask = Vec::new();
    for part in list.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (number(first)?, number(last)?);
        if first > last {
            return None;
        }
        mask.resize(mask.len().max(last / 64 + 1), 0);
        (first..=last).for_each(|n| mask[n / 64] |= 1 << (n % 64));
    }
    Some(mask)
}

/// `linux.personality` as personality(2) takes it. The specification defines no flags yet.
pub fn persona(personality: &LinuxPersonality) -> Result<u32, Invalid> {
    if let Some(flag) = personality.flags().iter().flatten().next() {
        return Err(Invalid::new("linux.personality.flags", format!("{flag:?} is unknown")));
    }
    Ok(match personality.domain() {
        LinuxPersonalityDomain::PerLinux => 0x0,
        LinuxPersonalityDomain::PerLinux32 => 0x8,
    })
}

/// Sets what a process sets for itself; needs `CAP_SYS_NICE` for more than the default.
pub(crate) fn set(plan: &ProcessPlan) -> Result<(), StepError> {
    if let Some(attributes) = plan.scheduler {
        scheduler::set_attributes(0, attributes)
            .at("set the scheduler", &format!("policy {}", attributes.policy))?;
    }
    if let Some(IoPriority { class, level }) = plan.io_priority {
        scheduler::set_io_priority(0, class, level)
            .at("set the I/O priority", &format!("class {class} level {level}"))?;
    }
    if let Some(persona) = plan.personality {
        scheduler::set_personality(persona).at("set the personality", &format!("{persona:#x}"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines() {
        for (runtime, deadline, period, valid) in [
            (10_000, 20_000, 20_000, true),
            (10_000, 20_000, 0, true),
            (0, 20_000, 20_000, false),
            (10_000, 0, 20_000, false),
            (30_000, 20_000, 20_000, false),
            (10_000, 20_000, 15_000, false),
            (1023, 20_000, 20_000, false),
            (u64::MAX, u64::MAX, u64::MAX, false),
        ] {
            assert_eq!(
                check_deadline((Some(runtime), Some(deadline), Some(period))).is_ok(),
                valid,
                "{runtime} {deadline} {period}"
            );
        }
    }
}
