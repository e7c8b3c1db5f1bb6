//! `ketch mount`

use std::io::Write;
use std::process::ExitCode;

use anyhow::{bail, ensure};
use ketch_engine::container::mount::{mount, mount_point};
use serde_json::{Value, json};

use super::select::{Containers, Selection};
use crate::globals::Globals;
use crate::output::{pretty, table};
use crate::rootless;

/// Mount the roots of containers where the host sees them, and print where; without any, show all that are mounted
#[derive(Debug, clap::Parser)]
#[command(mut_arg("all", |arg| arg.short('a')))]
pub(crate) struct Args {
    #[command(flatten)]
    selection: Selection,
    /// json
    #[arg(long)]
    format: Option<String>,
    /// Show whole ids
    #[arg(long, visible_alias = "notruncate")]
    no_trunc: bool,
}

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    ensure!(
        matches!(args.format.as_deref(), None | Some("" | "json")),
        "unsupported --format option: only json is known"
    );
    in_namespaces("mount")?;
    let engine = globals.engine()?;
    let Selection { all, latest, .. } = args.selection;
    let is_named = [&args.selection.names, &args.selection.filter].iter().any(|list| !list.is_empty());
    let is_list = !(all || latest || is_named || !args.selection.cidfile.is_empty());
    let mut rows = Vec::new();
    if is_list {
        for record in engine.db.containers()? {
            rows.extend(mount_point(&engine, &record).map(|point| (record, point)));
        }
    } else {
        for chosen in args.selection.find(&Containers(&engine), "")? {
            let point = mount(&engine, &chosen.item)?;
            rows.push((chosen.item, point));
        }
    }
    let mut out = std::io::stdout();
    if args.format.as_deref() == Some("json") {
        let documents: Vec<Value> = rows
            .iter()
            .map(|(record, point)| json!({"id": record.id, "Names": [record.name], "mountpoint": point}))
            .collect();
        writeln!(out, "{}", pretty(&documents, 1)?)?;
    } else if let ([(_, point)], false) = (rows.as_slice(), is_list || all) {
        writeln!(out, "{}", point.display())?;
    } else {
        let id = |id: &str| if args.no_trunc { id.to_owned() } else { id[..12].to_owned() };
        let cells = rows.iter().map(|(record, point)| vec![id(&record.id), point.display().to_string()]);
        out.write_all(table(&cells.collect::<Vec<_>>()).as_bytes())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A mount of an ordinary user's is in the user's namespaces only, where the caller has to be to see it.
pub(crate) fn in_namespaces(verb: &str) -> anyhow::Result<()> {
    if rootless::user().is_some() && !nix::unistd::geteuid().is_root() {
        // podman's words.
        bail!("cannot run command \"ketch {verb}\" in rootless mode, must execute `ketch unshare` first");
    }
    Ok(())
}
