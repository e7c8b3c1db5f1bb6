//! `ketch volume create`

use std::io::Write;
use std::process::ExitCode;

use ketch_engine::volume::create::{Options, create};

use crate::flags::env;
use crate::globals::Globals;

/// Make a volume
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    /// Who keeps it: local
    #[arg(long, short, value_name = "DRIVER", default_value = "local")]
    driver: String,
    /// Group that owns it
    #[arg(long, value_name = "GID")]
    gid: Option<u32>,
    /// A volume that exists already is no error
    #[arg(long)]
    ignore: bool,
    /// Add a label (KEY=VALUE)
    #[arg(long, short, value_name = "KEY=VALUE")]
    label: Vec<String>,
    /// Option of the driver; local has none yet
    #[arg(long, short, value_name = "KEY=VALUE")]
    opt: Vec<String>,
    /// User that owns it
    #[arg(long, value_name = "UID")]
    uid: Option<u32>,
    name: Option<String>,
}

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    anyhow::ensure!(
        matches!(args.driver.as_str(), "local" | ""),
        "volume driver {:?} is not available: there is local alone",
        args.driver
    );
    if let Some(option) = args.opt.first() {
        anyhow::bail!("--opt {option}: a local volume is a directory, and has no options");
    }
    let engine = globals.engine()?;
    let options = Options {
        name: args.name.filter(|name| !name.is_empty()),
        labels: env::labels(&[], &args.label)?,
        uid: args.uid,
        gid: args.gid,
        ignore: args.ignore,
    };
    writeln!(std::io::stdout(), "{}", create(&engine, options)?)?;
    Ok(ExitCode::SUCCESS)
}
