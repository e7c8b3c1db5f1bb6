//! What ketch says of its own work, on stderr: as much of it as `--log-level` asks for.

use std::io::Write;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::SystemTime;

use ketch_monitor::clock;

use crate::failure::Failure;

/// A [`Level`] as a number.
static LEVEL: AtomicU8 = AtomicU8::new(Level::Warn as u8);

/// The names that podman has. Errors are always shown: they are what a command answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    Error,
    Warn,
    Debug,
}

impl Level {
    pub(crate) fn parse(name: &str) -> Result<Level, Failure> {
        match name.to_ascii_lowercase().as_str() {
            "trace" | "debug" => Ok(Level::Debug),
            // There is nothing of less weight than a warning that is not for debugging.
            "info" | "warn" | "warning" => Ok(Level::Warn),
            "error" | "fatal" | "panic" => Ok(Level::Error),
            _ => Err(Failure {
                code: 1,
                message: format!(
                    "Log Level {name:?} is not supported, choose from: trace, debug, info, warn, warning, error, fatal, \
                     panic"
                ),
            }),
        }
    }
}

pub(crate) fn set_level(level: Level) {
    LEVEL.store(level as u8, Ordering::Relaxed);
}

fn is_shown(level: Level) -> bool {
    level as u8 <= LEVEL.load(Ordering::Relaxed)
}

/// Of what is done all the same.
pub(crate) fn warn(text: &str) {
    if is_shown(Level::Warn) {
        // Nobody has to read it.
        let _ = writeln!(std::io::stderr(), "WARNING: {text}");
    }
}

/// A line in podman's form.
pub(crate) fn debug(text: impl FnOnce() -> String) {
    if is_shown(Level::Debug) {
        let now = clock::rfc3339(SystemTime::now());
        let seconds = now.split('.').next().unwrap_or_default();
        let _ = writeln!(std::io::stderr(), "time=\"{seconds}Z\" level=debug msg={:?}", text());
    }
}
