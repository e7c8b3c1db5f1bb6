//! sd_notify(3): a container says that it is ready, and the service manager that has started it hears of that.

use std::fs::{DirBuilder, Permissions, set_permissions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ketch_sys::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, bind, socket};

use crate::attach::address;

/// In a container's `run_dir`, and what is in there: bound into the container as a whole.
pub const DIRECTORY: &str = "notify";
pub const SOCKET: &str = "notify.sock";

/// All that a container may say to the service manager, as with runc and podman.
pub(crate) const READY: &str = "READY=1";

/// The container's end, and the service manager's address.
#[derive(Debug)]
pub(crate) struct Notify {
    socket: UnixDatagram,
    service: PathBuf,
}

/// Tells the service manager at `socket` (the value of `NOTIFY_SOCKET`; `@` begins an abstract address) something.
pub fn tell(socket: &Path, message: &str) -> io::Result<()> {
    let sender = UnixDatagram::unbound()?;
    // A manager that does not read any more must not stop a container's life.
    sender.set_write_timeout(Some(Duration::from_secs(5)))?;
    match socket.as_os_str().as_bytes().strip_prefix(b"@") {
        Some(name) => sender.connect_addr(&SocketAddr::from_abstract_name(name)?)?,
        None => sender.connect(socket)?,
    }
    sender.send(message.as_bytes()).map(drop)
}

impl AsFd for Notify {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Notify {
    /// Makes the socket that the container sends to, whoever it runs as.
    pub(crate) fn bind_in(run_dir: &Path, service: PathBuf) -> io::Result<Notify> {
        let directory = run_dir.join(DIRECTORY);
        match DirBuilder::new().mode(0o755).create(&directory) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        // The last run's.
        match std::fs::remove_file(directory.join(SOCKET)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let socket: OwnedFd = socket(AddressFamily::Unix, SockType::Datagram, flags, None)?;
        let (address, _directory) = address::of(&directory, SOCKET)?;
        bind(socket.as_raw_fd(), &address)?;
        // The directory above is root's alone.
        set_permissions(directory.join(SOCKET), Permissions::from_mode(0o777))?;
        Ok(Notify { socket: socket.into(), service })
    }

    /// Passes on what has come; true: the service manager was told.
    pub(crate) fn forward(&self) -> io::Result<bool> {
        let mut told = false;
        let mut buffer = [0; 4096];
        loop {
            match self.socket.recv(&mut buffer) {
                Ok(length) if says_ready(&buffer[..length]) => {
                    tell(&self.service, READY)?;
                    told = true;
                }
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(told),
                Err(error) if error.raw_os_error() == Some(Errno::EINTR as i32) => {}
                Err(error) => return Err(error),
            }
        }
    }
}

fn says_ready(message: &[u8]) -> bool {
    message.split(|byte| *byte == b'\n').any(|line| line == READY.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_is_a_line() {
        for (message, expected) in [
            ("READY=1", true),
            ("STATUS=fine\nREADY=1\n", true),
            ("READY=1\nMAINPID=1", true),
            ("READY=0", false),
            ("STATUS=READY=1", false),
            ("READY=10", false),
            ("", false),
        ] {
            assert_eq!(says_ready(message.as_bytes()), expected, "{message:?}");
        }
    }

    #[test]
    fn only_readiness_is_passed_on() {
        let dir = tempfile::tempdir().unwrap();
        // Longer than an address can be.
        let run_dir = dir.path().join("r".repeat(120));
        std::fs::create_dir(&run_dir).unwrap();
        let service = dir.path().join("service");
        let manager = UnixDatagram::bind(&service).unwrap();
        manager.set_nonblocking(true).unwrap();
        let notify = Notify::bind_in(&run_dir, service).unwrap();

        let sender = UnixDatagram::unbound().unwrap();
        let (address, _directory) = address::of(&run_dir.join(DIRECTORY), SOCKET).unwrap();
        nix::sys::socket::connect(sender.as_raw_fd(), &address).unwrap();
        sender.send(b"MAINPID=1\nFDSTORE=1").unwrap();
        assert!(!notify.forward().unwrap());
        sender.send(b"READY=1\nMAINPID=1").unwrap();
        assert!(notify.forward().unwrap());
        let mut buffer = [0; 64];
        let length = manager.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"READY=1");
        assert_eq!(manager.recv(&mut buffer).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }
}
