//! `cp`: files between a container, running or not, and the host or another container.

use std::ffi::{CString, OsStr};
use std::fs;
use std::io::{self, BufWriter, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use ketch_runtime::plan::ids::Maps;
use ketch_sys::openat2;
use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat, readlinkat};
use nix::sys::stat::{Mode, SFlag, fstat};
use nix::unistd::{getegid, geteuid};
use tar::Builder;

use super::inside::{Inside, InsideError, Scope, image_of, open_inside};
use super::root::{self, RootError};
use crate::Engine;
use crate::image::{self, layer};
use crate::spec::{self, SpecError};
use crate::state::containers::Record;
use crate::store::entries::Entries;
use crate::store::extract::{ExtractError, Plain, extract_plain};
use crate::store::pack::{PackError, pack_as};
use crate::tree::{Copy, Mounts, TreeError};
use crate::userns::Acting;
use crate::userns::namespace::outside;

/// One of the two ends.
#[derive(Debug, Clone, Copy)]
pub enum Place<'a> {
    /// A path of the calling process.
    Host(&'a Path),
    /// A path in the container, below its working directory if it is relative. `shown` is how the user calls the container.
    Container { record: &'a Record, shown: &'a str, path: &'a str },
}

#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// All that is made in a container belongs to its user. Otherwise owners are kept.
    pub archive: bool,
    /// Directories may take the place of what is none, and the other way round.
    pub overwrite: bool,
}

/// podman's words where podman has them.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    #[error("{path:?} could not be found on the host: {}", .errno.desc().to_lowercase())]
    Host { path: String, errno: Errno },
    #[error("{path:?} could not be found on container {shown}: {}", .errno.desc().to_lowercase())]
    Container { path: String, shown: String, errno: Errno },
    #[error("destination must be a directory when copying a directory")]
    NotADirectory,
    #[error("destination must be a directory when copying from stdin")]
    NoDirectoryForArchive,
    #[error("cannot copy {path:?}: it is a device or a socket")]
    Special { path: String },
    #[error("cannot copy {path:?} into itself")]
    Itself { path: String },
    #[error("source must be a (compressed) tar archive when copying from stdin: {0}")]
    NoArchive(String),
    #[error("copying from stdin: {0}")]
    Extract(String),
    #[error("cannot write the archive: {}", crate::store::cause(.0))]
    Write(io::Error),
    #[error("copying to {to}")]
    Copy { to: String, source: TreeError },
    #[error("cannot act as the container's root: {}", .0.desc().to_lowercase())]
    Acting(Errno),
    #[error(transparent)]
    Pack(#[from] PackError),
    #[error(transparent)]
    Inside(#[from] InsideError),
    #[error(transparent)]
    Image(#[from] image::FindError),
    #[error(transparent)]
    Root(#[from] RootError),
    #[error(transparent)]
    Spec(#[from] SpecError),
}

/// Copies `from` to `to`, where on the host the caller owns all that is made, by cp(1)'s rules: into a directory that is there, else under the name given. `DIR/.` is what is in the
/// directory. A link that `from` or `to` names is followed, one inside a directory is copied.
///
/// The calling process must have one thread. What was copied before an error stays.
pub fn copy(engine: &Engine, from: Place<'_>, to: Place<'_>, options: Options) -> Result<(), CopyError> {
    let ends = Ends::open(engine, from, to)?;
    let source = match from {
        Place::Host(path) => host_source(path)?,
        Place::Container { record, shown, path } => {
            let path = absolute(engine, record, path)?;
            container_source(ends.of(record)?.root(), shown, &path)?
        }
    };
    let (target, owner) = match to {
        Place::Host(path) => (host_target(path)?, (geteuid().as_raw(), getegid().as_raw())),
        Place::Container { record, shown, path } => {
            let inside = ends.of(record)?;
            let path = absolute(engine, record, path)?;
            (container_target(inside.root(), shown, &path)?, owner(engine, record, inside)?)
        }
    };
    let is_host = matches!(to, Place::Host(_));
    let ids = |place| match place {
        Place::Host(_) => Ok(None),
        Place::Container { record, .. } => ends.of(record).map(Inside::ids),
    };
    let how = Copy {
        // What a container owns is nobody's on the host.
        owner: (options.archive || is_host).then_some(owner),
        mounts: Mounts::Cross,
        overwrite: options.overwrite,
        from: ids(from)?,
        to: ids(to)?,
    };
    if source.is_special {
        return Err(CopyError::Special { path: describe(from) });
    }
    let _acting = act_as(how.to)?;
    source.copy(&how, &target).map_err(|error| match error {
        Fault::Tree(source) => CopyError::Copy { to: describe(to), source },
        Fault::NotADirectory => CopyError::NotADirectory,
        Fault::Itself => CopyError::Itself { path: describe(from) },
    })
}

/// Writes `path` of the container, which is as [`Place::Container`] has it, to `out` as a tar.
pub fn copy_out(
    engine: &Engine,
    record: &Record,
    shown: &str,
    path: &str,
    out: impl Write,
) -> Result<(), CopyError> {
    let inside = open_inside(engine, record, Scope::Mounts)?;
    let path = absolute(engine, record, path)?;
    let source = container_source(inside.root(), shown, &path)?;
    if source.is_special {
        return Err(CopyError::Special { path: path.display().to_string() });
    }
    let name = source.name.as_deref().unwrap_or_default();
    let mut tar = Builder::new(BufWriter::with_capacity(1 << 17, out));
    pack_as(&source.node, Path::new(OsStr::from_bytes(name.to_bytes())), inside.ids().into(), &mut tar)?;
    tar.into_inner().and_then(|mut out| out.flush()).map_err(CopyError::Write)
}

/// Extracts a tar, compressed or not, into the directory `path` of the container.
pub fn copy_in(
    engine: &Engine,
    record: &Record,
    shown: &str,
    path: &str,
    tar: impl Read,
    options: Options,
) -> Result<(), CopyError> {
    let inside = open_inside(engine, record, Scope::Mounts)?;
    let path = absolute(engine, record, path)?;
    match container_target(inside.root(), shown, &path) {
        Ok(Target::Directory(_)) => {}
        Ok(Target::Name { .. }) | Err(CopyError::Container { errno: Errno::ENOENT, .. }) => {
            return Err(CopyError::NoDirectoryForArchive);
        }
        Err(error) => return Err(error),
    }
    let missing =
        |errno| CopyError::Container { path: path.display().to_string(), shown: shown.to_owned(), errno };
    let below = real_path(inside.root(), &path).map_err(missing)?;
    let owner = owner(engine, record, &inside)?;
    let how = Plain {
        below: below.as_os_str().as_bytes(),
        owner: options.archive.then_some(owner),
        ids: inside.ids(),
        overwrite: options.overwrite,
    };
    let root = inside.directory().map_err(InsideError::from)?;
    let plain = layer::decompress(tar).map_err(|error| match error {
        layer::Fault::Read(error) => CopyError::NoArchive(error.to_string()),
        layer::Fault::Format(format) => CopyError::NoArchive(format!("it is compressed with {format}")),
    })?;
    let mut entries = Entries::new(plain);
    let _acting = act_as(inside.ids())?;
    extract_plain(&mut entries, root, &how).map_err(|error| match error {
        ExtractError::Stream(error) => CopyError::NoArchive(crate::store::cause(&error)),
        error => CopyError::Extract(error.to_string()),
    })?;
    // Whoever writes the archive must not meet a broken pipe before its end.
    entries.finish().map(drop).map_err(|error| CopyError::NoArchive(error.to_string()))
}

/// The containers of both ends, opened, by their ids.
struct Ends(Vec<(String, Inside)>);

impl Ends {
    /// In the order of their ids, so that two commands never wait for each other; and one that is both ends once.
    fn open(engine: &Engine, from: Place<'_>, to: Place<'_>) -> Result<Ends, InsideError> {
        let record = |place| match place {
            Place::Host(_) => None,
            Place::Container { record, .. } => Some(record),
        };
        let mut wanted: Vec<&Record> = [record(from), record(to)].into_iter().flatten().collect();
        wanted.sort_by(|a, b| a.id.cmp(&b.id));
        wanted.dedup_by(|a, b| a.id == b.id);
        let open = |record: &&Record| Ok((record.id.clone(), open_inside(engine, record, Scope::Mounts)?));
        Ok(Ends(wanted.iter().map(open).collect::<Result<_, InsideError>>()?))
    }

    fn of(&self, record: &Record) -> Result<&Inside, InsideError> {
        let found = self.0.iter().find(|(id, _)| *id == record.id);
        found.map(|(_, inside)| inside).ok_or_else(|| InsideError::Gone(record.id.clone()))
    }
}

/// What is copied.
struct Source {
    /// `O_PATH`
    node: OwnedFd,
    is_directory: bool,
    /// It is nothing that has content.
    is_special: bool,
    /// What it is called in a directory; None: what is in it is copied.
    name: Option<CString>,
}

/// Where it goes.
enum Target {
    Directory(OwnedFd),
    Name { parent: OwnedFd, name: CString, is_there: bool },
}

enum Fault {
    Tree(TreeError),
    NotADirectory,
    Itself,
}

impl Source {
    fn new(node: OwnedFd, path: &Path) -> nix::Result<Source> {
        let kind = SFlag::from_bits_truncate(fstat(&node)?.st_mode) & SFlag::S_IFMT;
        let is_directory = kind == SFlag::S_IFDIR;
        let is_special = [SFlag::S_IFCHR, SFlag::S_IFBLK, SFlag::S_IFSOCK].contains(&kind);
        let is_whole = !path.as_os_str().as_bytes().ends_with(b"/.");
        let name = path.file_name().filter(|_| is_whole).map(c_name).transpose()?;
        Ok(Source { node, is_directory, is_special, name })
    }

    fn copy(self, how: &Copy<'_>, target: &Target) -> Result<(), Fault> {
        let (parent, name) = match (target, &self.name) {
            (Target::Directory(directory), Some(name)) => (directory, name),
            (Target::Directory(directory), None) => {
                self.check(directory)?;
                let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
                let node = openat(&self.node, c".", flags, Mode::empty())
                    .map_err(|errno| Fault::Tree(TreeError::new("open", ".", errno)))?;
                return how.contents(node, directory.as_fd()).map_err(Fault::Tree);
            }
            (Target::Name { is_there: true, .. }, _) if self.is_directory => {
                return Err(Fault::NotADirectory);
            }
            (Target::Name { parent, name, .. }, _) => (parent, name),
        };
        self.check(parent)?;
        how.node(&self.node, parent.as_fd(), name).map_err(Fault::Tree)
    }

    /// A directory that is to be copied below itself would never end.
    fn check(&self, target: &OwnedFd) -> Result<(), Fault> {
        if !self.is_directory {
            return Ok(());
        }
        let failed = |errno| Fault::Tree(TreeError::new("look at", ".", errno));
        let identity = |fd: &OwnedFd| fstat(fd).map(|stat| (stat.st_dev, stat.st_ino));
        let source = identity(&self.node).map_err(failed)?;
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let mut here = openat(target, c".", flags, Mode::empty()).map_err(failed)?;
        loop {
            let at = identity(&here).map_err(failed)?;
            if at == source {
                return Err(Fault::Itself);
            }
            let above = openat(&here, c"..", flags, Mode::empty()).map_err(failed)?;
            // Of the topmost directory.
            if identity(&above).map_err(failed)? == at {
                return Ok(());
            }
            here = above;
        }
    }
}

fn host_source(path: &Path) -> Result<Source, CopyError> {
    let failed = |errno| CopyError::Host { path: path.display().to_string(), errno };
    let node = open(path, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty()).map_err(failed)?;
    Source::new(node, path).map_err(failed)
}

fn host_target(path: &Path) -> Result<Target, CopyError> {
    let failed = |errno| CopyError::Host { path: path.display().to_string(), errno };
    let of = |error: io::Error| failed(Errno::from_raw(error.raw_os_error().unwrap_or(Errno::EIO as i32)));
    let directory = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let (path, is_there) = match fs::metadata(path) {
        Ok(there) if there.is_dir() => {
            return open(path, directory, Mode::empty()).map(Target::Directory).map_err(failed);
        }
        Ok(_) => (path.canonicalize().map_err(of)?, true),
        Err(error) if error.kind() == io::ErrorKind::NotFound && !ends_as_directory(path) => {
            (path.to_owned(), false)
        }
        Err(error) => return Err(of(error)),
    };
    let name = path.file_name().ok_or_else(|| failed(Errno::ENOENT))?;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let parent = open(parent, directory, Mode::empty()).map_err(failed)?;
    Ok(Target::Name { parent, name: c_name(name).map_err(failed)?, is_there })
}

fn container_source(root: BorrowedFd<'_>, shown: &str, path: &Path) -> Result<Source, CopyError> {
    openat2::open_in_root(root, path, OFlag::O_PATH)
        .and_then(|node| Source::new(node, path))
        .map_err(not_found(shown, path))
}

fn container_target(root: BorrowedFd<'_>, shown: &str, path: &Path) -> Result<Target, CopyError> {
    let failed = || not_found(shown, path);
    let real = real_path(root, path).map_err(failed())?;
    let directory = OFlag::O_RDONLY | OFlag::O_DIRECTORY;
    let is_there = match openat2::open_in_root(root, or_dot(&real), directory) {
        Ok(directory) => return Ok(Target::Directory(directory)),
        Err(Errno::ENOTDIR) => true,
        Err(Errno::ENOENT) if !ends_as_directory(path) => false,
        Err(errno) => return Err(failed()(errno)),
    };
    let parent = real.parent().unwrap_or(Path::new(""));
    let name = real.file_name().ok_or(Errno::ENOENT).and_then(c_name).map_err(failed())?;
    let parent = openat2::open_in_root(root, or_dot(parent), directory).map_err(failed())?;
    Ok(Target::Name { parent, name, is_there })
}

/// `path` with all links followed, also one at its end, as a process whose root is `root` would; relative to it. The last component
/// need not be there.
fn real_path(root: BorrowedFd<'_>, path: &Path) -> nix::Result<PathBuf> {
    /// path_resolution(7)
    const MOST_LINKS: usize = 40;
    let mut real = PathBuf::new();
    let mut links = 0;
    let parts = |path: &Path| path.iter().rev().map(OsStr::to_owned).collect::<Vec<_>>();
    // The next component is the last of these.
    let mut left = parts(path);
    while let Some(part) = left.pop() {
        match part.as_bytes() {
            b"/" => real.clear(),
            b"." => {}
            b".." => drop(real.pop()),
            _ => {
                let flags = OFlag::O_PATH | OFlag::O_DIRECTORY;
                let parent = openat2::open_in_root(root, or_dot(&real), flags)?;
                match readlinkat(&parent, part.as_os_str()) {
                    Ok(_) if links == MOST_LINKS => return Err(Errno::ELOOP),
                    Ok(target) => {
                        links += 1;
                        left.extend(parts(Path::new(&target)));
                    }
                    // No link, or not there.
                    Err(Errno::EINVAL | Errno::ENOENT) => real.push(part),
                    Err(errno) => return Err(errno),
                }
            }
        }
    }
    Ok(real)
}

fn not_found(shown: &str, path: &Path) -> impl FnOnce(Errno) -> CopyError {
    let (shown, path) = (shown.to_owned(), path.display().to_string());
    move |errno| CopyError::Container { path, shown, errno }
}

/// openat2 takes no empty path.
fn or_dot(path: &Path) -> &Path {
    if path.as_os_str().is_empty() { Path::new(".") } else { path }
}

fn ends_as_directory(path: &Path) -> bool {
    let path = path.as_os_str().as_bytes();
    path.ends_with(b"/") || path.ends_with(b"/.")
}

fn c_name(name: &OsStr) -> nix::Result<CString> {
    CString::new(name.as_bytes()).map_err(|_| Errno::EINVAL)
}

/// From the container's root: a relative path is one below its working directory.
fn absolute(engine: &Engine, record: &Record, path: &str) -> Result<PathBuf, CopyError> {
    if path.starts_with('/') {
        return Ok(path.into());
    }
    let image = image_of(engine, record)?;
    let of_image = image.as_ref().and_then(|image| image.config.config().as_ref()?.working_dir().clone());
    let directory = record.options.workdir.clone().or(of_image).filter(|directory| !directory.is_empty());
    Ok(Path::new("/").join(directory.unwrap_or_default()).join(path))
}

/// The container's user, with his ids out here: what its process runs as, or would run as.
fn owner(engine: &Engine, record: &Record, inside: &Inside) -> Result<(u32, u32), CopyError> {
    let outside = |owner| inside.ids().map_or(owner, |ids| outside(ids, owner));
    if let Some(owner) = inside.init {
        return Ok(outside(owner));
    }
    let image = image_of(engine, record)?;
    let of_image = image.as_ref().and_then(|image| image.config.config().as_ref()?.user().clone());
    let user = record.options.user.clone().filter(|user| !user.is_empty()).or(of_image).unwrap_or_default();
    let passwd = root::read_file(inside.root(), "etc/passwd")?;
    let group = root::read_file(inside.root(), "etc/group")?;
    let user = spec::resolve_user(&user, &[], &passwd, &group)?;
    Ok(outside((user.uid, user.gid)))
}

/// Who makes files in a container with these ids.
fn act_as(ids: Option<&Maps>) -> Result<Option<Acting>, CopyError> {
    ids.map(Acting::root_of).transpose().map_err(CopyError::Acting)
}

fn describe(place: Place<'_>) -> String {
    match place {
        Place::Host(path) => path.display().to_string(),
        Place::Container { shown, path, .. } => format!("{shown}:{path}"),
    }
}
