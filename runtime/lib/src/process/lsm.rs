//! The label that AppArmor or SELinux gives the program: written to procfs now, in force from execve on.

use std::ffi::CString;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::path::Path;

use ketch_sys::mount::{Filesystem, attr};
use ketch_sys::{Errno, openat2};
use nix::fcntl::{OFlag, ResolveFlag};

use crate::init::procfs::is_root;
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
            enabled("process.selinuxLabel", "SELinux", has_selinux())?;
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

/// `linux.mountLabel`; asked for where there is no SELinux, it cannot be given.
pub(crate) fn mount_label(label: Option<&str>) -> Result<Option<&str>, Invalid> {
    let Some(label) = label.filter(|label| !label.is_empty()) else { return Ok(None) };
    enabled("linux.mountLabel", "SELinux", has_selinux())?;
    Ok(Some(label))
}

fn has_selinux() -> bool {
    Path::new("/sys/fs/selinux/enforce").exists()
}

fn has_apparmor() -> bool {
    std::fs::read("/sys/module/apparmor/parameters/enabled").is_ok_and(|answer| answer.starts_with(b"Y"))
}

/// Writes the label.
pub(crate) fn set(label: &Label) -> Result<(), StepError> {
    let (files, text, step): (&[&str], _, _) = match label {
        // The first is there since Linux 5.8, and is the only one where another LSM owns the second.
        Label::AppArmor(text) => {
            (&["thread-self/attr/apparmor/exec", "thread-self/attr/exec"], text, "apply the apparmor profile")
        }
        Label::SELinux(text) => (&["thread-self/attr/exec"], text, "apply the SELinux label"),
    };
    let proc = procfs().at("open", "procfs")?;
    let file = files
        .iter()
        .map(|file| open_beneath(&proc, file))
        .find(|opened| !matches!(opened, Err(Errno::ENOENT)))
        .unwrap_or(Err(Errno::ENOENT))
        .at("open the LSM attribute below", "/proc")?;
    let label = text.to_string_lossy();
    let name = label.strip_prefix("exec ").unwrap_or(&label);
    std::fs::File::from(file).write_all(text.as_bytes()).at(step, name)
}

/// A procfs to trust with the label: the image decides what is at `/proc`, and a tmpfs there would
/// swallow it (CVE-2019-16884, CVE-2019-19921). So one that is mounted nowhere; or where a user
/// namespace may not make one, that at `/proc` if it really is one.
fn procfs() -> Result<OwnedFd, Errno> {
    let own = Filesystem::open(c"proc")
        .and_then(|fs| fs.create().map(|()| fs))
        .and_then(|fs| fs.mount(attr::NOSUID | attr::NODEV | attr::NOEXEC));
    if own.is_ok() {
        return own;
    }
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let proc = nix::fcntl::open(c"/proc", flags, nix::sys::stat::Mode::empty())?;
    if is_root(&proc)? { Ok(proc) } else { Err(Errno::ENODEV) }
}

/// Opens `file` for writing, unless something else is mounted on the way.
fn open_beneath(proc: &OwnedFd, file: &str) -> Result<OwnedFd, Errno> {
    let resolve =
        ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_XDEV | ResolveFlag::RESOLVE_NO_MAGICLINKS;
    openat2::open(proc, file, OFlag::O_WRONLY, resolve)
}
