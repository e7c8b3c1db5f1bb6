//! `ketch create`

use std::io::Write;
use std::process::ExitCode;

use ketch_engine::Engine;
use ketch_engine::container::create::create;
use ketch_engine::container::options::Options;
use ketch_engine::container::remove::{Force, remove};
use ketch_engine::image::Image;
use ketch_engine::spec::Host;
use ketch_engine::state::containers::{FindError, Record};

use super::image;
use crate::flags::{ContainerFlags, into_options};
use crate::globals::Globals;

/// Create a container without starting it
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    #[command(flatten)]
    container: ContainerFlags,
}

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    let options = into_options(&args.container)?;
    let engine = globals.engine()?;
    let made = make(&engine, &args.container, options)?;
    writeln!(std::io::stdout(), "{}", made.record.id)?;
    Ok(ExitCode::SUCCESS)
}

/// A new container, with what was read for it.
pub(super) struct Made {
    pub(super) record: Record,
    pub(super) image: Option<Image>,
    pub(super) host: Host,
}

/// What `create` and `run` have in common.
pub(super) fn make(engine: &Engine, flags: &ContainerFlags, mut options: Options) -> anyhow::Result<Made> {
    anyhow::ensure!(
        !flags.replace || options.name.is_some(),
        "cannot replace container without --name being set"
    );
    options.create_command = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    let image = match &options.rootfs {
        Some(_) => None,
        None => Some(image::resolve(engine, &options.image, flags.pull, flags.quiet)?),
    };
    let host = Host::read(&options)?;
    if let (true, Some(name)) = (flags.replace, &options.name) {
        match engine.db.find_container(name) {
            Ok(old) if old.name == *name => drop(remove(engine, &old, Force::Stop { seconds: None }, true)?),
            Ok(_) | Err(FindError::NotFound(_) | FindError::Ambiguous(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let record = create(engine, options, image.as_ref())?;
    Ok(Made { record, image, host })
}
