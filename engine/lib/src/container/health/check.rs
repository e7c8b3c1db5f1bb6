//! One check of a container, and what follows from it.

use std::ffi::OsString;
use std::process::ExitCode;

use ketch_monitor::clock;
use ketch_monitor::config::{HEALTHY, STARTING};
use nix::sys::signal::{SigSet, Signal};

use super::results::{Consequence, Results, Verdict};
use super::{engine_of, of, test};
use crate::Engine;
use crate::container::exec::ExecError;
use crate::container::options::HealthAction;
use crate::container::restart::{self, RestartError};
use crate::container::start::Start;
use crate::container::status::{Status, status};
use crate::container::stop::{SignalError, stop};
use crate::container::{FileError, kill};
use crate::events::{Action, Event};
use crate::image;
use crate::state::containers::Record;

#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// podman's words.
    #[error("container {0} has no defined healthcheck")]
    None(String),
    #[error("container {0} is not running")]
    NotRunning(String),
    #[error(transparent)]
    Exec(#[from] ExecError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Signal(#[from] SignalError),
    #[error(transparent)]
    Restart(#[from] RestartError),
    #[error(transparent)]
    Image(#[from] image::FindError),
}

/// Runs the container's check, in a child of the caller, who has one thread and is a read-only clone of its program
/// (CVE-2019-5736); notes the result, and does what is to be done with a container that is unhealthy.
///
/// Says what this check alone says of it.
pub fn check(engine: &Engine, record: &Record) -> Result<Verdict, CheckError> {
    let health = of(&record.options).ok_or_else(|| CheckError::None(record.id.clone()))?;
    let Status::Running { started, .. } = status(&engine.paths, &record.id) else {
        return Err(CheckError::NotRunning(record.id.clone()));
    };
    let dir = engine.paths.container(&record.id);
    let before = Results::load(&dir);
    let startup = health.startup.as_ref().filter(|_| !before.startup.passed);
    let (words, timeout) = match startup {
        Some(startup) => (&startup.test[..], startup.timeout.unwrap_or(health.timeout())),
        None => (health.words().unwrap_or_default(), health.timeout()),
    };
    let entry = test::run(engine, record, words, timeout, health.log_size())?;
    let success = entry.exit_code == 0;
    let (results, consequence) = Results::add(&dir, health, clock::parse(started.as_bytes()), entry)?;
    engine.event(Event {
        health_status: results.status.name().to_owned(),
        ..Event::of_container(record, Action::HealthStatus)
    });
    follow(engine, record, consequence, health.on_failure)?;
    Ok(match (success, results.status) {
        (true, _) => Verdict::Healthy,
        (false, Verdict::Starting) => Verdict::Starting,
        (false, _) => Verdict::Unhealthy,
    })
}

fn follow(
    engine: &Engine,
    record: &Record,
    consequence: Consequence,
    action: HealthAction,
) -> Result<(), CheckError> {
    match (consequence, action) {
        (Consequence::Nothing, _) | (Consequence::Act, HealthAction::None) => {}
        // Its restart policy may start it again.
        (Consequence::Act, HealthAction::Kill) => kill::unmarked(engine, record, Signal::SIGKILL as i32)?,
        (Consequence::Act, HealthAction::Stop) => drop(stop(engine, record, None)?),
        (Consequence::Act, HealthAction::Restart) | (Consequence::StartAnew, _) => {
            let image = record.image_id.as_deref().map(|id| image::find(engine, id)).transpose()?;
            let how = Start { image: image.as_ref(), detached: true, ..Start::default() };
            restart::begin(engine, record, None)?.finish(engine, record, how)?;
        }
    }
    Ok(())
}

/// `main` of the process that the monitor starts. Its exit code says which check is next, the startup one after [`STARTING`], and
/// whether all is well: [`HEALTHY`].
pub fn main(words: Vec<OsString>) -> ExitCode {
    // The monitor blocks all signals.
    let _ = SigSet::empty().thread_set_mask();
    let words: Vec<String> = words.into_iter().filter_map(|word| word.into_string().ok()).collect();
    let Some((engine, id)) = engine_of(&words) else { return ExitCode::FAILURE };
    let Ok(record) = engine.db.find_container(id) else { return ExitCode::FAILURE };
    // One that failed for itself leaves no result; the next may.
    let verdict = check(&engine, &record);
    let waits = record.options.health.as_ref().is_some_and(|health| health.startup.is_some());
    let dir = engine.paths.container(&record.id);
    match verdict {
        _ if waits && !Results::load(&dir).startup.passed => ExitCode::from(STARTING),
        Ok(Verdict::Healthy) => ExitCode::from(HEALTHY),
        _ => ExitCode::FAILURE,
    }
}
