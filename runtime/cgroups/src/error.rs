use std::io;
use std::path::PathBuf;

use crate::systemd::BusError;

/// A cgroup step that failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot {step} {path}")]
    Io { step: &'static str, path: PathBuf, source: io::Error },
    /// The kernel refused a value; `hint` is empty or `" (why)"`.
    #[error("cannot write {value:?} to {path}{hint}")]
    Write { value: String, path: PathBuf, hint: String, source: io::Error },
    #[error("{path} is not empty: a cgroup must have no processes before a container is put in")]
    NotEmpty { path: PathBuf },
    #[error("{path} is frozen: a container put in would not start")]
    Frozen { path: PathBuf },
    #[error("{what} cannot be honoured here: {reason}")]
    Unsupported { what: String, reason: String },
    #[error("cannot {step} {unit}")]
    Systemd { step: String, unit: String, source: BusError },
    /// The job that a method began did not end well.
    #[error("systemd ended {member} of {unit} with {result:?}: `systemctl status {unit}` may tell why")]
    Job { unit: String, member: String, result: String },
    #[error("systemd did not move process {pid} into {unit}: it is in {path}")]
    NotMoved { unit: String, pid: i32, path: PathBuf },
    #[error("{}", .0.iter().map(|e| format!("{e}: {}", cause(e))).collect::<Vec<_>>().join("; "))]
    Several(Vec<Error>),
}

impl Error {
    pub(crate) fn io(step: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Error {
        let path = path.into();
        move |source| Error::Io { step, path, source }
    }

    pub(crate) fn unsupported(what: impl Into<String>, reason: impl Into<String>) -> Error {
        Error::Unsupported { what: what.into(), reason: reason.into() }
    }

    /// No error, the one, or all of them.
    pub(crate) fn several(mut errors: Vec<Error>) -> Result<(), Error> {
        match errors.len() {
            0 => Ok(()),
            1 => Err(errors.remove(0)),
            _ => Err(Error::Several(errors)),
        }
    }

    /// The kernel's answer, where there was one.
    pub fn errno(&self) -> Option<i32> {
        match self {
            Error::Io { source, .. } | Error::Write { source, .. } => source.raw_os_error(),
            Error::Systemd { source, .. } => source.errno(),
            Error::Several(errors) => errors.first().and_then(Error::errno),
            _ => None,
        }
    }
}

fn cause(error: &Error) -> String {
    std::error::Error::source(error).map(ToString::to_string).unwrap_or_default()
}
