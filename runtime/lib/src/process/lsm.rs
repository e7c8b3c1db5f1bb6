//! The label that AppArmor or SELinux gives the program: written to procfs now, in force from execve on.

use std::ffi::CString;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::path::Path;

use ketch_sys::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::statfs::{PROC_SUPER_MAGIC, fstatfs};

use crate::plan::Invalid;
use crate::plan::process::c_string;
use crate::spec::Process;
use crate::step::{At, StepError};

/// At most one of the two: no kernel confines a task by both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Label {
    AppArmor(CString),
    SELinux(CString),
}

/// What AppArmor calls no confinement; asked for where there is no AppArmor, it is true already.
const UNCONFINED: &str = "unconfined";

pub(crate) fn plan(process: &Process) -> Result<Option<Label>, Invalid> {
    let given = |label: &Option<String>| label.clone().filter(|label| !label.is_empty());
    match (given(process.apparmor_profile()), given(process.selinux_label())) {
        (None, None) => Ok(None),
        (Some(profile), None) if profile == UNCONFINED && !has_apparmor() => Ok(None),
        (Some(profile), None) => {
            enabled("process.apparmorProfile", "AppArmor", has_apparmor())?;
            Ok(Some(Label::AppArmor(c_string("process.apparmorProfile", format!("exec {profile}"))?)))
        }
        (None, Some(label)) => {
            enabled("process.selinuxLabel", "SELinux", Path::new("/sys/fs/selinux/enforce").exists())?;
            Ok(Some(Label::SELinux(c_string("process.selinuxLabel", label)?)))
        }
        (Some(_), Some(_)) => {
            Err(Invalid::new("process.selinuxLabel", "there is an apparmorProfile as well"))
        }
    }
}

fn enabled(field: &str, module: &str, enabled: bool) -> Result<(), Invalid> {
    if enabled { Ok(()) } else { Err(Invalid::new(field, format!("{module} is not enabled on this host"))) }
}

fn has_apparmor() -> bool {
    std::fs::read("/sys/module/apparmor/parameters/enabled").is_ok_and(|answer| answer.starts_with(b"Y"))
}

/// Writes the label through the container's `/proc`.
///
/// The image decides what is mounted there, so it is made sure to be procfs and nothing mounted
/// on top of it (CVE-2019-16884, CVE-2019-19921: a tmpfs at `/proc` swallowed the label).
pub(crate) fn set(label: &Label) -> Result<(), StepError> {
    let (files, text): (&[&str], _) = match label {
        // The first is there since Linux 5.8 and the only one where another LSM owns the second.
        Label::AppArmor(text) => (&["thread-self/attr/apparmor/exec", "thread-self/attr/exec"], text),
        Label::SELinux(text) => (&["thread-self/attr/exec"], text),
    };
    let file = files
        .iter()
        .map(|file| open_in_proc(file))
        .find(|opened| !matches!(opened, Err(Errno::ENOENT)))
        .unwrap_or(Err(Errno::ENOENT))
        .at("open the LSM attribute below", "/proc")?;
    let label = text.to_string_lossy();
    std::fs::File::from(file).write_all(text.as_bytes()).at("set the LSM label", &*label)
}

fn open_in_proc(file: &str) -> Result<OwnedFd, Errno> {
    let beneath =
        ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_XDEV | ResolveFlag::RESOLVE_NO_MAGICLINKS;
    let proc = nix::fcntl::open(
        c"/proc",
        OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC,
        nix::sys::stat::Mode::empty(),
    )?;
    if fstatfs(&proc)?.filesystem_type() != PROC_SUPER_MAGIC {
        return Err(Errno::EXDEV);
    }
    openat2(&proc, file, OpenHow::new().flags(OFlag::O_WRONLY | OFlag::O_CLOEXEC).resolve(beneath))
}
