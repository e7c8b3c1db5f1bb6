//! CRIU, the program that takes processes apart and puts them together again, by its RPC: `criu swrk FD`.
//!
//! It is started for one dump or restore, talks over a socket pair, and ends with it.

pub mod external;
mod find;
pub(crate) mod log;
pub(crate) mod namespace;
pub(crate) mod protocol;
pub(crate) mod session;
pub mod statistics;

use std::path::PathBuf;

pub use find::{installed, network_lock};
pub use protocol::{CgroupMode, NetworkLock};

use crate::step::StepError;

/// Why CRIU did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum CriuError {
    #[error("CRIU is not installed: checkpoint and restore need its package `criu`, version 4.2 or newer")]
    Missing,
    #[error(
        "CRIU {found} at {path} is too old for Linux {kernel}, {wanted} is needed: install a newer package `criu`"
    )]
    Old { path: PathBuf, found: String, wanted: &'static str, kernel: String },
    #[error("CRIU cannot {what}: {reason}{}", hint(.reason))]
    Failed { what: &'static str, reason: String },
    #[error("CRIU, which has been told to {what}, is gone ({reason})")]
    Gone { what: &'static str, reason: String },
    #[error("CRIU has sent what is not understood")]
    Garbled,
    #[error(transparent)]
    Step(#[from] StepError),
}

/// What lets CRIU do what it has refused, in brackets, or nothing.
fn hint(reason: &str) -> &'static str {
    const KNOWN: [(&str, &str); 6] = [
        ("Connected TCP socket", " (--tcp-established takes connections along)"),
        ("In-flight connection", " (--tcp-skip-in-flight leaves such connections out)"),
        ("External socket is used", " (--ext-unix-sk allows unix sockets that lead outside)"),
        ("can't dump half of stream", " (--ext-unix-sk allows unix sockets that lead outside)"),
        ("file lock", " (--file-locks takes file locks along)"),
        ("--shell-job", " (--shell-job allows the caller's terminal and session)"),
    ];
    KNOWN.iter().find(|(text, _)| reason.contains(text)).map_or("", |(_, hint)| hint)
}
