//! A container's secrets: `run --secret`.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, fchown};
use std::path::Path;

use ketch_runtime::plan::ids::Maps;

use super::FindSecretError;
use crate::Engine;
use crate::container::options::{Secret, SecretPlace};
use crate::container::{FileError, make_private};
use crate::state::containers::Record;
use crate::userns::namespace::outside;

#[derive(Debug, thiserror::Error)]
pub enum GiveError {
    #[error(transparent)]
    Find(#[from] FindSecretError),
    #[error("secret {0} cannot be a variable: it is not text, or has a NUL byte in it")]
    NotText(String),
    #[error(transparent)]
    File(#[from] FileError),
}

/// Looks up the ids of those that were asked for by name.
pub(crate) fn resolve(engine: &Engine, secrets: &mut [Secret]) -> Result<(), GiveError> {
    for secret in secrets {
        let found = engine.db.find_secret(&secret.name)?;
        (secret.id, secret.name) = (found.id, found.name);
    }
    Ok(())
}

/// Copies them into the directory of a container that is being created.
pub(crate) fn give(engine: &Engine, record: &Record) -> Result<(), GiveError> {
    if record.options.secrets.is_empty() {
        return Ok(());
    }
    let dir = engine.paths.container(&record.id).join(Secret::DIRECTORY);
    make_private(&dir)?;
    let maps = record.options.userns.maps();
    for (number, secret) in record.options.secrets.iter().enumerate() {
        let data = super::data(&engine.paths, &secret.id)?;
        if matches!(secret.place, SecretPlace::Variable(_)) && text(&data).is_none() {
            return Err(GiveError::NotText(secret.name.clone()));
        }
        write(&dir.join(number.to_string()), &secret.place, &data, &maps)?;
    }
    Ok(())
}

/// Nobody looks into the directory, but the container, whose ids are `maps`, sees owner and mode.
fn write(path: &Path, place: &SecretPlace, data: &[u8], maps: &Maps) -> Result<(), FileError> {
    let failed = || FileError::at("write the secret", path);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed())?;
    file.write_all(data).map_err(failed())?;
    if let SecretPlace::File { uid, gid, mode, .. } = place {
        let (uid, gid) = outside(maps, (*uid, *gid));
        fchown(&file, Some(uid), Some(gid)).map_err(failed())?;
        file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(*mode)).map_err(failed())?;
    }
    Ok(())
}

fn text(data: &[u8]) -> Option<&str> {
    std::str::from_utf8(data).ok().filter(|text| !text.contains('\0'))
}

/// `NAME=VALUE` of those that are variables, from the directory of a container that is started.
pub(crate) fn variables(dir: &Path, secrets: &[Secret]) -> Result<Vec<String>, GiveError> {
    let mut variables = Vec::new();
    for (number, secret) in secrets.iter().enumerate() {
        if let SecretPlace::Variable(name) = &secret.place {
            let path = dir.join(Secret::DIRECTORY).join(number.to_string());
            let data = fs::read(&path).map_err(FileError::at("read the secret", &path))?;
            let value = text(&data).ok_or_else(|| GiveError::NotText(secret.name.clone()))?;
            variables.push(format!("{name}={value}"));
        }
    }
    Ok(variables)
}
