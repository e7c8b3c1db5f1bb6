//! `export`: the container's root as one tar.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use tar::Builder;

use super::FileError;
use super::inside::{InsideError, Scope, open_inside};
use crate::Engine;
use crate::events::{Action, Event};
use crate::state::containers::Record;
use crate::store::pack::{PackError, pack_as};

#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error(transparent)]
    Inside(#[from] InsideError),
    #[error(transparent)]
    Pack(#[from] PackError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error("cannot write the archive: {}", crate::store::cause(.0))]
    Write(io::Error),
}

/// Writes all that is in the root, without volumes and other mounts. The calling process must have one thread.
pub fn export(engine: &Engine, record: &Record, out: impl Write) -> Result<(), ExportError> {
    let inside = open_inside(engine, record, Scope::Root)?;
    let mut tar = Builder::new(BufWriter::with_capacity(256 << 10, out));
    pack_as(&inside.directory()?, Path::new(""), inside.ids().into(), &mut tar)?;
    tar.into_inner().and_then(|mut out| out.flush()).map_err(ExportError::Write)?;
    engine.event(Event::of_container(record, Action::Export));
    Ok(())
}
