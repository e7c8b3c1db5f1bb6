//! `ketch top`

use std::io::Write;
use std::process::ExitCode;

use ketch_engine::container::top::{Column, DEFAULT, columns, top};

use super::select::one;
use crate::globals::Globals;
use crate::output::table;

/// Show the processes of a container
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    /// The container that was created last; all words are columns then
    #[arg(long, short)]
    latest: bool,
    /// The container, and the columns to show: pid, user, args, … (`--help` has no list; a wrong name gets it), or as with ps(1): -eo pid,args, -ef, aux
    #[arg(value_names = ["CONTAINER", "COLUMN..."], num_args = 0.., trailing_var_arg = true)]
    words: Vec<String>,
}

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    let engine = globals.engine()?;
    let nothing = "you must provide the name or id of a running container";
    let (record, columns) = whose(&args.words, args.latest, |name| one(&engine, name, args.latest, nothing))?;
    print(&columns, top(&engine, &record, &columns)?)
}

/// Whose processes are asked for, and the columns to show. With `latest` all words are columns; without columns they are
/// podman's own.
pub(crate) fn whose<T>(
    words: &[String],
    latest: bool,
    find: impl FnOnce(Option<&str>) -> anyhow::Result<T>,
) -> anyhow::Result<(T, Vec<Column>)> {
    let (name, words) = match words.split_first() {
        Some((first, rest)) if !latest => (Some(first.as_str()), rest),
        _ => (None, words),
    };
    let found = find(name).map_err(|error| {
        if name.is_some() { error.context("unable to look up requested container") } else { error }
    })?;
    let columns = if words.is_empty() { columns(&DEFAULT.map(str::to_owned))? } else { columns(words)? };
    Ok((found, columns))
}

/// Prints the processes below the columns' headers.
pub(crate) fn print(columns: &[Column], processes: Vec<Vec<String>>) -> anyhow::Result<ExitCode> {
    let mut rows = vec![columns.iter().map(|column| column.header().to_owned()).collect()];
    rows.extend(processes);
    std::io::stdout().write_all(table(&rows).as_bytes())?;
    Ok(ExitCode::SUCCESS)
}
