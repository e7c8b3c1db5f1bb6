//! The program's working directory.

use std::ffi::OsStr;
use std::fs::DirBuilder;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use ketch_sys::Errno;
use nix::unistd::{chdir, getcwd};

use crate::plan::process::ProcessPlan;
use crate::step::{At, StepError};

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
    match chdir(path) {
        Err(Errno::EACCES | Errno::EPERM) => return Ok(Entered::NotYet),
        Err(Errno::ENOENT) if plan.create_cwd => {
            let create = DirBuilder::new().recursive(true).mode(0o755).create(path);
            create.at("create the working directory", path)?;
            chdir(path).at(STEP, path)?;
        }
        result => result.at(STEP, path)?,
    }
    is_inside(path).map(|()| Entered::Yes)
}

/// Enters it as the final user, unless done already.
pub(crate) fn enter_as_user(plan: &ProcessPlan, entered: Entered) -> Result<(), StepError> {
    if entered == Entered::Yes {
        return Ok(());
    }
    let path = Path::new(OsStr::from_bytes(plan.cwd.to_bytes()));
    chdir(path).at(STEP, path)?;
    is_inside(path)
}

const STEP: &str = crate::step::CHDIR;

/// CVE-2024-21626: `/proc/self/fd/N`, with a descriptor of the host's still open, would be a
/// directory outside the root; getcwd(2) has no path for such a one.
fn is_inside(path: &Path) -> Result<(), StepError> {
    match getcwd() {
        Ok(_) => Ok(()),
        Err(_) => Err(Errno::EXDEV).at(STEP, &format!("{} (outside the container's root)", path.display())),
    }
}
