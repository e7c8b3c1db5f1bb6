//! Restart policies: a container that has ended by itself is started again, by its monitor, which ends after that.
//!
//! Two files tell one run's end from another's. The mark says that somebody wants it ended: it is written before the signal
//! is sent and goes with the next start by a command. The tally counts the starts since then that were nobody's command.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use ketch_cgroups::systemd::Manager;
use ketch_monitor::exit::Exit;
use ketch_monitor::{Config, clock};
use serde::{Deserialize, Serialize};

use super::FileError;
use super::checkpoint::marker;
use super::cleanup::paths;
use super::options::RestartPolicy;
use super::start::{Start, StartError, start};
use crate::state::Database;
use crate::state::containers::Record;
use crate::{Engine, Paths, image};

const MARK: &str = "ended";
const TALLY: &str = "restarts.json";
/// `update` has changed the policy of a container that runs.
const CHANGED: &str = "policy-changed";

/// docker's pace: a tenth of a second, twice as much each time, a minute at most; from the beginning again after a run of
/// ten seconds. Only the first time nobody waits.
const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(60);
const GOOD_RUN: Duration = Duration::from_secs(10);

/// Starts by the policy, in the container's directory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tally {
    /// Since the last start by a command.
    count: u32,
    /// Since the last good run.
    in_a_row: u32,
}

/// How often the policy has started the container since a command did.
pub fn restarts(paths: &Paths, record: &Record) -> u32 {
    if record.options.restart == RestartPolicy::No { 0 } else { tally(&paths.container(&record.id)).count }
}

fn tally(dir: &Path) -> Tally {
    // One that cannot be read is none: a container too many is started, and counted from then on.
    fs::read(dir.join(TALLY)).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default()
}

/// Somebody wants the container ended: before it is.
pub(super) fn mark(dir: &Path) -> Result<(), FileError> {
    let path = dir.join(MARK);
    fs::write(&path, []).map_err(FileError::at("write", &path))
}

pub(super) fn is_marked(dir: &Path) -> bool {
    dir.join(MARK).exists()
}

/// At a start by a command: what was before is forgotten.
pub(super) fn begin(dir: &Path) -> Result<(), FileError> {
    for name in [MARK, TALLY, CHANGED] {
        let path = dir.join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(FileError { step: "remove", path, source: error });
            }
            _ => {}
        }
    }
    Ok(())
}

/// Its monitor is to look again what the policy is.
pub(super) fn note_change(dir: &Path) -> Result<(), FileError> {
    let path = dir.join(CHANGED);
    fs::write(&path, []).map_err(FileError::at("write", &path))
}

impl RestartPolicy {
    /// Whether one that has ended so, of itself, is started again.
    fn wants(self, code: i32, count: u32) -> bool {
        match self {
            RestartPolicy::No => false,
            RestartPolicy::Always | RestartPolicy::UnlessStopped => true,
            RestartPolicy::OnFailure { retries } => code != 0 && (retries == 0 || count < retries),
        }
    }
}

impl Tally {
    pub(super) fn save(self, dir: &Path) -> Result<(), FileError> {
        let path = dir.join(TALLY);
        let text = serde_json::to_vec(&self).expect("two numbers");
        fs::write(&path, text).map_err(FileError::at("write", &path))
    }

    /// The next one, and how long it waits, after a run of this length.
    fn next(self, run: Duration) -> (Tally, Duration) {
        let in_a_row = if run >= GOOD_RUN { 0 } else { self.in_a_row };
        let pause = match in_a_row.checked_sub(1) {
            None => Duration::ZERO,
            Some(doublings) => FIRST.saturating_mul(1 << doublings.min(16)).min(LONGEST),
        };
        (Tally { count: self.count + 1, in_a_row: in_a_row + 1 }, pause)
    }
}

/// In the monitor, after all that is known of the end was recorded and its lock is free: starts the container again if its
/// policy says so. A failure is the new run's, and recorded as such.
pub(super) fn ended(config: &Config, exit: &Exit) {
    let may = config.restarts || config.dir.join(CHANGED).exists();
    if !may || is_marked(&config.dir) || marker::read(&config.dir).is_some() {
        return;
    }
    let Some(paths) = paths(config) else { return };
    let Ok(db) = Database::open(&paths.database()) else { return };
    let systemd = config.systemd.clone().unwrap_or_else(Manager::system);
    let engine = Engine { paths, db, cgroup_manager: None, systemd };
    // `update --restart` may have changed it since. What is not found was removed.
    let Ok(record) = engine.db.find_container(&config.id) else { return };
    let tally = tally(&config.dir);
    if record.options.restart.wants(exit.code, tally.count) {
        let (next, pause) = tally.next(run(exit));
        std::thread::sleep(pause);
        let _ = again(&engine, &record, next);
    }
}

/// How long it ran.
fn run(exit: &Exit) -> Duration {
    let time = |text: &str| clock::parse(text.as_bytes());
    let run = time(&exit.finished).zip(time(&exit.started)).map(|(end, begin)| end.duration_since(begin));
    run.and_then(Result::ok).unwrap_or_default()
}

fn again(engine: &Engine, record: &Record, tally: Tally) -> Result<(), StartError> {
    let image = record.image_id.as_deref().map(|id| image::find(engine, id)).transpose()?;
    let how = Start { image: image.as_ref(), detached: true, by_policy: Some(tally), ..Start::default() };
    start(engine, record, how).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wishes() {
        let failures = |retries| RestartPolicy::OnFailure { retries };
        for (policy, code, count, expected) in [
            (RestartPolicy::No, 1, 0, false),
            (RestartPolicy::Always, 0, 100, true),
            (RestartPolicy::UnlessStopped, 0, 100, true),
            (failures(0), 1, 100, true),
            (failures(0), 0, 0, false),
            (failures(2), 1, 1, true),
            (failures(2), 1, 2, false),
        ] {
            assert_eq!(policy.wants(code, count), expected, "{policy:?} after {code}, {count} times");
        }
    }

    #[test]
    fn pace() {
        let mut tally = Tally::default();
        let mut pauses = Vec::new();
        for _ in 0..13 {
            let (next, pause) = tally.next(Duration::from_secs(1));
            pauses.push(pause.as_millis());
            tally = next;
        }
        assert_eq!(pauses[..4], [0, 100, 200, 400]);
        assert_eq!(pauses[11..], [60_000, 60_000]);
        assert_eq!(tally.next(GOOD_RUN), (Tally { count: 14, in_a_row: 1 }, Duration::ZERO));
    }

    #[test]
    fn files() {
        let dir = tempfile::tempdir().unwrap();
        begin(dir.path()).unwrap();
        assert!(!is_marked(dir.path()));
        mark(dir.path()).unwrap();
        Tally { count: 3, in_a_row: 1 }.save(dir.path()).unwrap();
        assert!(is_marked(dir.path()));
        assert_eq!(tally(dir.path()).count, 3);
        begin(dir.path()).unwrap();
        assert!(!is_marked(dir.path()));
        assert_eq!(tally(dir.path()).count, 0);
    }
}
