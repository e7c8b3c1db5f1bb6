use std::fmt::Write;
use std::process::ExitCode;

use anyhow::Context;
use ketch_runtime::container::list::list;

use super::state::Shown;
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
    let states = match list(&root) {
        // The default root is not there before the first container is.
        Err(e) if e.kind() == std::io::ErrorKind::NotFound && !globals.root_is_given() => Vec::new(),
        states => states.with_context(|| format!("cannot list the containers below {}", root.display()))?,
    };
    let text = if args.quiet {
        states.iter().fold(String::new(), |text, state| text + &state.id + "\n")
    } else {
        let shown: Vec<Shown<'_>> = states.iter().map(|state| Shown::of(state, &root)).collect();
        match args.format {
            Format::Table => table(&shown),
            Format::Json => serde_json::to_string(&shown)? + "\n",
        }
    };
    report::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// Columns as runc lays them out: at least 12 wide, three blanks between.
fn table(containers: &[Shown<'_>]) -> String {
    let mut rows = vec![["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"].map(str::to_owned)];
    rows.extend(containers.iter().map(|c| {
        let status = format!("{:?}", c.status).to_lowercase();
        let bundle = c.bundle.display().to_string();
        [c.id.to_owned(), c.pid.to_string(), status, bundle, c.created.to_owned(), c.owner.clone()]
    }));
    let widths: [usize; 6] =
        std::array::from_fn(|i| rows.iter().map(|row| row[i].chars().count() + 3).max().unwrap_or(0).max(12));
    let mut text = String::new();
    for row in &rows {
        for (cell, width) in row.iter().zip(widths).take(5) {
            // Writing to a String cannot fail.
            let _ = write!(text, "{cell:width$}");
        }
        text.push_str(&row[5]);
        text.push('\n');
    }
    text
}
