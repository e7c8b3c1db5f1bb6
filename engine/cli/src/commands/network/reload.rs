//! `ketch network reload`

use std::io::Write;
use std::process::ExitCode;

use anyhow::ensure;
use ketch_engine::network::connect::reload;

use crate::globals::Globals;

/// Make anew what of containers' networks is missing: rules that another program flushed, say
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    /// All containers
    #[arg(long, short)]
    all: bool,
    /// The container that was created last
    #[arg(long, short)]
    latest: bool,
    #[arg(value_name = "CONTAINER")]
    containers: Vec<String>,
}

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    let ways = [args.all, args.latest, !args.containers.is_empty()];
    ensure!(
        ways.into_iter().filter(|way| *way).count() == 1,
        "choose containers by name, --all, or --latest"
    );
    let engine = globals.engine()?;
    let records = if args.all {
        engine.db.containers()?
    } else if args.latest {
        vec![engine.db.latest_container()?]
    } else {
        args.containers.iter().map(|name| engine.db.find_container(name)).collect::<Result<_, _>>()?
    };
    let mut failed: Option<anyhow::Error> = None;
    for record in records {
        match reload(&engine, &record) {
            Ok(()) => writeln!(std::io::stdout(), "{}", record.id)?,
            Err(error) => {
                if let Some(earlier) = failed.replace(error.into()) {
                    crate::failure::report(&earlier);
                }
            }
        }
    }
    failed.map_or(Ok(ExitCode::SUCCESS), Err)
}
