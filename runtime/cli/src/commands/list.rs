use std::collections::HashMap;
use std::fmt::Write;
use std::io::ErrorKind;
use std::process::ExitCode;

use anyhow::Context;
use ketch_runtime::container::list::list;

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
    // Mostly there is one owner, and his name is in a file.
    let mut owners = HashMap::new();
    let (mut ids, mut rows, mut objects) = (String::new(), vec![HEAD.map(str::to_owned)], Vec::new());
    let listed = list(&root, |state| {
        if args.quiet {
            ids.extend([&state.id, "\n"]);
            return;
        }
        let owner = owners.entry(state.owner).or_insert_with(|| user_name(state.owner)).clone();
        let shown = Shown::of(state, state.status(&root), owner);
        match args.format {
            Format::Table => rows.push(row(shown)),
            Format::Json => objects.push(serde_json::to_string(&shown)),
        }
    });
    match listed {
        // The default root is not there before the first container is.
        Err(e) if e.kind() == ErrorKind::NotFound && !globals.root_is_given() => {}
        listed => listed.with_context(|| format!("cannot list the containers below {}", root.display()))?,
    }
    let text = match (args.quiet, args.format) {
        (true, _) => ids,
        (false, Format::Table) => table(&rows),
        (false, Format::Json) => {
            format!("[{}]\n", objects.into_iter().collect::<Result<Vec<_>, _>>()?.join(","))
        }
    };
    report::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

type Row = [String; 6];

const HEAD: [&str; 6] = ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"];

fn row(container: Shown<'_>) -> Row {
    let Shown { id, pid, status, bundle, created, owner, .. } = container;
    let status = format!("{status:?}").to_lowercase();
    [id.to_owned(), pid.to_string(), status, bundle.display().to_string(), created.to_owned(), owner]
}

/// Columns as runc lays them out: at least 12 wide, three blanks between.
fn table(rows: &[Row]) -> String {
    let widths: [usize; 6] =
        std::array::from_fn(|i| rows.iter().map(|row| row[i].chars().count() + 3).max().unwrap_or(0).max(12));
    let mut text = String::new();
    for row in rows {
        for (cell, width) in row.iter().zip(widths).take(5) {
            // Writing to a String cannot fail.
            let _ = write!(text, "{cell:width$}");
        }
        text.push_str(&row[5]);
        text.push('\n');
    }
    text
}
