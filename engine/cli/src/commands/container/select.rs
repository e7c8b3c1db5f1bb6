//! Which containers a command is about: names and ids, `--all`, `--latest`.

use std::io::Write;
use std::process::ExitCode;

use anyhow::{bail, ensure};
use ketch_engine::Engine;
use ketch_engine::state::containers::{FindError, Record};

/// A container and the name it was asked for by, which is what is printed about it.
pub(super) struct Chosen {
    pub(super) shown: String,
    pub(super) record: Record,
}

impl Chosen {
    pub(super) fn by_id(record: Record) -> Chosen {
        Chosen { shown: record.id.clone(), record }
    }
}

/// How containers can be asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) names: &'a [String],
    pub(super) all: bool,
    pub(super) latest: bool,
    /// `--ignore`: a name that leads nowhere is passed over.
    pub(super) ignore: bool,
    /// What is said when nothing was asked for.
    pub(super) nothing: &'a str,
}

impl Wanted<'_> {
    /// Looks all of them up before anything is done to the first, as podman does.
    pub(super) fn find(self, engine: &Engine) -> anyhow::Result<Vec<Chosen>> {
        ensure!(!(self.latest && self.all), "--all and --latest cannot be used together");
        ensure!(!self.latest || self.names.is_empty(), "--latest and containers cannot be used together");
        ensure!(!self.all || self.names.is_empty(), "no arguments are needed with --all");
        if self.all {
            return Ok(engine.db.containers()?.into_iter().map(Chosen::by_id).collect());
        }
        if self.latest {
            return Ok(vec![Chosen::by_id(engine.db.latest_container()?)]);
        }
        if self.names.is_empty() {
            bail!("{}", self.nothing);
        }
        let mut found = Vec::new();
        for name in self.names {
            ensure!(!name.is_empty(), "name or ID cannot be empty");
            match engine.db.find_container(name) {
                Ok(record) => found.push(Chosen { shown: name.clone(), record }),
                Err(FindError::NotFound(_)) if self.ignore => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(found)
    }
}

/// One container, by name or `--latest`.
pub(super) fn one(
    engine: &Engine,
    name: Option<&str>,
    latest: bool,
    nothing: &str,
) -> anyhow::Result<Record> {
    match (name, latest) {
        (Some(_), true) => bail!("--latest and containers cannot be used together"),
        (Some(name), false) => Ok(engine.db.find_container(name)?),
        (None, true) => Ok(engine.db.latest_container()?),
        (None, false) => bail!("{nothing}"),
    }
}

/// Does something to each and prints the names of those that it was done to. An error does not keep the others from
/// their turn: each gets a line, and the last one decides the exit code.
pub(super) fn each(
    chosen: Vec<Chosen>,
    work: impl FnMut(&Record) -> anyhow::Result<()>,
) -> anyhow::Result<ExitCode> {
    to_each(chosen, work, true)
}

/// The same without printing their names.
pub(super) fn each_quietly(
    chosen: Vec<Chosen>,
    work: impl FnMut(&Record) -> anyhow::Result<()>,
) -> anyhow::Result<ExitCode> {
    to_each(chosen, work, false)
}

fn to_each(
    chosen: Vec<Chosen>,
    mut work: impl FnMut(&Record) -> anyhow::Result<()>,
    names: bool,
) -> anyhow::Result<ExitCode> {
    let mut failed: Option<anyhow::Error> = None;
    for Chosen { shown, record } in chosen {
        match work(&record) {
            Ok(()) if names => writeln!(std::io::stdout(), "{shown}")?,
            Ok(()) => {}
            Err(error) => {
                if let Some(earlier) = failed.replace(error) {
                    crate::failure::report(&earlier);
                }
            }
        }
    }
    failed.map_or(Ok(ExitCode::SUCCESS), Err)
}

/// A container's exit code as this program's.
pub(super) fn exit_code(code: i32) -> ExitCode {
    ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX))
}
