//! `manifest remove`

use super::{IndexError, change};
use crate::Engine;
use crate::image::reference::is_digest;

/// Takes the instance of this digest out of the index, and returns the index's id.
pub fn remove_instance(engine: &Engine, list: &str, instance: &str) -> Result<String, IndexError> {
    if !is_digest(instance) {
        return Err(IndexError::BadDigest { instance: instance.to_owned() });
    }
    change(engine, list, |index| {
        let before = index.manifests.len();
        index.manifests.retain(|other| other.digest != instance);
        match index.manifests.len() < before {
            true => Ok(()),
            false => Err(IndexError::NoInstance { list: list.to_owned(), instance: instance.to_owned() }),
        }
    })
}
