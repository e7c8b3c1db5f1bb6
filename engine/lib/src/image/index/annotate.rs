//! `manifest annotate`, and what `manifest add` changes of what it adds.

use std::collections::BTreeMap;

use super::{IndexError, Instance, change};
use crate::Engine;
use crate::image::find::{get, resolve};
use crate::image::reference::is_digest;

/// What becomes of an instance; what is None or empty stays.
#[derive(Debug, Clone, Default)]
pub struct Change {
    pub architecture: Option<String>,
    pub os: Option<String>,
    pub os_version: Option<String>,
    pub variant: Option<String>,
    pub os_features: Vec<String>,
    pub features: Vec<String>,
    /// Added to those that are there.
    pub annotations: BTreeMap<String, String>,
}

impl Change {
    pub(super) fn apply(&self, instance: &mut Instance) {
        let platform = instance.platform.get_or_insert_default();
        if let Some(architecture) = &self.architecture {
            platform.architecture.clone_from(architecture);
        }
        if let Some(os) = &self.os {
            platform.os.clone_from(os);
        }
        platform.os_version = self.os_version.clone().or(platform.os_version.take());
        platform.variant = self.variant.clone().or(platform.variant.take());
        if !self.os_features.is_empty() {
            platform.os_features.clone_from(&self.os_features);
        }
        if !self.features.is_empty() {
            platform.features.clone_from(&self.features);
        }
        instance.annotations.extend(self.annotations.clone());
    }
}

/// Changes one instance, given by its digest or as an image of the store; returns the index's id.
pub fn annotate(engine: &Engine, list: &str, instance: &str, wanted: &Change) -> Result<String, IndexError> {
    let digest = match is_digest(instance) {
        true => instance.to_owned(),
        false => get(engine, &resolve(engine, instance)?.id)?.digest,
    };
    change(engine, list, |index| {
        let found = index.manifests.iter_mut().find(|other| other.digest == digest);
        let found = found
            .ok_or_else(|| IndexError::NoInstance { list: list.to_owned(), instance: instance.to_owned() })?;
        wanted.apply(found);
        Ok(())
    })
}

/// Adds annotations to the index itself; returns its id.
pub fn annotate_index(
    engine: &Engine,
    list: &str,
    annotations: &BTreeMap<String, String>,
) -> Result<String, IndexError> {
    change(engine, list, |index| {
        index.annotations.extend(annotations.clone());
        Ok(())
    })
}
