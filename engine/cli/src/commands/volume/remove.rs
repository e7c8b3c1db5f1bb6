//! `ketch volume rm`

use std::io::Write;
use std::process::ExitCode;

use ketch_engine::container::remove::Force;
use ketch_engine::volume::{FindError, RemoveError, remove};

use crate::failure::Failure;
use crate::globals::Globals;

/// podman's exit codes.
const NO_SUCH: u8 = 1;
const IN_USE: u8 = 2;

/// Remove volumes
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    /// Remove all volumes
    #[arg(long, short)]
    all: bool,
    /// Remove the containers that use them too; pass over volumes that do not exist
    #[arg(long, short)]
    force: bool,
    /// With --force, seconds until SIGKILL; -1 for never [default: the container's own, which is 10]
    #[arg(long, short, value_name = "SECONDS", allow_negative_numbers = true)]
    time: Option<i64>,
    #[arg(value_name = "VOLUME")]
    volumes: Vec<String>,
}

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    anyhow::ensure!(args.all == args.volumes.is_empty(), "choose either one or more volumes or all");
    anyhow::ensure!(
        args.time.is_none() || args.force,
        "--force option must be specified to use the --time option"
    );
    let engine = globals.engine()?;
    let names = if args.all {
        engine.db.volumes()?.into_iter().map(|volume| volume.name).collect()
    } else {
        args.volumes
    };
    let force = args.force.then_some(Force::Stop { seconds: args.time });
    let mut failed: Option<Failure> = None;
    let mut out = std::io::stdout();
    for name in &names {
        let failure = match remove(&engine, name, force) {
            Ok(name) => {
                writeln!(out, "{name}")?;
                continue;
            }
            Err(RemoveError::Find(FindError::NotFound(_))) if args.force => continue,
            Err(error) => {
                let code = match &error {
                    RemoveError::Find(FindError::NotFound(_)) => NO_SUCH,
                    RemoveError::InUse { .. } => IN_USE,
                    _ => 125,
                };
                Failure { code, message: format!("{:#}", anyhow::Error::from(error)) }
            }
        };
        failed = Some(failure.after(failed));
    }
    failed.map_or(Ok(ExitCode::SUCCESS), |failure| Err(failure.into()))
}
