//! `ketch info` and `ketch system info`

use std::io::Write;
use std::process::ExitCode;

use ketch_engine::explain::{self, Capability};
use ketch_engine::info;
use nix::unistd::geteuid;
use serde_json::{Map, Value};

use crate::globals::{Globals, VERSION, systemd};
use crate::output::{Format, pretty, table};
use crate::rootless;

/// Show what the host is and what the store holds
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    /// Try what this host can do and what it cannot, and tell why, and what would cure it
    #[arg(long)]
    explain: bool,
    /// A Go template, or json; with --explain json alone
    #[arg(long, short)]
    format: Option<String>,
}

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    if args.explain {
        return tell(args.format.as_deref());
    }
    let engine = globals.engine()?;
    let caller = info::Caller {
        version: VERSION,
        program: std::env::current_exe()?,
        rootless: rootless::user().is_some(),
        path: std::env::var_os("PATH"),
    };
    let info = info::read(&engine, &caller)?;
    let text = match args.format.as_deref() {
        // Alphabetically, as podman's.
        None => serde_saphyr::to_string(&serde_json::to_value(&info)?)?,
        Some("json" | "{{json .}}") => pretty(&info, 2)? + "\n",
        Some(template) => {
            let named = named_as_in_go(&serde_json::to_value(&info)?);
            Format::parse("info", template)?.render(&[named], None)?
        }
    };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// Before there is an engine: it may be that which cannot be had.
fn tell(format: Option<&str>) -> anyhow::Result<ExitCode> {
    let caller = explain::Caller {
        uid: geteuid(),
        path: std::env::var_os("PATH").unwrap_or_default(),
        systemd: systemd(),
    };
    let wants_json = match format {
        None | Some("table") => false,
        Some("json" | "{{json .}}") => true,
        Some(other) => {
            anyhow::bail!("--format {other:?} is not available with --explain: choose from table, json")
        }
    };
    let list = explain::explain(&caller);
    let text = if wants_json { pretty(&list, 2)? + "\n" } else { table(&rows(&list)) };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

fn rows(list: &[Capability]) -> Vec<Vec<String>> {
    let title = ["CAPABILITY", "", "WHY"].map(str::to_owned).to_vec();
    let row = |it: &Capability| {
        let cure = it.cure.as_ref().map(|cure| format!("; cure: {cure}")).unwrap_or_default();
        let available = if it.available { "yes" } else { "no" };
        vec![it.name.to_owned(), available.to_owned(), format!("{}{cure}", it.reason)]
    };
    [vec![title], list.iter().map(row).collect()].concat()
}

/// A template names podman's fields, which JSON has under other names.
fn named_as_in_go(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, value)| (go_name(name), named_as_in_go(value)));
            Value::Object(fields.collect::<Map<_, _>>())
        }
        Value::Array(items) => items.iter().map(named_as_in_go).collect(),
        other => other.clone(),
    }
}

fn go_name(name: &str) -> String {
    let known = match name {
        "apparmorEnabled" => "AppArmorEnabled",
        "capabilities" => "DefaultCapabilities",
        "cgroupVersion" => "CgroupsVersion",
        "cpus" => "CPUs",
        "cpuUtilization" => "CPUUtilization",
        "gidmap" => "GIDMap",
        "idMappings" => "IDMappings",
        "ociRuntime" => "OCIRuntime",
        "os" => "OS",
        "seccompEnabled" => "SECCOMPEnabled",
        "seccompProfilePath" => "SECCOMPProfilePath",
        "selinuxEnabled" => "SELinuxEnabled",
        "uidmap" => "UIDMap",
        "container_id" => "ContainerID",
        "host_id" => "HostID",
        _ => {
            let mut rest = name.chars();
            return rest.next().map_or_else(String::new, |first| first.to_uppercase().chain(rest).collect());
        }
    };
    known.to_owned()
}
