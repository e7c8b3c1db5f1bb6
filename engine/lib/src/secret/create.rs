//! `secret create`.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::time::SystemTime;

use ketch_monitor::clock;
use ketch_sys::Errno;

use super::{MAX_BYTES, Secret};
use crate::container::{FileError, make_private, name};
use crate::events::{Action, Event, Kind};
use crate::state::secrets::Inserted;
use crate::{Engine, state};

/// Hex digits of an id.
const ID: usize = 25;
const NAME_MAX: usize = 253;

#[derive(Debug, Clone, Default)]
pub struct Options {
    pub name: String,
    pub labels: BTreeMap<String, String>,
    /// In the place of one of the same name.
    pub replace: bool,
    /// One that is there already is no error, and stays.
    pub ignore: bool,
}

/// podman's words.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    #[error(
        "secret name {0:?} can not include '=', '/', ',', or the '\\0' (NULL) and be between 1 and 253 characters: invalid \
         secret name"
    )]
    Name(String),
    #[error("secret data must be larger than 0 and less than {MAX_BYTES} bytes")]
    Size,
    #[error("{0}: secret name in use")]
    InUse(String),
    #[error("cannot get random bytes")]
    Random(#[source] Errno),
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    State(#[from] state::Error),
}

/// Keeps `data` and returns the secret's id.
pub fn create(engine: &Engine, options: Options, data: &[u8]) -> Result<String, CreateError> {
    let Options { name, labels, replace, ignore } = options;
    if name.is_empty() || name.len() > NAME_MAX || name.contains(['=', '/', ',', '\0']) {
        return Err(CreateError::Name(name));
    }
    if data.is_empty() || data.len() >= MAX_BYTES {
        return Err(CreateError::Size);
    }
    let mut id = name::id().map_err(CreateError::Random)?;
    id.truncate(ID);
    let dir = engine.paths.secrets();
    make_private(&dir)?;
    let path = dir.join(&id);
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)
        .and_then(|mut file| file.write_all(data).and_then(|()| file.sync_all()));
    written.map_err(FileError::at("write the secret", &path))?;
    let now = clock::rfc3339(SystemTime::now());
    let secret = Secret { id: id.clone(), name, created: now.clone(), updated: now, labels };
    let inserted = engine.db.insert_secret(&secret, replace);
    if !matches!(inserted, Ok(Inserted::Done | Inserted::Replaced(_))) {
        // The first error is the one to report.
        let _ = fs::remove_file(&path);
    }
    match inserted? {
        Inserted::InUse(there) if ignore => return Ok(there),
        Inserted::InUse(_) => return Err(CreateError::InUse(secret.name)),
        Inserted::Replaced(old) => super::remove::forget(engine, &old)?,
        Inserted::Done => {}
    }
    engine.event(Event::new(Kind::Secret, Action::Create, &id, &secret.name));
    Ok(id)
}
