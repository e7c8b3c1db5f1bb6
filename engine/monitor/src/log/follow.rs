//! Waiting for a log to grow, and for the container's end.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::SystemTime;

use ketch_sys::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

use crate::attach;
use crate::lock::{self, Holder};

/// Watches a log whose container is alive.
#[derive(Debug)]
pub(super) struct Follower {
    /// The monitor of this run: a follower does not go on with the next one.
    monitor: Holder,
    /// An attached client that wants no stream: it hears of the end, also of a monitor that is killed. None while
    /// some command is still starting the container, or removing it.
    socket: Option<OwnedFd>,
    inotify: Inotify,
    until: Option<SystemTime>,
}

impl Follower {
    /// None when nobody is there who could write.
    pub(super) fn begin(
        log: &Path,
        run_dir: &Path,
        until: Option<SystemTime>,
    ) -> io::Result<Option<Follower>> {
        let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)?;
        // The directory: its events tell of writing and of rotation alike, and outlast the file.
        let directory = log.parent().unwrap_or(Path::new("."));
        let events = AddWatchFlags::IN_MODIFY | AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MOVED_TO;
        match inotify.add_watch(directory, events) {
            Ok(_) => {}
            Err(Errno::ENOENT) => return Ok(None),
            Err(errno) => return Err(errno.into()),
        }
        let monitor = lock::holder(run_dir)?;
        let socket = attach::open(run_dir, 0).ok();
        if socket.is_none() && !lock::is_held(run_dir)? {
            return Ok(None);
        }
        Ok(Some(Follower { monitor, socket, inotify, until }))
    }

    /// Returns when there may be more to read; true: and nothing will come after that.
    pub(super) fn wait(&mut self) -> io::Result<bool> {
        let Some(socket) = &self.socket else {
            self.monitor.wait()?;
            return Ok(true);
        };
        let timeout = match self.until {
            None => PollTimeout::NONE,
            Some(until) => match until.duration_since(SystemTime::now()) {
                // A millisecond late rather than early: what is logged until then is to be seen.
                Ok(left) => PollTimeout::try_from(left.as_millis() + 1).unwrap_or(PollTimeout::MAX),
                Err(_) => return Ok(true),
            },
        };
        let mut fds = [
            PollFd::new(self.inotify.as_fd(), PollFlags::POLLIN),
            PollFd::new(socket.as_fd(), PollFlags::POLLIN),
        ];
        match poll(&mut fds, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        if fds[1].any().unwrap_or(false) {
            // The monitor is ending: its lock is free in an instant, and then all is written.
            self.monitor.wait()?;
            return Ok(true);
        }
        match self.inotify.read_events() {
            Ok(_) | Err(Errno::EAGAIN) => Ok(false),
            Err(errno) => Err(errno.into()),
        }
    }
}
