use std::borrow::Cow;
use std::collections::HashMap;
use std::io::ErrorKind;
use std::process::ExitCode;

use anyhow::Context;
use ketch_runtime::container::glance::Glance;
use ketch_runtime::container::list::List;
use ketch_runtime::container::state::Status;

use super::state::{Shown, user_name};
use crate::globals::Globals;
use crate::report;

/// List the containers below the root directory
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    /// How to print them
    #[arg(short, long, value_enum, default_value_t)]
    format: Format,

    /// Print the ids only
    #[arg(short, long)]
    quiet: bool,
}

#[derive(Debug, Clone, Copy, Default, clap::ValueEnum)]
pub(crate) enum Format {
    #[default]
    Table,
    Json,
}

pub(crate) fn run(globals: &Globals, args: &Args) -> anyhow::Result<ExitCode> {
    let root = globals.root();
    let list = match List::read(&root) {
        // The default root is not there before the first container is.
        Err(e) if e.kind() == ErrorKind::NotFound && !globals.root_is_given() => None,
        list => Some(list.with_context(|| format!("cannot list the containers below {}", root.display()))?),
    };
    let containers: Vec<_> = list.iter().flat_map(List::containers).collect();
    let text = match (args.quiet, args.format) {
        (true, _) => containers.iter().flat_map(|(container, _)| [&container.id, "\n"]).collect(),
        (false, Format::Table) => table(&containers),
        (false, Format::Json) => json(&containers)?,
    };
    report::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

type Containers<'a> = [(Glance<'a>, Status)];

/// The names of all owners: mostly there is one, and his name is in a file.
fn owners(containers: &Containers<'_>) -> HashMap<u32, String> {
    let mut owners = HashMap::new();
    for (container, _) in containers {
        owners.entry(container.owner).or_insert_with(|| user_name(container.owner));
    }
    owners
}

fn json(containers: &Containers<'_>) -> serde_json::Result<String> {
    let owners = owners(containers);
    let shown =
        containers.iter().map(|(container, status)| Shown::of(container, *status, &owners[&container.owner]));
    Ok(serde_json::to_string(&shown.collect::<Vec<_>>())? + "\n")
}

const HEAD: [&str; 6] = ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"];

/// Columns as runc lays them out: at least 12 wide, three blanks between.
fn table(containers: &Containers<'_>) -> String {
    let owners = owners(containers);
    let mut rows = vec![HEAD.map(Cow::Borrowed)];
    rows.extend(containers.iter().map(|(container, status)| -> [Cow<'_, str>; 6] {
        let Glance { id, bundle, created, owner, .. } = container;
        let pid = container.pid_of(*status).to_string();
        let owner = owners[owner].as_str();
        let text = |text| Cow::Borrowed::<str>(text);
        [text(id), pid.into(), text(status.name()), text(bundle), text(created), text(owner)]
    }));
    let mut widths = [12; 6];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count() + 3);
        }
    }
    let mut text = String::new();
    for row in &rows {
        for (cell, width) in row.iter().zip(widths).take(5) {
            text.push_str(cell);
            text.extend(std::iter::repeat_n(' ', width - cell.chars().count()));
        }
        text.extend([&row[5], "\n"]);
    }
    text
}
