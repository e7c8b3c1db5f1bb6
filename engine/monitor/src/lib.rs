//! The process beside each container.
//!
//! `ketch` starts itself under the name [`PROGRAM`] with a [`Config`]. That process makes the
//! container through `ketch-runtime`, is its parent, copies its output to the log and to the
//! clients attached, reaps it, records the exit and, for `--rm`, has it removed. It has no
//! threads, polls nothing and wakes up only for work.
//!
//! What its death by SIGKILL leaves is told apart by what is there: the [`lock`] is free and there is no
//! [`exit`] record. A container that was not let go yet ends with it; a running one lives on (nothing asks
//! for PDEATHSIG: a lost log is no reason to lose the work), until it writes into a pipe without a reader.
//! Only the runtime's state tells of it then. The socket file is stale and replaced by the next run.

#![forbid(unsafe_code)]

pub mod account;
pub mod attach;
pub mod config;
mod end;
pub mod exit;
pub mod kept;
pub mod lock;
pub mod log;
pub mod members;
pub mod notify;
mod report;
mod run;
mod serve;
pub mod spawn;
mod start;
mod streams;

pub use config::Config;
pub use ketch_runtime::clock;
pub use run::{Hooks, run};

/// `argv[0]` of the monitor.
pub const PROGRAM: &str = "ketch-monitor";
