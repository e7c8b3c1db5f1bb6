//! Where errors go: one line on stderr for people, one in `--log` for engines.
//!
//! podman (through conmon), docker and containerd read the last error of the log file that they named,
//! in the form that runc gives it.

use std::fs::File;
use std::io::Write;
use std::time::SystemTime;

use ketch_runtime::{causes, clock};

use crate::globals::{Globals, LogFormat};

/// Reports why a command failed: the whole chain of causes on one line.
pub(crate) fn error(globals: &Globals, error: &anyhow::Error) {
    let message = one_line(&causes::line(error.as_ref()));
    log(globals, "error", &message);
    // Nobody may be listening; there is nowhere else to say so.
    // With that word in it, as every runtime's: callers that know no exit status look for it.
    let _ = writeln!(std::io::stderr(), "ketchrun: error: {message}");
}

/// Says that something went wrong that does not stop the command.
pub(crate) fn warning(globals: &Globals, message: &str) {
    let message = one_line(message);
    log(globals, "warning", &message);
    let _ = writeln!(std::io::stderr(), "ketchrun: warning: {message}");
}

/// With `--debug`: on the log, or on stderr where there is none.
pub(crate) fn debug(globals: &Globals, message: impl FnOnce() -> String) {
    if !globals.debug {
        return;
    }
    let message = one_line(&message());
    if globals.log.is_some() {
        log(globals, "debug", &message);
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

fn log(globals: &Globals, level: &str, message: &str) {
    let Some(path) = &globals.log else { return };
    let line = line(globals.log_format, level, message, &clock::to_second(SystemTime::now()));
    let written = File::options()
        .append(true)
        .create(true)
        .open(path)
        .and_then(|mut file| file.write_all(line.as_bytes()));
    if let Err(e) = written {
        let _ = writeln!(std::io::stderr(), "ketchrun: cannot write the log {}: {e}", path.display());
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
