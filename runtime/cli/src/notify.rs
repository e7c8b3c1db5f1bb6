//! sd_notify(3): a container says that its program is ready, and the service manager that has started `run` or `start` hears of it.
//!
//! As runc and crun have it: with `NOTIFY_SOCKET` in the environment of `create` or `run` the container gets a socket of its own,
//! in a directory of its state, and `READY=1` alone of what it sends there is passed on.

use std::ffi::OsStr;
use std::fs::{File, Permissions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, anyhow};
use ketch_runtime::container::create::NOTIFY;
use ketch_runtime::spec::{MountBuilder, Spec};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::globals::Globals;
use crate::report;

const READY: &str = "READY=1";

/// In the directory.
const SOCKET: &str = "notify";

/// The service manager's socket; `@` begins an abstract address.
pub(crate) fn service() -> Option<PathBuf> {
    std::env::var_os("NOTIFY_SOCKET").filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// Adds to `spec` the directory that `create` makes and the variable that leads to the socket there. As in crun, the directory
/// bears the name that the service manager's socket has outside.
pub(crate) fn add(spec: &mut Spec, root: &Path, id: &str, service: &Path) -> anyhow::Result<()> {
    let is_plain = service.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    let inside = if service.is_absolute() && is_plain { service } else { Path::new("/run/notify") };
    let mount = MountBuilder::default()
        .destination(inside)
        .typ("bind")
        .source(root.join(id).join(NOTIFY))
        .options(["bind", "private", "ro", "nosuid", "nodev", "noexec"].map(str::to_owned))
        .build()?;
    let mut mounts = spec.mounts().clone().unwrap_or_default();
    mounts.push(mount);
    spec.set_mounts(Some(mounts));
    if let Some(process) = spec.process_mut() {
        let mut env = process.env().clone().unwrap_or_default();
        env.push(format!("NOTIFY_SOCKET={}", inside.join(SOCKET).display()));
        process.set_env(Some(env));
    }
    Ok(())
}

/// The container's end, and the service manager's address.
#[derive(Debug)]
pub(crate) struct Notify {
    socket: UnixDatagram,
    service: PathBuf,
}

impl AsFd for Notify {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Notify {
    /// Makes the socket that the container sends to, whoever it runs as. `None`: the container was made without the directory.
    pub(crate) fn bind(root: &Path, id: &str, service: PathBuf) -> anyhow::Result<Option<Notify>> {
        let path = root.join(id).join(NOTIFY);
        let failed = || format!("cannot make the socket for readiness in {}", path.display());
        let directory = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.with_context(failed)?,
        };
        // An address is shorter than a path can be: unix(7).
        let short = PathBuf::from(format!("/proc/self/fd/{}/{SOCKET}", directory.as_raw_fd()));
        let make = || -> io::Result<UnixDatagram> {
            match std::fs::remove_file(&short) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let socket = UnixDatagram::bind(&short)?;
            std::fs::set_permissions(&short, Permissions::from_mode(0o777))?;
            socket.set_nonblocking(true)?;
            Ok(socket)
        };
        Ok(Some(Notify { socket: make().with_context(failed)?, service }))
    }

    /// Passes on what has come: `READY=1`, and with a `main` process which one is the service's. True: the service manager was
    /// told, or cannot be, which is no reason for the container to end.
    pub(crate) fn forward(&self, globals: &Globals, main: Option<i32>) -> bool {
        let mut buffer = [0; 4096];
        loop {
            match self.socket.recv(&mut buffer) {
                Ok(length) if says_ready(&buffer[..length]) => break,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
                Err(error) if error.raw_os_error() != Some(Errno::EINTR as i32) => {
                    report::warning(
                        globals,
                        &format!("cannot read what the container says of readiness: {error}"),
                    );
                    return true;
                }
                _ => {}
            }
        }
        let main = main.map(|pid| format!("MAINPID={pid}"));
        for message in [READY].into_iter().chain(main.as_deref()) {
            if let Err(error) = tell(&self.service, message) {
                let service = self.service.display();
                report::warning(globals, &format!("cannot tell the service manager at {service}: {error}"));
            }
        }
        true
    }

    /// Stays until the container is ready, or its `init` has ended.
    pub(crate) fn wait(&self, globals: &Globals, init: &OwnedFd, pid: i32) -> anyhow::Result<()> {
        loop {
            let mut fds =
                [&self.socket as &dyn AsFd, init].map(|fd| PollFd::new(fd.as_fd(), PollFlags::POLLIN));
            match poll(&mut fds, PollTimeout::NONE) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(errno) => {
                    return Err(anyhow!(errno)).context("cannot wait for the container's readiness");
                }
            }
            let ended = fds[1].any().unwrap_or(false);
            if self.forward(globals, Some(pid)) || ended {
                return Ok(());
            }
        }
    }
}

fn tell(service: &Path, message: &str) -> io::Result<()> {
    let sender = UnixDatagram::unbound()?;
    // A manager that does not read any more must not hold up the container.
    sender.set_write_timeout(Some(Duration::from_secs(5)))?;
    match service.as_os_str().as_bytes().strip_prefix(b"@") {
        Some(name) => sender.connect_addr(&SocketAddr::from_abstract_name(name)?)?,
        None => sender.connect(service)?,
    }
    sender.send(message.as_bytes()).map(drop)
}

fn says_ready(message: &[u8]) -> bool {
    message.split(|byte| *byte == b'\n').any(|line| OsStr::from_bytes(line) == READY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_is_a_line() {
        for (message, expected) in [
            ("READY=1", true),
            ("STATUS=fine\nREADY=1\n", true),
            ("READY=0", false),
            ("STATUS=READY=1", false),
            ("READY=10", false),
            ("", false),
        ] {
            assert_eq!(says_ready(message.as_bytes()), expected, "{message:?}");
        }
    }
}
