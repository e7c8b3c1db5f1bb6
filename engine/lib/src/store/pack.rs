//! A directory as a tar stream: the other way round than [`extract`](super::extract).
//!
//! By descriptor: no symlink is followed. An upper directory of overlayfs becomes what a layer is in
//! image-spec's terms: its whiteouts and opaque directories are files whose names begin with `.wh.`.

use std::collections::HashMap;
use std::ffi::{CStr, CString, OsStr};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use ketch_sys::xattr;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, open, readlinkat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, fstatat, major, minor};
use tar::{Builder, EntryType, Header};

use crate::tree::{DEEPEST, Mounts, entries};
use crate::userns::Translate;

#[derive(Debug, thiserror::Error)]
#[error("cannot pack {}: {}", path.display(), super::cause(error))]
pub struct PackError {
    path: PathBuf,
    error: io::Error,
}

/// Writes all that is in `directory`; sockets, which mean nothing without their process, are left out, and a mount in it is
/// an error. `upper`: it is overlayfs's. `ids`: what becomes of the owners. Returns the paths that the upper directory hides, without a slash before them.
pub(crate) fn pack<W: Write>(
    directory: OwnedFd,
    upper: bool,
    ids: Translate<'_>,
    out: &mut Builder<W>,
) -> Result<Vec<String>, PackError> {
    let mut packing = Packing::new(out, ids);
    packing.upper = upper;
    packing.directory(directory, Path::new(""), 0)?;
    Ok(packing.hidden)
}

/// Writes what `node` is open on (`O_PATH` will do) as `name`, what is mounted in it included; with an empty name all that
/// is in the directory, without the directory itself.
pub(crate) fn pack_as<W: Write>(
    node: &OwnedFd,
    name: &Path,
    ids: Translate<'_>,
    out: &mut Builder<W>,
) -> Result<(), PackError> {
    let failed = |errno: Errno| PackError { path: name.to_owned(), error: errno.into() };
    let mut packing = Packing { bare: true, mounts: Mounts::Cross, ..Packing::new(out, ids) };
    let kind = SFlag::from_bits_truncate(fstat(node).map_err(failed)?.st_mode) & SFlag::S_IFMT;
    if ![SFlag::S_IFDIR, SFlag::S_IFREG].contains(&kind) {
        return Err(failed(Errno::EOPNOTSUPP));
    }
    // An open file has no other name that is sure to be its own.
    let path = format!("/proc/self/fd/{}", node.as_raw_fd());
    let node = open(path.as_str(), OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty()).map_err(failed)?;
    if kind == SFlag::S_IFDIR { packing.directory(node, name, 0) } else { packing.opened(node, name) }
}

struct Packing<'a, W: Write> {
    out: &'a mut Builder<W>,
    ids: Translate<'a>,
    upper: bool,
    /// A directory without a name has no entry of its own.
    bare: bool,
    mounts: Mounts,
    /// Where files with several names were first met, by device and inode.
    linked: HashMap<(u64, u64), PathBuf>,
    hidden: Vec<String>,
}

impl<'a, W: Write> Packing<'a, W> {
    fn new(out: &'a mut Builder<W>, ids: Translate<'a>) -> Packing<'a, W> {
        let mounts = Mounts::Refuse;
        Packing { out, ids, upper: false, bare: false, mounts, linked: HashMap::new(), hidden: Vec::new() }
    }

    fn directory(&mut self, directory: OwnedFd, path: &Path, depth: usize) -> Result<(), PackError> {
        let at = |path: &Path| {
            let path = path.to_owned();
            move |errno: Errno| PackError { path, error: errno.into() }
        };
        if depth >= DEEPEST {
            return Err(at(path)(Errno::ELOOP));
        }
        let stat = fstat(&directory).map_err(at(path))?;
        let attributes = attributes(directory.as_fd()).map_err(at(path))?;
        // The root's own entry, `./`, says what mode and owner it has.
        let own = if path.as_os_str().is_empty() { Path::new("./") } else { path };
        if !(self.bare && path.as_os_str().is_empty()) {
            self.attributes(&attributes, own)?;
            let mut header = self.header(&stat, EntryType::Directory, own)?;
            self.entry(&mut header, own, io::empty())?;
        }
        if self.mounts.leaves_out(&directory).map_err(at(path))? {
            return Ok(());
        }
        if self.upper && is_opaque(directory.as_fd()).map_err(at(path))? {
            self.whiteout(&path.join(".wh..wh..opq"))?;
        }
        let (directory, mut entries) = entries(directory).map_err(at(path))?;
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        for entry in entries {
            let path = path.join(OsStr::from_bytes(entry.name.to_bytes()));
            if entry.directory {
                let sub = match self.mounts.subdirectory(directory.as_fd(), &entry.name) {
                    // Removed meanwhile: a container that runs goes on.
                    Err(Errno::ENOENT) => continue,
                    sub => sub.map_err(at(&path))?,
                };
                self.directory(sub, &path, depth + 1)?;
            } else {
                self.other(directory.as_fd(), &entry.name, &path)?;
            }
        }
        Ok(())
    }

    fn other(&mut self, directory: BorrowedFd<'_>, name: &CString, path: &Path) -> Result<(), PackError> {
        let failed = |errno: Errno| PackError { path: path.to_owned(), error: errno.into() };
        let stat = match fstatat(directory, name.as_c_str(), AtFlags::AT_SYMLINK_NOFOLLOW) {
            Err(Errno::ENOENT) => return Ok(()),
            stat => stat.map_err(failed)?,
        };
        let kind = SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT;
        if self.upper && kind == SFlag::S_IFCHR && stat.st_rdev == 0 {
            self.hidden.push(path.to_string_lossy().into_owned());
            let base = path.file_name().unwrap_or_default();
            let mut marked = OsStr::new(".wh.").to_owned();
            marked.push(base);
            return self.whiteout(&path.with_file_name(marked));
        }
        if stat.st_nlink > 1 {
            if let Some(first) = self.linked.get(&(stat.st_dev, stat.st_ino)) {
                let (first, mut header) = (first.clone(), self.header(&stat, EntryType::Link, path)?);
                return self.link(&mut header, path, &first);
            }
            self.linked.insert((stat.st_dev, stat.st_ino), path.to_owned());
        }
        match kind {
            SFlag::S_IFREG => self.file(directory, name, path),
            SFlag::S_IFLNK => {
                let target = readlinkat(directory, name.as_c_str()).map_err(failed)?;
                let mut header = self.header(&stat, EntryType::Symlink, path)?;
                self.link(&mut header, path, Path::new(&target))
            }
            SFlag::S_IFCHR | SFlag::S_IFBLK | SFlag::S_IFIFO => {
                let entry = match kind {
                    SFlag::S_IFCHR => EntryType::Char,
                    SFlag::S_IFBLK => EntryType::Block,
                    _ => EntryType::Fifo,
                };
                let mut header = self.header(&stat, entry, path)?;
                let number = |number: u64| u32::try_from(number).unwrap_or_default();
                header
                    .set_device_major(number(major(stat.st_rdev)))
                    .and_then(|()| header.set_device_minor(number(minor(stat.st_rdev))))
                    .map_err(|error| PackError { path: path.to_owned(), error })?;
                self.entry(&mut header, path, io::empty())
            }
            _ => Ok(()),
        }
    }

    fn file(&mut self, directory: BorrowedFd<'_>, name: &CStr, path: &Path) -> Result<(), PackError> {
        let failed = |errno: Errno| PackError { path: path.to_owned(), error: errno.into() };
        // Whatever has the place of the file by now, the open does not wait for it.
        let file = match self.mounts.open(directory, name, OFlag::O_RDONLY | OFlag::O_NONBLOCK) {
            Err(Errno::ENOENT) => return Ok(()),
            file => file.map_err(failed)?,
        };
        self.opened(file, path)
    }

    /// A regular file.
    fn opened(&mut self, file: OwnedFd, path: &Path) -> Result<(), PackError> {
        let failed = |errno: Errno| PackError { path: path.to_owned(), error: errno.into() };
        let attributes = attributes(file.as_fd()).map_err(failed)?;
        // Of what is open now: the archive's length must be what is read, and a device that has come in between has none.
        let stat = fstat(&file).map_err(failed)?;
        if SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT != SFlag::S_IFREG {
            return Ok(());
        }
        self.attributes(&attributes, path)?;
        let mut header = self.header(&stat, EntryType::Regular, path)?;
        let size = stat.st_size.cast_unsigned();
        header.set_size(size);
        let mut content = Exactly { file: File::from(file), left: size };
        self.entry(&mut header, path, &mut content)
    }

    fn whiteout(&mut self, path: &Path) -> Result<(), PackError> {
        let mut header = Header::new_gnu();
        header.set_mode(0o600);
        self.entry(&mut header, path, io::empty())
    }

    fn attributes(&mut self, attributes: &[(String, Vec<u8>)], path: &Path) -> Result<(), PackError> {
        if attributes.is_empty() {
            return Ok(());
        }
        let pairs = attributes.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
        self.out.append_pax_extensions(pairs).map_err(|error| PackError { path: path.to_owned(), error })
    }

    fn entry(&mut self, header: &mut Header, path: &Path, data: impl io::Read) -> Result<(), PackError> {
        self.out.append_data(header, path, data).map_err(|error| PackError { path: path.to_owned(), error })
    }

    fn link(&mut self, header: &mut Header, path: &Path, target: &Path) -> Result<(), PackError> {
        self.out.append_link(header, path, target).map_err(|error| PackError { path: path.to_owned(), error })
    }

    fn header(&self, stat: &FileStat, kind: EntryType, path: &Path) -> Result<Header, PackError> {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(stat.st_mode & 0o7777);
        let (uid, gid) = self.ids.apply((stat.st_uid, stat.st_gid)).ok_or_else(|| PackError {
            path: path.to_owned(),
            error: io::Error::other(format!(
                "it is of user {} and group {}, of which the container has no such",
                stat.st_uid, stat.st_gid
            )),
        })?;
        header.set_uid(uid.into());
        header.set_gid(gid.into());
        header.set_mtime(stat.st_mtime.max(0).cast_unsigned());
        header.set_size(0);
        Ok(header)
    }
}

/// A file of the length that its header says, whatever is written to it meanwhile.
struct Exactly {
    file: File,
    left: u64,
}

impl io::Read for Exactly {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        if most == 0 {
            return Ok(0);
        }
        match self.file.read(&mut buffer[..most])? {
            0 => {
                buffer[..most].fill(0);
                self.left -= most as u64;
                Ok(most)
            }
            count => {
                self.left -= count as u64;
                Ok(count)
            }
        }
    }
}

/// What a layer keeps of extended attributes, by its name in a pax header: the same as [`extract`](super::extract) takes.
fn attributes(fd: BorrowedFd<'_>) -> Result<Vec<(String, Vec<u8>)>, Errno> {
    let names = match xattr::flist(fd) {
        Err(Errno::EOPNOTSUPP) => return Ok(Vec::new()),
        names => names?,
    };
    let mut attributes = Vec::new();
    for name in names {
        let is_kept = name == b"security.capability"
            || name.starts_with(b"user.") && !name.starts_with(b"user.overlay.");
        if let Some(text) = std::str::from_utf8(&name).ok().filter(|_| is_kept) {
            attributes.push((format!("SCHILY.xattr.{text}"), xattr::fget(fd, &name)?));
        }
    }
    Ok(attributes)
}

/// overlayfs.rst, "whiteouts and opaque directories".
pub(super) fn is_opaque(fd: BorrowedFd<'_>) -> Result<bool, Errno> {
    // The second name is that of an overlay in a user namespace.
    for name in [b"trusted.overlay.opaque".as_slice(), b"user.overlay.opaque"] {
        match xattr::fget(fd, name) {
            Ok(value) if value == b"y" => return Ok(true),
            Ok(_) | Err(Errno::ENODATA | Errno::EOPNOTSUPP) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    use super::*;
    use crate::store::entries::Entries;
    use crate::store::extract::extract;

    /// What is packed and extracted again is what it was, whiteouts and all.
    #[test]
    fn there_and_back() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        fs::create_dir_all(from.join("sub/opaque")).unwrap();
        fs::create_dir(&to).unwrap();
        fs::write(from.join("sub/file"), "text").unwrap();
        fs::set_permissions(from.join("sub/file"), fs::Permissions::from_mode(0o4751)).unwrap();
        fs::hard_link(from.join("sub/file"), from.join("sub/other")).unwrap();
        symlink("/etc/passwd", from.join("link")).unwrap();
        let long = "x".repeat(150);
        fs::write(from.join(&long), "").unwrap();
        nix::unistd::mkfifo(&from.join("fifo"), Mode::S_IRWXU).unwrap();
        nix::sys::stat::mknod(&from.join("gone"), SFlag::S_IFCHR, Mode::empty(), 0).unwrap();
        let opaque = File::open(from.join("sub/opaque")).unwrap();
        xattr::fset(opaque.as_fd(), b"trusted.overlay.opaque", b"y").unwrap();

        let mut tar = Builder::new(Vec::new());
        let hidden = pack(File::open(&from).unwrap().into(), true, Translate::Not, &mut tar).unwrap();
        assert_eq!(hidden, ["gone"]);
        let bytes = tar.into_inner().unwrap();
        extract(&mut Entries::new(bytes.as_slice()), File::open(&to).unwrap().into()).unwrap();

        assert_eq!(fs::read(to.join("sub/other")).unwrap(), b"text");
        let file = fs::metadata(to.join("sub/file")).unwrap();
        assert_eq!((file.mode() & 0o7777, file.nlink()), (0o4751, 2));
        assert_eq!(fs::read_link(to.join("link")).unwrap(), Path::new("/etc/passwd"));
        assert!(to.join(&long).exists() && to.join("fifo").exists());
        assert_eq!(fs::symlink_metadata(to.join("gone")).unwrap().rdev(), 0);
        assert!(is_opaque(File::open(to.join("sub/opaque")).unwrap().as_fd()).unwrap());
    }
}
