//! `ketch secret rm`

use std::io::Write;
use std::process::ExitCode;

use anyhow::ensure;
use ketch_engine::secret::{FindSecretError, RemoveError, remove};

use crate::failure::Failure;
use crate::globals::Globals;

/// Remove secrets; containers keep what they were given
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    /// Remove all secrets
    #[arg(long, short)]
    all: bool,
    /// Pass over secrets that do not exist
    #[arg(long, short)]
    ignore: bool,
    #[arg(value_name = "SECRET")]
    secrets: Vec<String>,
}

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    ensure!(
        args.all || !args.secrets.is_empty(),
        "`ketch secret rm` requires one argument, or the --all flag"
    );
    ensure!(
        !args.all || args.secrets.is_empty(),
        "`ketch secret rm` accepts one argument, or the --all flag, not both"
    );
    let engine = globals.engine()?;
    let names = match args.all {
        true => engine.db.secrets()?.into_iter().map(|secret| secret.id).collect(),
        false => args.secrets,
    };
    let mut failed: Option<Failure> = None;
    for name in names {
        match remove(&engine, &name) {
            Ok(id) => writeln!(std::io::stdout(), "{id}")?,
            Err(RemoveError::Find(FindSecretError::NotFound(_))) if args.ignore || args.all => {}
            Err(error) => {
                let message = format!("{:#}", anyhow::Error::from(error));
                failed = Some(Failure { code: 125, message }.after(failed));
            }
        }
    }
    failed.map_or(Ok(ExitCode::SUCCESS), |failure| Err(failure.into()))
}
