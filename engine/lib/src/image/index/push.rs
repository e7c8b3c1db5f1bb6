//! `manifest push`

use super::copy::copy;
use super::{IndexError, Instance, open};
use crate::Engine;
use crate::image::compose::Format;
use crate::image::descriptor::{DOCKER_LIST, OCI_INDEX};
use crate::image::digest;
use crate::image::find::get;
use crate::image::progress::Progress;
use crate::image::push::{Cause, PushError, PushOptions, transfer};
use crate::image::reference::Reference;
use crate::image::registry::{Access, Client, RegistryError};
use crate::state::images;
use crate::store::staging::Staging;

#[derive(Debug, thiserror::Error)]
pub enum PushIndexError {
    #[error(transparent)]
    Index(#[from] IndexError),
    #[error(transparent)]
    Push(#[from] PushError),
    #[error("instance {0} is in the store no more, and no registry is known to have it")]
    Gone(String),
    #[error("cannot push to {reference}")]
    Registry { reference: String, source: RegistryError },
    #[error("cannot push instance {instance}")]
    Instance { instance: String, source: Cause },
    #[error("docker's format has no annotations: {0} has some")]
    Annotations(String),
}

/// Pushes the instances, unless `all` is false, and then the index; returns its digest there. An instance of the store goes as `push`
/// sends it, and is described by the manifest that results; one of a registry is copied as it is.
pub fn push(
    engine: &Engine,
    list: &str,
    reference: &Reference,
    all: bool,
    options: &PushOptions,
    progress: &mut dyn FnMut(Progress),
) -> Result<String, PushIndexError> {
    let (row, mut index) = open(engine, list)?;
    if options.format == Some(Format::Docker) {
        let has_some = !index.annotations.is_empty()
            || index.manifests.iter().any(|instance| !instance.annotations.is_empty());
        if has_some {
            return Err(PushIndexError::Annotations(list.to_owned()));
        }
        DOCKER_LIST.clone_into(&mut index.media_type);
    } else {
        OCI_INDEX.clone_into(&mut index.media_type);
    }
    if all {
        let count = index.manifests.len();
        for (number, instance) in index.manifests.iter_mut().enumerate() {
            let digest = instance.digest.clone();
            progress(Progress::Instance { digest, number: number + 1, count });
            push_instance(engine, &row.id, instance, reference, options, progress)?;
        }
    }
    let bytes = index.bytes()?;
    let digest = digest::of(&bytes);
    let failed = |source| PushIndexError::Registry { reference: reference.to_string(), source };
    progress(Progress::WritingIndex);
    let client = Client::to_push(reference, &options.access, &[]).map_err(failed)?;
    client.put_manifest(reference.selector(), &bytes, &index.media_type).map_err(failed)?;
    Ok(digest)
}

fn push_instance(
    engine: &Engine,
    list: &str,
    instance: &mut Instance,
    reference: &Reference,
    options: &PushOptions,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), PushIndexError> {
    let failed =
        |instance: &Instance, source| PushIndexError::Instance { instance: instance.digest.clone(), source };
    let found = engine.db.read("look up an instance", |connection| {
        let ids = images::ids_by_digest(connection, &instance.digest)?;
        Ok((ids.into_iter().find(|id| id != list), images::source(connection, list, &instance.digest)?))
    });
    match found.map_err(IndexError::State)? {
        (Some(id), _) => {
            let image = get(engine, &id).map_err(PushError::Find)?;
            let pushed = transfer(engine, &image, reference, None, options, progress);
            let pushed = pushed.map_err(|source| failed(instance, source))?;
            instance.digest = pushed.digest;
            instance.size = pushed.size;
            instance.media_type = pushed.media_type;
            Ok(())
        }
        (None, Some(name)) => {
            let source = Reference::parse(&name).map_err(IndexError::Reference)?;
            let is_same = source.registry == reference.registry;
            // What was given for the destination is not another registry's to see.
            let credentials = options.access.credentials.clone().filter(|_| is_same);
            let access = Access { credentials, ..options.access.clone() };
            let mountable = Some(source.repository.clone()).filter(|_| is_same);
            let copied = || -> Result<(), Cause> {
                let from = Client::new(&source, &access)?;
                let to = Client::to_push(reference, &options.access, mountable.as_slice())?;
                let staging = Staging::new(&engine.paths)?;
                copy(&from, &to, &instance.digest, mountable.as_deref(), &staging)
            };
            copied().map_err(|source| failed(instance, source))
        }
        (None, None) => Err(PushIndexError::Gone(instance.digest.clone())),
    }
}
