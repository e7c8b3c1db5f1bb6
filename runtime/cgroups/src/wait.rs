//! Waiting for processes to end and for a cgroup to change, by the kernel's notification where it has one.

use std::fs::File;
use std::io::{Read, Seek};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use ketch_sys::{Errno, pidfd};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::{Error, file};

/// How many descriptors are held at once: well below the usual limit of 1024 open files.
const HELD: usize = 256;

/// Sends SIGKILL to each; answers pidfds to wait on, of some of them if they are many.
///
/// A process that is gone already is no error. Going through a pidfd keeps a number that is given to a new
/// process in between from being waited for.
pub(crate) fn kill(pids: &[i32]) -> Result<Vec<OwnedFd>, Error> {
    let mut dying = Vec::with_capacity(pids.len().min(HELD));
    for &pid in pids {
        let failed = |errno: Errno| Error::io("kill", format!("process {pid}"))(errno.into());
        let process = match pidfd::open(pid) {
            // EINVAL: the thread group leader has ended before its threads.
            Err(Errno::ESRCH | Errno::EINVAL) => continue,
            result => result.map_err(failed)?,
        };
        match pidfd::send_signal(&process, nix::libc::SIGKILL) {
            Err(Errno::ESRCH) => continue,
            result => result.map_err(failed)?,
        }
        if dying.len() < HELD {
            dying.push(process);
        }
    }
    Ok(dying)
}

/// How long a killed process may take to end. One that is stuck in the kernel, or frozen by somebody else's cgroup, does not
/// end at all.
const LIMIT: Duration = Duration::from_secs(10);

pub(crate) fn until_dead(processes: &[OwnedFd]) -> Result<(), Error> {
    let deadline = Instant::now() + LIMIT;
    processes.iter().try_for_each(|process| until_ended(process, deadline))
}

fn until_ended(process: &OwnedFd, deadline: Instant) -> Result<(), Error> {
    let failed = || Error::io("wait for the end of", "a killed process (frozen elsewhere, or stuck?)");
    loop {
        // Rounded up: what is left of a millisecond is not spun through.
        let left = deadline.saturating_duration_since(Instant::now()) + Duration::from_millis(1);
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        match poll(&mut [PollFd::new(process.as_fd(), PollFlags::POLLIN)], timeout) {
            Err(Errno::EINTR) => {}
            Ok(0) => return Err(failed()(Errno::ETIMEDOUT.into())),
            result => return result.map(drop).map_err(|errno| failed()(errno.into())),
        }
    }
}

/// Waits until `key` of a v2 `cgroup.events` is `value`. A cgroup that is gone fulfils everything.
pub(crate) fn until_event(cgroup: &Path, key: &str, value: u64) -> Result<(), Error> {
    let path = cgroup.join("cgroup.events");
    let mut file = match File::open(&path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        result => result.map_err(Error::io("open", &path))?,
    };
    loop {
        // The kernel counts changes from the last read on, so none between here and poll is missed.
        let mut text = String::new();
        match file.rewind().and_then(|()| file.read_to_string(&mut text)) {
            Err(e) if e.raw_os_error() == Some(nix::libc::ENODEV) => return Ok(()),
            result => result.map_err(Error::io("read", &path))?,
        };
        if file::field(&text, key) == Some(value) {
            return Ok(());
        }
        wait_for(file.as_fd(), PollFlags::POLLPRI, PollTimeout::NONE)?;
    }
}

/// Waits for a change of a v2 cgroup, or for as long as `pause`: v1 gives no notice.
pub(crate) fn settle(cgroup: &Path, pause: Duration) -> Result<(), Error> {
    match File::open(cgroup.join("cgroup.events")) {
        Ok(events) => {
            let timeout = PollTimeout::try_from(pause).unwrap_or(PollTimeout::ZERO);
            wait_for(events.as_fd(), PollFlags::POLLPRI, timeout)
        }
        Err(_) => {
            std::thread::sleep(pause);
            Ok(())
        }
    }
}

fn wait_for(fd: BorrowedFd<'_>, events: PollFlags, timeout: PollTimeout) -> Result<(), Error> {
    match poll(&mut [PollFd::new(fd, events)], timeout) {
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(errno) => Err(Error::io("wait for", "a process or cgroup to end")(errno.into())),
    }
}
