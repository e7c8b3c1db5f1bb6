//! `ketch pull`

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use ketch_engine::Engine;
use ketch_engine::image::load::pull_local;
use ketch_engine::image::pull::{PullOptions, pull_all_tags};
use ketch_engine::image::transport::Place;

use super::{show, show_warning};
use crate::commands::container::image::resolve;
use crate::failure::Failure;
use crate::flags::{Pull, Registry};
use crate::globals::Globals;

/// Pull images from registries, archives and directories
#[derive(Debug, Parser)]
pub(crate) struct Args {
    /// Pull all tags of the repositories
    #[arg(short, long)]
    all_tags: bool,
    /// always, missing, never or newer
    #[arg(long, default_value = "always")]
    policy: String,
    /// Print the image id only
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    registry: Registry,
    /// NAME or docker://NAME, oci:DIR[:NAME], oci-archive:FILE[:NAME], docker-archive:FILE[:NAME] or dir:DIR
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<String>,
}

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    let Ok(policy) = Pull::from_str(&args.policy, false) else {
        // podman's words.
        anyhow::bail!("unsupported pull policy {:?}", args.policy);
    };
    let engine = globals.engine()?;
    let mut failure: Option<Failure> = None;
    for name in &args.images {
        match fetch(&engine, name, policy, &args) {
            Ok(ids) => {
                for id in ids {
                    writeln!(std::io::stdout(), "{id}")?;
                }
            }
            // What is there of the others is had all the same.
            Err(error) if args.images.len() > 1 => {
                let message = format!("{error:#}");
                failure = Some(Failure { code: 125, message }.after(failure));
            }
            Err(error) => return Err(error),
        }
    }
    failure.map_or(Ok(ExitCode::SUCCESS), |failure| Err(failure.into()))
}

fn fetch(engine: &Engine, text: &str, policy: Pull, args: &Args) -> anyhow::Result<Vec<String>> {
    let mut progress = if args.quiet { show_warning } else { show };
    // What is in the store may be asked for by its id.
    if (policy == Pull::Always || text.contains(':'))
        && let Place::Local(place) = Place::parse(text)?
    {
        args.registry.policy()?.admit_local(place.kind.name(), &place.path)?;
        return Ok(pull_local(engine, &place, &mut progress)?);
    }
    let name = text.strip_prefix("docker://").unwrap_or(text);
    if args.all_tags {
        let options = PullOptions { access: args.registry.access()?, platform: args.registry.platform()? };
        return Ok(pull_all_tags(engine, name, &options, &mut progress)?);
    }
    Ok(vec![resolve(engine, name, policy, args.quiet, &args.registry)?.id])
}
