//! `ketch network rm`

use std::io::Write;
use std::process::ExitCode;

use ketch_engine::container::remove::Force;
use ketch_engine::network::remove::{RemoveNetworkError, remove};
use ketch_engine::state::networks::FindNetworkError;

use crate::failure::Failure;
use crate::globals::Globals;

/// podman's exit codes.
const NO_SUCH: u8 = 1;
const IN_USE: u8 = 2;

/// Remove networks
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    /// Remove the containers that are on them too; pass over networks that do not exist
    #[arg(long, short)]
    force: bool,
    /// With --force, seconds until SIGKILL; -1 for never [default: the container's own, which is 10]
    #[arg(long, short, value_name = "SECONDS", allow_negative_numbers = true)]
    time: Option<i64>,
    #[arg(value_name = "NETWORK", required = true)]
    networks: Vec<String>,
}

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    anyhow::ensure!(
        args.time.is_none() || args.force,
        "--force option must be specified to use the --time option"
    );
    let engine = globals.engine()?;
    let force = args.force.then_some(Force::Stop { seconds: args.time });
    let mut failed: Option<Failure> = None;
    for name in &args.networks {
        let failure = match remove(&engine, name, force) {
            Ok(_) => {
                writeln!(std::io::stdout(), "{name}")?;
                continue;
            }
            Err(RemoveNetworkError::Find(FindNetworkError::NotFound(_))) if args.force => continue,
            Err(error) => {
                let code = match &error {
                    RemoveNetworkError::Find(FindNetworkError::NotFound(_)) => NO_SUCH,
                    RemoveNetworkError::InUse(_) => IN_USE,
                    _ => 125,
                };
                Failure { code, message: format!("{:#}", anyhow::Error::from(error)) }
            }
        };
        failed = Some(failure.after(failed));
    }
    failed.map_or(Ok(ExitCode::SUCCESS), |failure| Err(failure.into()))
}
