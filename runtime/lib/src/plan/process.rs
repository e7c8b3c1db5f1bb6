//! `process`: what the container's program is run as.
//!
//! [`plan`] turns the configuration's strings and names into what the kernel takes: C strings,
//! bit masks, numbers. It is pure but for one question, asked only when an LSM label is given:
//! does this kernel have that LSM?

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;

use ketch_sys::scheduler::Attributes;
use ketch_sys::tty::Size;

use super::Invalid;
use crate::process::{capabilities, lsm, rlimits, scheduler};
use crate::spec;

/// A process ready to be carried out by [`crate::process::prepare`].
#[derive(Debug)]
pub struct ProcessPlan {
    /// At least one; the program to look for is the first.
    pub args: Vec<CString>,
    /// `NAME=value`, in the configuration's order.
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
    pub label: Option<lsm::Label>,
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

/// What `umask` is when the configuration gives none: runc's and crun's.
const DEFAULT_UMASK: u32 = 0o022;

/// Decides how `process` is run. `seccomp` is compiled here too.
pub fn plan(process: &spec::Process, _seccomp: Option<&spec::LinuxSeccomp>) -> Result<ProcessPlan, Invalid> {
    Ok(ProcessPlan {
        args: args(process)?,
        env: c_strings("process.env", process.env().as_deref().unwrap_or_default())?,
        cwd: cwd(process)?,
        create_cwd: true,
        user: user(process.user())?,
        capabilities: capabilities::plan(process.capabilities().as_ref())?,
        no_new_privileges: process.no_new_privileges().unwrap_or(false),
        keyring: Keyring::New,
        rlimits: rlimits::plan(process.rlimits().as_deref().unwrap_or_default())?,
        oom_score_adj: oom_score_adj(process.oom_score_adj())?,
        scheduler: process.scheduler().as_ref().map(scheduler::plan).transpose()?,
        io_priority: process.io_priority().as_ref().map(scheduler::plan_io).transpose()?,
        affinity: scheduler::plan_affinity(process.exec_cpu_affinity().as_ref())?,
        personality: None,
        label: lsm::plan(process)?,
        terminal: process.terminal().unwrap_or(false),
        console_size: process.console_size().map(console_size).transpose()?,
    })
}

pub(crate) fn refuse(field: &str, reason: impl Into<String>) -> Invalid {
    Invalid { field: field.to_owned(), reason: reason.into() }
}

/// A string for the kernel; it cannot carry a NUL byte.
pub(crate) fn c_string(field: &str, text: impl Into<Vec<u8>>) -> Result<CString, Invalid> {
    CString::new(text)
        .map_err(|e| refuse(field, format!("{:?} has a NUL byte", String::from_utf8_lossy(&e.into_vec()))))
}

fn c_strings(field: &str, texts: &[String]) -> Result<Vec<CString>, Invalid> {
    texts.iter().map(|text| c_string(field, text.as_str())).collect()
}

fn args(process: &spec::Process) -> Result<Vec<CString>, Invalid> {
    let args = process.args().as_deref().unwrap_or_default();
    if args.is_empty() {
        return Err(refuse("process.args", "names no program to run"));
    }
    c_strings("process.args", args)
}

fn cwd(process: &spec::Process) -> Result<CString, Invalid> {
    let cwd = process.cwd();
    if !cwd.is_absolute() {
        return Err(refuse(
            "process.cwd",
            format!("{:?} is not an absolute path", cwd.display().to_string()),
        ));
    }
    c_string("process.cwd", cwd.as_os_str().as_bytes())
}

fn user(user: &spec::User) -> Result<User, Invalid> {
    // -1 means "leave it as it is" to setresuid(2): the process would stay root.
    if user.uid() == u32::MAX || user.gid() == u32::MAX {
        return Err(refuse("process.user", format!("{} is no id", u32::MAX)));
    }
    let umask = user.umask().unwrap_or(DEFAULT_UMASK);
    if umask > 0o777 {
        return Err(refuse("process.user.umask", format!("{umask:#o} is above 0777")));
    }
    let groups = user.additional_gids().clone().unwrap_or_default();
    Ok(User { uid: user.uid(), gid: user.gid(), groups, umask })
}

fn oom_score_adj(score: Option<i32>) -> Result<Option<i16>, Invalid> {
    match score {
        None => Ok(None),
        Some(n @ -1000..=1000) => Ok(Some(n as i16)),
        Some(n) => Err(refuse("process.oomScoreAdj", format!("{n} is outside -1000..1000"))),
    }
}

fn console_size(size: spec::Box) -> Result<Size, Invalid> {
    let side =
        |n: u64| u16::try_from(n).map_err(|_| refuse("process.consoleSize", format!("{n} is above 65535")));
    Ok(Size { rows: side(size.height())?, columns: side(size.width())?, x_pixels: 0, y_pixels: 0 })
}
