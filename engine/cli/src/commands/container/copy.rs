//! `ketch cp`

use std::io::{self, IsTerminal};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{bail, ensure};
use ketch_engine::Engine;
use ketch_engine::container::copy::{Options, Place, copy, copy_in, copy_out};
use ketch_engine::state::containers::{FindError, Record};

use crate::globals::Globals;

/// Copy files between a container, running or not, and the host or another container
///
/// DIR/. is what is in the directory; - on the host's side is a tar archive on stdin or stdout. Devices and sockets are left out.
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    /// What is copied into a container belongs to its user; with =false owners are kept
    #[arg(
        long, short, num_args = 0..=1, require_equals = true, default_value_t = true, default_missing_value = "true",
        action = clap::ArgAction::Set
    )]
    archive: bool,
    /// Let a directory take the place of what is none, and the other way round
    #[arg(long)]
    overwrite: bool,
    #[arg(value_name = "[CONTAINER:]SOURCE")]
    source: String,
    #[arg(value_name = "[CONTAINER:]DESTINATION")]
    destination: String,
}

/// One of the two words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct End<'a> {
    container: Option<&'a str>,
    path: &'a str,
}

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    let (from, to) = (End::parse(&args.source), End::parse(&args.destination));
    let words = || format!("invalid arguments {:?}, {:?}", args.source, args.destination);
    ensure!(!from.path.is_empty() && !to.path.is_empty(), "{}: you must specify paths", words());
    ensure!(
        from.container.is_some() || to.container.is_some(),
        "{}: one of them must be of a container (CONTAINER:PATH)",
        words()
    );
    let options = Options { archive: args.archive, overwrite: args.overwrite };
    let engine = globals.engine()?;
    let from_record = from.container.map(|name| find(&engine, name)).transpose()?;
    let to_record = to.container.map(|name| find(&engine, name)).transpose()?;
    match (&from_record, &to_record) {
        (Some(record), None) if to.path == "-" => {
            if io::stdout().is_terminal() {
                bail!("cannot write an archive to a terminal: redirect stdout to a file or a pipe");
            }
            copy_out(&engine, record, from.shown(), from.path, io::stdout().lock())?;
        }
        (None, Some(record)) if from.path == "-" => {
            if io::stdin().is_terminal() {
                bail!("cannot read an archive from a terminal: redirect stdin from a file or a pipe");
            }
            copy_in(&engine, record, to.shown(), to.path, io::stdin().lock(), options)?;
        }
        _ => copy(&engine, from.place(from_record.as_ref()), to.place(to_record.as_ref()), options)?,
    }
    Ok(ExitCode::SUCCESS)
}

impl<'a> End<'a> {
    /// As podman: what begins with `/` or `.` is a path of the host, whatever follows.
    fn parse(word: &'a str) -> End<'a> {
        match word.split_once(':') {
            Some((container, path)) if !word.starts_with(['/', '.']) => {
                End { container: Some(container), path }
            }
            _ => End { container: None, path: word },
        }
    }

    fn shown(&self) -> &'a str {
        self.container.unwrap_or_default()
    }

    fn place(&self, record: Option<&'a Record>) -> Place<'a> {
        match record {
            Some(record) => Place::Container { record, shown: self.shown(), path: self.path },
            None => Place::Host(Path::new(self.path)),
        }
    }
}

/// podman has words of its own here.
fn find(engine: &Engine, name: &str) -> anyhow::Result<Record> {
    ensure!(!name.is_empty(), "name or ID cannot be empty");
    match engine.db.find_container(name) {
        Err(FindError::NotFound(_)) => bail!("container {name:?} does not exist"),
        found => Ok(found?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends() {
        for (word, container, path) in [
            ("c:/a", Some("c"), "/a"),
            ("c:a:b", Some("c"), "a:b"),
            ("./c:a", None, "./c:a"),
            ("/c:a", None, "/c:a"),
            ("a", None, "a"),
            ("-", None, "-"),
            (":a", Some(""), "a"),
        ] {
            assert_eq!(End::parse(word), End { container, path }, "{word}");
        }
    }
}
