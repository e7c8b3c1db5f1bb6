//! Which containers a command is about.

use std::process::ExitCode;

use anyhow::bail;
use ketch_engine::Engine;
use ketch_engine::state::containers::{FindError, Record};

use super::filter::{admitted, filters};
use crate::commands::select::Source;

pub(super) use crate::commands::select::{Selection, each};

/// Said by most verbs when nothing was asked for.
pub(super) const NOTHING: &str = "you must provide at least one name or id";

/// All containers of an engine.
pub(super) struct Containers<'a>(pub(super) &'a Engine);

impl Source for Containers<'_> {
    type Item = Record;

    fn id(record: &Record) -> &str {
        &record.id
    }

    fn all(&self) -> anyhow::Result<Vec<Record>> {
        Ok(self.0.db.containers()?)
    }

    fn latest(&self) -> anyhow::Result<Record> {
        Ok(self.0.db.latest_container()?)
    }

    fn find(&self, name: &str) -> anyhow::Result<Record> {
        Ok(self.0.db.find_container(name)?)
    }

    fn is_missing(error: &anyhow::Error) -> bool {
        matches!(error.downcast_ref(), Some(FindError::NotFound(_)))
    }

    fn filtered(&self, texts: &[String]) -> anyhow::Result<Vec<Record>> {
        let filters = filters(self.0, texts)?;
        Ok(admitted(self.0, &filters)?.into_iter().map(|(record, _)| record).collect())
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

/// A container's exit code as this program's.
pub(super) fn exit_code(code: i32) -> ExitCode {
    ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX))
}
