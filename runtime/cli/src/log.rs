//! `--log`: where messages are read by engines and by whoever runs the machine.

use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;

/// crun's three kinds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// `PATH`, `file:PATH`: a line a message, at the end of the file.
    File(PathBuf),
    /// `journald:ID`: systemd's journal.
    Journal(String),
    /// `syslog:ID`: the machine's log.
    Syslog(String),
}

/// RFC 5424's numbers, which the journal has too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    Error = 3,
    Warning = 4,
    Debug = 7,
}

/// systemd's JOURNAL_NATIVE_PROTOCOL.
const JOURNAL: &str = "/run/systemd/journal/socket";

const SYSLOG: &str = "/dev/log";

impl Target {
    /// Never fails: what names no other kind is a file.
    pub(crate) fn parse(word: &str) -> Target {
        match word.split_once(':') {
            Some(("file", path)) => Target::File(path.into()),
            Some(("journald", id)) => Target::Journal(id.to_owned()),
            Some(("syslog", id)) => Target::Syslog(id.to_owned()),
            _ => Target::File(word.into()),
        }
    }

    /// As runc: what cannot be said later is an error before anything is done. A service may come and go.
    pub(crate) fn check(&self) -> io::Result<()> {
        match self {
            Target::File(path) => File::options().append(true).create(true).open(path).map(drop),
            Target::Journal(_) | Target::Syslog(_) => Ok(()),
        }
    }

    /// Writes one message: `line` is its form for a file.
    pub(crate) fn write(&self, level: Level, message: &str, line: &str) -> io::Result<()> {
        match self {
            Target::File(path) => {
                File::options().append(true).create(true).open(path)?.write_all(line.as_bytes())
            }
            Target::Journal(id) => send(JOURNAL, &for_journal(level, id, message)),
            Target::Syslog(id) => send(SYSLOG, &for_syslog(level, id, std::process::id(), message)),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::File(path) => write!(f, "{}", path.display()),
            Target::Journal(_) => write!(f, "of the journal at {JOURNAL}"),
            Target::Syslog(_) => write!(f, "of syslog at {SYSLOG}"),
        }
    }
}

impl Level {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Level::Error => "error",
            Level::Warning => "warning",
            Level::Debug => "debug",
        }
    }
}

fn send(socket: &str, datagram: &str) -> io::Result<()> {
    UnixDatagram::unbound()?.send_to(datagram.as_bytes(), socket).map(drop)
}

/// A field a line; the values have no newline of their own.
fn for_journal(level: Level, id: &str, message: &str) -> String {
    format!("PRIORITY={}\nSYSLOG_IDENTIFIER={}\nMESSAGE={message}\n", level as u8, id.replace('\n', " "))
}

/// syslog(3)'s form, without the time, which the receiver adds: facility 1 (user) and level, name, number, message.
fn for_syslog(level: Level, id: &str, pid: u32, message: &str) -> String {
    format!("<{}>{id}[{pid}]: {message}", 8 | level as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets() {
        for (word, target) in [
            ("/x/log", Target::File("/x/log".into())),
            ("file:/x/log", Target::File("/x/log".into())),
            ("c:d", Target::File("c:d".into())),
            ("journald:web", Target::Journal("web".into())),
            ("syslog:web", Target::Syslog("web".into())),
        ] {
            assert_eq!(Target::parse(word), target, "{word}");
        }
    }

    #[test]
    fn datagrams() {
        assert_eq!(
            for_journal(Level::Warning, "web", "no root"),
            "PRIORITY=4\nSYSLOG_IDENTIFIER=web\nMESSAGE=no root\n"
        );
        assert_eq!(for_syslog(Level::Error, "web", 7, "no root"), "<11>web[7]: no root");
    }
}
