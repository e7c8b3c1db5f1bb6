//! `ketch container clone`

use std::io::Write;
use std::process::ExitCode;

use anyhow::{bail, ensure};
use ketch_engine::Engine;
use ketch_engine::container::create::create;
use ketch_engine::container::duplicate::{leave_pod, options};
use ketch_engine::container::join;
use ketch_engine::container::options::{Network, Options};
use ketch_engine::container::remove::{Force, remove};
use ketch_engine::container::start::{Start, start};
use ketch_engine::container::status;
use ketch_engine::image::{self, Image};
use ketch_engine::pod::member::{self, Own};
use ketch_engine::state::containers::{FindError, Record};

use super::image::resolve;
use crate::flags::{ChangeFlags, Pull, Registry};
use crate::globals::Globals;

/// Create a container after another one
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    #[command(flatten)]
    change: ChangeFlags,
    /// Remove the other one
    #[arg(long)]
    destroy: bool,
    /// With --destroy, even if it runs
    #[arg(long, short)]
    force: bool,
    /// Name of the new container [default: the other one's and -clone]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Pod to be a member of
    #[arg(long, value_name = "POD")]
    pod: Option<String>,
    /// Start it
    #[arg(long)]
    run: bool,
    /// The container, a name for the new one, and an image in place of the other one's
    #[arg(value_names = ["CONTAINER", "NAME", "IMAGE"], num_args = 0..)]
    words: Vec<String>,
}

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    let (container, name, image) = match &args.words[..] {
        [container] => (container, None, None),
        [container, name] => (container, Some(name), None),
        [container, name, image] => (container, Some(name), Some(image)),
        words => bail!("accepts between 1 and 3 arg(s), received {}", words.len()),
    };
    ensure!(!args.force || args.destroy, "cannot set --force without --destroy");
    let engine = globals.engine()?;
    let old = engine.db.find_container(container)?;
    ensure!(!old.options.infra, "container {} is the infra container of a pod: use pod clone", old.id);
    let status = status(&engine.paths, &old.id);
    if args.destroy && !args.force && status.is_alive() {
        // Before anything is made.
        bail!(
            "cannot remove container {} as it is {} - running or paused containers cannot be removed without force: \
             container state improper",
            old.id,
            status.name()
        );
    }
    let mut new = options(&old);
    args.change.apply(&mut new.limits)?;
    let image: Option<Image> = match image {
        Some(name) => {
            (new.image, new.rootfs) = (name.clone(), None);
            Some(resolve(&engine, name, Pull::Missing, false, &Registry::default())?)
        }
        None => old.image_id.as_deref().map(|id| image::find(&engine, id)).transpose()?,
    };
    if let Some(pod) = &args.pod {
        let pod = engine.db.find_pod(pod)?;
        leave_pod(&mut new, Network::None);
        new.network = Network::None;
        member::join(&engine, &pod, &mut new, Own { restart: true, ..Own::default() })?;
    }
    join::resolve(&engine, &mut new)?;
    let asked = args.name.as_ref().or(name).filter(|name| !name.is_empty());
    let record = make(&engine, &old, new, asked, image.as_ref())?;
    if args.destroy {
        let force = if args.force { Force::Stop { seconds: None } } else { Force::No };
        remove(&engine, &old, force, false)?;
    }
    if args.run {
        let how = Start { image: image.as_ref(), detached: true, ..Start::default() };
        start(&engine, &record, how)?;
    }
    writeln!(std::io::stdout(), "{}", record.id)?;
    Ok(ExitCode::SUCCESS)
}

/// Under the name that was asked for, or the next free one after the other container's.
pub(crate) fn make(
    engine: &Engine,
    old: &Record,
    new: Options,
    name: Option<&String>,
    image: Option<&Image>,
) -> anyhow::Result<Record> {
    if let Some(name) = name {
        return Ok(create(engine, Options { name: Some(name.clone()), ..new }, image)?);
    }
    let mut number = 0;
    loop {
        let suffix = if number == 0 { String::new() } else { number.to_string() };
        let name = format!("{}-clone{suffix}", old.name);
        let is_free = match engine.db.find_container(&name) {
            Ok(other) => other.name != name,
            Err(FindError::NotFound(_)) => true,
            Err(error) => return Err(error.into()),
        };
        if is_free {
            return Ok(create(engine, Options { name: Some(name), ..new }, image)?);
        }
        number += 1;
    }
}
