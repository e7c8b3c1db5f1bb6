//! The program's working directory.

use std::ffi::OsStr;
use std::fs::DirBuilder;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use ketch_sys::Errno;
use nix::unistd::{chdir, getcwd};

use crate::plan::process::ProcessPlan;
use crate::step::{At, CHDIR, StepError};

/// Whether the process stands in its working directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entered {
    Yes,
    /// The container's root may not: try again as the final user, for whom another file system
    /// (NFS with root squashed, FUSE) may well open it.
    NotYet,
}

/// Enters it as the container's root, so that a user can be put where it could not go, as runc
/// and crun do. A missing one is made, when the plan says so.
pub(crate) fn enter(plan: &ProcessPlan) -> Result<Entered, StepError> {
    let path = Path::new(OsStr::from_bytes(plan.cwd.to_bytes()));
    match change(path) {
        Ok(()) => Ok(Entered::Yes),
        Err(Errno::EACCES | Errno::EPERM) => Ok(Entered::NotYet),
        Err(Errno::ENOENT) if plan.create_cwd => {
            DirBuilder::new()
                .recursive(true)
                .mode(0o755)
                .create(path)
                .at("create the working directory", path)?;
            change(path).at(CHDIR, path).map(|()| Entered::Yes)
        }
        Err(errno) => Err(errno).at(CHDIR, path),
    }
}

/// Enters it as the final user, unless done already.
pub(crate) fn enter_as_user(plan: &ProcessPlan, entered: Entered) -> Result<(), StepError> {
    if entered == Entered::Yes {
        return Ok(());
    }
    let path = Path::new(OsStr::from_bytes(plan.cwd.to_bytes()));
    change(path).at(CHDIR, path)
}

/// CVE-2024-21626: `/proc/self/fd/N` with a descriptor of the host leaked would be a directory
/// outside the root, and getcwd(2) fails for such a one.
fn change(path: &Path) -> Result<(), Errno> {
    chdir(path)?;
    match getcwd() {
        Ok(_) => Ok(()),
        Err(_) => Err(Errno::EXDEV),
    }
}
