//! A container's files, seen from outside: what `cp`, `export` and `commit` work on.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use ketch_monitor::lock;
use ketch_runtime::plan::ids::Maps;
use ketch_sys::mount::{self, Change, Propagation, attr};
use ketch_sys::openat2;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, open, openat};
use nix::mount::{MsFlags, mount as mount_path};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::stat::Mode;

use super::options::{Mount, MountKind, Options};
use super::root::{self, RootError};
use super::status::{Status, status};
use super::stop::{SignalError, running};
use super::turn::Turn;
use super::{FileError, make_private};
use crate::image::{self, Image};
use crate::state::containers::Record;
use crate::tree::Away;
use crate::userns::namespace::outside;
use crate::userns::{Users, UsersError};
use crate::volume::{self, FillError};
use crate::{Engine, spec, state};

#[derive(Debug, thiserror::Error)]
pub enum InsideError {
    #[error("no container with name or ID {0:?} found: no such container")]
    Gone(String),
    #[error("cannot {step} of container {id}: {}", .errno.desc().to_lowercase())]
    Root { step: &'static str, id: String, errno: Errno },
    #[error(
        "cannot mount {source_path} on {destination} of container {id}: {}", .errno.desc().to_lowercase()
    )]
    Mount { source_path: String, destination: String, id: String, errno: Errno },
    #[error(transparent)]
    Mounted(#[from] RootError),
    #[error(transparent)]
    Fill(#[from] FillError),
    #[error(transparent)]
    Image(#[from] image::FindError),
    #[error(transparent)]
    Signal(#[from] SignalError),
    #[error(transparent)]
    Users(#[from] UsersError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    State(#[from] state::Error),
}

/// Which of its files are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// As its processes see them, volumes and all.
    Mounts,
    /// Its root alone.
    Root,
}

/// The container's root, for as long as it is held. Paths are resolved below it, `RESOLVE_IN_ROOT`.
#[derive(Debug)]
pub(super) struct Inside {
    root: OwnedFd,
    /// Numbers of its init's user and group, when it runs.
    pub(super) init: Option<(u32, u32)>,
    /// Of a container in a user namespace of its own.
    ids: Option<Maps>,
    /// Without its namespace what is mounted below the root would fall off.
    _namespace: Option<File>,
    /// Of one that does not run: it is not started meanwhile.
    _turn: Option<Turn>,
}

impl Inside {
    pub(super) fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    /// What the files' ids are in the container, if those are not the same.
    pub(super) fn ids(&self) -> Option<&Maps> {
        self.ids.as_ref()
    }

    /// The root, open for reading.
    pub(super) fn directory(&self) -> Result<OwnedFd, FileError> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        openat(&self.root, c".", flags, Mode::empty())
            .map_err(std::io::Error::from)
            .map_err(FileError::at("open a container's", Path::new("/")))
    }
}

/// Opens the root. The calling process must have one thread: it goes into other mount namespaces for the time of the call.
pub(super) fn open_inside(engine: &Engine, record: &Record, scope: Scope) -> Result<Inside, InsideError> {
    loop {
        if let Some(inside) = open_running(engine, record, scope)? {
            return Ok(inside);
        }
        let turn = Turn::take(&engine.paths, &record.id)?;
        if !engine.db.has_container(&record.id)? {
            return Err(InsideError::Gone(record.id.clone()));
        }
        match status(&engine.paths, &record.id) {
            Status::Initialized { .. } | Status::Running { .. } | Status::Paused { .. } => {}
            Status::Stopping { .. } => {
                // Its monitor may need the turn to end.
                drop(turn);
                let run_dir = engine.paths.container_run(&record.id);
                lock::wait_free(&run_dir).map_err(FileError::at("wait for", &run_dir))?;
            }
            Status::Created { .. } | Status::Exited(_) => {
                return at_rest(engine, record, scope, turn);
            }
        }
    }
}

fn open_running(engine: &Engine, record: &Record, scope: Scope) -> Result<Option<Inside>, InsideError> {
    let Some((state, init)) = running(engine, record)? else { return Ok(None) };
    let failed = |step| move |errno| InsideError::Root { step, id: record.id.clone(), errno };
    let opened = match scope {
        Scope::Mounts => {
            let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
            open(format!("/proc/{}/root", state.pid).as_str(), flags, Mode::empty())
        }
        Scope::Root => clone_root(state.pid),
    };
    // As long as init lives its pid is no other process's: asked after the open.
    match poll(&mut [PollFd::new(init.as_fd(), PollFlags::POLLIN)], PollTimeout::ZERO) {
        Ok(0) => {}
        Ok(_) => return Ok(None),
        Err(errno) => return Err(failed("watch init")(errno)),
    }
    let user = state.config.process.as_ref().map(|process| (process.user().uid(), process.user().gid()));
    let root = opened.map_err(failed("open the root"))?;
    Ok(Some(Inside { root, init: user, ids: ids(record), _namespace: None, _turn: None }))
}

/// The root's own mount without those on top of it. A mount can be cloned in its own mount namespace only.
fn clone_root(pid: i32) -> Result<OwnedFd, Errno> {
    let theirs =
        open(format!("/proc/{pid}/ns/mnt").as_str(), OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())?;
    let away = Away::go(|| setns(&theirs, CloneFlags::CLONE_NEWNS))?;
    // The new root of this process is that of the namespace: the container's.
    let cloned = mount::clone_tree(AT_FDCWD, c"/", false);
    away.back()?;
    cloned
}

fn at_rest(engine: &Engine, record: &Record, scope: Scope, turn: Turn) -> Result<Inside, InsideError> {
    let image = image_of(engine, record)?;
    let users = at_rest_users(record)?;
    let root = root::mount_at_rest(engine, record, image.as_ref(), users.as_ref())?;
    let namespace = match scope {
        Scope::Root => None,
        Scope::Mounts => Some(furnish(engine, record, &root)?),
    };
    Ok(Inside { root, init: None, ids: ids(record), _namespace: namespace, _turn: Some(turn) })
}

fn ids(record: &Record) -> Option<Maps> {
    let userns = &record.options.userns;
    userns.is_own().then(|| userns.maps())
}

/// The ids that it has when it runs, in a user namespace for this alone.
fn at_rest_users(record: &Record) -> Result<Option<Users>, UsersError> {
    let options = Options { userns: record.options.userns.clone(), ..Options::default() };
    Users::open(&options, None)
}

/// Puts volumes and bind mounts at their places below the root, in a mount namespace that exists only as the file returned.
/// Memory file systems were gone with the last run, or are to come with the next.
fn furnish(engine: &Engine, record: &Record, root: &OwnedFd) -> Result<File, InsideError> {
    for mount in &record.options.mounts {
        if let MountKind::Named { name, .. } = &mount.kind {
            let destination = mount.destination.clone();
            let volume = spec::Volume { name: name.clone(), destination, copy: !mount.no_copy };
            volume::fill(engine, &volume, root.as_fd(), outside(&record.options.userns.maps(), (0, 0)))?;
        }
    }
    let point = engine.paths.run.join("rootfs");
    make_private(&point)?;
    let failed = |step| move |errno| InsideError::Root { step, id: record.id.clone(), errno };
    let away = Away::go(|| unshare(CloneFlags::CLONE_NEWNS))
        .map_err(failed("make a mount namespace for the root"))?;
    let furnished = (|| {
        let none = None::<&str>;
        // Neither the namespace's mounts nor the root, which may be a bind mount of the host's, show there what comes on top.
        let alone = Change { propagation: Some(Propagation::Private), ..Change::default() };
        mount_path(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)
            .and_then(|()| mount::set_attr(root, true, alone))
            .and_then(|()| open(&point, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty()))
            .and_then(|point| mount::attach(root, point))
            .map_err(failed("attach the root"))?;
        for mount in &record.options.mounts {
            attach(engine, record, root, mount)?;
        }
        let namespace = File::open("/proc/thread-self/ns/mnt");
        namespace.map_err(FileError::at("open", Path::new("/proc/thread-self/ns/mnt"))).map_err(Into::into)
    })();
    away.back().map_err(failed("leave the mount namespace of the root"))?;
    furnished
}

fn attach(engine: &Engine, record: &Record, root: &OwnedFd, mount: &Mount) -> Result<(), InsideError> {
    let source = match &mount.kind {
        MountKind::Named { name, .. } => volume::mount_point(&engine.paths, name),
        MountKind::Bind { source } => source.clone(),
        MountKind::Tmpfs | MountKind::Ramfs | MountKind::Anonymous => return Ok(()),
    };
    let has = |name: &str| mount.options.iter().any(|option| option == name);
    let attached = (|| {
        let tree = mount::clone_tree(AT_FDCWD, &source, !has("bind"))?;
        let set = if has("ro") { attr::RDONLY } else { 0 };
        let change = Change { set, propagation: Some(Propagation::Private), ..Change::default() };
        mount::set_attr(&tree, true, change)?;
        let target = target(root, Path::new(&mount.destination), source.is_dir())?;
        mount::attach(tree, target)
    })();
    attached.map_err(|errno| InsideError::Mount {
        source_path: source.display().to_string(),
        destination: mount.destination.clone(),
        id: record.id.clone(),
        errno,
    })
}

/// Where to mount; made if it is missing, as at a start.
fn target(root: &OwnedFd, path: &Path, is_directory: bool) -> Result<OwnedFd, Errno> {
    match openat2::open_in_root(root, path, OFlag::O_PATH) {
        Err(Errno::ENOENT) => {}
        opened => return opened,
    }
    let mut reached = PathBuf::from("/");
    let mut names = path.components().filter(|part| matches!(part, Component::Normal(_))).peekable();
    while let Some(name) = names.next() {
        let parent = openat2::open_in_root(root, &reached, OFlag::O_PATH | OFlag::O_DIRECTORY)?;
        reached.push(name);
        let made = if is_directory || names.peek().is_some() {
            nix::sys::stat::mkdirat(&parent, name.as_os_str(), Mode::from_bits_truncate(0o755))
        } else {
            let flags = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
            openat(&parent, name.as_os_str(), flags, Mode::from_bits_truncate(0o644)).map(drop)
        };
        match made {
            Ok(()) | Err(Errno::EEXIST) => {}
            Err(errno) => return Err(errno),
        }
    }
    openat2::open_in_root(root, path, OFlag::O_PATH)
}

/// The image that the container was made from; None for `--rootfs`.
pub(super) fn image_of(engine: &Engine, record: &Record) -> Result<Option<Image>, image::FindError> {
    record.image_id.as_deref().map(|id| image::find(engine, id)).transpose()
}
