//! `images`: all that the store has.

use super::{FindError, Image};
use crate::Engine;
use crate::state::images;

/// Every image, the latest added first.
pub fn list(engine: &Engine) -> Result<Vec<Image>, FindError> {
    let ids = engine.db.read("list images", images::ids)?;
    let mut list = Vec::with_capacity(ids.len());
    for id in ids {
        match super::find::get(engine, &id) {
            // Removed by another command since.
            Err(FindError::Unknown(_)) => {}
            image => list.push(image?),
        }
    }
    Ok(list)
}
