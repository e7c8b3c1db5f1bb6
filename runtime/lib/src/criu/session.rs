//! One CRIU process and the conversation with it.

use std::ffi::CString;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use ketch_sys::clone::{self, Child};
use ketch_sys::{Errno, pidfd, prctl, socket};
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use nix::sys::wait::WaitStatus;
use prost::Message as _;

use super::CriuError;
use super::protocol::{Features, Kind, Notification, Request, Response};
use crate::init::channel::{Channel, Message};
use crate::step::{At, StepError};

/// A CRIU that waits for its request. Dropping it closes the connection, at which CRIU gives up and ends; what it has made
/// of a container by then it takes apart again.
#[derive(Debug)]
pub(crate) struct Session {
    socket: Option<OwnedFd>,
    process: Child,
    path: PathBuf,
}

/// Room for the largest answer: an error message is all that has no fixed size.
const MAX: usize = 65_536;

impl Session {
    /// Starts the CRIU at `path`, with the caller's standard streams and the descriptors `kept` under their numbers.
    ///
    /// `enter` runs in the new process before it becomes CRIU, and `cgroup` is a v2 directory for it to be started in.
    /// The calling process must have one thread.
    pub(crate) fn start(
        path: &Path,
        cgroup: Option<BorrowedFd<'_>>,
        kept: &[BorrowedFd<'_>],
        enter: impl FnOnce() -> Result<(), StepError>,
    ) -> Result<Session, CriuError> {
        let program = match open(path, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty()) {
            Err(Errno::ENOENT) => return Err(CriuError::Missing),
            program => program.at("open", path)?,
        };
        drop(program);
        let (ours, theirs) = socket::seqpacket_pair().at("make a socket pair for", path)?;
        let (report, words) = Channel::pair()?;
        let not_inherited = [ours.as_fd(), report.as_fd()];
        let options = clone::Options { cgroup, not_inherited: &not_inherited, ..clone::Options::default() };
        let process = clone::fork(options, || {
            let become_criu = || {
                enter()?;
                execute(path, &theirs, kept)
            };
            if let Err(error) = become_criu() {
                // Nobody is left to tell if this fails: the other end then sees the channel close.
                let _ = words.send(&Message::Failed(error));
            }
            1
        })
        .at("start", path)?;
        drop((theirs, words));
        let session = Session { socket: Some(ours), process, path: path.to_owned() };
        // Closed by execve.
        match report.receive()? {
            None => Ok(session),
            Some(Message::Failed(error)) => Err(error.into()),
            Some(_) => Err(CriuError::Garbled),
        }
    }

    /// Refuses a CRIU that is known not to work on this kernel.
    pub(crate) fn check_version(&mut self) -> Result<(), CriuError> {
        let request = Request { kind: Kind::Version as i32, keep_open: Some(true), ..Request::default() };
        let response = self.ask(&request, "say its version", &mut |_, _| Ok::<(), CriuError>(()))?;
        let version = response.version.ok_or(CriuError::Garbled)?;
        let kernel = nix::sys::utsname::uname().at("find out", "the kernel's version")?;
        let kernel = kernel.release().to_string_lossy().into_owned();
        let (minimum, wanted) = minimum(&kernel);
        if (version.major, version.minor) < minimum {
            let found = format!("{}.{}", version.major, version.minor);
            return Err(CriuError::Old { path: self.path.clone(), found, wanted, kernel });
        }
        Ok(())
    }

    /// Whether the kernel tells which pages have been written to, without which there is no pre-dump.
    pub(crate) fn tracks_memory(&mut self) -> Result<bool, CriuError> {
        let request = Request {
            kind: Kind::FeatureCheck as i32,
            keep_open: Some(true),
            features: Some(Features { mem_track: Some(true) }),
            ..Request::default()
        };
        let response = self.ask(&request, "say what it can", &mut |_, _| Ok::<(), CriuError>(()))?;
        Ok(response.features.and_then(|features| features.mem_track).unwrap_or(false))
    }

    /// Sends `request`, has `notified` see to each notification, with the descriptor that came with it, and returns CRIU's
    /// answer, which is a success. `what` is that in a word.
    ///
    /// The error of a notification is told to CRIU, which then gives up, and comes back from here.
    pub(crate) fn ask<E: From<CriuError>>(
        &mut self,
        request: &Request,
        what: &'static str,
        notified: &mut dyn FnMut(&Notification, Option<OwnedFd>) -> Result<(), E>,
    ) -> Result<Response, E> {
        self.send(request, what)?;
        let mut first_error = None;
        loop {
            let (response, fd) = match self.receive(what) {
                Err(error) => return Err(first_error.unwrap_or_else(|| error.into())),
                Ok(received) => received,
            };
            if response.kind != Kind::Notify as i32 {
                return match (first_error, response.success) {
                    (Some(error), _) => Err(error),
                    (None, true) => Ok(response),
                    (None, false) => Err(failure(what, &response).into()),
                };
            }
            let notification = response.notify.unwrap_or_default();
            let seen_to = notified(&notification, fd);
            let answer = Request {
                kind: Kind::Notify as i32,
                notify_success: Some(seen_to.is_ok()),
                ..Request::default()
            };
            if let Err(error) = seen_to {
                first_error.get_or_insert(error);
            }
            self.send(&answer, what)?;
        }
    }

    /// Waits for CRIU's end.
    pub(crate) fn end(mut self) -> Result<(), CriuError> {
        self.socket = None;
        pidfd::wait(&self.process.pidfd).at("wait for", &self.path)?;
        Ok(())
    }

    fn send(&self, request: &Request, what: &'static str) -> Result<(), CriuError> {
        let socket = self.socket.as_ref().ok_or(CriuError::Garbled)?;
        match socket::send(socket, &request.encode_to_vec(), &[]) {
            Err(Errno::EPIPE | Errno::ECONNRESET) => Err(self.gone(what)),
            sent => Ok(sent.at("send to", &self.path)?),
        }
    }

    fn receive(&self, what: &'static str) -> Result<(Response, Option<OwnedFd>), CriuError> {
        let socket = self.socket.as_ref().ok_or(CriuError::Garbled)?;
        let mut buffer = vec![0; MAX];
        let (length, mut fds) = match socket::receive(socket, &mut buffer) {
            Ok((0, _)) | Err(Errno::ECONNRESET) => return Err(self.gone(what)),
            received => received.at("receive from", &self.path)?,
        };
        let response = Response::decode(&buffer[..length]).map_err(|_| CriuError::Garbled)?;
        Ok((response, fds.pop()))
    }

    fn gone(&self, what: &'static str) -> CriuError {
        let reason = match pidfd::wait(&self.process.pidfd) {
            Ok(WaitStatus::Signaled(_, signal, _)) => format!("killed by {signal}"),
            Ok(WaitStatus::Exited(_, code)) => format!("exit status {code}"),
            _ => "no one knows how".to_owned(),
        };
        CriuError::Gone { what, reason }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.socket = None;
        // Reaped, that nothing of it is in the container's cgroup any more. ECHILD: it was already.
        let _ = pidfd::wait(&self.process.pidfd);
    }
}

/// The oldest CRIU that works on a kernel: one before 4.2 cannot read the TCP sockets of Linux 6.16 and later.
fn minimum(kernel: &str) -> ((i32, i32), &'static str) {
    let mut numbers = kernel.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse::<u32>().ok());
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if version >= (6, 16) { ((4, 2), "4.2 or newer") } else { ((3, 17), "3.17 or newer") }
}

fn failure(what: &'static str, response: &Response) -> CriuError {
    let reason = match (&response.message, response.errno.filter(|errno| *errno != 0)) {
        (Some(message), _) if !message.trim().is_empty() => message.trim().to_owned(),
        (_, Some(errno)) => Errno::from_raw(errno).desc().to_lowercase(),
        _ => "it does not say why".to_owned(),
    };
    CriuError::Failed { what, reason }
}

/// Becomes CRIU; returns only with an error.
fn execute(path: &Path, socket: &OwnedFd, kept: &[BorrowedFd<'_>]) -> Result<(), StepError> {
    prctl::reset_signals(None).at("reset the signals of", path)?;
    prctl::close_on_exec_from(3).at("mark close-on-exec", "inherited descriptors")?;
    for fd in kept.iter().copied().chain([socket.as_fd()]) {
        let number = fd.as_raw_fd().cast_unsigned();
        prctl::keep_across_exec(number).at("keep descriptor", &number.to_string())?;
    }
    let number = socket.as_raw_fd().to_string();
    let args = ["criu".as_bytes(), b"swrk", number.as_bytes()].map(CString::new);
    let args = args.into_iter().collect::<Result<Vec<_>, _>>().expect("no NUL in any of them");
    let program = CString::new(path.as_os_str().as_bytes()).map_err(|_| Errno::EINVAL).at("execute", path)?;
    nix::unistd::execv(&program, &args).map(|never| match never {}).at("execute", path)
}

/// A directory of images or logs, open; CRIU finds it by its number in this process.
pub(crate) fn open_directory(path: &Path) -> Result<File, StepError> {
    open(path, OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())
        .map(File::from)
        .at("open the directory", path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_kernel_needs() {
        for (kernel, oldest) in
            [("6.1.0-28-amd64", (3, 17)), ("6.16.0", (4, 2)), ("6.18.44-x", (4, 2)), ("7.0-rc1", (4, 2))]
        {
            assert_eq!(minimum(kernel).0, oldest, "{kernel}");
        }
    }
}
