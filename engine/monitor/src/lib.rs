//! The process beside each container.
//!
//! `ketch` starts itself under the name [`PROGRAM`] with a [`Config`]. That process makes the
//! container through `ketch-runtime`, is its parent, copies its output to the log and to the
//! clients attached, reaps it, records the exit and, for `--rm`, has it removed. It has no
//! threads, polls nothing and wakes up only for work.

#![forbid(unsafe_code)]

pub mod attach;
pub mod clock;
pub mod config;
mod end;
pub mod exit;
pub mod lock;
pub mod log;
mod report;
mod run;
mod serve;
pub mod spawn;
mod start;
mod streams;

pub use config::Config;
pub use run::run;

/// `argv[0]` of the monitor.
pub const PROGRAM: &str = "ketch-monitor";
