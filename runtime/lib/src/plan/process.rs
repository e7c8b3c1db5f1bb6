//! `process`: what the container's program is run as.
//!
//! [`plan`] turns the configuration's strings and names into what the kernel takes: C strings,
//! bit masks, numbers. It is pure but for one question, asked only when an LSM label is given:
//! does this kernel have that LSM?

use std::collections::HashSet;
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;

use ketch_sys::scheduler::Attributes;
use ketch_sys::tty::Size;

use super::Invalid;
use crate::process::{capabilities, lsm, memory_policy, rlimits, scheduler};
use crate::seccomp::{self, Program};
use crate::spec;

/// A process ready to be carried out by [`crate::process::prepare`].
#[derive(Debug)]
pub struct ProcessPlan {
    /// At least one; the program to look for is the first.
    pub args: Vec<CString>,
    /// `NAME=value`, each name once: the last one that the configuration gives.
    pub env: Vec<CString>,
    /// Absolute, seen from the container's root.
    pub cwd: CString,
    /// Make `cwd` when it is missing: true for init, for `exec` a missing one is an error.
    pub create_cwd: bool,
    pub user: User,
    pub capabilities: Capabilities,
    pub no_new_privileges: bool,
    /// [`Keyring::New`] unless the caller decides otherwise.
    pub keyring: Keyring,
    pub rlimits: Vec<rlimits::Limit>,
    pub oom_score_adj: Option<i16>,
    pub scheduler: Option<Attributes>,
    pub io_priority: Option<scheduler::IoPriority>,
    /// For `exec` only, by the specification.
    pub affinity: scheduler::Affinity,
    /// `linux.personality` is no part of `process`: set by the caller with [`scheduler::persona`].
    pub personality: Option<u32>,
    /// As little a part of it: see [`memory_policy::plan`].
    pub memory_policy: Option<memory_policy::MemoryPolicy>,
    pub label: Option<lsm::Label>,
    pub seccomp: Option<Seccomp>,
    pub terminal: bool,
    /// The terminal's first size, when the configuration gives one.
    pub console_size: Option<Size>,
}

/// Ids inside the container's user namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    pub uid: u32,
    pub gid: u32,
    pub groups: Vec<u32>,
    /// Leave the supplementary groups as the caller of the runtime has them, instead of `groups`.
    pub keeps_groups: bool,
    pub umask: u32,
}

/// capabilities(7): bit n is capability n.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Capabilities {
    pub bounding: u64,
    pub effective: u64,
    pub permitted: u64,
    pub inheritable: u64,
    pub ambient: u64,
}

/// The session keyring; it holds secrets that a container must not share with the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keyring {
    /// `--no-new-keyring`: the caller's own.
    Inherited,
    /// A new one without a name.
    New,
    /// One that init and every `exec` share by this name, `_ses.<id>`.
    Named(CString),
}

/// A system call filter, and when it is installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seccomp {
    pub program: Program,
    /// In `create`: while the process has `CAP_SYS_ADMIN` still, which a filter takes without
    /// `no_new_privs`; and while it can still hand over a listener. Otherwise after `start`, as late as
    /// can be. Either way the filter need not allow what makes the process the container's.
    pub early: bool,
}

/// What `umask` is when the configuration gives none: runc's and crun's.
const DEFAULT_UMASK: u32 = 0o022;

/// Decides how `process` is run. `seccomp` is compiled here too.
pub fn plan(process: &spec::Process, seccomp: Option<&spec::LinuxSeccomp>) -> Result<ProcessPlan, Invalid> {
    let no_new_privileges = process.no_new_privileges().unwrap_or(false);
    Ok(ProcessPlan {
        args: args(process)?,
        env: env(process.env().as_deref().unwrap_or_default())?,
        cwd: cwd(process)?,
        create_cwd: true,
        user: user(process.user())?,
        capabilities: capabilities::plan(process.capabilities().as_ref())?,
        no_new_privileges,
        keyring: Keyring::New,
        rlimits: rlimits::plan(process.rlimits().as_deref().unwrap_or_default())?,
        oom_score_adj: oom_score_adj(process.oom_score_adj())?,
        scheduler: process.scheduler().as_ref().map(scheduler::plan).transpose()?,
        io_priority: process.io_priority().as_ref().map(scheduler::plan_io).transpose()?,
        affinity: scheduler::plan_affinity(process.exec_cpu_affinity().as_ref())?,
        personality: None,
        memory_policy: None,
        label: lsm::plan(process)?,
        seccomp: seccomp.map(|profile| filter(profile, no_new_privileges)).transpose()?,
        terminal: process.terminal().unwrap_or(false),
        // Without a terminal the specification has it ignored.
        console_size: match process.terminal() {
            Some(true) => process.console_size().map(console_size).transpose()?,
            _ => None,
        },
    })
}

fn filter(profile: &spec::LinuxSeccomp, no_new_privileges: bool) -> Result<Seccomp, Invalid> {
    let program = seccomp::compile(profile)
        .map_err(|e| Invalid::new(&format!("linux.seccomp.{}", e.field), e.reason))?;
    Ok(Seccomp { program, early: !no_new_privileges || profile.listener_path().is_some() })
}

/// A string for the kernel; it cannot carry a NUL byte.
pub(crate) fn c_string(field: &str, text: impl Into<Vec<u8>>) -> Result<CString, Invalid> {
    CString::new(text).map_err(|e| {
        Invalid::new(field, format!("{:?} has a NUL byte", String::from_utf8_lossy(&e.into_vec())))
    })
}

fn args(process: &spec::Process) -> Result<Vec<CString>, Invalid> {
    let args = process.args().as_deref().unwrap_or_default();
    if args.is_empty() {
        return Err(Invalid::new("process.args", "names no program to run"));
    }
    args.iter().map(|arg| c_string("process.args", arg.as_str())).collect()
}

fn env(entries: &[String]) -> Result<Vec<CString>, Invalid> {
    const FIELD: &str = "process.env";
    let mut seen = HashSet::with_capacity(entries.len());
    let mut env = Vec::with_capacity(entries.len() + 1);
    for entry in entries.iter().rev() {
        match entry.split_once('=') {
            None | Some(("", _)) => return Err(Invalid::new(FIELD, format!("{entry:?} is not NAME=value"))),
            Some((name, _)) if seen.insert(name) => env.push(c_string(FIELD, entry.as_str())?),
            Some(_) => {}
        }
    }
    env.reverse();
    Ok(env)
}

fn cwd(process: &spec::Process) -> Result<CString, Invalid> {
    let cwd = process.cwd();
    if !cwd.is_absolute() {
        return Err(Invalid::new(
            "process.cwd",
            format!("{:?} is not an absolute path", cwd.display().to_string()),
        ));
    }
    c_string("process.cwd", cwd.as_os_str().as_bytes())
}

fn user(user: &spec::User) -> Result<User, Invalid> {
    // -1 means "leave it as it is" to setresuid(2): the process would stay root.
    if user.uid() == u32::MAX || user.gid() == u32::MAX {
        return Err(Invalid::new("process.user", format!("{} is no id", u32::MAX)));
    }
    let umask = user.umask().unwrap_or(DEFAULT_UMASK);
    if umask > 0o777 {
        return Err(Invalid::new("process.user.umask", format!("{umask:#o} is above 0777")));
    }
    let groups = user.additional_gids().clone().unwrap_or_default();
    Ok(User { uid: user.uid(), gid: user.gid(), groups, keeps_groups: false, umask })
}

fn oom_score_adj(score: Option<i32>) -> Result<Option<i16>, Invalid> {
    match score {
        None => Ok(None),
        Some(n @ -1000..=1000) => Ok(Some(n as i16)),
        Some(n) => Err(Invalid::new("process.oomScoreAdj", format!("{n} is outside -1000..1000"))),
    }
}

fn console_size(size: spec::Box) -> Result<Size, Invalid> {
    let side = |n: u64| {
        u16::try_from(n).map_err(|_| Invalid::new("process.consoleSize", format!("{n} is above 65535")))
    };
    Ok(Size { rows: side(size.height())?, columns: side(size.width())?, x_pixels: 0, y_pixels: 0 })
}

#[cfg(test)]
mod tests {
    use ketch_sys::rlimit::Resource;

    use super::*;

    /// A plan of the smallest process with `fields` (JSON) in it.
    fn planned(fields: &str) -> Result<ProcessPlan, Invalid> {
        let mut process = serde_json::json!({ "user": { "uid": 0, "gid": 0 }, "args": ["sh"], "cwd": "/" });
        let fields: serde_json::Map<_, _> = serde_json::from_str(fields).expect("a JSON object");
        process.as_object_mut().expect("an object").extend(fields);
        plan(&serde_json::from_value(process).expect("a process"), None)
    }

    #[test]
    fn refused() {
        for (fields, message) in [
            (r#"{"args": []}"#, "process.args: names no program to run"),
            (r#"{"args": ["a\u0000b"]}"#, r#"process.args: "a\0b" has a NUL byte"#),
            (r#"{"cwd": "tmp"}"#, r#"process.cwd: "tmp" is not an absolute path"#),
            (r#"{"cwd": ""}"#, r#"process.cwd: "" is not an absolute path"#),
            (r#"{"env": ["PATH"]}"#, r#"process.env: "PATH" is not NAME=value"#),
            (r#"{"env": ["=x"]}"#, r#"process.env: "=x" is not NAME=value"#),
            (r#"{"env": ["A=\u0000"]}"#, r#"process.env: "A=\0" has a NUL byte"#),
            (r#"{"user": {"uid": 4294967295}}"#, "process.user: 4294967295 is no id"),
            (r#"{"user": {"umask": 4095}}"#, "process.user.umask: 0o7777 is above 0777"),
            (r#"{"oomScoreAdj": 1001}"#, "process.oomScoreAdj: 1001 is outside -1000..1000"),
            (
                r#"{"terminal": true, "consoleSize": {"height": 70000, "width": 1}}"#,
                "process.consoleSize: 70000 is above 65535",
            ),
            (
                r#"{"rlimits": [{"type": "RLIMIT_CORE", "soft": 2, "hard": 1}]}"#,
                "process.rlimits: RLIMIT_CORE: soft 2 is above hard 1",
            ),
            (
                r#"{"rlimits": [{"type": "RLIMIT_AS", "soft": 1, "hard": 1}, {"type": "RLIMIT_AS", "soft": 1, "hard": 1}]}"#,
                "process.rlimits: RLIMIT_AS is there twice",
            ),
            (
                r#"{"capabilities": {"effective": ["CAP_KILL"]}}"#,
                "process.capabilities.effective: has a capability that is not in permitted",
            ),
            (
                r#"{"capabilities": {"inheritable": ["CAP_KILL"]}}"#,
                "process.capabilities.inheritable: has a capability that is not in bounding: operation not permitted (capabilities(7))",
            ),
            (
                r#"{"ioPriority": {"class": "IOPRIO_CLASS_BE", "priority": 8}}"#,
                "process.ioPriority: priority 8 is outside 0..7",
            ),
            (r#"{"scheduler": {"policy": "SCHED_ISO"}}"#, "process.scheduler: Linux has no SCHED_ISO"),
            (
                r#"{"scheduler": {"policy": "SCHED_OTHER", "nice": 20}}"#,
                "process.scheduler: nice 20 is outside -20..19",
            ),
            (r#"{"scheduler": {"policy": "SCHED_FIFO"}}"#, "process.scheduler: priority 0 is outside 1..99"),
            (
                r#"{"scheduler": {"policy": "SCHED_BATCH", "priority": 1}}"#,
                "process.scheduler: priority is for SCHED_FIFO and SCHED_RR only",
            ),
            (
                r#"{"scheduler": {"policy": "SCHED_RR", "priority": 1, "period": 1}}"#,
                "process.scheduler: runtime, deadline and period are for SCHED_DEADLINE only",
            ),
            (
                r#"{"scheduler": {"policy": "SCHED_DEADLINE", "deadline": 4000}}"#,
                "process.scheduler: sched_setattr: `SCHED_DEADLINE` requires `runtime`",
            ),
            (
                r#"{"scheduler": {"policy": "SCHED_DEADLINE", "runtime": 1000, "deadline": 4000}}"#,
                "process.scheduler: sched_setattr: `SCHED_DEADLINE` runtime 1000 must be between 1024 and 9223372036854775807",
            ),
            (
                r#"{"scheduler": {"policy": "SCHED_DEADLINE", "runtime": 4001, "deadline": 4000}}"#,
                "process.scheduler: sched_setattr: `SCHED_DEADLINE` runtime 4001 must be <= deadline 4000",
            ),
            (
                r#"{"scheduler": {"policy": "SCHED_DEADLINE", "runtime": 2000, "deadline": 4000, "period": 3000}}"#,
                "process.scheduler: sched_setattr: `SCHED_DEADLINE` deadline 4000 must be <= period 3000",
            ),
            (
                r#"{"execCPUAffinity": {"initial": "3-1"}}"#,
                r#"process.execCPUAffinity: "3-1" is no list of CPUs"#,
            ),
            (
                r#"{"execCPUAffinity": {"final": "9999"}}"#,
                r#"process.execCPUAffinity: "9999" is no list of CPUs"#,
            ),
            (
                r#"{"apparmorProfile": "a", "selinuxLabel": "b"}"#,
                "process.selinuxLabel: there is an apparmorProfile as well",
            ),
        ] {
            assert_eq!(planned(fields).expect_err(fields).to_string(), message, "{fields}");
        }
    }

    #[test]
    fn the_smallest_process_has_nothing() {
        let plan = planned("{}").expect("valid");
        assert_eq!(plan.capabilities, Capabilities::default());
        assert_eq!(plan.user, User { uid: 0, gid: 0, groups: vec![], keeps_groups: false, umask: 0o022 });
        assert_eq!(plan.keyring, Keyring::New);
        assert!(plan.create_cwd && !plan.no_new_privileges && !plan.terminal);
        let unused = planned(r#"{"consoleSize": {"height": 70000, "width": 1}}"#).expect("no terminal");
        assert_eq!(unused.console_size, None);
        assert!(plan.env.is_empty() && plan.rlimits.is_empty() && plan.label.is_none());
    }

    #[test]
    fn capability_masks() {
        let plan = planned(
            r#"{"capabilities": {
                "bounding": ["CAP_CHOWN", "CAP_KILL", "CAP_CHECKPOINT_RESTORE"],
                "permitted": ["CAP_CHOWN", "CAP_KILL"], "effective": ["CAP_KILL"],
                "inheritable": ["CAP_KILL"], "ambient": ["CAP_KILL", "CAP_CHOWN"]
            }}"#,
        );
        // CHOWN cannot be ambient: it is not inheritable.
        let expected = Capabilities {
            bounding: 1 << 40 | 1 << 5 | 1,
            permitted: 1 << 5 | 1,
            effective: 1 << 5,
            inheritable: 1 << 5,
            ambient: 1 << 5,
        };
        assert_eq!(plan.expect("valid").capabilities, expected);
    }

    #[test]
    fn environment_keeps_the_last_of_a_name() {
        for (given, kept) in [
            (r#"["A=1", "B=2"]"#, &["A=1", "B=2"][..]),
            (r#"["A=1", "B=2", "A=3"]"#, &["B=2", "A=3"]),
            (r#"["A=", "B=x=y"]"#, &["A=", "B=x=y"]),
        ] {
            let plan = planned(&format!(r#"{{"env": {given}}}"#)).expect("valid");
            let env: Vec<_> = plan.env.iter().map(|entry| entry.to_str().expect("UTF-8")).collect();
            assert_eq!(env, kept, "{given}");
        }
    }

    #[test]
    fn numbers() {
        let plan = planned(
            r#"{
                "user": {"uid": 1, "gid": 2, "umask": 63, "additionalGids": [3, 4]},
                "rlimits": [{"type": "RLIMIT_NOFILE", "soft": 10, "hard": 18446744073709551615}],
                "scheduler": {"policy": "SCHED_FIFO", "priority": 5, "flags": ["SCHED_RESET_ON_FORK"]},
                "ioPriority": {"class": "IOPRIO_CLASS_IDLE", "priority": 0},
                "execCPUAffinity": {"initial": "0-2,65", "final": "1"},
                "terminal": true, "consoleSize": {"height": 24, "width": 80}
            }"#,
        )
        .expect("valid");
        let user = User { uid: 1, gid: 2, groups: vec![3, 4], keeps_groups: false, umask: 0o077 };
        assert_eq!(plan.user, user);
        assert_eq!(plan.rlimits, [rlimits::Limit { resource: Resource::Nofile, soft: 10, hard: u64::MAX }]);
        assert_eq!(
            plan.scheduler,
            Some(Attributes { policy: 1, priority: 5, flags: 1, ..Default::default() })
        );
        assert_eq!(plan.io_priority, Some(scheduler::IoPriority { class: 3, level: 0 }));
        assert_eq!(plan.affinity.initial, Some(vec![0b111, 0b10]));
        assert_eq!(plan.affinity.last, Some(vec![0b10]));
        assert_eq!(plan.console_size, Some(Size { rows: 24, columns: 80, x_pixels: 0, y_pixels: 0 }));
    }
}
