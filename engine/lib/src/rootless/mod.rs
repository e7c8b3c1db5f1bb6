//! ketch without root: one user namespace, with one mount namespace, for all of a user's containers.
//!
//! There is no process that keeps them. A command goes into those of a living monitor (or of another command), else of a
//! container whose monitor was killed, else makes new ones; it stays the same process, and is root in there.

mod make;
pub(crate) mod range;

use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use ketch_monitor::members::Members;
use ketch_runtime::container::state::Vitals;
use ketch_sys::{Errno, ns, pidfd};
use nix::fcntl::{self, OFlag};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::stat::{FileStat, Mode, fstat, stat};
use nix::unistd::{Uid, chdir};

use crate::Paths;
pub use make::MakeError;

#[derive(Debug, thiserror::Error)]
pub enum EnterError {
    #[error("cannot {step} {path}")]
    File { step: &'static str, path: PathBuf, source: io::Error },
    #[error("cannot {step}: {}", .errno.desc().to_lowercase())]
    Join { step: &'static str, errno: Errno },
    #[error("a container of this user runs in a pid namespace that cannot be seen from here")]
    Hidden,
    #[error(transparent)]
    Make(#[from] MakeError),
}

const FOUND: &str = "be found in the user's namespaces";

/// For how long others find the caller, to join it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stay {
    /// Until it ends or executes another program.
    Process,
    /// Until it ends.
    Program,
}

/// Where the caller is, after [`enter`].
#[derive(Debug, Default)]
pub struct Entered {
    /// What is not as it should be, for the user to know.
    pub warning: Option<String>,
}

/// Whether `text`, of /etc/subuid or /etc/subgid, allots ids to the user.
pub(crate) fn has_range(text: &str, name: Option<&str>, uid: Uid) -> bool {
    !range::of(text, name, uid.as_raw()).is_empty()
}

/// Takes the calling process, of the user `uid` and with one thread, into the user's namespaces. It is root there,
/// holds all capabilities, and has its working directory still.
pub fn enter(paths: &Paths, uid: Uid, stay: Stay) -> Result<Entered, EnterError> {
    let members = open(paths)?;
    let turn = members.turn().map_err(failed("wait for another command"))?;
    let mut entered = Entered::default();
    loop {
        let joined = match members.find() {
            Ok(Some(member)) => join(&member),
            Ok(None) => match orphan(paths) {
                Some(init) => adopt(&init),
                None => {
                    entered.warning = make::make(uid)?;
                    break;
                }
            },
            Err(Errno::ESRCH) => return Err(EnterError::Hidden),
            Err(errno) => return Err(failed("look for the user's namespaces")(errno)),
        };
        match joined {
            // It was about to end, and is known not to be there the next time.
            Err(EnterError::Join { errno: Errno::ESRCH, .. }) => {}
            joined => break joined?,
        }
    }
    // Before the next one may look.
    members.join().map_err(failed(FOUND))?;
    drop(turn);
    members.keep(stay == Stay::Program).map_err(failed(FOUND))?;
    Ok(entered)
}

/// The same for a process that is in the namespaces already: it is found by others from now on.
pub fn stay(paths: &Paths, stay: Stay) -> Result<(), EnterError> {
    let members = open(paths)?;
    members.join().and_then(|()| members.keep(stay == Stay::Program)).map_err(failed(FOUND))
}

fn open(paths: &Paths) -> Result<Members, EnterError> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&paths.run);
    made.map_err(|source| EnterError::File { step: "make the directory", path: paths.run.clone(), source })?;
    let path = paths.members();
    Members::open(&path).map_err(|source| EnterError::File { step: "open", path, source })
}

/// Goes where a process of ketch is.
fn join(member: &OwnedFd) -> Result<(), EnterError> {
    let here = std::env::current_dir();
    let both = CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS;
    setns(member, both).map_err(failed("join the user's namespaces"))?;
    // It is the namespace's root now.
    match here {
        Ok(here) => chdir(&here).map_err(failed("go back to the working directory")),
        Err(_) => Ok(()),
    }
}

/// Goes into the user namespace that a container is in, or that its own was made in. The container's mount namespace is its own; the user's is gone with the last member.
fn adopt(init: &Init) -> Result<(), EnterError> {
    let joined = users_of(init).and_then(|namespace| setns(namespace, CloneFlags::CLONE_NEWUSER));
    if joined == Err(Errno::ESRCH) {
        // Past the point where it has namespaces, but not yet known to have ended.
        let _ = poll(&mut [PollFd::new(init.pidfd.as_fd(), PollFlags::POLLIN)], PollTimeout::NONE);
    }
    joined.map_err(failed("join the user namespace of a container"))?;
    unshare(CloneFlags::CLONE_NEWNS).map_err(failed("make a mount namespace"))
}

/// That of these around `init` which was made in the caller's.
fn users_of(init: &Init) -> Result<OwnedFd, Errno> {
    let identity = |stat: FileStat| (stat.st_dev, stat.st_ino);
    let own = identity(stat("/proc/self/ns/user")?);
    let path = format!("/proc/{}/ns/user", init.pid);
    let opened = fcntl::open(path.as_str(), OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty());
    // As long as it lives its pid is no other process's.
    if poll(&mut [PollFd::new(init.pidfd.as_fd(), PollFlags::POLLIN)], PollTimeout::ZERO)? > 0 {
        return Err(Errno::ESRCH);
    }
    let mut namespace = opened?;
    loop {
        let parent = ns::parent(&namespace)?;
        if identity(fstat(&parent)?) == own {
            return Ok(namespace);
        }
        namespace = parent;
    }
}

/// init of a container that runs without a monitor.
struct Init {
    pid: i32,
    pidfd: OwnedFd,
}

fn orphan(paths: &Paths) -> Option<Init> {
    let states = fs::read_dir(paths.runtime()).into_iter().flatten().flatten();
    states.filter_map(|entry| init(&paths.runtime(), entry.file_name().to_str()?)).next()
}

fn init(root: &Path, id: &str) -> Option<Init> {
    let vitals = Vitals::load_vitals(root, id).ok()?;
    let init = Init { pid: vitals.pid, pidfd: pidfd::open(vitals.pid).ok()? };
    // After it was opened: so it is that of this process.
    vitals.is_alive().then_some(init)
}

fn failed(step: &'static str) -> impl FnOnce(Errno) -> EnterError {
    move |errno| EnterError::Join { step, errno }
}
