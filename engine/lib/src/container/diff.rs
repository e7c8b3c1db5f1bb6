//! `diff`: what a container has changed of its image, or what makes one root another.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;

use nix::errno::Errno;

use super::FileError;
use super::inside::{InsideError, Scope, image_of, open_inside};
use crate::image::{self, Image};
use crate::state::containers::{FindError, Record};
use crate::store::{self, Change};
use crate::tree::TreeError;
use crate::{Engine, state};

#[derive(Debug, thiserror::Error)]
pub enum DiffError {
    /// podman's words.
    #[error("{0} not found: layer not known")]
    Unknown(String),
    #[error("container {0} has no layers to compare: it was made with --rootfs")]
    NoLayers(String),
    #[error("cannot mount the layers of {what}: {}", .errno.desc().to_lowercase())]
    Mount { what: String, errno: Errno },
    #[error(transparent)]
    Tree(#[from] TreeError),
    #[error(transparent)]
    Inside(#[from] InsideError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Image(#[from] image::FindError),
    #[error(transparent)]
    Container(#[from] FindError),
    #[error(transparent)]
    State(#[from] state::Error),
}

/// A container or an image.
#[derive(Debug)]
pub enum Thing {
    Container(Box<Record>),
    Image(Box<Image>),
}

/// Which of the two a name stands for; a container goes before an image.
pub fn find(engine: &Engine, name: &str) -> Result<Thing, DiffError> {
    match engine.db.find_container(name) {
        Ok(record) => return Ok(Thing::Container(Box::new(record))),
        Err(FindError::NotFound(_)) => {}
        Err(error) => return Err(error.into()),
    }
    match image::find(engine, name) {
        Ok(image) => Ok(Thing::Image(Box::new(image))),
        Err(image::FindError::Unknown(_)) => Err(DiffError::Unknown(name.to_owned())),
        Err(error) => Err(error.into()),
    }
}

/// What ketch and podman make for every container, which says nothing of it.
const OF_EVERY_CONTAINER: [&str; 10] = [
    "/dev",
    "/etc/hostname",
    "/etc/hosts",
    "/etc/mtab",
    "/etc/resolv.conf",
    "/proc",
    "/run",
    "/run/.containerenv",
    "/run/secrets",
    "/sys",
];

/// Whether it is not what every container has.
pub(super) fn says_something(change: &Change) -> bool {
    change.path.to_str().is_none_or(|path| !OF_EVERY_CONTAINER.contains(&path))
}

/// What `thing` changes: of `from`, or else a container of its image and an image's topmost layer of those below it.
///
/// The calling process must have one thread.
pub fn diff(engine: &Engine, thing: &Thing, from: Option<&Thing>) -> Result<Vec<Change>, DiffError> {
    let mut changes = match (from, thing) {
        (Some(from), thing) => store::changes::between(root(engine, from)?, root(engine, thing)?)?,
        (None, Thing::Container(record)) => of_container(engine, record)?,
        (None, Thing::Image(image)) => {
            let Some((top, below)) = image.layers.split_last() else { return Ok(Vec::new()) };
            let below = if below.is_empty() { None } else { Some(merged(engine, &image.id, below)?) };
            let path = store::layer_dir(&engine.paths, top);
            let top = File::open(&path).map_err(FileError::at("open", &path))?;
            store::changes::of_layer(top.into(), below)?
        }
    };
    changes.retain(says_something);
    Ok(changes)
}

fn of_container(engine: &Engine, record: &Record) -> Result<Vec<Change>, DiffError> {
    let image = image_of(engine, record)?.ok_or_else(|| DiffError::NoLayers(record.id.clone()))?;
    let path = engine.paths.container(&record.id).join("upper");
    match File::open(&path) {
        // It has never been started.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(FileError::at("open", &path)(error).into()),
        Ok(upper) => {
            let below = merged(engine, &record.image_name, &image.layers)?;
            Ok(store::changes::of_layer(upper.into(), Some(below))?)
        }
    }
}

fn root(engine: &Engine, thing: &Thing) -> Result<OwnedFd, DiffError> {
    match thing {
        Thing::Image(image) => merged(engine, &image.id, &image.layers),
        Thing::Container(record) => Ok(open_inside(engine, record, Scope::Root)?.directory()?),
    }
}

pub(super) fn merged(engine: &Engine, what: &str, layers: &[String]) -> Result<OwnedFd, DiffError> {
    let empty = engine.paths.run.join("rootfs");
    super::make_private(&empty)?;
    store::merged(&engine.paths, layers, &empty)
        .map_err(|errno| DiffError::Mount { what: what.to_owned(), errno })
}
