//! `volume create`, and the volumes that a new container is the first to name.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{DirBuilderExt, chown};
use std::time::SystemTime;

use ketch_monitor::clock;
use ketch_sys::Errno;

use super::{Lock, Volume, mount_point};
use crate::container::options::{Mount, MountKind};
use crate::container::{FileError, name};
use crate::events::{Action, Event, Kind};
use crate::tree::{self, TreeError};
use crate::{Engine, state};

#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    #[error("running volume create option: names must match [a-zA-Z0-9][a-zA-Z0-9_.-]*: invalid argument")]
    Name,
    #[error("volume with name {0} already exists: volume already exists")]
    Exists(String),
    #[error("cannot get random bytes")]
    Random(#[source] Errno),
    #[error(transparent)]
    File(#[from] FileError),
    #[error("cannot clear what an earlier volume of the name left")]
    Clear(#[source] TreeError),
    #[error(transparent)]
    State(#[from] state::Error),
}

/// What `volume create` is asked for.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// None: a random one.
    pub name: Option<String>,
    pub labels: BTreeMap<String, String>,
    pub uid: Option<u32>,
    pub gid: Option<u32>,
    /// One that is there already is no error.
    pub ignore: bool,
}

/// Makes a volume and returns its name.
pub fn create(engine: &Engine, options: Options) -> Result<String, CreateError> {
    let name = match options.name {
        Some(name) if !name::is_valid(&name) => return Err(CreateError::Name),
        Some(name) => name,
        None => name::id().map_err(CreateError::Random)?,
    };
    let _lock = Lock::take(&engine.paths)?;
    if !make(engine, &name, false, options.labels)? {
        return if options.ignore { Ok(name) } else { Err(CreateError::Exists(name)) };
    }
    if options.uid.is_some() || options.gid.is_some() {
        let path = mount_point(&engine.paths, &name);
        chown(&path, options.uid, options.gid).map_err(FileError::at("change the owner of", &path))?;
    }
    Ok(name)
}

/// The volumes of a container that is being created: those that were not there before, for [`MadeVolumes::undo`].
///
/// Nobody removes a volume until this is dropped: the container's row can name them all.
#[derive(Debug)]
pub(crate) struct MadeVolumes {
    names: Vec<String>,
    _lock: Option<Lock>,
}

/// Gives names to the anonymous ones among `mounts`, and makes all that are missing.
pub(crate) fn for_container(engine: &Engine, mounts: &mut [Mount]) -> Result<MadeVolumes, CreateError> {
    let is_volume = |mount: &Mount| matches!(mount.kind, MountKind::Anonymous | MountKind::Named { .. });
    let lock = if mounts.iter().any(is_volume) { Some(Lock::take(&engine.paths)?) } else { None };
    let mut made = MadeVolumes { names: Vec::new(), _lock: lock };
    for mount in mounts {
        if mount.kind == MountKind::Anonymous {
            let name = name::id().map_err(CreateError::Random)?;
            mount.kind = MountKind::Named { name, anonymous: true };
        }
        if let MountKind::Named { name, anonymous } = &mount.kind {
            if !name::is_valid(name) {
                return Err(CreateError::Name);
            }
            if make(engine, name, *anonymous, BTreeMap::new())? {
                made.names.push(name.clone());
            }
        }
    }
    Ok(made)
}

impl MadeVolumes {
    /// The container is not created after all. What cannot be removed is listed still, and unused.
    pub(crate) fn undo(self, engine: &Engine) {
        for name in &self.names {
            let _ = super::remove::remove_locked(engine, name);
        }
    }
}

/// With the lock: the row, and then an empty directory. False: it was there already.
fn make(
    engine: &Engine,
    name: &str,
    anonymous: bool,
    labels: BTreeMap<String, String>,
) -> Result<bool, CreateError> {
    let created = clock::rfc3339(SystemTime::now());
    let volume = Volume { name: name.to_owned(), created, labels, anonymous, fresh: true, users: 0 };
    if !engine.db.insert_volume(&volume)? {
        return Ok(false);
    }
    tree::remove(&engine.paths.volumes().join(name)).map_err(CreateError::Clear)?;
    let path = mount_point(&engine.paths, name);
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(&path)
        .map_err(FileError::at("make the directory", &path))?;
    engine.event(Event::new(Kind::Volume, Action::Create, "", name));
    Ok(true)
}
