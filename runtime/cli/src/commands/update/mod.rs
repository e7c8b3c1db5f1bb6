use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use ketch_runtime::container::state::State;
use ketch_runtime::container::update::{merged, update};
use ketch_runtime::rdt;
use ketch_runtime::spec::LinuxResources;
use serde_json::{Map, Value};

use crate::globals::Globals;
use crate::report;

mod size;

/// Change the limits of a running container
///
/// What no flag names stays as it is. SIZE is in bytes, or with a unit: 512k, 100M, 1.5g; -1 takes the limit away.
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    /// The container's id
    container: String,

    /// Read the limits from this file (- is stdin), in the form of config.json's `linux.resources`; other flags go on top
    #[arg(short, long, value_name = "FILE")]
    resources: Option<PathBuf>,

    /// Weight of block I/O, 10 to 1000
    #[arg(long, value_name = "N")]
    blkio_weight: Option<u16>,

    /// Length of a period of CPU time, in microseconds
    #[arg(long, value_name = "US")]
    cpu_period: Option<u64>,

    /// CPU time in each period, in microseconds; -1 takes the limit away
    #[arg(long, value_name = "US", allow_negative_numbers = true)]
    cpu_quota: Option<i64>,

    /// CPU time that may be saved up for a burst, in microseconds
    #[arg(long, value_name = "US")]
    cpu_burst: Option<u64>,

    /// Share of CPU time where it is scarce, 2 to 262144
    #[arg(long, alias = "cpu-shares", value_name = "N")]
    cpu_share: Option<u64>,

    /// Length of a period of realtime scheduling, in microseconds
    #[arg(long, value_name = "US")]
    cpu_rt_period: Option<u64>,

    /// Realtime scheduling in each period, in microseconds
    #[arg(long, value_name = "US", allow_negative_numbers = true)]
    cpu_rt_runtime: Option<i64>,

    /// CPUs to use: 0-2,5
    #[arg(long, value_name = "LIST")]
    cpuset_cpus: Option<String>,

    /// Memory nodes to use: 0,1
    #[arg(long, value_name = "LIST")]
    cpuset_mems: Option<String>,

    /// Whether to run only when no other wants to: 1, or 0
    #[arg(long, value_name = "0|1")]
    cpu_idle: Option<i64>,

    /// Memory
    #[arg(short, long, value_name = "SIZE", allow_negative_numbers = true)]
    memory: Option<String>,

    /// Memory that is left to it where memory is scarce
    #[arg(long, value_name = "SIZE", allow_negative_numbers = true)]
    memory_reservation: Option<String>,

    /// Memory and swap together
    #[arg(long, value_name = "SIZE", allow_negative_numbers = true)]
    memory_swap: Option<String>,

    /// Accepted for runc's sake: no kernel has this limit any more
    #[arg(long, value_name = "SIZE", allow_negative_numbers = true)]
    kernel_memory: Option<String>,

    /// Accepted for runc's sake: no kernel has this limit any more
    #[arg(long, value_name = "SIZE", allow_negative_numbers = true)]
    kernel_memory_tcp: Option<String>,

    /// Processes and threads; -1 takes the limit away
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pids_limit: Option<i64>,

    /// Intel RDT: schema of the L3 cache
    #[arg(long, value_name = "SCHEMA")]
    l3_cache_schema: Option<String>,

    /// Intel RDT: schema of the memory bandwidth
    #[arg(long, value_name = "SCHEMA")]
    mem_bw_schema: Option<String>,
}

pub(crate) fn run(globals: &Globals, args: &Args) -> anyhow::Result<ExitCode> {
    let cannot = || format!("cannot update container {:?}", args.container);
    if args.l3_cache_schema.is_some() || args.mem_bw_schema.is_some() {
        let state = State::load(&globals.root(), &args.container)?;
        rdt::update(&state, args.l3_cache_schema.as_deref(), args.mem_bw_schema.as_deref())
            .with_context(cannot)?;
    }
    if args.kernel_memory.is_some() || args.kernel_memory_tcp.is_some() {
        report::warning(
            globals,
            "--kernel-memory and --kernel-memory-tcp have no effect: no kernel has these limits any more",
        );
    }
    let base = args.resources.as_deref().map_or_else(|| Ok(LinuxResources::default()), read)?;
    let changes = merged(&base, &of_flags(args)?);
    update(&globals.root(), &args.container, &changes).with_context(cannot)?;
    Ok(ExitCode::SUCCESS)
}

fn read(path: &Path) -> anyhow::Result<LinuxResources> {
    let mut text = String::new();
    match path.to_str() {
        Some("-") => std::io::stdin().read_to_string(&mut text),
        _ => File::open(path).and_then(|mut file| file.read_to_string(&mut text)),
    }
    .with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} holds no valid OCI resources", path.display()))
}

fn of_flags(args: &Args) -> anyhow::Result<LinuxResources> {
    let size = |flag: &str, given: &Option<String>| -> anyhow::Result<Option<Value>> {
        let parse =
            |text: &String| size::parse(text).with_context(|| format!("--{flag}: {text:?} is no size"));
        Ok(given.as_ref().map(parse).transpose()?.map(Value::from))
    };
    fn value<T: Clone + Into<Value>>(given: &Option<T>) -> Option<Value> {
        given.clone().map(Into::into)
    }
    let fields = [
        ("memory", "limit", size("memory", &args.memory)?),
        ("memory", "reservation", size("memory-reservation", &args.memory_reservation)?),
        ("memory", "swap", size("memory-swap", &args.memory_swap)?),
        ("cpu", "period", value(&args.cpu_period)),
        ("cpu", "quota", value(&args.cpu_quota)),
        ("cpu", "burst", value(&args.cpu_burst)),
        ("cpu", "shares", value(&args.cpu_share)),
        ("cpu", "realtimePeriod", value(&args.cpu_rt_period)),
        ("cpu", "realtimeRuntime", value(&args.cpu_rt_runtime)),
        ("cpu", "cpus", value(&args.cpuset_cpus)),
        ("cpu", "mems", value(&args.cpuset_mems)),
        ("cpu", "idle", value(&args.cpu_idle)),
        ("pids", "limit", value(&args.pids_limit)),
        ("blockIO", "weight", value(&args.blkio_weight)),
    ];
    let mut resources = Map::new();
    for (group, field, given) in fields {
        if let Some(given) = given {
            resources.entry(group).or_insert_with(|| Map::new().into())[field] = given;
        }
    }
    serde_json::from_value(resources.into()).context("the flags make no valid OCI resources")
}
