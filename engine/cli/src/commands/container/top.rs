//! `ketch top`

use std::io::Write;
use std::process::ExitCode;

use ketch_engine::container::top::{Column, DEFAULT, parse, top};

use super::select::one;
use crate::globals::Globals;
use crate::output::table;

/// Show the processes of a container
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    /// The container that was created last; all words are columns then
    #[arg(long, short)]
    latest: bool,
    /// The container, and the columns to show: pid, user, args, … (`--help` has no list; a wrong name gets it)
    #[arg(value_name = "CONTAINER [COLUMN", trailing_var_arg = true)]
    words: Vec<String>,
}

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    let engine = globals.engine()?;
    let (name, words) = match args.words.split_first() {
        Some((first, rest)) if !args.latest => (Some(first.as_str()), rest),
        _ => (None, &args.words[..]),
    };
    let nothing = "you must provide the name or id of a running container";
    let record = one(&engine, name, args.latest, nothing).map_err(|error| {
        if name.is_some() { error.context("unable to look up requested container") } else { error }
    })?;
    let columns = columns(words)?;
    let mut rows = vec![columns.iter().map(|column| column.header().to_owned()).collect()];
    rows.extend(top(&engine, &record, &columns)?);
    std::io::stdout().write_all(table(&rows).as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// The columns that `words` name, or podman's own.
pub(crate) fn columns(words: &[String]) -> anyhow::Result<Vec<Column>> {
    Ok(if words.is_empty() { parse(&DEFAULT.map(str::to_owned))? } else { parse(words)? })
}
