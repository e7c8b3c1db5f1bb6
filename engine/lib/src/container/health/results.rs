//! What the checks have said: `health.json` in the container's directory.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use ketch_monitor::clock;
use serde::{Deserialize, Serialize};

use crate::container::FileError;
use crate::container::options::Health;

const FILE: &str = "health.json";

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    #[default]
    Starting,
    Healthy,
    Unhealthy,
}

impl Verdict {
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Starting => "starting",
            Verdict::Healthy => "healthy",
            Verdict::Unhealthy => "unhealthy",
        }
    }
}

/// podman's fields, and how far a startup check has come.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Results {
    pub status: Verdict,
    pub failing_streak: u32,
    /// The oldest first.
    pub log: Vec<Entry>,
    #[serde(skip_serializing_if = "is_default")]
    pub startup: Tally,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Tally {
    pub(super) passed: bool,
    successes: u32,
    failures: u32,
}

/// One check.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Entry {
    /// RFC 3339
    pub start: String,
    pub end: String,
    /// -1: it took too long.
    pub exit_code: i32,
    pub output: String,
}

fn is_default(tally: &Tally) -> bool {
    *tally == Tally::default()
}

/// What follows from a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Consequence {
    Nothing,
    /// [`Health::on_failure`].
    Act,
    /// The startup check has failed too often.
    StartAnew,
}

impl Results {
    /// Those of the present run, or the last one; none as long as there are none.
    pub fn load(dir: &Path) -> Results {
        // Results that cannot be read are as good as none.
        fs::read(dir.join(FILE)).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default()
    }

    /// At a start: what was before is forgotten.
    pub(in crate::container) fn forget(dir: &Path) -> Result<(), FileError> {
        let path = dir.join(FILE);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(FileError { step: "remove", path, source: error })
            }
            _ => Ok(()),
        }
    }

    /// Adds a result, one process at a time.
    pub(super) fn add(
        dir: &Path,
        health: &Health,
        started: Option<SystemTime>,
        entry: Entry,
    ) -> Result<(Results, Consequence), FileError> {
        let locked = File::open(dir).map_err(FileError::at("open", dir))?;
        locked.lock().map_err(FileError::at("lock", dir))?;
        let mut results = Results::load(dir);
        let early =
            started.and_then(|started| clock::parse(entry.start.as_bytes())?.duration_since(started).ok());
        let early = early.is_some_and(|age| age < Duration::from_nanos(health.start_period()));
        let consequence = results.judge(health, entry.exit_code == 0, early);
        results.log.push(entry);
        let surplus = match health.log_count() {
            0 => 0,
            count => results.log.len().saturating_sub(count as usize),
        };
        results.log.drain(..surplus);
        let (path, new) = (dir.join(FILE), dir.join("health.json.new"));
        let text = serde_json::to_vec(&results).expect("no keys but strings");
        fs::write(&new, text).map_err(FileError::at("write", &new))?;
        fs::rename(&new, &path).map_err(FileError::at("write", &path))?;
        Ok((results, consequence))
    }

    /// `early`: within the start period.
    fn judge(&mut self, health: &Health, success: bool, early: bool) -> Consequence {
        if let Some(startup) = health.startup.as_ref().filter(|_| !self.startup.passed) {
            let tally = &mut self.startup;
            if success {
                tally.successes += 1;
                tally.passed = tally.successes >= startup.successes.max(1);
            } else {
                (tally.successes, tally.failures) = (0, tally.failures + 1);
            }
            let hopeless = startup.retries > 0 && tally.failures >= startup.retries;
            return if hopeless { Consequence::StartAnew } else { Consequence::Nothing };
        }
        if success {
            (self.status, self.failing_streak) = (Verdict::Healthy, 0);
        } else if !(early && self.status == Verdict::Starting) {
            self.failing_streak += 1;
            if self.failing_streak >= health.retries() {
                self.status = Verdict::Unhealthy;
                return Consequence::Act;
            }
        }
        Consequence::Nothing
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::options::Startup;

    /// `+` and `-` are checks that go well and that fail, `_` one that fails early; the status after each.
    fn play(health: &Health, checks: &str) -> (String, Consequence) {
        let mut results = Results::default();
        let mut last = Consequence::Nothing;
        let mut letters = String::new();
        for check in checks.chars() {
            last = results.judge(health, check == '+', check == '_');
            letters.push_str(&results.status.name()[..1]);
        }
        (letters, last)
    }

    #[test]
    fn verdicts() {
        let health = Health { retries: Some(2), ..Health::default() };
        let startup = |retries, successes| {
            let startup = Startup { retries, successes, ..Startup::default() };
            Health { startup: Some(startup), ..health.clone() }
        };
        for (health, checks, letters, last) in [
            (&health, "+--+-", "hhuhh", Consequence::Nothing),
            (&health, "--", "su", Consequence::Act),
            (&health, "---", "suu", Consequence::Act),
            (&health, "____-", "sssss", Consequence::Nothing),
            (&health, "+__", "hhu", Consequence::Act),
            (&startup(3, 0), "--+--", "ssssu", Consequence::Act),
            (&startup(3, 0), "---", "sss", Consequence::StartAnew),
            (&startup(0, 2), "+-+++", "ssssh", Consequence::Nothing),
        ] {
            assert_eq!(play(health, checks), (letters.to_owned(), last), "{checks}");
        }
    }

    #[test]
    fn the_latest_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let health = Health { log_count: Some(2), ..Health::default() };
        for code in 0..4 {
            let entry = Entry { exit_code: code, ..Entry::default() };
            Results::add(dir.path(), &health, None, entry).unwrap();
        }
        let results = Results::load(dir.path());
        assert_eq!(results.log.iter().map(|entry| entry.exit_code).collect::<Vec<_>>(), [2, 3]);
        assert_eq!((results.status, results.failing_streak), (Verdict::Unhealthy, 3));
        Results::forget(dir.path()).unwrap();
        assert_eq!(Results::load(dir.path()), Results::default());
    }
}
