//! As much D-Bus as talking to systemd needs: method calls, their answers, and signals, over a unix socket.
//!
//! A client of our own because it must have no threads and is a small part of the protocol: no descriptors are passed,
//! nothing is served, and what is received is read only as far as strings. The specification is
//! <https://dbus.freedesktop.org/doc/dbus-specification.html>.

mod connection;
mod message;
mod value;

pub(crate) use connection::{Connection, Reached};
pub(crate) use message::{Call, Kind, Message};
pub(crate) use value::Value;

use std::io;
use std::path::PathBuf;

/// Why systemd could not be asked, or said no.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    #[error("no D-Bus socket is known: neither $DBUS_SESSION_BUS_ADDRESS nor $XDG_RUNTIME_DIR is set")]
    NoSocket,
    #[error("cannot connect to {path}")]
    Connect { path: PathBuf, source: io::Error },
    #[error("cannot talk to {path}")]
    Talk { path: PathBuf, source: io::Error },
    #[error("{path} does not let this user in: {answer}")]
    Refused { path: PathBuf, answer: String },
    #[error("{path} sent what is no D-Bus message")]
    Malformed { path: PathBuf },
    /// An error that was answered: its D-Bus name and its text.
    #[error("{message} ({name})")]
    Answer { name: String, message: String },
}

impl BusError {
    /// Whether the answer was the error `name` of systemd's.
    pub(crate) fn is(&self, wanted: &str) -> bool {
        matches!(self, BusError::Answer { name, .. }
            if name.strip_prefix("org.freedesktop.systemd1.") == Some(wanted))
    }

    pub(crate) fn errno(&self) -> Option<i32> {
        match self {
            BusError::Connect { source, .. } | BusError::Talk { source, .. } => source.raw_os_error(),
            BusError::Answer { name, .. } if name == "org.freedesktop.DBus.Error.AccessDenied" => {
                Some(nix::libc::EACCES)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::{Connection, Reached};

    pub(crate) use super::message::tests::sent;

    /// A connection over a socket that is connected already.
    pub(crate) fn over(stream: std::os::unix::net::UnixStream, reached: Reached) -> Connection {
        Connection::over(stream, std::path::Path::new("(test)"), reached).expect("let in")
    }
}
