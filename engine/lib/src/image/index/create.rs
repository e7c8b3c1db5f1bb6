//! `manifest create`

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::SystemTime;

use ketch_monitor::clock;
use ketch_sys::random;
use serde_json::json;

use super::{AddOptions, Index, IndexError, add, change, open};
use crate::Engine;
use crate::image::descriptor::Platform;
use crate::image::digest;
use crate::image::reference::Short;
use crate::state::images::{self, Row};

/// Makes an index of the name `name` with `images` in it, and returns its id. `amend`: one that is there is added to.
///
/// When an image cannot be added, the index stays, with those before it: as podman's does.
pub fn create(
    engine: &Engine,
    name: &str,
    images: &[String],
    amend: bool,
    annotations: &BTreeMap<String, String>,
    options: &AddOptions,
) -> Result<String, IndexError> {
    let reference = Short::parse(name)?.at("localhost");
    if reference.digest.is_some() {
        return Err(IndexError::Digest(name.to_owned()));
    }
    let name = reference.to_string();
    let id = match make(engine, &name)? {
        Made::New(id) => id,
        Made::There(id) if amend => {
            open(engine, &name)?;
            id
        }
        Made::There(id) => return Err(IndexError::Used { name, id }),
    };
    change(engine, &id, |index| {
        index.annotations.extend(annotations.clone());
        Ok(())
    })?;
    for image in images {
        add(engine, &id, image, options)?;
    }
    Ok(id)
}

enum Made {
    New(String),
    /// An image has the name.
    There(String),
}

fn make(engine: &Engine, name: &str) -> Result<Made, IndexError> {
    let mut bytes = [0; 32];
    random::fill(&mut bytes).map_err(IndexError::Random)?;
    let id = bytes.iter().fold(String::new(), |mut id, byte| {
        // Writing to a string cannot fail.
        let _ = write!(id, "{byte:02x}");
        id
    });
    let manifest = Index::empty().bytes()?;
    let host = Platform::host();
    let config = json!({
        "created": clock::rfc3339(SystemTime::now()),
        "architecture": host.architecture,
        "os": host.os,
        "rootfs": {"type": "layers", "diff_ids": []},
    });
    let row = Row {
        id: id.clone(),
        digest: digest::of(&manifest),
        digests: vec![digest::of(&manifest)],
        manifest,
        config: config.to_string().into_bytes(),
        names: vec![name.to_owned()],
        layers: Vec::new(),
    };
    let made = engine.db.write("make an index", |connection| {
        if let Some(id) = images::id_by_name(connection, name)? {
            return Ok(Made::There(id));
        }
        images::insert(connection, &row)?;
        Ok(Made::New(id))
    })?;
    Ok(made)
}
