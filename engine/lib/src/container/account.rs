//! What a container has used and what it has changed: told once, when it is gone.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use ketch_monitor::account::{Account, Used};
use ketch_monitor::exit::Exit;
use ketch_sys::mount::clone_tree;
use ketch_sys::openat2;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, open, openat};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::stat::Mode;
use serde::{Deserialize, Serialize};

use super::diff::{self, DiffError};
use super::inside::image_of;
use crate::Engine;
use crate::state::containers::Record;
use crate::store::{self, Change, ChangeKind};

/// What is known of a container that has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    pub code: i32,
    pub oom_killed: bool,
    pub used: Used,
    /// None: nobody wanted to know, or the root is not the container's own.
    pub files: Option<Files>,
    /// Why the files cannot be told.
    pub problem: Option<String>,
}

/// What is other in the root than before, by path from it; of directories only those that are new or gone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Files {
    pub added: Vec<PathBuf>,
    pub changed: Vec<PathBuf>,
    pub deleted: Vec<PathBuf>,
}

/// For [`Start::account`](super::start::Start).
#[derive(Debug)]
pub struct Wanted {
    /// Where the report is written.
    pub report: OwnedFd,
    /// Whether it tells of files, which are looked for then.
    pub files: bool,
}

impl Wanted {
    /// With a file that has no name, for [`read`].
    pub fn new(files: bool) -> std::io::Result<(Wanted, File)> {
        let file = File::from(memfd_create(c"ketch-account", MFdFlags::MFD_CLOEXEC)?);
        Ok((Wanted { report: file.try_clone()?.into(), files }, file))
    }
}

/// After the container's end; None: its monitor was killed.
pub fn read(mut file: File) -> std::io::Result<Option<Report>> {
    let mut text = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut text)?;
    if text.is_empty() { Ok(None) } else { Ok(Some(serde_json::from_slice(&text)?)) }
}

/// Runs in the monitor, before the container is removed.
pub(super) fn report(engine: &Engine, id: &str, account: &Account, exit: &Exit) {
    let files = account.upper.as_ref().map(|upper| files(engine, id, upper));
    let (files, problem) = match files.transpose() {
        Ok(files) => (files, None),
        Err(error) => (None, Some(ketch_runtime::causes::line(&error))),
    };
    let report =
        Report { code: exit.code, oom_killed: exit.oom_killed, used: account.used.clone(), files, problem };
    // Whoever wants to know finds nothing then.
    let Ok(text) = serde_json::to_vec(&report) else { return };
    let Ok(copy) = account.report.try_clone() else { return };
    let _ = File::from(copy).write_all(&text);
}

fn files(engine: &Engine, id: &str, upper: &OwnedFd) -> Result<Files, DiffError> {
    let record = engine.db.find_container(id)?;
    let below = below(engine, &record)?;
    let copy = openat(upper, c".", OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty());
    let copy = copy.map_err(|errno| DiffError::Mount { what: record.id.clone(), errno })?;
    let mut changes = store::changes::of_layer(copy, Some(below))?;
    // A directory is what is in it.
    let is_directory = |change: &Change| is_directory(upper.as_fd(), &change.path);
    changes.retain(|change| change.kind != ChangeKind::Changed || !is_directory(change));
    // Without it in the image, it is made for the container's hosts.
    changes.retain(|change| diff::says_something(change) && change.path != Path::new("/etc"));
    let mut files = Files::default();
    for Change { kind, path } in changes {
        match kind {
            ChangeKind::Added => files.added.push(path),
            ChangeKind::Changed => files.changed.push(path),
            ChangeKind::Deleted => files.deleted.push(path),
        }
    }
    Ok(files)
}

/// What the root was before. Only one with an upper directory is asked for.
fn below(engine: &Engine, record: &Record) -> Result<OwnedFd, DiffError> {
    let Some(rootfs) = &record.options.rootfs else {
        let image = image_of(engine, record)?.ok_or_else(|| DiffError::NoLayers(record.id.clone()))?;
        return diff::merged(engine, &record.image_name, &image.layers);
    };
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    // Without what is mounted on it, as the overlay has it. Where that is not to be had, there are overlays only of what nothing
    // is mounted on.
    let root = match clone_tree(AT_FDCWD, &rootfs.path, false) {
        Err(Errno::EINVAL) => open(&rootfs.path, flags, Mode::empty()),
        root => root.and_then(|root| openat(root, c".", flags, Mode::empty())),
    };
    root.map_err(|errno| DiffError::Mount { what: rootfs.path.display().to_string(), errno })
}

fn is_directory(upper: BorrowedFd<'_>, path: &Path) -> bool {
    openat2::open_in_root(upper, path, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW).is_ok()
}
