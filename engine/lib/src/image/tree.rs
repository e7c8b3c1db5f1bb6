//! `image tree`: the layers of an image, and which images end with each.

use sha2::{Digest, Sha256};

use super::digest;
use super::history::sizes;
use super::{FindError, Image, find};
use crate::Engine;
use crate::store::layers::hex;

/// A layer as one of a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Of the chain that ends with it (image-spec, config.md, "Layer ChainID"), hex.
    pub id: String,
    /// Bytes of its tar.
    pub size: u64,
    /// Names of the images that end with it.
    pub top_of: Vec<String>,
}

/// An image and its layers, lowest first. `dependents`: with those that images on top of it add.
pub fn tree(engine: &Engine, text: &str, dependents: bool) -> Result<(Image, Vec<Node>), FindError> {
    let image = find(engine, text)?;
    let all = super::list(engine)?;
    let mut nodes = Vec::new();
    add(engine, &image, &all, &mut nodes)?;
    if dependents {
        for other in all.iter().rev().filter(|other| other.layers.starts_with(&image.layers)) {
            add(engine, other, &all, &mut nodes)?;
        }
    }
    Ok((image, nodes))
}

/// Adds the layers of `image` that are not there yet.
fn add(engine: &Engine, image: &Image, all: &[Image], nodes: &mut Vec<Node>) -> Result<(), FindError> {
    let mut chain = String::new();
    for (index, (layer, size)) in image.layers.iter().zip(sizes(engine, &image.id)?).enumerate() {
        chain = match chain.as_str() {
            "" => layer.clone(),
            below => digest::text(Sha256::new_with_prefix(format!("{below} {layer}"))),
        };
        let id = hex(&chain).to_owned();
        if nodes.iter().any(|node| node.id == id) {
            continue;
        }
        let ends = all.iter().rev().filter(|other| other.layers == image.layers[..=index]);
        nodes.push(Node { id, size, top_of: ends.flat_map(|other| other.names.clone()).collect() });
    }
    Ok(())
}
