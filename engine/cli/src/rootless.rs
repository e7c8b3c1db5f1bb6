//! ketch as an ordinary user: where its things are, and how it becomes root among them.

use std::env;
use std::ffi::{CString, OsString};
use std::fs::{self, DirBuilder};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use anyhow::{Context, ensure};
use ketch_engine::Paths;
use ketch_engine::rootless::{self, Stay};
use nix::unistd::{Uid, User, geteuid};

use crate::messages;

/// Says, to what runs in the user's namespaces, whose they are. podman's name and meaning.
const OWNER: &str = "_CONTAINERS_ROOTLESS_UID";

/// Who this process was started by, if it has entered that user's namespaces since: it is root now.
static USER: OnceLock<Uid> = OnceLock::new();

/// The ordinary user that ketch runs for; None for root, also for root of a user namespace that ketch did not make.
pub(crate) fn user() -> Option<Uid> {
    match geteuid() {
        root if root.is_root() => USER.get().copied().or_else(owner),
        uid => Some(uid),
    }
}

/// Whose namespaces these are, if it is ketch that has made them. Behind sudo the variable means nothing.
fn owner() -> Option<Uid> {
    let uid = env::var(OWNER).ok()?.parse().ok().map(Uid::from_raw)?;
    (!uid.is_root() && ketch_sys::ns::in_first_user() == Ok(false)).then_some(uid)
}

/// Takes this process into the user's namespaces, unless it is root's or there already.
pub(crate) fn enter(paths: &Paths) -> anyhow::Result<()> {
    enter_and(paths, Stay::Process)
}

/// The same for a process that is to become another program, which keeps the namespaces for others to join.
pub(crate) fn enter_for_good(paths: &Paths) -> anyhow::Result<()> {
    enter_and(paths, Stay::Program)
}

fn enter_and(paths: &Paths, stay: Stay) -> anyhow::Result<()> {
    let uid = geteuid();
    if !uid.is_root() {
        let entered = rootless::enter(paths, uid, stay)?;
        let _ = USER.set(uid);
        if let Some(warning) = entered.warning {
            messages::warn(&warning.to_string());
        }
    } else if USER.get().is_none()
        && let Some(uid) = owner()
    {
        rootless::stay(paths, stay)?;
        let _ = USER.set(uid);
    }
    Ok(())
}

/// The environment of a program that is executed where [`enter`] has gone to: the caller's, and whose namespaces these are.
pub(crate) fn environment() -> anyhow::Result<Vec<CString>> {
    let own = USER.get().map(|uid| {
        [(OWNER.into(), uid.to_string().into()), ("_CONTAINERS_USERNS_CONFIGURED".into(), "done".into())]
    });
    let own: Vec<(OsString, OsString)> = own.into_iter().flatten().collect();
    let inherited = env::vars_os().filter(|(name, _)| own.iter().all(|(of_own, _)| of_own != name));
    let mut variables = Vec::new();
    for (name, value) in inherited.chain(own.iter().cloned()) {
        variables.push(CString::new([name.as_encoded_bytes(), value.as_encoded_bytes()].join(&b'='))?);
    }
    Ok(variables)
}

/// Where the user's images and containers are: XDG Base Directory Specification.
pub(crate) fn root(uid: Uid) -> anyhow::Result<PathBuf> {
    if let Some(data) = directory("XDG_DATA_HOME") {
        return Ok(data.join("ketch"));
    }
    let home = directory("HOME").or_else(|| Some(User::from_uid(uid).ok()??.dir));
    Ok(home
        .context("cannot tell where to keep images and containers: HOME is not set")?
        .join(".local/share/ketch"))
}

/// `$XDG_RUNTIME_DIR`, else what a login would have set it to: su(1) and sudo(8) are none.
pub(crate) fn runtime_directory(uid: Uid) -> Option<PathBuf> {
    let of_login = PathBuf::from(format!("/run/user/{uid}"));
    directory("XDG_RUNTIME_DIR").into_iter().chain([of_login]).find(|dir| is_own(dir, uid))
}

/// Where what does not outlive a reboot is: in the runtime directory, else, as podman does, in one below /tmp that is the
/// user's alone.
pub(crate) fn run(uid: Uid) -> anyhow::Result<PathBuf> {
    if let Some(dir) = runtime_directory(uid) {
        return Ok(dir.join("ketch"));
    }
    let dir = env::temp_dir().join(format!("ketch-run-{uid}"));
    match DirBuilder::new().mode(0o700).create(&dir) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        made => made.with_context(|| format!("cannot make {}", dir.display()))?,
    }
    let private = fs::symlink_metadata(&dir).is_ok_and(|it| it.is_dir() && it.mode() & 0o077 == 0);
    ensure!(
        private && is_own(&dir, uid),
        "cannot use {}: it is not a directory of this user alone; set XDG_RUNTIME_DIR",
        dir.display()
    );
    Ok(dir)
}

/// In the namespaces the user is root.
fn is_own(dir: &Path, uid: Uid) -> bool {
    fs::metadata(dir).is_ok_and(|dir| [uid, geteuid()].contains(&Uid::from_raw(dir.uid())))
}

fn directory(variable: &str) -> Option<PathBuf> {
    env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute())
}
