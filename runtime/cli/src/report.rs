//! Where errors go: one line on stderr for people, one in `--log` for engines.
//!
//! podman (through conmon), docker and containerd read the last error of the log file that they named,
//! in the form that runc gives it.

use std::fs::File;
use std::io::Write;
use std::time::SystemTime;

use ketch_runtime::causes;

use crate::globals::{Globals, LogFormat};

/// Reports why a command failed: the whole chain of causes on one line.
pub(crate) fn error(globals: &Globals, error: &anyhow::Error) {
    let message = one_line(&causes::line(error.as_ref()));
    log(globals, "error", &message);
    // Nobody may be listening; there is nowhere else to say so.
    let _ = writeln!(std::io::stderr(), "ketchrun: {message}");
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
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let line = line(globals.log_format, level, message, &utc(now));
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

/// RFC 3339 in UTC, to the second.
fn utc(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", rest / 3600, rest / 60 % 60, rest % 60)
}

/// Days since 1970-01-01 as year, month and day (proleptic Gregorian calendar, eras of 400 years that
/// begin in March, so that a leap day is the last of its year).
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_251_199, "2024-02-29T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(utc(seconds), text);
        }
    }

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
