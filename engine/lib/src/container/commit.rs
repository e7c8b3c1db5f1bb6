//! `commit`: an image of what a container is now.

use std::fs::File;
use std::io;
use std::time::SystemTime;

use ketch_monitor::clock;
use serde_json::{Map, Value, json};
use tar::Builder;

use super::FileError;
use super::inside::{InsideError, Scope, image_of, open_inside};
use super::options::MountKind;
use super::pause::{PauseError, pause, unpause};
use super::status::{Status, status};
use crate::Engine;
use crate::events::{Action, Event};
use crate::image::compose::{ComposeError, Composition, Format, LayerWriter, NewLayer, compose};
use crate::image::merge::merge;
use crate::image::reference::{ReferenceError, Short};
use crate::image::{self, ChangeError, Image, MergeError, Progress, change};
use crate::state::containers::Record;
use crate::state::{self, images};
use crate::store::StoreError;
use crate::store::pack::{PackError, pack};
use crate::store::staging::Staging;
use crate::userns;

#[derive(Debug, Clone, Default)]
pub struct Options {
    /// None: the image has no name.
    pub name: Option<String>,
    pub author: String,
    /// In docker's format only.
    pub message: String,
    /// A configuration that goes before what the image's and the container's say, as JSON in docker's form.
    pub config: Option<Vec<u8>>,
    /// Instructions for the configuration, last of all.
    pub changes: Vec<String>,
    pub format: Format,
    /// Volumes of the container become volumes of the image.
    pub include_volumes: bool,
    /// Its processes stand still meanwhile.
    pub pause: bool,
    /// One layer in place of the image's and the container's.
    pub squash: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    #[error("cannot tell the user namespace: {}", .0.desc().to_lowercase())]
    Kernel(nix::errno::Errno),
    /// podman's words.
    #[error("messages are only compatible with the docker image format (-f docker)")]
    Message,
    #[error(
        "container {0} has no image to build on: it was made with --rootfs (--squash takes its root as one layer)"
    )]
    NoImage(String),
    #[error("the new layer: cannot write it: {}", crate::store::cause(.0))]
    Write(io::Error),
    #[error(transparent)]
    Pack(#[from] PackError),
    #[error(transparent)]
    Change(#[from] ChangeError),
    #[error(transparent)]
    Merge(#[from] MergeError),
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    #[error(transparent)]
    Image(#[from] image::FindError),
    #[error(transparent)]
    Inside(#[from] InsideError),
    #[error(transparent)]
    Pause(#[from] PauseError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    State(#[from] state::Error),
    #[error(transparent)]
    Compose(#[from] ComposeError),
}

/// Makes the image and returns its id. What is mounted in the container is no part of it.
///
/// The calling process must have one thread.
pub fn commit(
    engine: &Engine,
    record: &Record,
    options: &Options,
    progress: &mut dyn FnMut(Progress),
) -> Result<String, CommitError> {
    if !options.message.is_empty() && options.format == Format::Oci {
        return Err(CommitError::Message);
    }
    let name = options.name.as_deref().map(Short::parse).transpose()?;
    let image = image_of(engine, record)?;
    if image.is_none() && !options.squash {
        return Err(CommitError::NoImage(record.id.clone()));
    }
    let mut document = document(record, image.as_ref(), options)?;
    let staging = Staging::new(&engine.paths)?;
    let standing = Standing::still(engine, record, options.pause)?;
    let packed = layer(engine, record, options.squash, &staging);
    let went_on = standing.go_on();
    let new = packed?;
    went_on?;

    let base = match (&image, options.squash) {
        (Some(image), false) => layers(engine, image)?,
        _ => Vec::new(),
    };
    let step = json!({
        "created": document["created"],
        "created_by": "/bin/sh",
        "author": options.author,
        "comment": format!("FROM {}", record.image_name),
    });
    match document["history"].as_array_mut() {
        Some(history) if !options.squash => history.push(step),
        _ => document["history"] = json!([step]),
    }
    let composition = Composition {
        base,
        new,
        config: document,
        names: name.map(|name| name.at("localhost").to_string()).into_iter().collect(),
        format: options.format,
    };
    let id = compose(engine, &staging, composition, progress)?;
    engine.event(Event::of_container(record, Action::Commit));
    Ok(id)
}

/// Processes that stand still, if they were asked to.
struct Standing<'a>(Option<(&'a Engine, &'a Record)>);

impl<'a> Standing<'a> {
    fn still(engine: &'a Engine, record: &'a Record, wanted: bool) -> Result<Standing<'a>, PauseError> {
        if !wanted || !matches!(status(&engine.paths, &record.id), Status::Running { .. }) {
            return Ok(Standing(None));
        }
        pause(engine, record)?;
        Ok(Standing(Some((engine, record))))
    }

    fn go_on(mut self) -> Result<(), PauseError> {
        self.0.take().map_or(Ok(()), |(engine, record)| unpause(engine, record))
    }
}

fn layer(engine: &Engine, record: &Record, squash: bool, staging: &Staging) -> Result<NewLayer, CommitError> {
    let mut tar = Builder::new(LayerWriter::new(staging)?);
    if squash {
        let inside = open_inside(engine, record, Scope::Root)?;
        pack(inside.directory()?, false, inside.ids().into(), &mut tar)?;
    } else {
        let path = engine.paths.container(&record.id).join("upper");
        match File::open(&path) {
            // It has never been started: an empty layer.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            upper => {
                let upper = upper.map_err(FileError::at("open", &path))?;
                let ids = userns::ids_on_disk(&record.options).map_err(CommitError::Kernel)?;
                pack(upper.into(), true, ids.as_ref().into(), &mut tar)?;
            }
        }
    }
    tar.into_inner().and_then(LayerWriter::finish).map_err(CommitError::Write)
}

fn layers(engine: &Engine, image: &Image) -> Result<Vec<images::Layer>, CommitError> {
    let row = engine.db.read("look up an image", |connection| images::get(connection, &image.id))?;
    Ok(row.ok_or_else(|| image::FindError::Unknown(image.id.clone()))?.layers)
}

/// The configuration: the image's, with what the container was told at its creation, and the changes.
fn document(record: &Record, image: Option<&Image>, options: &Options) -> Result<Value, CommitError> {
    let of_image = image.and_then(|image| serde_json::from_slice::<Value>(&image.raw_config).ok());
    let mut document = of_image.unwrap_or_else(|| {
        let platform = image::Platform::host();
        json!({"architecture": platform.architecture, "os": platform.os})
    });
    let mut config = match document["config"].take() {
        Value::Object(config) => config,
        _ => Map::new(),
    };
    told(record, &mut config);
    if options.include_volumes {
        for mount in &record.options.mounts {
            if let MountKind::Named { .. } = mount.kind {
                change::object(&mut config, "Volumes").insert(mount.destination.clone(), json!({}));
            }
        }
    }
    if let Some(over) = &options.config {
        merge(&mut config, over, options.format)?;
    }
    change::apply_all(&mut config, &options.changes, options.format)?;
    document["config"] = Value::Object(config);
    document["created"] = clock::rfc3339(SystemTime::now()).into();
    if !options.author.is_empty() {
        document["author"] = options.author.as_str().into();
    }
    match (&mut document, options.message.is_empty()) {
        (Value::Object(document), true) => drop(document.remove("comment")),
        (document, _) => document["comment"] = options.message.as_str().into(),
    }
    Ok(document)
}

/// What podman takes over from the container.
fn told(record: &Record, config: &mut Map<String, Value>) {
    let told = &record.options;
    for variable in &told.env {
        let (name, value) = variable.split_once('=').unwrap_or((variable, ""));
        change::set_env(config, name, value);
    }
    for (name, words) in [("Entrypoint", &record.entrypoint), ("Cmd", &record.command)] {
        match words.as_slice() {
            [] => drop(config.remove(name)),
            words => drop(config.insert(name.to_owned(), words.into())),
        }
    }
    let exposed = told.expose.iter().map(|exposed| (exposed.port, exposed.protocol));
    let published = told.ports.iter().flat_map(|port| {
        (0..port.count).map(|offset| (port.container_port.saturating_add(offset), port.protocol))
    });
    for (port, protocol) in exposed.chain(published) {
        change::object(config, "ExposedPorts").insert(format!("{port}/{}", protocol.name()), json!({}));
    }
    if !told.labels.is_empty() {
        config.insert("Labels".to_owned(), json!(told.labels));
    }
    for (name, value) in [("User", &told.user), ("WorkingDir", &told.workdir)] {
        if let Some(value) = value.as_deref().filter(|value| !value.is_empty()) {
            config.insert(name.to_owned(), value.into());
        }
    }
}
