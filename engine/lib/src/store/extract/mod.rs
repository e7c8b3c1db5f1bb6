//! Turns a layer's tar stream into a directory that overlayfs takes as a lower one, or any tar into files of a container.
//!
//! Nothing in the stream is trusted: names are cleaned, every parent is resolved below the layer's own root
//! (openat2(2), `RESOLVE_IN_ROOT`), no last component is ever followed, and the overlay's own attributes come from
//! whiteouts alone. Later entries replace earlier ones, except that a directory keeps what is in it.

mod attributes;
mod name;
mod tree;
mod whiteout;

use std::ffi::CString;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};

use ketch_runtime::plan::ids::Maps;
use ketch_sys::Errno;
use nix::errno::Errno::EEXIST;
use nix::fcntl::{AtFlags, OFlag, openat};
use nix::sys::stat::{Mode, SFlag, fstatat, makedev, mkdirat, mknodat};
use nix::sys::uio::pwrite;
use nix::unistd::{ftruncate, linkat, symlinkat, write};

use super::entries::{Entries, Entry, Kind, Segment};
use attributes::Attributes;
use name::Name;
use tree::Tree;

use crate::tree::{is_mount, remove_in};
use crate::userns::namespace::outside;

#[derive(Debug, thiserror::Error)]
pub(crate) enum ExtractError {
    /// The stream ended early, is no tar archive, or its source failed.
    #[error("{}", super::cause(.0))]
    Stream(io::Error),
    #[error("cannot {action} {path}: {}", super::cause(&io::Error::from(*errno)))]
    File { action: &'static str, path: String, errno: Errno },
    #[error("{path} leads out of the layer")]
    Outside { path: String },
    #[error("{path}: not a valid whiteout")]
    Whiteout { path: String },
    #[error("{path}: cannot overwrite a {there} with a {new}")]
    Kind { path: String, there: &'static str, new: &'static str },
}

/// A tar that is no layer: its whiteouts are files, its devices are left out.
#[derive(Debug)]
pub(crate) struct Plain<'a> {
    /// The directory below the root that the entries go to, by its real path there. It stays what it is.
    pub(crate) below: &'a [u8],
    /// Owner and group of all; None: as the tar has them. Setuid and setgid bits are lost with another owner.
    pub(crate) owner: Option<(u32, u32)>,
    /// Those of the container, whose ids the tar has; the caller acts as its root.
    pub(crate) ids: Option<&'a Maps>,
    /// A directory may take the place of what is none, and the other way round.
    pub(crate) overwrite: bool,
}

/// Extracts all of `entries` into the empty directory `root`.
///
/// On error `root` holds part of the layer; the caller removes it. Needs root: it makes devices and sets owners.
pub(crate) fn extract<R: Read>(entries: &mut Entries<R>, root: OwnedFd) -> Result<(), ExtractError> {
    extract_all(entries, root, None)
}

/// Extracts all of `entries` into the tree `root`, as a process whose root it is would: a symbolic link there leads to where it
/// leads for such a process.
pub(crate) fn extract_plain<R: Read>(
    entries: &mut Entries<R>,
    root: OwnedFd,
    plain: &Plain<'_>,
) -> Result<(), ExtractError> {
    extract_all(entries, root, Some(plain))
}

fn extract_all<R: Read>(
    entries: &mut Entries<R>,
    root: OwnedFd,
    plain: Option<&Plain<'_>>,
) -> Result<(), ExtractError> {
    let mut tree = Tree::new(root);
    // A directory's time changes with every entry made in it, so times of directories come last.
    let mut directories = Vec::new();
    while let Some(mut entry) = entries.next().map_err(ExtractError::Stream)? {
        let mut name = Name::clean(&entry.path)?;
        if let Some(plain) = plain {
            if name.is_root() || is_device(entry.kind) {
                continue;
            }
            name = name.below(plain.below);
            plain.adapt(&mut tree, &name, &mut entry)?;
        } else if let Some(hidden) = name.whiteout() {
            whiteout::apply(&mut tree, &name, hidden)?;
            continue;
        }
        if entry.kind == Kind::Directory {
            directory(&mut tree, &name, &entry)?;
            directories.push((name, entry.mtime));
            continue;
        }
        if name.is_root() {
            return Err(ExtractError::File { action: "replace", path: "/".into(), errno: Errno::EISDIR });
        }
        match entry.kind {
            Kind::File => file(&mut tree, &name, &entry, entries)?,
            Kind::HardLink => hard_link(&mut tree, &name, &entry)?,
            _ => special(&mut tree, &name, &entry)?,
        }
    }
    if tree.has_replaced() {
        entries.is_lost();
    }
    for (name, mtime) in &directories {
        if let Some(dir) = tree.existing(name)? {
            attributes::set_time(dir.as_fd(), *mtime)
                .map_err(|errno| name.error("set the time of", errno))?;
        }
    }
    Ok(())
}

impl Plain<'_> {
    /// Puts the entry where it belongs, and refuses it where something else is in its place.
    fn adapt(&self, tree: &mut Tree, name: &Name, entry: &mut Entry) -> Result<(), ExtractError> {
        if let Some((uid, gid)) = self.owner {
            if (uid, gid) != (entry.uid, entry.gid) && entry.kind == Kind::File {
                entry.mode &= !0o6000;
            }
            (entry.uid, entry.gid) = (uid, gid);
        } else if let Some(ids) = self.ids {
            (entry.uid, entry.gid) = outside(ids, (entry.uid, entry.gid));
        }
        if entry.kind == Kind::HardLink {
            entry.link = Name::clean(&entry.link)?.below(self.below).as_bytes().to_vec();
        }
        let new = if entry.kind == Kind::Directory { "directory" } else { "non-directory" };
        let there = match tree.existing_parent(name) {
            Ok(parent) => fstatat(&parent, name.base(), AtFlags::AT_SYMLINK_NOFOLLOW),
            Err(errno) => Err(errno),
        };
        let there = match there {
            Ok(stat) if stat.st_mode & SFlag::S_IFMT.bits() == SFlag::S_IFDIR.bits() => "directory",
            Ok(_) => "non-directory",
            Err(Errno::ENOENT) => return Ok(()),
            Err(errno) => return Err(name.error("look at", errno)),
        };
        if there != new && !self.overwrite {
            return Err(ExtractError::Kind { path: name.to_string(), there, new });
        }
        let failed = |errno| name.error("replace", errno);
        let base = CString::new(name.base()).map_err(|_| failed(Errno::EINVAL))?;
        let parent = tree.existing_parent(name).map_err(failed)?;
        if new == "non-directory" && is_mount(&parent, &base).map_err(failed)? {
            return Err(failed(Errno::EBUSY));
        }
        if new == "non-directory" && there == "directory" {
            remove_in(parent.as_fd(), &base).map_err(failed)?;
        }
        Ok(())
    }
}

fn directory(tree: &mut Tree, name: &Name, entry: &Entry) -> Result<(), ExtractError> {
    if !name.is_root() {
        make_directory(tree, name)?;
    }
    let dir = tree.directory(name)?;
    Attributes::of(entry).apply(dir.as_fd()).map_err(|(action, errno)| name.error(action, errno))
}

fn make_directory(tree: &mut Tree, name: &Name) -> Result<(), ExtractError> {
    let parent = tree.parent(name)?;
    match mkdirat(parent, name.base(), Mode::S_IRWXU) {
        Ok(()) => return Ok(()),
        Err(EEXIST) => {}
        Err(errno) => return Err(name.error("create", errno)),
    }
    let there = tree.stat(name)?;
    if there.is_directory() {
        return Ok(());
    }
    tree.remove(name)?;
    let parent = tree.parent(name)?;
    mkdirat(parent, name.base(), Mode::S_IRWXU).map_err(|errno| name.error("create", errno))?;
    if there.is_whiteout() {
        // The lower layers' directory is hidden, and stays so below the new one.
        whiteout::make_opaque(tree.directory(name)?).map_err(|errno| name.error("make opaque", errno))?;
    }
    Ok(())
}

fn file<R: Read>(
    tree: &mut Tree,
    name: &Name,
    entry: &Entry,
    entries: &mut Entries<R>,
) -> Result<(), ExtractError> {
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let file =
        tree.create(name, |parent| openat(parent, name.base(), flags, Mode::S_IRUSR | Mode::S_IWUSR))?;
    entries.is_file(name.as_bytes(), entry);
    match &entry.sparse {
        None => copy(entries, &file, name)?,
        Some(segments) => copy_sparse(entries, &file, name, segments, entry.size)?,
    }
    let attributes = Attributes::of(entry);
    attributes
        .apply(file.as_fd())
        .and_then(|()| {
            attributes::set_time(file.as_fd(), entry.mtime).map_err(|errno| ("set the time of", errno))
        })
        .map_err(|(action, errno)| name.error(action, errno))
}

fn copy<R: Read>(entries: &mut Entries<R>, file: &OwnedFd, name: &Name) -> Result<(), ExtractError> {
    loop {
        let bytes = entries.data().map_err(ExtractError::Stream)?;
        if bytes.is_empty() {
            return Ok(());
        }
        let written = write(file, bytes).map_err(|errno| name.error("write", errno))?;
        entries.consume(written);
    }
}

/// Writes the stored runs where they belong; what lies between stays a hole.
fn copy_sparse<R: Read>(
    entries: &mut Entries<R>,
    file: &OwnedFd,
    name: &Name,
    segments: &[Segment],
    size: u64,
) -> Result<(), ExtractError> {
    let failed = |errno| name.error("write", errno);
    // Both fit: the map was checked against the length, and that against i64.
    let signed = u64::cast_signed;
    ftruncate(file, signed(size)).map_err(failed)?;
    for segment in segments {
        let (mut offset, end) = (segment.offset, segment.offset + segment.length);
        while offset < end {
            let bytes = entries.data().map_err(ExtractError::Stream)?;
            let length = usize::try_from(end - offset).unwrap_or(usize::MAX).min(bytes.len());
            let written = pwrite(file, &bytes[..length], signed(offset)).map_err(failed)?;
            entries.consume(written);
            offset += written as u64;
        }
    }
    Ok(())
}

/// A second name for something in this layer. Owner, mode and times are the first name's.
fn hard_link(tree: &mut Tree, name: &Name, entry: &Entry) -> Result<(), ExtractError> {
    let target = Name::clean(&entry.link)?;
    if target.is_root() || target == *name {
        return Err(name.error("link", Errno::EINVAL));
    }
    let from = tree.existing_parent(&target).map_err(|errno| name.error("link", errno))?;
    // Without AT_SYMLINK_FOLLOW: a link to a symbolic link is one more name for that.
    tree.create(name, |parent| linkat(&from, target.base(), parent, name.base(), AtFlags::empty()))
}

/// A symbolic link, device or FIFO.
///
/// Devices are extracted as the image has them: they are reached through `nodev` mounts and the device cgroup only. A
/// character device 0:0 is what overlayfs takes for a whiteout, so it hides the name below, no more.
fn special(tree: &mut Tree, name: &Name, entry: &Entry) -> Result<(), ExtractError> {
    let made = tree.create(name, |parent| match entry.kind {
        Kind::Symlink => symlinkat(entry.link.as_slice(), parent, name.base()),
        kind => {
            let (flag, device) = match kind {
                Kind::Char => (SFlag::S_IFCHR, makedev(entry.device.0, entry.device.1)),
                Kind::Block => (SFlag::S_IFBLK, makedev(entry.device.0, entry.device.1)),
                _ => (SFlag::S_IFIFO, 0),
            };
            mknodat(parent, name.base(), flag, Mode::S_IRUSR | Mode::S_IWUSR, device)
        }
    });
    match made {
        // In a user namespace nobody makes devices, and a container has no use for the image's: left out, as podman does.
        Err(ExtractError::File { errno: Errno::EPERM, .. }) if is_device(entry.kind) => return Ok(()),
        made => made?,
    }
    let is_symlink = entry.kind == Kind::Symlink;
    Attributes::of(entry)
        .apply_by_name(tree.parent(name)?, name.base(), is_symlink, entry.mtime)
        .map_err(|(action, errno)| name.error(action, errno))
}

fn is_device(kind: Kind) -> bool {
    matches!(kind, Kind::Char | Kind::Block)
}
