//! `image inspect`: podman's document.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{FindError, Image, find};
use crate::{Engine, store};

/// Field order and names are podman's.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Inspect {
    pub id: String,
    pub digest: String,
    pub repo_tags: Vec<String>,
    pub repo_digests: Vec<String>,
    pub parent: String,
    pub comment: String,
    pub created: Option<String>,
    /// The configuration's own `config`, as it came.
    pub config: Map<String, Value>,
    pub version: String,
    pub author: String,
    pub architecture: String,
    pub os: String,
    pub size: u64,
    pub virtual_size: u64,
    pub graph_driver: GraphDriver,
    #[serde(rename = "RootFS")]
    pub root_fs: RootFs,
    pub labels: Option<Map<String, Value>>,
    pub annotations: Map<String, Value>,
    pub manifest_type: String,
    pub user: String,
    pub history: Vec<Value>,
    pub names_history: Vec<String>,
    #[serde(rename = "Healthcheck", skip_serializing_if = "Option::is_none")]
    pub health_check: Option<Value>,
}

/// Where the layers are.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct GraphDriver {
    pub name: String,
    pub data: Map<String, Value>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct RootFs {
    pub r#type: String,
    pub layers: Vec<String>,
}

/// What [`super::ImageConfiguration`] does not keep as it came.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Raw {
    config: Option<Map<String, Value>>,
    history: Option<Vec<Value>>,
    comment: String,
    docker_version: String,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawManifest {
    media_type: Option<String>,
    annotations: Map<String, Value>,
}

/// Describes the image that `text` stands for, as [`find()`] takes it.
pub fn inspect(engine: &Engine, text: &str) -> Result<Inspect, FindError> {
    find(engine, text).map(|image| describe(engine, image))
}

fn describe(engine: &Engine, image: Image) -> Inspect {
    // Both were parsed, by stricter rules, when the image came in.
    let raw: Raw = serde_json::from_slice(&image.raw_config).unwrap_or_default();
    let manifest: RawManifest = serde_json::from_slice(&image.raw_manifest).unwrap_or_default();
    let config = raw.config.unwrap_or_default();
    let labels = config.get("Labels").and_then(Value::as_object).cloned();
    let text = |key: &str| config.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let history = raw.history.unwrap_or_default();
    Inspect {
        graph_driver: GraphDriver { name: "overlay".to_owned(), data: layer_dirs(engine, &image) },
        repo_tags: image.names.iter().filter(|name| !name.contains('@')).cloned().collect(),
        repo_digests: image.repo_digests,
        parent: String::new(),
        comment: if raw.comment.is_empty() { last_comment(&history) } else { raw.comment },
        created: image.config.created().clone(),
        version: raw.docker_version,
        author: image.config.author().clone().unwrap_or_default(),
        architecture: image.config.architecture().to_string(),
        os: image.config.os().to_string(),
        size: image.size,
        virtual_size: image.size,
        root_fs: RootFs { r#type: image.config.rootfs().typ().clone(), layers: image.layers },
        labels,
        annotations: manifest.annotations,
        manifest_type: manifest.media_type.unwrap_or_else(|| super::descriptor::OCI_MANIFEST.to_owned()),
        user: text("User"),
        health_check: config.get("Healthcheck").cloned(),
        config,
        history,
        names_history: image.names.into_iter().rev().collect(),
        id: image.id,
        digest: image.digest,
    }
}

/// podman shows the comment of the step that made the image.
fn last_comment(history: &[Value]) -> String {
    let comment = history.last().and_then(|step| step.get("comment")).and_then(Value::as_str);
    comment.unwrap_or_default().to_owned()
}

/// As overlayfs would be given them: the top layer, and those below it from high to low.
fn layer_dirs(engine: &Engine, image: &Image) -> Map<String, Value> {
    let dir = |diff_id: &String| store::layer_dir(&engine.paths, diff_id).to_string_lossy().into_owned();
    let mut data = Map::new();
    let Some((top, below)) = image.layers.split_last() else { return data };
    if !below.is_empty() {
        let lower: Vec<String> = below.iter().rev().map(dir).collect();
        data.insert("LowerDir".to_owned(), lower.join(":").into());
    }
    data.insert("UpperDir".to_owned(), dir(top).into());
    data
}
