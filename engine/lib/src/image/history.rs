//! `history`: the steps that an image was made in.

use serde::Deserialize;

use super::{FindError, Image, find};
use crate::Engine;
use crate::state::images;

/// A step, and the layer that it made, if it made one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Of the image that ends with this step; None: the store has no such image.
    pub id: Option<String>,
    /// RFC 3339; empty when the image does not say.
    pub created: String,
    pub created_by: String,
    pub comment: String,
    /// Names of that image.
    pub tags: Vec<String>,
    /// Bytes of the layer's tar.
    pub size: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Recorded {
    created: String,
    created_by: String,
    comment: String,
    empty_layer: bool,
}

/// The steps of the image that `text` stands for, the last one first.
pub fn history(engine: &Engine, text: &str) -> Result<Vec<Step>, FindError> {
    let image = find(engine, text)?;
    let others = super::list(engine)?;
    let sizes = sizes(engine, &image.id)?;
    let mut layers = 0;
    let mut steps = Vec::new();
    let mut recorded = recorded(&image).into_iter().peekable();
    while let Some(recorded_now) = recorded.next() {
        let size = if recorded_now.empty_layer { 0 } else { sizes.get(layers).copied().unwrap_or(0) };
        layers += usize::from(!recorded_now.empty_layer);
        // The last of the steps that leave these layers as they are.
        let is_last = recorded.peek().is_none_or(|next| !next.empty_layer);
        let ends_here =
            |other: &&Image| is_last && other.layers == image.layers[..layers.min(image.layers.len())];
        let other = others.iter().filter(|other| other.id != image.id).find(ends_here);
        let recorded = recorded_now;
        steps.push(Step {
            id: other.map(|other| other.id.clone()),
            tags: other.map(|other| other.names.clone()).unwrap_or_default(),
            created: recorded.created,
            created_by: recorded.created_by,
            comment: recorded.comment,
            size,
        });
    }
    if let Some(last) = steps.last_mut() {
        last.id = Some(image.id);
        last.tags = image.names;
    }
    steps.reverse();
    Ok(steps)
}

/// What the configuration says; for layers that it says nothing of, nothing.
fn recorded(image: &Image) -> Vec<Recorded> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Raw {
        history: Option<Vec<Recorded>>,
    }
    let raw: Raw = serde_json::from_slice(&image.raw_config).unwrap_or_default();
    let mut history = raw.history.unwrap_or_default();
    let told = history.iter().filter(|step| !step.empty_layer).count();
    history.extend((told..image.layers.len()).map(|_| Recorded::default()));
    history
}

/// Bytes of each layer's tar, lowest first.
pub fn sizes(engine: &Engine, id: &str) -> Result<Vec<u64>, FindError> {
    let row = engine.db.read("look up an image", |connection| images::get(connection, id))?;
    let row = row.ok_or_else(|| FindError::Unknown(id.to_owned()))?;
    Ok(row.layers.into_iter().map(|layer| layer.size).collect())
}
