//! Where errors go: one line on stderr for people, one in `--log` for engines.
//!
//! podman (through conmon), docker and containerd read the last error of the log file that they named,
//! in the form that runc gives it.

use std::io::Write;
use std::time::SystemTime;

use ketch_runtime::{causes, clock};

use crate::globals::{Globals, LogFormat};
use crate::log::Level;

/// Reports why a command failed: the whole chain of causes on one line.
pub(crate) fn error(globals: &Globals, error: &anyhow::Error) {
    let message = one_line(&causes::line(error.as_ref()));
    log(globals, Level::Error, &message);
    // Nobody may be listening; there is nowhere else to say so.
    // With that word in it, as every runtime's: callers that know no exit status look for it.
    let _ = writeln!(std::io::stderr(), "ketchrun: error: {message}");
}

/// Says that something went wrong that does not stop the command.
pub(crate) fn warning(globals: &Globals, message: &str) {
    if globals.level() < Level::Warning {
        return;
    }
    let message = one_line(message);
    log(globals, Level::Warning, &message);
    let _ = writeln!(std::io::stderr(), "ketchrun: warning: {message}");
}

/// With `--debug` or `--log-level=debug`: on the log, or on stderr where there is none.
pub(crate) fn debug(globals: &Globals, message: impl FnOnce() -> String) {
    if globals.level() < Level::Debug {
        return;
    }
    let message = one_line(&message());
    if globals.log.is_some() {
        log(globals, Level::Debug, &message);
    } else {
        let _ = writeln!(std::io::stderr(), "ketchrun: debug: {message}");
    }
}

/// Prints a command's answer. A reader that went away is an error like any other.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(|e| anyhow::anyhow!("cannot write to stdout: {e}"))
}

fn log(globals: &Globals, level: Level, message: &str) {
    let Some(target) = &globals.log else { return };
    let line = line(globals.log_format, level.word(), message, &clock::to_second(SystemTime::now()));
    if let Err(e) = target.write(level, message, &line) {
        let _ = writeln!(std::io::stderr(), "ketchrun: cannot write the log {target}: {e}");
    }
}

fn line(format: LogFormat, level: &str, message: &str, time: &str) -> String {
    // A JSON string is a valid logfmt one too, and it is always one line.
    let message = serde_json::Value::from(message);
    match format {
        LogFormat::Text => format!("time=\"{time}\" level={level} msg={message}\n"),
        LogFormat::Json => format!("{{\"level\":\"{level}\",\"msg\":{message},\"time\":\"{time}\"}}\n"),
    }
}

fn one_line(text: &str) -> String {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_as_engines_read_them() {
        let time = "2025-01-02T03:04:05Z";
        assert_eq!(
            line(LogFormat::Text, "error", "no \"x\"", time),
            "time=\"2025-01-02T03:04:05Z\" level=error msg=\"no \\\"x\\\"\"\n"
        );
        assert_eq!(
            line(LogFormat::Json, "error", "no \"x\"", time),
            "{\"level\":\"error\",\"msg\":\"no \\\"x\\\"\",\"time\":\"2025-01-02T03:04:05Z\"}\n"
        );
    }
}
