//! The container's root: one detached mount, looked into before anything runs in it.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};

use ketch_sys::{mount, openat2};
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, open};
use nix::mount::{MsFlags, mount as mount_path};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::stat::{Mode, mkdirat};
use nix::unistd::{Gid, Uid, fchown};

use super::mount::point;
use super::options::Rootfs;
use super::pieces::{self, Places};
use super::{FileError, make_private};
use crate::image::Image;
use crate::state::containers::Record;
use crate::store::{ShiftError, layer_dir, mapped_overlay, overlay, shifted};
use crate::tree::TreeError;
use crate::userns::Users;
use crate::{Engine, Paths};

/// The largest passwd or group that is read. The image is not trusted; real ones are a few KiB.
const LARGEST: u64 = 4 << 20;

#[derive(Debug, thiserror::Error)]
pub enum RootError {
    #[error("cannot mount the root of container {id} from {what}: {}", .errno.desc().to_lowercase())]
    Mount { id: String, what: String, errno: Errno },
    #[error("cannot {step} {path} in the container's root: {}", .errno.desc().to_lowercase())]
    Path { step: &'static str, path: String, errno: Errno },
    #[error("workdir {path:?} does not exist on container {id}")]
    Workdir { path: PathBuf, id: String },
    #[error("cannot clear what the last run left")]
    Forget(#[source] TreeError),
    #[error(transparent)]
    Shift(#[from] ShiftError),
    #[error(transparent)]
    File(#[from] FileError),
}

/// Mounts the root: the image's layers or `--rootfs`, and the container's own upper directory.
///
/// `upper` gets that directory, if the root has one: it may be on a file system that is mounted nowhere.
pub(super) fn mount_root(
    engine: &Engine,
    record: &Record,
    image: Option<&Image>,
    users: Option<&Users>,
    upper: Option<&mut Option<OwnedFd>>,
) -> Result<OwnedFd, RootError> {
    // A container that is removed when it ends has nothing to lose in a power cut.
    mount_with(engine, record, image, users, record.options.remove, upper)
}

/// The same for one that does not run, and may never have: the caller has its turn, and has seen the last run end.
///
/// The upper layer of `--rootfs PATH:O` is thrown away at the next start, so there nothing can be written.
pub(super) fn mount_at_rest(
    engine: &Engine,
    record: &Record,
    image: Option<&Image>,
    users: Option<&Users>,
) -> Result<OwnedFd, RootError> {
    let dir = engine.paths.container(&record.id);
    make_private(&dir)?;
    if let Some(point) = point(&dir) {
        let what = point.display().to_string();
        return again(&point).map_err(|errno| RootError::Mount { id: record.id.clone(), what, errno });
    }
    if record.options.remove {
        forget_volatile(&dir).map_err(RootError::Forget)?;
    }
    let Some(Rootfs { path, overlay: true, .. }) = &record.options.rootfs else {
        return mount_with(engine, record, image, users, false, None);
    };
    let failed = |errno| RootError::Mount { id: record.id.clone(), what: path.display().to_string(), errno };
    let (upper, work) = (dir.join("upper"), dir.join("work"));
    let root = if upper.exists() {
        forget_volatile(&dir).map_err(RootError::Forget)?;
        make_upper(&work)?;
        overlay(std::slice::from_ref(path), Some((&upper, &work)), false)
    } else {
        mount::clone_tree(AT_FDCWD, path, true)
    };
    let read_only = mount::Change { set: mount::attr::RDONLY, ..mount::Change::default() };
    root.and_then(|root| mount::set_attr(&root, true, read_only).map(|()| root)).map_err(failed)
}

fn mount_with(
    engine: &Engine,
    record: &Record,
    image: Option<&Image>,
    users: Option<&Users>,
    volatile: bool,
    wanted: Option<&mut Option<OwnedFd>>,
) -> Result<OwnedFd, RootError> {
    let dir = engine.paths.container(&record.id);
    let failed = |what: String| |errno| RootError::Mount { id: record.id.clone(), what, errno };
    match (&record.options.rootfs, image) {
        (Some(Rootfs { path, overlay: false, idmap }), _) => mount::clone_tree(AT_FDCWD, path, true)
            .and_then(|root| match users.filter(|_| *idmap) {
                Some(users) => mount::set_idmap(&root, true, &users.namespace).map(|()| root),
                None => Ok(root),
            })
            .map_err(failed(path.display().to_string())),
        (Some(Rootfs { path, overlay: true, .. }), _) => {
            let what = path.display().to_string();
            throw_away(&engine.paths, path, &dir, record.options.workdir.as_deref(), wanted)
                .map_err(failed(what))
        }
        (None, Some(image)) => {
            let lowers: Vec<_> = image.layers.iter().map(|layer| layer_dir(&engine.paths, layer)).collect();
            let (upper, work) = (dir.join("upper"), dir.join("work"));
            if !make_upper(&upper)?
                && let Some(point) = point(&dir)
            {
                // `ketch mount` has it; it must not be in a second overlay.
                return again(&point).map_err(failed(point.display().to_string()));
            }
            make_upper(&work)?;
            match users {
                Some(users) if users.on_disk => {
                    let lowers = shifted_layers(engine, image, users)?;
                    let (uid, gid) = users.outside((0, 0));
                    // It is the container's `/`.
                    chown(&upper, Some(uid), Some(gid)).map_err(FileError::at("give away", &upper))?;
                    overlay(&lowers, Some((&upper, &work)), volatile)
                }
                Some(users) => mapped_overlay(&lowers, &dir, volatile, users),
                None => overlay(&lowers, Some((&upper, &work)), volatile),
            }
            .and_then(|root| give(wanted, &upper).map(|()| root))
            .map_err(failed(format!("image {}", record.image_name)))
        }
        (None, None) => Err(failed("an image that is not known any more".into())(Errno::ENOENT)),
    }
}

fn shifted_layers(engine: &Engine, image: &Image, users: &Users) -> Result<Vec<PathBuf>, RootError> {
    let shift = |layer: &String| shifted(&engine.paths, layer, &users.maps);
    Ok(image.layers.iter().map(shift).collect::<Result<_, _>>()?)
}

/// The mount at `point` once more, without what is mounted below it. What is mounted on this one does not show on that.
fn again(point: &Path) -> Result<OwnedFd, Errno> {
    let alone = mount::Change { propagation: Some(mount::Propagation::Private), ..mount::Change::default() };
    let root = mount::clone_tree(AT_FDCWD, point, false)?;
    mount::set_attr(&root, false, alone).map(|()| root)
}

/// Lets the root of a container with `--rm` be mounted once more.
///
/// An overlay that was mounted `volatile` leaves a mark in its work directory that keeps it from being mounted again, for
/// the machine may have gone down meanwhile and taken unsynced files with it. The caller has seen the last run end, so it
/// has not. The root is mounted nowhere, but for the place that `ketch mount` gives it: then it is not mounted again.
pub(super) fn forget_volatile(dir: &Path) -> Result<(), TreeError> {
    if point(dir).is_some() {
        return Ok(());
    }
    crate::tree::remove(&dir.join("work"))
}

/// Whether it was not there yet.
fn make_upper(path: &Path) -> Result<bool, FileError> {
    use std::os::unix::fs::DirBuilderExt;
    // The upper directory is the container's `/`.
    match std::fs::DirBuilder::new().mode(0o755).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        made => made.map(|()| true).map_err(FileError::at("make", path)),
    }
}

/// `--rootfs PATH:O`: what is written is gone with the mount.
///
/// Overlayfs refuses an upper directory below its own lower one (`/` is such a lower), so the upper is on a tmpfs
/// then, made in a mount namespace that exists only in here: the overlay keeps the tmpfs, the host never sees it.
/// The calling process must have one thread.
fn throw_away(
    paths: &Paths,
    lower: &Path,
    dir: &Path,
    workdir: Option<&str>,
    wanted: Option<&mut Option<OwnedFd>>,
) -> nix::Result<OwnedFd> {
    let io = |error: io::Error| Errno::from_raw(error.raw_os_error().unwrap_or(Errno::EIO as i32));
    let lower = lower.canonicalize().map_err(io)?;
    if !paths.root.canonicalize().map_err(io)?.starts_with(&lower) {
        let (upper, work) = (dir.join("upper"), dir.join("work"));
        for path in [&upper, &work] {
            // Of the last run.
            crate::tree::remove(path).map_err(|_| Errno::EBUSY)?;
            std::fs::create_dir(path).map_err(io)?;
        }
        let root = overlay(&[lower], Some((&upper, &work)), true)?;
        return give(wanted, &upper).map(|()| root);
    }
    let outside = File::open("/proc/thread-self/ns/mnt").map_err(io)?;
    unshare(CloneFlags::CLONE_NEWNS)?;
    let made = (|| {
        let none = None::<&str>;
        mount_path(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)?;
        mount_path(Some("ketch"), dir, Some("tmpfs"), MsFlags::empty(), Some("mode=700"))?;
        let (upper, work) = (dir.join("upper"), dir.join("work"));
        std::fs::create_dir(&upper).and_then(|()| std::fs::create_dir(&work)).map_err(io)?;
        let root = match overlay(std::slice::from_ref(&lower), Some((&upper, &work)), true) {
            Err(Errno::EINVAL) if !ketch_sys::ns::in_first_user()? => {
                let root = dir.join("root");
                std::fs::create_dir(&root).map_err(io)?;
                let writable = workdir.map(Path::new);
                pieces::join(&lower, &Places { root: &root, upper: &upper, work: &work, writable })?
            }
            root => root?,
        };
        give(wanted, &upper).map(|()| root)
    })();
    setns(&outside, CloneFlags::CLONE_NEWNS)?;
    made
}

/// Opens the directory `upper`, for who wants it.
fn give(wanted: Option<&mut Option<OwnedFd>>, upper: &Path) -> nix::Result<()> {
    let Some(wanted) = wanted else { return Ok(()) };
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    *wanted = Some(open(upper, flags, Mode::empty())?);
    Ok(())
}

/// `/etc/passwd` or `/etc/group`; empty when there is none, or it is no regular file.
pub(crate) fn read_file(root: impl AsFd, path: &str) -> Result<Vec<u8>, RootError> {
    let failed = |step| move |errno| RootError::Path { step, path: path.to_owned(), errno };
    // Without O_NONBLOCK, a FIFO in the image would hold us here for ever.
    let file = match openat2::open_in_root(root, path, OFlag::O_RDONLY | OFlag::O_NONBLOCK) {
        Ok(file) => File::from(file),
        Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP | Errno::ENXIO) => return Ok(Vec::new()),
        Err(errno) => return Err(failed("open")(errno)),
    };
    let mut text = Vec::new();
    if file.metadata().is_ok_and(|file| file.is_file()) {
        let read = file.take(LARGEST).read_to_end(&mut text);
        read.map_err(|error| failed("read")(Errno::from_raw(error.raw_os_error().unwrap_or(0))))?;
    }
    Ok(text)
}

/// Adds a line to a file that is there and regular.
pub(super) fn append_line(root: impl AsFd, path: &str, line: &str) -> Result<(), RootError> {
    let failed = |step| move |errno| RootError::Path { step, path: path.to_owned(), errno };
    let flags = OFlag::O_RDWR | OFlag::O_APPEND | OFlag::O_NONBLOCK;
    let mut file = match openat2::open_in_root(root, path, flags) {
        Ok(file) => File::from(file),
        Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP | Errno::EISDIR | Errno::EROFS) => return Ok(()),
        Err(errno) => return Err(failed("open")(errno)),
    };
    if !file.metadata().is_ok_and(|file| file.is_file()) {
        return Ok(());
    }
    file.write_all(format!("{line}\n").as_bytes())
        .map_err(|error| failed("write")(Errno::from_raw(error.raw_os_error().unwrap_or(0))))
}

/// Whether `path` leads to a directory.
pub(super) fn has_directory(root: impl AsFd, path: &Path) -> bool {
    openat2::open_in_root(root, path, OFlag::O_PATH | OFlag::O_DIRECTORY).is_ok()
}

/// Makes the directory `path` with its parents; those made belong to `owner`. EROFS is left for the start to meet.
pub(super) fn make_directory(root: impl AsFd, path: &Path, owner: (u32, u32)) -> Result<(), RootError> {
    let failed = |step| move |errno| RootError::Path { step, path: path.display().to_string(), errno };
    let mut reached = PathBuf::from("/");
    for name in path.components().filter_map(|part| match part {
        std::path::Component::Normal(name) => Some(name),
        _ => None,
    }) {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY;
        let parent = openat2::open_in_root(&root, &reached, flags).map_err(failed("open"))?;
        reached.push(name);
        match openat2::open_in_root(&root, &reached, flags) {
            Err(Errno::ENOENT) => {}
            opened => {
                opened.map_err(failed("make the directory"))?;
                continue;
            }
        }
        match mkdirat(&parent, name, Mode::from_bits_truncate(0o755)) {
            Err(Errno::EROFS) => return Ok(()),
            made => made.map_err(failed("make the directory"))?,
        }
        let made = openat2::open_in_root(&root, &reached, OFlag::O_RDONLY | OFlag::O_DIRECTORY)
            .map_err(failed("open"))?;
        fchown(&made, Some(Uid::from_raw(owner.0)), Some(Gid::from_raw(owner.1)))
            .map_err(failed("change the owner of"))?;
    }
    Ok(())
}
