//! `top`: the processes of a container, read from procfs. Nothing of the container is executed.

mod column;
mod process;
mod ps;

use ketch_runtime::container::processes::processes;
use ketch_sys::Errno;

use super::exec::{ExecError, open_root};
use super::root::{self, RootError};
use super::stop::{SignalError, running};
use crate::Engine;
use crate::state::containers::Record;

pub use column::{Column, UnknownColumn, go_duration};
use process::{Names, Process, System};
pub use ps::columns;

/// podman's default.
pub const DEFAULT: [&str; 8] = ["user", "pid", "ppid", "pcpu", "etime", "tty", "time", "args"];

#[derive(Debug, thiserror::Error)]
pub enum TopError {
    /// podman's words.
    #[error("top can only be used on running containers")]
    NotRunning,
    #[error(transparent)]
    Signal(#[from] SignalError),
    #[error("cannot list the processes of container {id}")]
    List { id: String, source: ketch_cgroups::Error },
    #[error(transparent)]
    Root(#[from] ExecError),
    #[error(transparent)]
    File(#[from] RootError),
    #[error("cannot read /proc: {0}")]
    Proc(#[from] procfs::ProcError),
    #[error("cannot tell the clock's rate: {}", .0.desc().to_lowercase())]
    Clock(Errno),
}

/// A line a process, a text a column; processes that end meanwhile are left out.
pub fn top(engine: &Engine, record: &Record, columns: &[Column]) -> Result<Vec<Vec<String>>, TopError> {
    let (state, _init) = running(engine, record)?.ok_or(TopError::NotRunning)?;
    let mut pids = processes(&state).map_err(|source| TopError::List { id: record.id.clone(), source })?;
    pids.sort_unstable();
    let root = open_root(record, &state)?;
    let names = Names {
        ids: record.options.userns.is_own().then(|| record.options.userns.maps()),
        inside: process::names(&root::read_file(&root, "etc/passwd")?),
        inside_groups: process::names(&root::read_file(&root, "etc/group")?),
        outside: process::names(&std::fs::read("/etc/passwd").unwrap_or_default()),
        outside_groups: process::names(&std::fs::read("/etc/group").unwrap_or_default()),
    };
    let system = System::read()?;
    let list: Vec<Process> = pids.iter().filter_map(|pid| Process::read(*pid)).collect();
    Ok(list
        .iter()
        .map(|process| columns.iter().map(|column| column.text(process, &list, &names, &system)).collect())
        .collect())
}
