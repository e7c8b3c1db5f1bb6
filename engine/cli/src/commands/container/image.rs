//! The image of a new container: found, or fetched first.

use ketch_engine::Engine;
use ketch_engine::guest::{HELLO, PAUSE};
use ketch_engine::image::load::pull_local;
use ketch_engine::image::pull::{PullOptions, pull};
use ketch_engine::image::transport::{LocalPlace, Place, TransportError};
use ketch_engine::image::{self, FindError, Image, ImageConfiguration, Platform, import_builtin};
use oci_spec::image::{ConfigBuilder, ImageConfigurationBuilder};

use crate::commands::image::{show, show_warning};
use crate::flags::{Pull, Registry};

/// The images that ketch brings along: their complete names, their only program and how it is called.
const BUILT_IN: [(&str, &str, &[u8]); 2] =
    [("localhost/hello:latest", "hello", HELLO), (PAUSE_NAME, "pause", PAUSE)];
const PAUSE_NAME: &str = "localhost/ketch-pause:latest";
/// Tells it from an image of the user's by that name.
const BUILT_IN_LABEL: &str = "io.ketch.built-in";

/// The image of a pod's infra container: ketch's own, or one that must be in the store.
pub(crate) fn of_infra(engine: &Engine, name: Option<&str>) -> anyhow::Result<Image> {
    resolve(engine, name.unwrap_or(PAUSE_NAME), Pull::Never, true, &Registry::default())
}

/// Finds `name` in the store, or pulls it as `policy` has it. A file or directory (`oci:DIR`) is taken as it is now.
///
/// An image in the store that is for another platform than `registry` asks for is as good as none.
pub(crate) fn resolve(
    engine: &Engine,
    name: &str,
    policy: Pull,
    quiet: bool,
    registry: &Registry,
) -> anyhow::Result<Image> {
    let name = name.strip_prefix("docker://").unwrap_or(name);
    if let Some(place) = local(name)? {
        registry.policy()?.admit_local(place.kind.name(), &place.path)?;
        return Ok(first(pull_local(engine, &place, &mut if quiet { show_warning } else { show })?, engine)?);
    }
    let platform = registry.platform()?;
    registry.check()?;
    let fits = |image: &Image| platform.as_ref().is_none_or(|wanted| is_for(image, wanted));
    // What the files of the host say of registries is not read for an image that is there.
    let fetch = || -> anyhow::Result<Image> {
        let options = PullOptions { access: registry.access()?, platform: platform.clone() };
        let id = pull(engine, name, &options, &mut if quiet { show_warning } else { show })?;
        Ok(image::find(engine, &id)?)
    };
    let found = match image::find(engine, name) {
        Ok(image) if !is_built_in(&image) => Some(image).filter(fits),
        // Another version of ketch may have put it there.
        Ok(image) => built_in(engine, name)?.or(Some(image)),
        Err(FindError::Unknown(_)) => built_in(engine, name)?,
        Err(error) => return Err(error.into()),
    };
    match (found, policy) {
        (Some(image), Pull::Missing | Pull::Never) => Ok(image),
        (None, Pull::Never) => anyhow::bail!("{name}: image not known"),
        // No registry to ask is no reason not to use what is there.
        (Some(image), Pull::Newer) => Ok(fetch().unwrap_or(image)),
        (_, Pull::Always) | (None, Pull::Missing | Pull::Newer) => fetch(),
    }
}

/// The file or directory that `name` is, if it is one.
pub(crate) fn local(name: &str) -> Result<Option<LocalPlace>, TransportError> {
    // All but a few are names, which are told apart at once.
    let transport = name.split_once(':').map_or("", |(transport, _)| transport);
    if transport.is_empty() || transport.contains(['.', '/']) || transport == "localhost" {
        return Ok(None);
    }
    match Place::parse(name) {
        Ok(Place::Local(place)) => Ok(Some(place)),
        Err(error @ (TransportError::NoPath { .. } | TransportError::Unavailable { .. })) => Err(error),
        Ok(Place::Registry(_)) | Err(_) => Ok(None),
    }
}

/// An archive of several is its first one.
fn first(ids: Vec<String>, engine: &Engine) -> Result<Image, FindError> {
    let id = ids.into_iter().next().unwrap_or_default();
    image::find(engine, &id)
}

fn is_for(image: &Image, wanted: &Platform) -> bool {
    let config = &image.config;
    let variant = config.variant().as_deref();
    config.os().to_string() == wanted.os
        && config.architecture().to_string() == wanted.architecture
        && wanted.variant.as_deref().is_none_or(|wanted| variant == Some(wanted))
}

/// These need no registry.
fn built_in(engine: &Engine, name: &str) -> anyhow::Result<Option<Image>> {
    let asked_for = |whole: &str| {
        let untagged = whole.trim_end_matches(":latest");
        [whole, untagged, untagged.trim_start_matches("localhost/")].contains(&name)
    };
    let Some((whole, program, content)) = BUILT_IN.into_iter().find(|(whole, ..)| asked_for(whole)) else {
        return Ok(None);
    };
    let id = import_builtin(engine, whole, &[(program, 0o755, content)], configuration(program)?)?;
    Ok(Some(image::find(engine, &id)?))
}

fn is_built_in(image: &Image) -> bool {
    let labels = image.config.config().as_ref().and_then(|config| config.labels().as_ref());
    labels.is_some_and(|labels| labels.contains_key(BUILT_IN_LABEL))
}

fn configuration(program: &str) -> anyhow::Result<ImageConfiguration> {
    let label = (BUILT_IN_LABEL.to_owned(), program.to_owned());
    let config = ConfigBuilder::default()
        .cmd(vec![format!("/{program}")])
        .labels(std::collections::HashMap::from([label]))
        .build()?;
    Ok(ImageConfigurationBuilder::default().config(config).build()?)
}
