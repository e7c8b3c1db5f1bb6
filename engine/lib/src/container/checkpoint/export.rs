//! `--export`: an archive with all that is needed to restore a container elsewhere, in podman's layout.
//!
//! It has no name until it is complete: whatever is killed, nothing half-made is found at its path.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use ketch_runtime::container::state::State;
use ketch_runtime::criu::statistics;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, open};
use nix::libc;
use nix::sys::stat::Mode;
use nix::unistd::linkat;
use serde_json::{Value, json};
use tar::{Builder, EntryType, Header};

use super::dump::{CONFIG, DELETED, Dump, ROOTFS, SPEC};
use super::fingerprint::{Fingerprint, MismatchError};
use super::{LOG, addresses, marker};
use crate::container::options::Mount;
use crate::container::{FileError, log_path};
use crate::state::containers::Record;
use crate::store::pack::{PackError, pack};
use crate::userns::Translate;
use crate::{Engine, volume};

/// Where it goes and what is left out.
#[derive(Debug, Clone)]
pub struct Export {
    /// Absolute.
    pub path: PathBuf,
    pub compression: Compression,
    /// With what the container has changed in its root.
    pub rootfs: bool,
    pub volumes: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    None,
    Gzip,
    Zstd,
}

#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error("cannot write the archive {path}: {}", crate::store::cause(source))]
    Write { path: PathBuf, source: io::Error },
    #[error(
        "a container that was made with --rootfs cannot be exported: its root is this host's (--ignore-rootfs leaves it out)"
    )]
    NoImage,
    #[error(transparent)]
    Pack(#[from] PackError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Here(#[from] MismatchError),
}

/// An archive in the making.
pub(super) struct Archive {
    tar: Builder<Encoder>,
    /// Open on what will have the name.
    file: File,
    path: PathBuf,
}

/// Refuses what cannot be exported, and begins the archive.
pub(super) fn begin(record: &Record, export: &Export) -> Result<Archive, ExportError> {
    if record.image_id.is_none() && export.rootfs {
        return Err(ExportError::NoImage);
    }
    let failed = |source| ExportError::Write { path: export.path.clone(), source };
    let parent = export.path.parent().unwrap_or(Path::new("/"));
    let flags = libc::O_TMPFILE;
    let file = File::options().write(true).mode(0o600).custom_flags(flags).open(parent).map_err(failed)?;
    let copy = file.try_clone().map_err(failed)?;
    let tar = Builder::new(Encoder::new(copy, export.compression).map_err(failed)?);
    Ok(Archive { tar, file, path: export.path.clone() })
}

impl Archive {
    /// Writes everything that must not change meanwhile: nothing in the container moves now.
    pub(super) fn fill(
        &mut self,
        engine: &Engine,
        record: &Record,
        state: &State,
        export: &Export,
    ) -> Result<(), ExportError> {
        let dir = engine.paths.container(&record.id);
        let spec = spec(state);
        let dump = Dump::of(record, spec.clone(), Fingerprint::here()?);
        self.directory("artifacts/")?;
        self.json(CONFIG, &json!(dump))?;
        self.json(SPEC, &spec)?;
        self.host_file(addresses::FILE, &dir.join(addresses::FILE))?;
        self.host_file("ctr.log", &log_path(&dir))?;
        self.images(&marker::images(&dir))?;
        if export.rootfs {
            self.rootfs(engine, &dir.join("upper"))?;
        }
        if export.volumes {
            for name in record.options.mounts.iter().filter_map(Mount::volume) {
                let path = volume::mount_point(&engine.paths, name);
                self.directory("volumes/")?;
                self.tree(engine, &format!("volumes/{name}.tar"), &path, false)?;
            }
        }
        Ok(())
    }

    /// Adds CRIU's log and statistics, which are complete by now, and gives the archive its name.
    pub(super) fn finish(mut self, dir: &Path) -> Result<(), ExportError> {
        self.host_file(LOG, &dir.join(LOG))?;
        self.host_file(statistics::DUMP, &dir.join(statistics::DUMP))?;
        let failed = |source| ExportError::Write { path: self.path.clone(), source };
        self.tar.into_inner().and_then(Encoder::finish).map_err(failed)?;
        self.file.sync_all().map_err(failed)?;
        // linkat takes no place that is taken; rename does.
        let base = self.path.file_name().unwrap_or_default().to_string_lossy();
        let new = self.path.with_file_name(format!(".{base}.{}", std::process::id()));
        let link = format!("/proc/self/fd/{}", self.file.as_raw_fd());
        let named = linkat(AT_FDCWD, link.as_str(), AT_FDCWD, &new, AtFlags::AT_SYMLINK_FOLLOW);
        named.map_err(io::Error::from).map_err(failed)?;
        fs::rename(&new, &self.path).inspect_err(|_| drop(fs::remove_file(&new))).map_err(failed)
    }

    fn json(&mut self, name: &str, value: &Value) -> Result<(), ExportError> {
        let text = value.to_string();
        self.member(name, 0o600, text.len() as u64, text.as_bytes())
    }

    /// A file of ketch's or CRIU's own; none is no error.
    fn host_file(&mut self, name: &str, path: &Path) -> Result<(), ExportError> {
        let file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            file => file.map_err(FileError::at("open", path))?,
        };
        let size = file.metadata().map_err(FileError::at("look at", path))?.size();
        self.member(name, 0o600, size, io::Read::take(file, size))
    }

    /// CRIU's images, as they lie in their directory.
    fn images(&mut self, images: &Path) -> Result<(), ExportError> {
        self.directory("checkpoint/")?;
        let list = || -> io::Result<Vec<fs::DirEntry>> { fs::read_dir(images)?.collect() };
        let mut entries = list().map_err(FileError::at("list", images))?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let name = format!("checkpoint/{}", entry.file_name().to_string_lossy());
            self.host_file(&name, &entry.path())?;
        }
        Ok(())
    }

    /// The upper directory, and what it hides once more in podman's list.
    fn rootfs(&mut self, engine: &Engine, upper: &Path) -> Result<(), ExportError> {
        let hidden = self.tree(engine, ROOTFS, upper, true)?;
        if hidden.is_empty() { Ok(()) } else { self.json(DELETED, &json!(hidden)) }
    }

    /// A directory as an archive of its own, whose length is known only when it is there.
    fn tree(
        &mut self,
        engine: &Engine,
        name: &str,
        path: &Path,
        upper: bool,
    ) -> Result<Vec<String>, ExportError> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let top: OwnedFd = match open(path, flags, Mode::empty()) {
            Err(Errno::ENOENT) => return Ok(Vec::new()),
            top => top.map_err(io::Error::from).map_err(FileError::at("open", path))?,
        };
        // Without a name, on the disk that the container's files are on.
        let root = &engine.paths.root;
        let scratch = File::options()
            .read(true)
            .write(true)
            .mode(0o600)
            .custom_flags(libc::O_TMPFILE)
            .open(root)
            .map_err(FileError::at("make a temporary file in", root))?;
        let failed = |error| FileError::at("write a temporary file in", root)(error);
        let mut tar = Builder::new(BufWriter::new(&scratch));
        let hidden = pack(top, upper, Translate::Not, &mut tar)?;
        tar.into_inner().and_then(|mut buffer| buffer.flush()).map_err(failed)?;
        let size = io::Seek::stream_position(&mut &scratch).map_err(failed)?;
        io::Seek::rewind(&mut &scratch).map_err(failed)?;
        self.member(name, 0o600, size, &scratch)?;
        Ok(hidden)
    }

    fn directory(&mut self, name: &str) -> Result<(), ExportError> {
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::Directory);
        header.set_mode(0o700);
        header.set_size(0);
        self.tar.append_data(&mut header, name, io::empty()).map_err(self.failed())
    }

    fn member(&mut self, name: &str, mode: u32, size: u64, data: impl io::Read) -> Result<(), ExportError> {
        let mut header = Header::new_gnu();
        header.set_mode(mode);
        header.set_size(size);
        self.tar.append_data(&mut header, name, data).map_err(self.failed())
    }

    fn failed(&self) -> impl FnOnce(io::Error) -> ExportError + use<> {
        let path = self.path.clone();
        move |source| ExportError::Write { path, source }
    }
}

/// OCI's configuration, as far as the runtime's state knows it.
fn spec(state: &State) -> Value {
    json!({
        "ociVersion": state.oci_version,
        "process": state.config.process,
        "root": { "path": "rootfs" },
        "hooks": state.config.hooks,
        "annotations": state.annotations,
        "linux": {
            "namespaces": state.config.namespaces,
            "seccomp": state.config.seccomp,
        },
    })
}

/// Compresses what is written through it.
enum Encoder {
    None(BufWriter<File>),
    Gzip(flate2::write::GzEncoder<BufWriter<File>>),
    Zstd(zstd::Encoder<'static, BufWriter<File>>),
}

impl Encoder {
    fn new(file: File, compression: Compression) -> io::Result<Encoder> {
        let file = BufWriter::with_capacity(1 << 17, file);
        Ok(match compression {
            Compression::None => Encoder::None(file),
            Compression::Gzip => {
                Encoder::Gzip(flate2::write::GzEncoder::new(file, flate2::Compression::fast()))
            }
            Compression::Zstd => Encoder::Zstd(zstd::Encoder::new(file, 0)?),
        })
    }

    fn finish(self) -> io::Result<()> {
        match self {
            Encoder::None(file) => file,
            Encoder::Gzip(encoder) => encoder.finish()?,
            Encoder::Zstd(encoder) => encoder.finish()?,
        }
        .flush()
    }
}

impl Write for Encoder {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Encoder::None(file) => file.write(bytes),
            Encoder::Gzip(encoder) => encoder.write(bytes),
            Encoder::Zstd(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Encoder::None(file) => file.flush(),
            Encoder::Gzip(encoder) => encoder.flush(),
            Encoder::Zstd(encoder) => encoder.flush(),
        }
    }
}
