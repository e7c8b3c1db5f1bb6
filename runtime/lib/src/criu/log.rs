//! What CRIU's log says of a failure.

use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;
use std::path::Path;

use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;

use super::CriuError;

/// Errors that are shown: the first ones name the cause, the later ones what comes of it.
const SHOWN: usize = 3;

/// A failure with the log's own words for it, and where the rest of them is, if `path` is where it stays.
pub(crate) fn explain(error: CriuError, directory: &File, path: Option<&Path>, name: &str) -> CriuError {
    let (what, fallback) = match error {
        CriuError::Failed { what, reason } => (what, reason),
        CriuError::Gone { what, reason } => (what, format!("it has ended, {reason}")),
        other => return other,
    };
    let errors = read(directory, name).map(|text| errors(&text)).unwrap_or_default();
    let reason = if errors.is_empty() { fallback } else { errors.join("; ") };
    let reason = match path {
        Some(path) => format!("{reason}; its log is {}", path.join(name).display()),
        None => reason,
    };
    CriuError::Failed { what, reason }
}

/// The log as it stands, its first megabyte; it holds what a container's processes are called, which may be anything.
fn read(directory: &File, name: &str) -> Option<String> {
    const MOST: u64 = 1 << 20;
    let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW;
    let file = openat(directory.as_fd(), name, flags, Mode::empty()).ok()?;
    let mut text = Vec::new();
    File::from(file).take(MOST).read_to_end(&mut text).ok()?;
    Some(String::from_utf8_lossy(&text).into_owned())
}

/// The text of the first error lines: `(00.02) 1: Error (criu/tty.c:12): tty: no`.
fn errors(log: &str) -> Vec<String> {
    let mut errors = Vec::new();
    for line in log.lines() {
        let Some(at) = line.find("Error (") else { continue };
        let Some((_, text)) = line[at..].split_once("): ") else { continue };
        let text = text.trim();
        // Neither the end of it all nor what CRIU can do without.
        let says_nothing = text.ends_with("FAILED.") || text.contains("Can't setup RLIMIT_NOFILE");
        if !text.is_empty() && !says_nothing && !errors.iter().any(|known| known == text) {
            errors.push(text.to_owned());
        }
        if errors.len() == SHOWN {
            break;
        }
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_errors_are_the_cause() {
        let log = "\
(00.000001) Version: 4.2 (gitid 0)
(00.0) Error (criu/rlimit.c:9): rlimit: Can't setup RLIMIT_NOFILE for self: Operation not permitted
(00.1)      1: Error (criu/sk-inet.c:191): inet: Connected TCP socket, consider using --tcp-established option.
(00.2) Error (criu/cr-dump.c:1635): Dump files (pid: 7) failed with -1
(00.2) Error (criu/cr-dump.c:1635): Dump files (pid: 7) failed with -1
(00.3) Error (criu/cr-dump.c:2111): Dumping FAILED.
";
        assert_eq!(
            errors(log),
            [
                "inet: Connected TCP socket, consider using --tcp-established option.",
                "Dump files (pid: 7) failed with -1"
            ]
        );
        assert!(errors("(00.1) Warn (x): y").is_empty());
    }
}
