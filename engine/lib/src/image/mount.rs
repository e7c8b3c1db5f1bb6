//! `image mount` and `image unmount`: an image's root, read-only, where the host sees it: `mounts/<id>`.

use std::fs;
use std::path::PathBuf;

use super::{FindError, Image, find};
use crate::Engine;
use crate::container::mount::{MountError, attach, detach, is_mounted};
use crate::container::{FileError, make_private};
use crate::events::{Action, Event, Kind};
use crate::store::overlay_of;

#[derive(Debug, thiserror::Error)]
pub enum ImageMountError {
    #[error(transparent)]
    Find(#[from] FindError),
    #[error("cannot mount the layers of image {id}: {}", .errno.desc().to_lowercase())]
    Layers { id: String, errno: ketch_sys::Errno },
    #[error(transparent)]
    Mount(#[from] MountError),
    #[error(transparent)]
    File(#[from] FileError),
}

/// Mounts the image that `text` stands for, if it is not yet, and returns where.
pub fn mount(engine: &Engine, text: &str) -> Result<PathBuf, ImageMountError> {
    let image = find(engine, text)?;
    let dir = engine.paths.image_mounts();
    if !is_mounted(&dir, &image.id) {
        let empty = engine.paths.run.join("rootfs");
        make_private(&empty)?;
        make_private(&dir)?;
        let root = overlay_of(&engine.paths, &image.layers, &empty)
            .map_err(|errno| ImageMountError::Layers { id: image.id.clone(), errno })?;
        attach(root, &dir.join(&image.id))?;
    }
    engine.event(Event::new(Kind::Image, Action::Mount, &image.id, ""));
    Ok(dir.join(&image.id))
}

/// Takes it away and returns the image's id; None: it was not mounted.
pub fn unmount(engine: &Engine, text: &str) -> Result<Option<String>, ImageMountError> {
    let id = find(engine, text)?.id;
    if !detach(&engine.paths.image_mounts(), &id)? {
        return Ok(None);
    }
    engine.event(Event::new(Kind::Image, Action::Unmount, &id, ""));
    Ok(Some(id))
}

/// Whether the image is mounted: its layers are needed.
pub fn is_image_mounted(engine: &Engine, id: &str) -> bool {
    is_mounted(&engine.paths.image_mounts(), id)
}

/// All that are mounted, with their places.
pub fn mounted(engine: &Engine) -> Result<Vec<(Image, PathBuf)>, FindError> {
    let dir = engine.paths.image_mounts();
    // None is the most frequent answer.
    if fs::read_dir(&dir).is_ok_and(|mut entries| entries.next().is_none()) || !dir.exists() {
        return Ok(Vec::new());
    }
    let images = super::list(engine)?.into_iter().rev();
    Ok(images
        .filter(|image| is_mounted(&dir, &image.id))
        .map(|image| {
            let place = dir.join(&image.id);
            (image, place)
        })
        .collect())
}
