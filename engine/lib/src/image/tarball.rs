//! `import`: a tar of a root becomes an image of one layer.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::time::SystemTime;

use ketch_monitor::clock;
use serde_json::{Map, json};

use super::change::{self, ChangeError};
use super::compose::{ComposeError, Composition, Format, TakeError, compose, take};
use super::descriptor::Platform;
use super::layer::{self, Fault};
use super::progress::Progress;
use super::reference::{ReferenceError, Short};
use crate::Engine;
use crate::events::{Action, Event, Kind};
use crate::store::StoreError;
use crate::store::layers::hex;
use crate::store::staging::Staging;

/// Where the tar comes from; compressed or not.
pub enum Source<'a> {
    File(&'a Path),
    Stream(&'a mut dyn Read),
    /// `http://…` or `https://…`
    Url(&'a str),
}

impl std::fmt::Debug for Source<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Source::File(path) => f.debug_tuple("File").field(path).finish(),
            Source::Stream(_) => f.write_str("Stream"),
            Source::Url(url) => f.debug_tuple("Url").field(url).finish(),
        }
    }
}

#[derive(Debug, Clone)]
pub struct Options {
    /// None: the image has no name.
    pub name: Option<String>,
    /// Instructions for the configuration.
    pub changes: Vec<String>,
    pub message: String,
    pub platform: Platform,
}

#[derive(Debug, thiserror::Error)]
pub enum TarballError {
    /// podman's words.
    #[error("error opening {path:?}: {}", crate::store::cause(error))]
    Open { path: String, error: io::Error },
    #[error("cannot get {url}: {source}")]
    Url { url: String, source: Box<ureq::Error> },
    #[error("cannot read the archive: {}", crate::store::cause(.0))]
    Read(io::Error),
    #[error("the archive is compressed with {0}, which is not supported")]
    Compression(&'static str),
    #[error(transparent)]
    Change(#[from] ChangeError),
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    #[error(transparent)]
    Take(#[from] TakeError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Compose(#[from] ComposeError),
}

/// Returns the image's id.
pub fn import_tarball(
    engine: &Engine,
    source: Source<'_>,
    options: &Options,
    progress: &mut dyn FnMut(Progress),
) -> Result<String, TarballError> {
    let name = options.name.as_deref().map(Short::parse).transpose()?;
    let name = name.map(|name| name.at("localhost").to_string());
    let mut config = Map::new();
    change::apply_all(&mut config, &options.changes, Format::Oci)?;
    let from = match &source {
        Source::File(path) => path.display().to_string(),
        Source::Stream(_) => "-".to_owned(),
        Source::Url(url) => (*url).to_owned(),
    };
    let staging = Staging::new(&engine.paths)?;
    let new = match source {
        Source::File(path) => {
            let opened =
                File::open(path).map_err(|error| TarballError::Open { path: from.clone(), error })?;
            plain(opened, &staging)?
        }
        Source::Stream(stream) => plain(stream, &staging)?,
        Source::Url(url) => {
            let failed = |source| TarballError::Url { url: url.to_owned(), source: Box::new(source) };
            plain(ureq::get(url).call().map_err(failed)?.into_body().into_reader(), &staging)?
        }
    };
    let created = clock::rfc3339(SystemTime::now());
    let mut document = json!({
        "created": created,
        "architecture": options.platform.architecture,
        "os": options.platform.os,
        "config": config,
        "history": [{
            "created": created,
            // podman's and docker's words.
            "created_by": format!("/bin/sh -c #(nop) ADD file:{} in /", hex(&new.layer.diff_id)),
            "comment": options.message,
        }],
    });
    if let Some(variant) = &options.platform.variant {
        document["variant"] = variant.as_str().into();
    }
    let composition = Composition {
        base: Vec::new(),
        new,
        config: document,
        names: name.into_iter().collect(),
        format: Format::Oci,
    };
    let id = compose(engine, &staging, composition, progress)?;
    engine.event(Event::new(Kind::Image, Action::Import, &id, &from));
    Ok(id)
}

fn plain(source: impl Read, staging: &Staging) -> Result<super::compose::NewLayer, TarballError> {
    let plain = layer::decompress(source).map_err(|fault| match fault {
        Fault::Read(error) => TarballError::Read(error),
        Fault::Format(format) => TarballError::Compression(format),
    })?;
    Ok(take(plain, staging)?)
}
