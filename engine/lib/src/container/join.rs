//! Namespaces of other containers: which containers are meant, and where their namespaces are at this moment.

use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use ketch_runtime::container::state::{Status as Runtime, Vitals};
use ketch_sys::mount::{self, Change, Propagation};
use ketch_sys::{Errno, openat2, pidfd};
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, setns};
use nix::sys::stat::Mode;
use nix::unistd::fchdir;

use super::options::{Namespace, Namespaces, Network, Options, UsernsMode};
use crate::Engine;
use crate::spec::Joined;
use crate::state::containers::FindError;

/// Why a namespace cannot be joined. podman's words where podman has them.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    #[error("looking up container to share {kind} namespace with")]
    Find { kind: &'static str, source: FindError },
    /// podman's words.
    #[error("{name:?} is not a valid container, cannot be used as a dependency")]
    Requires { name: String, source: FindError },
    #[error("cannot find specified {kind} namespace path")]
    Path { kind: &'static str, source: std::io::Error },
    #[error(
        "cannot join the {kind} namespace of container {id}: it is not running: container state improper"
    )]
    NotRunning { kind: &'static str, id: String },
    #[error("cannot join the namespaces of container {id}: it has ended meanwhile: container state improper")]
    Ended { id: String },
    #[error("cannot open /dev/shm of container {id}: {}", .errno.desc().to_lowercase())]
    Shm { id: String, errno: Errno },
    #[error("cannot watch container {id}: {}", .errno.desc().to_lowercase())]
    Watch { id: String, errno: Errno },
}

/// Puts full ids in place of the names in `container:NAME`, and refuses an `ns:PATH` that is not there.
pub fn resolve(engine: &Engine, options: &mut Options) -> Result<(), JoinError> {
    let by_id = |kind, name: &mut String| {
        let found = engine.db.find_container(name).map_err(|source| JoinError::Find { kind, source })?;
        *name = found.id;
        Ok(())
    };
    for name in &mut options.requires {
        let found = engine.db.find_container(name);
        *name = found.map_err(|source| JoinError::Requires { name: name.clone(), source })?.id;
    }
    let path =
        |kind, path: &Path| fs::metadata(path).map(drop).map_err(|source| JoinError::Path { kind, source });
    match &mut options.network {
        Network::Container(name) => by_id("net", name)?,
        Network::Path(given) => path("NET", given)?,
        _ => {}
    }
    match &mut options.userns.mode {
        UsernsMode::Container(name) => by_id("user", name)?,
        UsernsMode::Path(given) => path("user", given)?,
        _ => {}
    }
    let Namespaces { pid, ipc, uts, cgroup } = &mut options.namespaces;
    let others = [("pid", Some(pid)), ("ipc", Some(ipc)), ("uts", Some(uts)), ("cgroup", cgroup.as_mut())];
    for (kind, namespace) in others {
        match namespace {
            Some(Namespace::Container(name)) => by_id(kind, name)?,
            Some(Namespace::Path(given)) => path(kind, given)?,
            _ => {}
        }
    }
    Ok(())
}

/// Full ids of the containers whose namespaces these options join or that they require, each once: they run before this
/// one does.
pub fn dependencies(options: &Options) -> Vec<&str> {
    let network = match &options.network {
        Network::Container(id) => Some(id),
        _ => None,
    };
    let user = match &options.userns.mode {
        UsernsMode::Container(id) => Some(id),
        _ => None,
    };
    let Namespaces { pid, ipc, uts, cgroup } = &options.namespaces;
    let others = [Some(pid), Some(ipc), Some(uts), cgroup.as_ref()];
    let others = others.into_iter().flatten().filter_map(|namespace| match namespace {
        Namespace::Container(id) => Some(id),
        _ => None,
    });
    let mut ids: Vec<&str> =
        network.into_iter().chain(user).chain(others).chain(&options.requires).map(String::as_str).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// What there is to join, and who must not end until it is joined.
#[derive(Debug, Default)]
pub(super) struct Joining {
    pub(super) joined: Joined,
    /// /dev/shm of the container whose IPC namespace it is: a mount attached nowhere.
    pub(super) shm: Option<OwnedFd>,
    /// Where its user namespace is.
    pub(super) user: Option<PathBuf>,
    targets: Vec<Target>,
}

/// A container that runs.
#[derive(Debug)]
struct Target {
    id: String,
    pid: i32,
    init: OwnedFd,
}

/// Looks up the namespaces that `options` join, by the path below the running init of their container; the network's is
/// [`crate::network`]'s to join.
pub(super) fn join(engine: &Engine, options: &Options) -> Result<Joining, JoinError> {
    let mut joining = Joining::default();
    let wanted = &options.namespaces;
    let mut path = |kind, namespace: &Namespace| match namespace {
        Namespace::Container(id) => joining.namespace(engine, kind, id).map(Some),
        Namespace::Path(path) => Ok(Some(path.clone())),
        Namespace::Private | Namespace::Host => Ok(None),
    };
    let (pid, ipc, uts) = (path("pid", &wanted.pid)?, path("ipc", &wanted.ipc)?, path("uts", &wanted.uts)?);
    let cgroup = wanted.cgroup.as_ref().map(|wanted| path("cgroup", wanted)).transpose()?.flatten();
    joining.user = match &options.userns.mode {
        // Of one that has none, ketch's own is meant, which this one has anyhow.
        UsernsMode::Container(id) if options.userns.is_own() => Some(joining.namespace(engine, "user", id)?),
        UsernsMode::Path(path) => Some(path.clone()),
        _ => None,
    };
    if let Namespace::Container(id) = &wanted.ipc
        && let Some(target) = joining.targets.iter().find(|target| target.id == *id)
    {
        let shm = open_shm(target.pid).map_err(|errno| JoinError::Shm { id: id.clone(), errno })?;
        joining.shm = Some(shm);
    }
    if let Namespace::Container(id) = &wanted.uts {
        // Written at each of its starts.
        let name = fs::read_to_string(engine.paths.container(id).join("hostname")).unwrap_or_default();
        joining.joined.hostname = Some(name.trim_end().to_owned()).filter(|name| !name.is_empty());
    }
    joining.joined = Joined { pid, ipc, uts, cgroup, ..joining.joined };
    Ok(joining)
}

impl Joining {
    fn namespace(&mut self, engine: &Engine, kind: &'static str, id: &str) -> Result<PathBuf, JoinError> {
        let pid = match self.targets.iter().find(|target| target.id == id) {
            Some(target) => target.pid,
            None => {
                let target = target(engine, kind, id)?;
                let pid = target.pid;
                self.targets.push(target);
                pid
            }
        };
        Ok(format!("/proc/{pid}/ns/{kind}").into())
    }

    /// To be asked when the container has joined: as long as its target lives, a pid is no other process's, so what was
    /// joined by that pid was the target's.
    pub(super) fn verify(&self) -> Result<(), JoinError> {
        for Target { id, init, .. } in &self.targets {
            match poll(&mut [PollFd::new(init.as_fd(), PollFlags::POLLIN)], PollTimeout::ZERO) {
                Ok(0) => {}
                Ok(_) => return Err(JoinError::Ended { id: id.clone() }),
                Err(errno) => return Err(JoinError::Watch { id: id.clone(), errno }),
            }
        }
        Ok(())
    }
}

fn target(engine: &Engine, kind: &'static str, id: &str) -> Result<Target, JoinError> {
    let not_running = || JoinError::NotRunning { kind, id: id.to_owned() };
    let root = engine.paths.runtime();
    let state = Vitals::load_vitals(&root, id).map_err(|_| not_running())?;
    let init = match pidfd::open(state.pid) {
        Ok(init) => init,
        Err(Errno::ESRCH | Errno::EINVAL) => return Err(not_running()),
        Err(errno) => return Err(JoinError::Watch { id: id.to_owned(), errno }),
    };
    // Asked after the open, with the start time: from here on the descriptor cannot come to mean another process.
    if state.status(&root) == Runtime::Stopped {
        return Err(not_running());
    }
    Ok(Target { id: id.to_owned(), pid: state.pid, init })
}

/// A clone of what the process has at /dev/shm. POSIX shared memory is files in there, and no part of an IPC namespace.
///
/// A mount can be cloned in its own mount namespace only; the calling process, which must have one thread, goes there for
/// the time. What is in that root is not trusted: no link leads out of it, nor through its procfs.
fn open_shm(pid: i32) -> Result<OwnedFd, Errno> {
    let directory = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let open = |path: &str, flags| nix::fcntl::open(path, flags | OFlag::O_CLOEXEC, Mode::empty());
    let theirs = open(&format!("/proc/{pid}/ns/mnt"), OFlag::O_RDONLY)?;
    let ours = open("/proc/thread-self/ns/mnt", OFlag::O_RDONLY)?;
    let working_directory = open(".", directory)?;
    setns(&theirs, CloneFlags::CLONE_NEWNS)?;
    let cloned = open("/", directory)
        .and_then(|root| openat2::open_in_root(root, "dev/shm", directory))
        .and_then(|shm| mount::clone_tree(shm, c"", false));
    setns(&ours, CloneFlags::CLONE_NEWNS)?;
    fchdir(&working_directory)?;
    let alone = Change { propagation: Some(Propagation::Private), ..Change::default() };
    cloned.and_then(|shm| mount::set_attr(&shm, false, alone).map(|()| shm))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_dependency_once() {
        let of = |id: &str| Namespace::Container(id.to_owned());
        for (network, namespaces, expected) in [
            (Network::None, Namespaces::default(), &[][..]),
            (Network::Host, Namespaces { pid: Namespace::Host, ..Namespaces::default() }, &[]),
            (
                Network::Container("b".into()),
                Namespaces { uts: of("a"), ipc: of("b"), ..Namespaces::default() },
                &["a", "b"],
            ),
            (Network::None, Namespaces { cgroup: Some(of("c")), ..Namespaces::default() }, &["c"]),
        ] {
            let options = Options { network, namespaces, ..Options::default() };
            assert_eq!(dependencies(&options), expected);
        }
        let (network, requires) = (Network::Container("b".into()), vec!["b".to_owned(), "a".to_owned()]);
        assert_eq!(dependencies(&Options { network, requires, ..Options::default() }), ["a", "b"]);
    }

    #[test]
    fn what_does_not_run_is_not_joined() {
        use ketch_cgroups::systemd::Manager;

        let root = tempfile::tempdir().unwrap();
        let paths = crate::Paths { root: root.path().into(), run: root.path().join("run") };
        let db = crate::state::Database::open(&paths.database()).unwrap();
        let engine = Engine { paths, db, cgroup_manager: None, systemd: Manager::system() };
        let uts = Namespace::Container("ab".into());
        let options =
            Options { namespaces: Namespaces { uts, ..Namespaces::default() }, ..Options::default() };
        let error = join(&engine, &options).unwrap_err();
        assert!(matches!(error, JoinError::NotRunning { kind: "uts", .. }), "{error}");
    }
}
