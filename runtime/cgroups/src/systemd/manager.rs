//! A manager: where it is reached, and what is asked of it.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::bus::{BusError, Call, Connection, Kind, Reached, Value};
use super::name;
use crate::Error;

/// The systemd that makes cgroups: the host's or a user's. Kept in a container's state, so that later commands ask the same.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Manager {
    /// Whether it is a user's own.
    pub user: bool,
    /// A message bus, tried first, and systemd's own socket.
    pub bus: Option<PathBuf>,
    pub private: Option<PathBuf>,
}

impl Manager {
    /// The host's own.
    pub fn system() -> Manager {
        Manager {
            user: false,
            bus: Some("/run/dbus/system_bus_socket".into()),
            private: Some("/run/systemd/private".into()),
        }
    }

    /// A user's, by the values of `$XDG_RUNTIME_DIR` and `$DBUS_SESSION_BUS_ADDRESS`.
    pub fn of_user(runtime_directory: Option<&Path>, bus_address: Option<&OsStr>) -> Manager {
        let below = |name: &str| runtime_directory.map(|directory| directory.join(name));
        Manager {
            user: true,
            bus: bus_address.and_then(socket).or_else(|| below("bus")),
            private: below("systemd/private"),
        }
    }

    fn connect(&self) -> Result<Connection, BusError> {
        let bus = self.bus.clone().map(|path| (path, Reached::Bus));
        let private = self.private.clone().map(|path| (path, Reached::Systemd));
        let sockets: Vec<_> = bus.into_iter().chain(private).collect();
        Connection::open(&sockets)
    }
}

/// The first socket with a path in an address such as `unix:path=/run/user/1000/bus,guid=…`.
fn socket(address: &OsStr) -> Option<PathBuf> {
    let path = |transport: &[u8]| {
        let keys = transport.strip_prefix(b"unix:")?;
        let path = keys.split(|byte| *byte == b',').find_map(|key| key.strip_prefix(b"path="))?;
        // Odd characters would be escaped.
        (!path.contains(&b'%')).then(|| PathBuf::from(OsStr::from_bytes(path)))
    };
    address.as_bytes().split(|byte| *byte == b';').find_map(path)
}

/// An open conversation with a manager.
#[derive(Debug)]
pub(super) struct Talk {
    connection: Connection,
}

const MANAGER: &str = "org.freedesktop.systemd1.Manager";

impl Talk {
    pub(super) fn with(manager: &Manager) -> Result<Talk, BusError> {
        manager.connect().map(Talk::over)
    }

    fn over(connection: Connection) -> Talk {
        Talk { connection }
    }

    /// Calls a method that starts a job, and waits for the job's end, which systemd tells by a signal.
    ///
    /// Everything is sent at once. The order on the bus is kept, so the signal is asked for before the job begins.
    pub(super) fn job(&mut self, unit: &str, member: &str, arguments: Vec<Value>) -> Result<(), Error> {
        let mut calls = Vec::new();
        if self.connection.reached == Reached::Bus {
            calls.push(of_bus("Hello", vec![]));
            calls.push(of_bus("AddMatch", vec![Value::text(JOBS)]));
            calls.push(of_systemd("Subscribe", vec![]));
        }
        calls.push(of_systemd(member, arguments));
        let step = format!("have systemd carry out {member} of");
        let failed = |source| Error::Systemd { step: step.clone(), unit: unit.to_owned(), source };
        let serials = self.connection.call(&calls).map_err(failed)?;
        // An error of the first calls is the reason for that of the others.
        let mut body = Vec::new();
        for serial in serials {
            body = self.connection.answer(serial).map_err(failed)?;
        }
        let job = body.into_iter().next().unwrap_or_default();
        let end = self.connection.wait_for(|message| {
            message.kind == Kind::Signal("JobRemoved".into()) && message.body.get(1) == Some(&job)
        });
        match end.map_err(failed)?.body.get(3).map(String::as_str) {
            Some("done") => Ok(()),
            result => Err(Error::Job {
                unit: unit.to_owned(),
                member: member.to_owned(),
                result: result.unwrap_or("without a result").to_owned(),
            }),
        }
    }

    /// Calls a method that is done when it is answered.
    pub(super) fn call(&mut self, call: Call<'_>) -> Result<Vec<String>, BusError> {
        let mut calls = Vec::new();
        if self.connection.reached == Reached::Bus {
            calls.push(of_bus("Hello", vec![]));
        }
        calls.push(call);
        let mut body = Vec::new();
        for serial in self.connection.call(&calls)? {
            body = self.connection.answer(serial)?;
        }
        Ok(body)
    }
}

/// Only the jobs' ends are of interest.
const JOBS: &str = "type='signal',sender='org.freedesktop.systemd1',path='/org/freedesktop/systemd1',\
    interface='org.freedesktop.systemd1.Manager',member='JobRemoved'";

fn of_bus(member: &'static str, arguments: Vec<Value>) -> Call<'static> {
    Call {
        destination: "org.freedesktop.DBus",
        path: "/org/freedesktop/DBus",
        interface: "org.freedesktop.DBus",
        member,
        arguments,
    }
}

pub(super) fn of_systemd(member: &str, arguments: Vec<Value>) -> Call<'_> {
    Call {
        destination: "org.freedesktop.systemd1",
        path: "/org/freedesktop/systemd1",
        interface: MANAGER,
        member,
        arguments,
    }
}

/// Asks for the cgroup of a unit, from the hierarchy's root on; empty for one that is not active.
pub(super) fn control_group(manager: &Manager, unit: &str) -> Result<String, BusError> {
    let kind = if unit.ends_with(".slice") { "Slice" } else { "Scope" };
    let interface = format!("org.freedesktop.systemd1.{kind}");
    let object = name::object(unit);
    let call = Call {
        destination: "org.freedesktop.systemd1",
        path: &object,
        interface: "org.freedesktop.DBus.Properties",
        member: "Get",
        arguments: vec![Value::text(interface), Value::text("ControlGroup")],
    };
    match Talk::with(manager)?.call(call) {
        Err(error) if error.is("NoSuchUnit") => Ok(String::new()),
        body => Ok(body?.into_iter().next().unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    use super::super::bus::tests::{over, sent};
    use super::*;

    /// A bus that lets everybody in, then answers the n-th call with the n-th of `script`, whatever it was.
    fn fake(reached: Reached, script: Vec<Vec<u8>>) -> (Talk, std::thread::JoinHandle<Vec<u8>>) {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let bus = std::thread::spawn(move || {
            let mut greeting = [0; 29];
            theirs.read_exact(&mut greeting).unwrap();
            assert_eq!(&greeting, b"\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n");
            // Cut in the middle of a line, and with the first message right behind.
            theirs.write_all(b"DATA\r\nOK 0123").unwrap();
            let mut rest = b"4567\r\n".to_vec();
            rest.extend(script.concat());
            theirs.write_all(&rest).unwrap();
            let mut heard = Vec::new();
            theirs.read_to_end(&mut heard).unwrap();
            heard
        });
        let connection = over(ours, reached);
        (Talk::over(connection), bus)
    }

    fn answer(serial: u32, arguments: &[Value]) -> Vec<u8> {
        sent(&Kind::Answer(serial), arguments)
    }

    fn removed(job: &str, result: &str) -> Vec<u8> {
        let arguments = [Value::U32(1), Value::Path(job.into()), Value::text("x.scope"), Value::text(result)];
        sent(&Kind::Signal("JobRemoved".into()), &arguments)
    }

    #[test]
    fn a_job_is_waited_for() {
        let script = vec![
            answer(1, &[Value::text(":1.7")]),
            sent(&Kind::Signal("NameAcquired".into()), &[Value::text(":1.7")]),
            answer(2, &[]),
            answer(3, &[]),
            // Another's job, and ours whose end comes before its answer.
            removed("/job/1", "failed"),
            removed("/job/2", "done"),
            answer(4, &[Value::Path("/job/2".into())]),
        ];
        let (mut talk, bus) = fake(Reached::Bus, script);
        talk.job("x.scope", "StopUnit", vec![Value::text("x.scope"), Value::text("replace")]).unwrap();
        drop(talk);
        let heard = String::from_utf8_lossy(&bus.join().unwrap()).into_owned();
        let places: Vec<_> =
            ["Hello", "AddMatch", "Subscribe", "StopUnit"].map(|m| heard.find(m).expect(m)).to_vec();
        assert!(places.is_sorted(), "{places:?}");
    }

    #[test]
    fn systemd_itself_is_not_greeted() {
        let script = vec![answer(1, &[Value::Path("/job/2".into())]), removed("/job/2", "timeout")];
        let (mut talk, bus) = fake(Reached::Systemd, script);
        let error = talk.job("x.scope", "StopUnit", vec![]).unwrap_err().to_string();
        assert!(error.contains("x.scope") && error.contains("timeout"), "{error}");
        drop(talk);
        assert!(!String::from_utf8_lossy(&bus.join().unwrap()).contains("Hello"));
    }

    #[test]
    fn errors_are_answers() {
        let name = "org.freedesktop.systemd1.UnitExists".to_owned();
        let script = vec![sent(&Kind::Error(1, name), &[Value::text("Unit x.scope was already loaded.")])];
        let (mut talk, bus) = fake(Reached::Systemd, script);
        let Err(Error::Systemd { source, .. }) = talk.job("x.scope", "StartTransientUnit", vec![]) else {
            panic!("not refused")
        };
        assert!(source.is("UnitExists") && source.to_string().contains("already loaded"), "{source}");
        drop(talk);
        bus.join().unwrap();
    }

    #[test]
    fn addresses() {
        for (address, want) in [
            ("unix:path=/run/user/1000/bus", Some("/run/user/1000/bus")),
            ("unix:guid=1,path=/a", Some("/a")),
            ("tcp:host=x;unix:path=/a", Some("/a")),
            ("unix:abstract=/a", None),
            ("unix:path=/a%20b", None),
            ("", None),
        ] {
            assert_eq!(socket(OsStr::new(address)).as_deref(), want.map(Path::new), "{address}");
        }
        let manager = Manager::of_user(Some(Path::new("/run/user/7")), None);
        assert_eq!(manager.bus.as_deref(), Some(Path::new("/run/user/7/bus")));
        assert!(matches!(Manager::of_user(None, None).connect(), Err(BusError::NoSocket)));
    }
}
