//! The attach socket's address, whatever the length of its directory's path (unix(7) has room for 108 bytes).

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::Path;

use ketch_sys::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::socket::{AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, connect, listen, socket};
use nix::sys::stat::{Mode, umask};

const NAME: &str = "attach";

/// A listening socket at `<run_dir>/attach`, in place of one that a killed monitor has left.
pub(crate) fn bind_in(run_dir: &Path) -> ketch_sys::Result<UnixListener> {
    remove_in(run_dir)?;
    let socket = new(SockFlag::SOCK_NONBLOCK)?;
    let (address, _directory) = of(run_dir, NAME)?;
    // bind(2) makes the file 0777 & ~umask: only the owner may connect, at no moment anyone else.
    let before = umask(Mode::from_bits_truncate(0o177));
    let bound = bind(socket.as_raw_fd(), &address);
    umask(before);
    bound?;
    listen(&socket, Backlog::new(128)?)?;
    // std's listener takes any unix socket; it is here for its accept(2).
    Ok(socket.into())
}

pub(crate) fn remove_in(run_dir: &Path) -> ketch_sys::Result<()> {
    match nix::unistd::unlink(&run_dir.join(NAME)) {
        Err(errno) if errno != Errno::ENOENT => Err(errno),
        _ => Ok(()),
    }
}

pub(crate) fn connect_in(run_dir: &Path) -> io::Result<OwnedFd> {
    let socket = new(SockFlag::empty())?;
    let (address, _directory) = of(run_dir, NAME)?;
    connect(socket.as_raw_fd(), &address)?;
    Ok(socket)
}

fn new(flags: SockFlag) -> ketch_sys::Result<OwnedFd> {
    socket(AddressFamily::Unix, SockType::SeqPacket, flags | SockFlag::SOCK_CLOEXEC, None)
}

/// The address of `name` in `directory`, and what must stay open while it is used.
pub(crate) fn of(directory: &Path, name: &str) -> ketch_sys::Result<(UnixAddr, Option<OwnedFd>)> {
    match UnixAddr::new(&directory.join(name)) {
        Err(Errno::ENAMETOOLONG) => {
            let directory =
                open(directory, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())?;
            let path = format!("/proc/self/fd/{}/{name}", directory.as_raw_fd());
            Ok((UnixAddr::new(path.as_str())?, Some(directory)))
        }
        address => Ok((address?, None)),
    }
}
