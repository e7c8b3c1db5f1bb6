//! Health checks: a command that is run in the container again and again, and tells whether it does its work.
//!
//! The monitor keeps the time, and starts a process of ketch's own for each check ([`PROGRAM`]): it has a child and a pipe to
//! wait for, a database to open and perhaps a container to stop, none of which is for a process that stays small.

mod check;
mod results;
mod settle;
mod test;

pub use check::{CheckError, check, main};
pub use results::{Entry, Results, Verdict};
pub(crate) use settle::settle;

use std::path::Path;

use ketch_cgroups::systemd::Manager;
use ketch_monitor::config::HealthTimer;

use super::options::{Health, Options};
use crate::Engine;
use crate::state::containers::Record;

/// `argv[0]` of the process that makes one check.
pub const PROGRAM: &str = "ketch-health";

const SECOND: u64 = 1_000_000_000;

impl Health {
    /// The words of the check; None when there is none.
    pub fn words(&self) -> Option<&[String]> {
        self.test.as_deref().filter(|words| words.first().is_some_and(|kind| kind != "NONE"))
    }

    /// podman's defaults for what nobody has said.
    pub fn interval(&self) -> u64 {
        self.interval.unwrap_or(30 * SECOND)
    }

    pub fn timeout(&self) -> u64 {
        self.timeout.unwrap_or(30 * SECOND)
    }

    pub fn start_period(&self) -> u64 {
        self.start_period.unwrap_or(0)
    }

    pub fn retries(&self) -> u32 {
        self.retries.unwrap_or(3)
    }

    pub fn log_count(&self) -> u32 {
        self.log_count.unwrap_or(5)
    }

    pub fn log_size(&self) -> u32 {
        self.log_size.unwrap_or(500)
    }
}

/// The container's check, if it has one.
pub fn of(options: &Options) -> Option<&Health> {
    options.health.as_ref().filter(|health| health.words().is_some())
}

/// What the container's monitor has to do for it.
pub(super) fn timer(engine: &Engine, record: &Record) -> Option<HealthTimer> {
    let health = of(&record.options)?;
    let startup = health.startup.as_ref().map(|startup| startup.interval.unwrap_or(health.interval()));
    if health.interval() == 0 && startup.is_none_or(|interval| interval == 0) {
        return None;
    }
    let systemd = serde_json::to_string(&engine.systemd).expect("a manager has no keys but strings");
    let path = |path: &Path| path.to_str().map(str::to_owned);
    Some(HealthTimer {
        interval: health.interval(),
        startup_interval: startup,
        words: vec![
            PROGRAM.to_owned(),
            path(&engine.paths.root)?,
            path(&engine.paths.run)?,
            record.id.clone(),
            systemd,
        ],
    })
}

/// The other end of [`timer`]'s words.
fn engine_of(words: &[String]) -> Option<(Engine, &str)> {
    let [_, root, run, id, systemd] = words else { return None };
    let paths = crate::Paths { root: root.into(), run: run.into() };
    let db = crate::state::Database::open(&paths.database()).ok()?;
    let systemd: Manager = serde_json::from_str(systemd).ok()?;
    Some((Engine { paths, db, cgroup_manager: None, systemd }, id))
}
