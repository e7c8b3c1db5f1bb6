//! `system df`: what images, containers and volumes take, and what of it nobody uses.

use std::collections::{HashMap, HashSet};

use crate::container::size::size;
use crate::container::{FileError, status};
use crate::image::{self, Image};
use crate::state::containers::Record;
use crate::state::{self, images};
use crate::{Engine, tree, volume};

#[derive(Debug, thiserror::Error)]
pub enum UsageError {
    #[error(transparent)]
    Image(#[from] image::FindError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    State(#[from] state::Error),
}

/// All in bytes.
#[derive(Debug)]
pub struct Usage {
    pub images: Vec<OfImage>,
    /// Of all layers, each counted once, and of what else images have.
    pub layers: u64,
    /// The same of what no container's image has.
    pub unused_layers: u64,
    pub containers: Vec<OfContainer>,
    pub volumes: Vec<OfVolume>,
}

#[derive(Debug)]
pub struct OfImage {
    pub image: Image,
    /// Of the layers that another image has as well.
    pub shared: u64,
    /// How many containers it has.
    pub containers: usize,
}

#[derive(Debug)]
pub struct OfContainer {
    pub record: Record,
    pub status: status::Status,
    pub size: u64,
    /// How many named and anonymous volumes it has.
    pub volumes: usize,
}

#[derive(Debug)]
pub struct OfVolume {
    pub name: String,
    pub size: u64,
    /// How many containers use it.
    pub links: usize,
}

/// Looks at everything there is; what goes meanwhile may be missing.
pub fn read(engine: &Engine) -> Result<Usage, UsageError> {
    let mut users: HashMap<String, usize> = HashMap::new();
    let mut containers = Vec::new();
    for record in engine.db.containers()? {
        if let Some(image) = &record.image_id {
            *users.entry(image.clone()).or_default() += 1;
        }
        containers.push(OfContainer {
            status: status(&engine.paths, &record.id),
            size: size(engine, &record)?,
            volumes: record.options.mounts.iter().filter(|mount| mount.volume().is_some()).count(),
            record,
        });
    }
    let images = image::list(engine)?;
    let layers = Layers::read(engine, &images, &users)?;
    let documents = |unused: bool| {
        let counted = images.iter().filter(|image| !unused || !users.contains_key(&image.id));
        counted.map(|image| image.size.saturating_sub(layers.all_of(image))).sum::<u64>()
    };
    let (all_documents, unused_documents) = (documents(false), documents(true));
    let images = images.into_iter().map(|image| OfImage {
        shared: layers.shared(&image),
        containers: users.get(&image.id).copied().unwrap_or(0),
        image,
    });
    let mut volumes = Vec::new();
    for volume in engine.db.volumes()? {
        let path = volume::mount_point(&engine.paths, &volume.name);
        volumes.push(OfVolume {
            links: engine.db.containers_of_volume(&volume.name)?.len(),
            size: tree::size(&path).map_err(|source| FileError { step: "look into", path, source })?,
            name: volume.name,
        });
    }
    Ok(Usage {
        images: images.collect(),
        layers: layers.sizes.values().sum::<u64>() + all_documents,
        unused_layers: layers
            .sizes
            .iter()
            .filter(|(id, _)| !layers.used.contains(*id))
            .map(|(_, size)| size)
            .sum::<u64>()
            + unused_documents,
        containers,
        volumes,
    })
}

/// By diff id.
struct Layers {
    sizes: HashMap<String, u64>,
    /// How many images have it.
    images: HashMap<String, usize>,
    /// Those of containers' images.
    used: HashSet<String>,
}

impl Layers {
    fn read(engine: &Engine, list: &[Image], users: &HashMap<String, usize>) -> Result<Layers, state::Error> {
        let mut layers = Layers { sizes: HashMap::new(), images: HashMap::new(), used: HashSet::new() };
        for image in list {
            for id in image.layers.iter().collect::<HashSet<_>>() {
                *layers.images.entry(id.clone()).or_default() += 1;
                if users.contains_key(&image.id) {
                    layers.used.insert(id.clone());
                }
            }
        }
        for id in layers.images.keys() {
            let size = engine.db.read("look at layers", |connection| images::layer_size(connection, id))?;
            layers.sizes.insert(id.clone(), size.unwrap_or(0));
        }
        Ok(layers)
    }

    fn all_of(&self, image: &Image) -> u64 {
        image.layers.iter().filter_map(|id| self.sizes.get(id)).sum()
    }

    fn shared(&self, image: &Image) -> u64 {
        let shared = image.layers.iter().filter(|id| self.images.get(*id).is_some_and(|images| *images > 1));
        shared.filter_map(|id| self.sizes.get(id)).sum()
    }
}
