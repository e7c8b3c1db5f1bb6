//! `system check`: whether the store has what its rows say, and nothing else.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sha2::{Digest, Sha256};

use crate::container::FileError;
use crate::container::remove::{self as container, Force};
use crate::image::{self, Image, digest, remove as images};
use crate::store::layers::{hex, layer_dir, split_path};
use crate::store::split::replay;
use crate::{Engine, state, tree};

#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    #[error(transparent)]
    Image(#[from] image::FindError),
    #[error(transparent)]
    RemoveImage(#[from] images::RemoveError),
    #[error(transparent)]
    Container(#[from] container::RemoveError),
    #[error(transparent)]
    Find(#[from] state::containers::FindError),
    #[error(transparent)]
    Tree(#[from] tree::TreeError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    State(#[from] state::Error),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Damage {
    /// SQLite's words.
    Database(String),
    Image {
        id: String,
        reason: String,
    },
    /// No row names it any more.
    Leftover(PathBuf),
}

/// Looks at all there is. `quick` does not read what is in the layers; those that no image has count when they are older than
/// `max_age`.
pub fn check(engine: &Engine, quick: bool, max_age: Duration) -> Result<Vec<Damage>, CheckError> {
    let mut found = Vec::new();
    let said = engine.db.read("check the database", |connection| {
        let sql = if quick { "PRAGMA quick_check" } else { "PRAGMA integrity_check" };
        connection.prepare(sql)?.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()
    })?;
    found.extend(said.into_iter().filter(|line| line != "ok").map(Damage::Database));
    let images = image::list(engine)?;
    for image in &images {
        if let Err(reason) = check_image(engine, image, quick) {
            found.push(Damage::Image { id: image.id.clone(), reason });
        }
    }
    let used = |name: &str| images.iter().any(|image| image.layers.iter().any(|layer| hex(layer) == name));
    leftovers(&engine.paths.layers(), max_age, used, &mut found)?;
    let secrets = engine.db.secrets()?;
    let is_kept = |name: &str| secrets.iter().any(|secret| secret.id == name);
    leftovers(&engine.paths.secrets(), max_age, is_kept, &mut found)?;
    let containers = engine.db.containers()?;
    let is_there = |name: &str| containers.iter().any(|record| record.id == name);
    leftovers(&engine.paths.container(""), max_age, is_there, &mut found)?;
    let volumes = engine.db.volumes()?;
    leftovers(
        &engine.paths.volumes(),
        max_age,
        |name| volumes.iter().any(|volume| volume.name == name),
        &mut found,
    )?;
    Ok(found)
}

/// The reason if something is wrong with it.
fn check_image(engine: &Engine, image: &Image, quick: bool) -> Result<(), String> {
    if digest::of(&image.raw_config) != format!("sha256:{}", image.id) {
        return Err("its configuration is another one".to_owned());
    }
    if digest::of(&image.raw_manifest) != image.digest {
        return Err("its manifest is another one".to_owned());
    }
    for layer in &image.layers {
        let path = layer_dir(&engine.paths, layer);
        let root =
            File::open(&path).map_err(|error| format!("layer {layer}: {}", crate::store::cause(&error)))?;
        let split = split_path(&engine.paths, layer);
        // One that was taken from an archive that ketch could not note down has nothing to be compared with.
        if quick || !split.exists() {
            continue;
        }
        let mut hash = Hash(Sha256::new());
        let split =
            File::open(&split).map_err(|error| format!("layer {layer}: {}", crate::store::cause(&error)))?;
        replay(split, root, &mut hash)
            .map_err(|error| format!("layer {layer}: {}", crate::store::cause(&error)))?;
        if digest::text(hash.0) != *layer {
            return Err(format!("layer {layer}: its files are not what they were"));
        }
    }
    Ok(())
}

struct Hash(Sha256);

impl Write for Hash {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What is in `directory` and is not `wanted`, once it is old enough to be nobody's work.
fn leftovers(
    directory: &Path,
    max_age: Duration,
    wanted: impl Fn(&str) -> bool,
    found: &mut Vec<Damage>,
) -> Result<(), FileError> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(FileError::at("list", directory))?,
    };
    for entry in entries {
        let entry = entry.map_err(FileError::at("list", directory))?;
        // The time of its last change of name or owner: a layer's own times are those of its archive.
        let Ok(metadata) = entry.metadata() else { continue };
        let changed = UNIX_EPOCH + Duration::from_secs(u64::try_from(metadata.ctime()).unwrap_or(0));
        let is_old = SystemTime::now().duration_since(changed).is_ok_and(|age| age >= max_age);
        if is_old && !entry.file_name().to_str().is_some_and(&wanted) {
            found.push(Damage::Leftover(entry.path()));
        }
    }
    Ok(())
}

/// Removes what `check` has found; an image that has containers only with `force`, and them with it. False: it stays.
pub fn repair(engine: &Engine, damage: &Damage, force: bool) -> Result<bool, CheckError> {
    match damage {
        // There is nothing that could be removed to mend it.
        Damage::Database(_) => Ok(false),
        Damage::Image { id, .. } => {
            for container in engine.db.containers_of_image(id)? {
                if !force {
                    return Ok(false);
                }
                let record = engine.db.find_container(&container)?;
                container::remove(engine, &record, Force::Stop { seconds: Some(0) }, true)?;
            }
            images::remove(engine, id, true)?;
            images::sweep(engine)?;
            Ok(true)
        }
        Damage::Leftover(path) if path.parent() == Some(&engine.paths.layers()) => {
            images::sweep(engine)?;
            Ok(true)
        }
        Damage::Leftover(path) if path.parent() == Some(&engine.paths.secrets()) => {
            fs::remove_file(path).map_err(FileError::at("remove", path))?;
            Ok(true)
        }
        Damage::Leftover(path) => {
            tree::remove(path)?;
            Ok(true)
        }
    }
}
