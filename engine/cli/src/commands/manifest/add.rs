//! `ketch manifest add`

use std::io::Write;
use std::process::ExitCode;

use anyhow::{bail, ensure};
use ketch_engine::image::index::{AddOptions, Change, add};

use super::annotations;
use crate::flags::{Connection, Retry};
use crate::globals::Globals;

/// Add images of the store or of registries to an index
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    /// Add the images of all platforms where an image is an index itself
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    artifact: Artifact,
    #[command(flatten)]
    change: Instance,
    #[command(flatten)]
    connection: Connection,
    list: String,
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<String>,
}

/// What an index says of an image.
#[derive(Debug, clap::Args)]
pub(crate) struct Instance {
    /// KEY=VALUE: an annotation
    #[arg(long, value_name = "KEY=VALUE")]
    pub(super) annotation: Vec<String>,
    /// The processor that it is for
    #[arg(long, value_name = "ARCH")]
    arch: Option<String>,
    /// What it needs of the processor
    #[arg(long, value_name = "FEATURE", value_delimiter = ',')]
    features: Vec<String>,
    /// The operating system that it is for
    #[arg(long, value_name = "OS")]
    os: Option<String>,
    /// What it needs of the operating system
    #[arg(long, value_name = "FEATURE", value_delimiter = ',')]
    os_features: Vec<String>,
    /// The operating system's version
    #[arg(long, value_name = "VERSION")]
    os_version: Option<String>,
    /// The processor's variant
    #[arg(long, value_name = "VARIANT")]
    variant: Option<String>,
}

/// What ketch does not have.
#[derive(Debug, clap::Args)]
pub(crate) struct Artifact {
    /// Files instead of images: not available
    #[arg(long)]
    artifact: bool,
    /// Not available
    #[arg(long, value_name = "FILE")]
    artifact_config: Option<String>,
    /// Not available
    #[arg(long, value_name = "TYPE")]
    artifact_config_type: Option<String>,
    /// Not available
    #[arg(long)]
    artifact_exclude_titles: bool,
    /// Not available
    #[arg(long, value_name = "TYPE")]
    artifact_layer_type: Option<String>,
    /// Not available
    #[arg(long, value_name = "IMAGE")]
    artifact_subject: Option<String>,
    /// Not available
    #[arg(long, value_name = "TYPE")]
    artifact_type: Option<String>,
}

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    args.artifact.refuse()?;
    let options = AddOptions {
        access: args.connection.access(&Retry::default())?,
        all: args.all,
        change: args.change.change()?,
    };
    let engine = globals.engine()?;
    for image in &args.images {
        let image = image.strip_prefix("containers-storage:").unwrap_or(image);
        let id = add(&engine, &args.list, image, &options)?;
        if Some(image) == args.images.last().map(String::as_str) {
            writeln!(std::io::stdout(), "{id}")?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

impl Instance {
    pub(super) fn change(&self) -> anyhow::Result<Change> {
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        Ok(Change {
            architecture: given(&self.arch),
            os: given(&self.os),
            os_version: given(&self.os_version),
            variant: given(&self.variant),
            os_features: self.os_features.clone(),
            features: self.features.clone(),
            annotations: annotations(&self.annotation)?,
        })
    }
}

impl Artifact {
    fn refuse(&self) -> anyhow::Result<()> {
        ensure!(!self.artifact, "--artifact is not available: ketch keeps no artifacts");
        let given = [
            ("config", self.artifact_config.is_some()),
            ("config-type", self.artifact_config_type.is_some()),
            ("exclude-titles", self.artifact_exclude_titles),
            ("layer-type", self.artifact_layer_type.is_some()),
            ("subject", self.artifact_subject.is_some()),
            ("type", self.artifact_type.is_some()),
        ];
        match given.iter().find(|(_, is_given)| *is_given) {
            Some((name, _)) => bail!("--artifact-{name} is not available: ketch keeps no artifacts"),
            None => Ok(()),
        }
    }
}
