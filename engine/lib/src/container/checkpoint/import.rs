//! `--import`: a container from an archive of ketch's or podman's.
//!
//! The archive is not trusted. It is unpacked below one descriptor in a directory of its own, what is read of it must be
//! a plain file, and what it says of the container is looked through ([`admit`](super::admit)).

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use ketch_monitor::clock;
use ketch_runtime::spec::Spec;
use ketch_sys::{Errno, openat2};
use nix::fcntl::OFlag;
use serde_json::{Value, json};

use super::addresses::{self, Addresses};
use super::admit::{AskedError, admit};
use super::dump::{CONFIG, DELETED, Dump, ROOTFS, SHM, SPEC};
use super::fingerprint::{Fingerprint, MismatchError};
use super::{marker, podman};
use crate::container::options::{Mount, MountKind, Options, Port};
use crate::container::remove::{self, Force, RemoveError};
use crate::container::turn::Turn;
use crate::container::{FileError, name};
use crate::image::layer::decompress;
use crate::image::{self, Image};
use crate::state;
use crate::state::containers::{InsertError, Record};
use crate::store::StoreError;
use crate::store::entries::Entries;
use crate::store::extract::{ExtractError, extract};
use crate::store::staging::Staging;
use crate::tree::{self, TreeError};
use crate::{Engine, volume};

/// What is imported, and how.
#[derive(Debug, Clone, Copy)]
pub struct Import<'a> {
    pub archive: &'a Path,
    /// None: the archive's own name and id.
    pub name: Option<&'a str>,
    /// Apply the archive's changes of the root.
    pub rootfs: bool,
    /// Fill volumes with the archive's.
    pub volumes: bool,
    /// Give it what of this host it asks for.
    pub trusted: bool,
    /// In place of its own; empty: its own.
    pub ports: &'a [Port],
}

#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error("failed to open checkpoint archive {path} for import")]
    Open { path: PathBuf, source: io::Error },
    #[error("cannot unpack the checkpoint archive {path}: {reason}")]
    Unpack { path: PathBuf, reason: String },
    #[error("the checkpoint archive has no {0}")]
    Missing(&'static str),
    #[error("{name} in the checkpoint archive is not what it should be: {reason}")]
    Member { name: String, reason: String },
    #[error("the checkpoint needs the image {name} ({id}), which is not here: pull or load it first")]
    NoImage { name: String, id: String },
    #[error("running container create option: names must match [a-zA-Z0-9][a-zA-Z0-9_.-]*: invalid argument")]
    Name,
    /// podman's words.
    #[error("volume with name {0} already exists. Use --ignore-volumes to not restore content of volumes")]
    VolumeExists(String),
    #[error(transparent)]
    Asked(#[from] AskedError),
    #[error(transparent)]
    Mismatch(#[from] MismatchError),
    #[error("cannot get random bytes")]
    Random(#[source] Errno),
    #[error(transparent)]
    Insert(#[from] InsertError),
    #[error(transparent)]
    Volume(#[from] volume::CreateError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Tree(#[from] TreeError),
    #[error(transparent)]
    State(#[from] state::Error),
}

/// Makes the container with its checkpoint, for `restore` to let it go on. Killed at any moment this leaves a container
/// that can be removed, or none.
pub fn import(engine: &Engine, wanted: &Import<'_>) -> Result<Record, ImportError> {
    if wanted.name.is_some_and(|name| !name::is_valid(name)) {
        return Err(ImportError::Name);
    }
    let staging = Staging::new(&engine.paths)?;
    let unpacked = Unpacked::new(&staging, wanted.archive)?;
    unpacked.check_images()?;
    let whole: Value = unpacked.json(CONFIG)?.ok_or(ImportError::Missing(CONFIG))?;
    let dump: Dump = parse(CONFIG, whole.clone())?;
    if let Some(own) = &dump.ketch {
        own.fingerprint.check(&Fingerprint::here()?)?;
    }
    let id = match wanted.name {
        Some(_) => name::id().map_err(ImportError::Random)?,
        None => id(&dump.id)?.to_owned(),
    };
    let name = wanted.name.unwrap_or(&dump.name);
    if !name::is_valid(name) {
        return Err(ImportError::Name);
    }
    let image = image_of(engine, &dump)?;
    let shm = engine.paths.container(&id).join("shm");
    let mut options = options(&unpacked, &dump, &whole, &shm, wanted.trusted)?;
    if !wanted.ports.is_empty() {
        options.ports = wanted.ports.to_vec();
    }
    let record = Record {
        id,
        name: name.to_owned(),
        created: clock::rfc3339(SystemTime::now()),
        image_id: Some(image.id.clone()),
        image_name: dump.rootfs_image_name.clone(),
        entrypoint: dump.entrypoint.clone().unwrap_or_default(),
        command: dump.command.clone().unwrap_or_default(),
        options: Options { name: Some(name.to_owned()), ..options },
    };
    let _turn = Turn::take(&engine.paths, &record.id)?;
    enter(engine, record, &unpacked, wanted, dump.ketch.is_some())
}

/// Removes a container whose restore has failed.
pub fn undo(engine: &Engine, record: &Record) -> Result<(), RemoveError> {
    remove::remove(engine, record, Force::Stop { seconds: Some(0) }, true).map(drop)
}

/// The row first, then all else.
fn enter(
    engine: &Engine,
    mut record: Record,
    unpacked: &Unpacked,
    wanted: &Import<'_>,
    by_ketch: bool,
) -> Result<Record, ImportError> {
    let made = volume::create::for_container(engine, &mut record.options.mounts)?;
    if let Err(error) = engine.db.insert_container(&record) {
        made.undo(engine);
        return Err(error.into());
    }
    let filled = if wanted.volumes { fill_volumes(engine, &record, unpacked, made.names()) } else { Ok(()) };
    let placed = filled.and_then(|()| place(engine, &record, unpacked, wanted, by_ketch));
    if let Err(error) = placed {
        // What is left of it has a name, by which it can be removed.
        tree::remove(&engine.paths.container(&record.id))?;
        engine.db.delete_container(&record.id)?;
        made.undo(engine);
        return Err(error);
    }
    Ok(record)
}

fn fill_volumes(
    engine: &Engine,
    record: &Record,
    unpacked: &Unpacked,
    made: &[String],
) -> Result<(), ImportError> {
    for mount in &record.options.mounts {
        let MountKind::Named { name, .. } = &mount.kind else { continue };
        let member = format!("volumes/{name}.tar");
        let Some(content) = unpacked.file(&member)? else { continue };
        if !made.contains(name) {
            return Err(ImportError::VolumeExists(name.clone()));
        }
        unpack(content, &member, &volume::mount_point(&engine.paths, name))?;
        engine.db.volume_is_filled(name)?;
    }
    Ok(())
}

/// Puts the parts of the archive where a container has them.
fn place(
    engine: &Engine,
    record: &Record,
    unpacked: &Unpacked,
    wanted: &Import<'_>,
    by_ketch: bool,
) -> Result<(), ImportError> {
    let dir = engine.paths.container(&record.id);
    // Something of that id without a row was somebody's who is dead.
    tree::remove(&dir)?;
    make(&dir, 0o700)?;
    let upper = dir.join("upper");
    make(&upper, 0o755)?;
    if !by_ketch {
        // Where no layer says otherwise a root of podman's has this mode, and CRIU wants it back.
        fs::set_permissions(&upper, fs::Permissions::from_mode(0o555))
            .map_err(FileError::at("set the mode of", &upper))?;
    }
    if wanted.rootfs {
        if let Some(changes) = unpacked.file(ROOTFS)? {
            unpack(changes, ROOTFS, &upper)?;
        }
        if let Some(deleted) = unpacked.json(DELETED)? {
            let deleted: Vec<String> = parse(DELETED, deleted)?;
            let tar = whiteouts(&deleted).map_err(|error| member(DELETED, &error))?;
            unpack(tar.as_slice(), DELETED, &upper)?;
        }
    }
    if let Some(shm) = unpacked.file(SHM)? {
        let path = dir.join("shm");
        make(&path, 0o700)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o1777))
            .map_err(FileError::at("set the mode of", &path))?;
        unpack(shm, SHM, &path)?;
    }
    if let Some(status) = unpacked.json(addresses::FILE)? {
        let mut addresses: Option<Addresses> = parse(addresses::FILE, status)?;
        let path = dir.join(addresses::FILE);
        fs::write(&path, json!(addresses.take().unwrap_or_default()).to_string())
            .map_err(FileError::at("write", &path))?;
    }
    let images = marker::images(&dir);
    fs::rename(unpacked.path.join("checkpoint"), &images).map_err(FileError::at("make", &images))?;
    chown(&images, Some(0), Some(0)).map_err(FileError::at("set the owner of", &images))?;
    fs::set_permissions(&images, fs::Permissions::from_mode(0o700))
        .map_err(FileError::at("set the mode of", &images))?;
    marker::set(&dir).map_err(FileError::at("write to", &dir))?;
    Ok(())
}

/// Files that hide what lower layers have under these names, as a layer has them.
fn whiteouts(paths: &[String]) -> io::Result<Vec<u8>> {
    let mut tar = tar::Builder::new(Vec::new());
    for path in paths {
        let path = Path::new(path.trim_start_matches('/'));
        let Some(base) = path.file_name() else { continue };
        let mut marked = std::ffi::OsString::from(".wh.");
        marked.push(base);
        let mut header = tar::Header::new_gnu();
        header.set_size(0);
        header.set_mode(0o600);
        tar.append_data(&mut header, path.with_file_name(marked), io::empty())?;
    }
    tar.into_inner()
}

/// The container's options, without what is not the archive's to say.
fn options(
    unpacked: &Unpacked,
    dump: &Dump,
    whole: &Value,
    shm: &Path,
    trusted: bool,
) -> Result<Options, ImportError> {
    if let Some(own) = &dump.ketch {
        return Ok(admit(own.options.clone(), trusted)?);
    }
    let spec = unpacked.json(SPEC)?.ok_or(ImportError::Missing(SPEC))?;
    let spec: Spec = parse(SPEC, spec)?;
    let mut options = podman::options(dump, whole, &spec, shm.to_owned());
    // A directory of the new container's own, whatever the archive says.
    let is_shm = |mount: &Mount| mount.kind == MountKind::Bind { source: shm.to_owned() };
    let shm: Vec<Mount> = options.mounts.iter().filter(|mount| is_shm(mount)).cloned().collect();
    options.mounts.retain(|mount| !is_shm(mount));
    let mut options = admit(options, trusted)?;
    options.mounts.extend(shm);
    Ok(options)
}

fn image_of(engine: &Engine, dump: &Dump) -> Result<Image, ImportError> {
    let missing =
        || ImportError::NoImage { name: dump.rootfs_image_name.clone(), id: dump.rootfs_image_id.clone() };
    if dump.rootfs_image_id.is_empty() {
        return Err(missing());
    }
    // By its id alone: another image of the name has other files.
    image::find(engine, id(&dump.rootfs_image_id)?).map_err(|_| missing())
}

fn id(text: &str) -> Result<&str, ImportError> {
    let is_id = text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    match is_id {
        true => Ok(text),
        false => Err(ImportError::Member { name: CONFIG.to_owned(), reason: "no valid id".to_owned() }),
    }
}

/// An archive, unpacked into a directory that goes with the staging.
struct Unpacked {
    path: PathBuf,
    root: OwnedFd,
}

/// The largest document that is read.
const MOST: u64 = 16 << 20;

impl Unpacked {
    fn new(staging: &Staging, archive: &Path) -> Result<Unpacked, ImportError> {
        let failed = |source| ImportError::Open { path: archive.to_owned(), source };
        let source = File::open(archive).map_err(failed)?;
        let path = staging.path().join("archive");
        make(&path, 0o700)?;
        unpack(source, &archive.display().to_string(), &path)
            .map_err(|error| ImportError::Unpack { path: archive.to_owned(), reason: error.to_string() })?;
        let root = File::open(&path).map_err(FileError::at("open", &path))?.into();
        Ok(Unpacked { path, root })
    }

    /// A plain file of the archive; None: it has none of this name.
    fn file(&self, name: &str) -> Result<Option<File>, ImportError> {
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
        let file = match openat2::open_beneath(&self.root, name, flags) {
            Err(Errno::ENOENT) => return Ok(None),
            file => File::from(file.map_err(|errno| member(name, &errno.desc()))?),
        };
        match file.metadata() {
            Ok(metadata) if metadata.is_file() => Ok(Some(file)),
            _ => Err(member(name, &"no plain file")),
        }
    }

    fn json(&self, name: &str) -> Result<Option<Value>, ImportError> {
        let Some(file) = self.file(name)? else { return Ok(None) };
        let mut text = Vec::new();
        file.take(MOST).read_to_end(&mut text).map_err(|error| member(name, &error))?;
        serde_json::from_slice(&text).map(Some).map_err(|error| member(name, &error))
    }

    /// CRIU follows what it finds in the directory of its images: there are to be plain files in it and nothing else.
    fn check_images(&self) -> Result<(), ImportError> {
        let checkpoint = self.path.join("checkpoint");
        let is_directory = fs::symlink_metadata(&checkpoint).is_ok_and(|file| file.is_dir());
        if !is_directory || self.file("checkpoint/inventory.img")?.is_none() {
            return Err(ImportError::Missing("checkpoint"));
        }
        for entry in fs::read_dir(&checkpoint).map_err(FileError::at("list", &checkpoint))? {
            let entry = entry.map_err(FileError::at("list", &checkpoint))?;
            let metadata = entry.metadata().map_err(FileError::at("look at", &checkpoint))?;
            if !metadata.is_file() || metadata.nlink() > 1 {
                let name = format!("checkpoint/{}", entry.file_name().to_string_lossy());
                return Err(member(&name.escape_debug().to_string(), &"no plain file"));
            }
        }
        Ok(())
    }
}

/// Extracts a tar stream, compressed or not, into the directory, and below nothing else.
fn unpack(source: impl Read, name: &str, into: &Path) -> Result<(), ImportError> {
    let failed = |reason: &dyn std::fmt::Display| member(name, reason);
    let plain = decompress(source).map_err(|_| failed(&"cannot be decompressed"))?;
    let root = File::open(into).map_err(FileError::at("open", into))?;
    extract(&mut Entries::new(plain), root.into()).map_err(|error: ExtractError| failed(&error))
}

fn make(path: &Path, mode: u32) -> Result<(), FileError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(path)
        .map_err(FileError::at("make the directory", path))
}

fn parse<T: serde::de::DeserializeOwned>(name: &str, value: Value) -> Result<T, ImportError> {
    serde_json::from_value(value).map_err(|error| member(name, &error))
}

fn member(name: &str, reason: &dyn std::fmt::Display) -> ImportError {
    ImportError::Member { name: name.to_owned(), reason: reason.to_string() }
}
