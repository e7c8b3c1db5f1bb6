//! `ketch update`

use std::io::Write;
use std::process::ExitCode;

use anyhow::ensure;
use ketch_engine::container::options::Options;
use ketch_engine::container::update::update;

use super::select::one;
use crate::failure::Reason;
use crate::flags::health::{self, HealthFlags};
use crate::flags::{ChangeFlags, env, limits, resources, values};
use crate::globals::Globals;

/// Change a container: its limits, restart policy and health check at once, the rest when it is next started
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    #[command(flatten)]
    change: ChangeFlags,
    /// Limit reading from a device, in operations a second (DEVICE:RATE)
    #[arg(long, value_name = "DEVICE:RATE")]
    device_read_iops: Vec<String>,
    /// Limit writing to a device, in operations a second (DEVICE:RATE)
    #[arg(long, value_name = "DEVICE:RATE")]
    device_write_iops: Vec<String>,
    /// Set an environment variable (NAME=VALUE, or NAME for the caller's)
    #[arg(long, short, value_name = "NAME=VALUE")]
    env: Vec<String>,
    #[command(flatten)]
    health: HealthFlags,
    /// The container that was created last
    #[arg(long, short)]
    latest: bool,
    /// Limit of processes; 0 or -1 for none
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pids_limit: Option<i64>,
    /// Start it again when it has ended by itself: no, always, on-failure[:TIMES] or unless-stopped
    #[arg(long, value_name = "POLICY")]
    restart: Option<String>,
    /// Resource limit (NAME=SOFT[:HARD], or host)
    #[arg(long, value_name = "LIMIT", value_delimiter = ',')]
    ulimit: Vec<String>,
    /// Set a variable no more, whoever sets it
    #[arg(long, value_name = "NAME")]
    unsetenv: Vec<String>,
    #[arg(value_name = "CONTAINER")]
    containers: Vec<String>,
}

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    ensure!(args.containers.len() < 2, "`ketch update` accepts at most one argument");
    let engine = globals.engine()?;
    let nothing = "\"ketch update\" requires a name, id, or the \"--latest\" flag";
    let record = one(&engine, args.containers.first().map(String::as_str), args.latest, nothing)?;
    update(&engine, &record.id, |options| change(&args, options).map_err(Reason))?;
    writeln!(std::io::stdout(), "{}", record.id)?;
    Ok(ExitCode::SUCCESS)
}

fn change(args: &Args, options: &mut Options) -> anyhow::Result<()> {
    let limits = &mut options.limits;
    args.change.apply(limits)?;
    resources::put_all(&mut limits.block.read_iops, resources::operation_rates(&args.device_read_iops)?);
    resources::put_all(&mut limits.block.write_iops, resources::operation_rates(&args.device_write_iops)?);
    limits.pids = args.pids_limit.or(limits.pids);
    limits::put_ulimits(&args.ulimit, limits)?;
    if let Some(policy) = &args.restart {
        options.restart = values::restart(policy)?;
    }
    options.health = health::change(&args.health, options.health.take())?;
    for variable in env::variables(&[], &args.env)? {
        let name = variable.split('=').next().unwrap_or_default().to_owned();
        options.env.retain(|have| have.split('=').next() != Some(&*name));
        options.env.push(variable);
    }
    for name in &args.unsetenv {
        options.env.retain(|have| have.split('=').next() != Some(&**name));
        options.defaults.unset.push(name.clone());
    }
    Ok(())
}
