//! The image of a new container: found, or fetched first.

use ketch_engine::Engine;
use ketch_engine::guest::HELLO;
use ketch_engine::image::pull::{PullOptions, pull};
use ketch_engine::image::{self, FindError, Image, ImageConfiguration, import_builtin};
use oci_spec::image::{ConfigBuilder, ImageConfigurationBuilder};

use crate::commands::image::pull::Registry;
use crate::commands::image::{show, show_warning};
use crate::flags::Pull;

/// The image that ketch brings along, and how it can be asked for.
const BUILT_IN_NAME: &str = "localhost/hello:latest";
const BUILT_IN: [&str; 3] = ["hello", "localhost/hello", BUILT_IN_NAME];
/// Tells it from an image of the user's by that name.
const BUILT_IN_LABEL: &str = "io.ketch.built-in";

/// Finds `name` in the store, or pulls it as `policy` has it.
pub(super) fn resolve(engine: &Engine, name: &str, policy: Pull, quiet: bool) -> anyhow::Result<Image> {
    let found = match image::find(engine, name) {
        Ok(image) if !is_built_in(&image) => Some(image),
        // Another version of ketch may have put it there.
        Ok(image) => built_in(engine, name)?.or(Some(image)),
        Err(FindError::Unknown(_)) => built_in(engine, name)?,
        Err(error) => return Err(error.into()),
    };
    match (found, policy) {
        (Some(image), Pull::Missing | Pull::Never) => Ok(image),
        (None, Pull::Never) => anyhow::bail!("{name}: image not known"),
        (Some(image), Pull::Newer) => match fetch(engine, name, quiet) {
            Ok(newer) => Ok(newer),
            // No registry to ask is no reason not to use what is there.
            Err(_) => Ok(image),
        },
        (_, Pull::Always) | (None, Pull::Missing | Pull::Newer) => fetch(engine, name, quiet),
    }
}

fn fetch(engine: &Engine, name: &str, quiet: bool) -> anyhow::Result<Image> {
    let options = PullOptions { access: Registry::default().access()?, platform: None };
    let id = pull(engine, name, &options, &mut if quiet { show_warning } else { show })?;
    Ok(image::find(engine, &id)?)
}

/// `hello` needs no registry.
fn built_in(engine: &Engine, name: &str) -> anyhow::Result<Option<Image>> {
    if !BUILT_IN.contains(&name) {
        return Ok(None);
    }
    let id = import_builtin(engine, BUILT_IN_NAME, &[("hello", 0o755, HELLO)], configuration()?)?;
    Ok(Some(image::find(engine, &id)?))
}

fn is_built_in(image: &Image) -> bool {
    let labels = image.config.config().as_ref().and_then(|config| config.labels().as_ref());
    labels.is_some_and(|labels| labels.contains_key(BUILT_IN_LABEL))
}

fn configuration() -> anyhow::Result<ImageConfiguration> {
    let label = (BUILT_IN_LABEL.to_owned(), "hello".to_owned());
    let config = ConfigBuilder::default()
        .cmd(vec!["/hello".to_owned()])
        .labels(std::collections::HashMap::from([label]))
        .build()?;
    Ok(ImageConfigurationBuilder::default().config(config).build()?)
}
