//! One run of a check's command: how it ended, and what it had to say.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant, SystemTime};

use ketch_monitor::clock;
use ketch_runtime::container::create::Stdio;
use ketch_sys::{Errno, pidfd};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use nix::unistd::pipe2;

use super::results::Entry;
use crate::Engine;
use crate::container::exec::{self, ExecError};
use crate::state::containers::Record;

/// The code of one that took too long: docker's.
const TOO_LONG: i32 = -1;

/// Bytes of a character in UTF-8, at most.
const LONGEST_CHAR: usize = 4;

/// Runs it in the container; what cannot be executed there has failed.
///
/// `timeout` is in nanoseconds, 0: none. Of its output `size` characters are kept, 0: all.
pub(super) fn run(
    engine: &Engine,
    record: &Record,
    words: &[String],
    timeout: u64,
    size: u32,
) -> Result<Entry, ExecError> {
    let start = clock::rfc3339(SystemTime::now());
    let entry = |exit_code, output: String| {
        let output = match size {
            0 => output,
            size => output.chars().take(size as usize).collect(),
        };
        Entry { start: start.clone(), end: clock::rfc3339(SystemTime::now()), exit_code, output }
    };
    let options = exec::Options { command: command(words), ..exec::Options::default() };
    let failed = |errno: Errno| ExecError::Root { id: record.id.clone(), errno };
    let (read, write) = pipe2(OFlag::O_CLOEXEC).map_err(failed)?;
    let null = || File::open("/dev/null").map(OwnedFd::from);
    let null = null().map_err(|error| failed(Errno::from_raw(error.raw_os_error().unwrap_or(0))))?;
    let copy =
        write.try_clone().map_err(|error| failed(Errno::from_raw(error.raw_os_error().unwrap_or(0))))?;
    let started = match exec::begin(engine, record, &options, Stdio::Fds([null, copy, write])) {
        Ok(started) => started,
        Err(error) if error.is_of_runtime() => return Ok(entry(error.exit_code(), error.to_string())),
        Err(error) => return Err(error),
    };
    let deadline = (timeout > 0).then(|| Instant::now() + Duration::from_nanos(timeout));
    let limit = if size == 0 { usize::MAX } else { size as usize * LONGEST_CHAR };
    let (output, in_time) = listen(read, &started.pidfd, deadline, limit).map_err(failed)?;
    let text = String::from_utf8_lossy(&output).into_owned();
    if in_time {
        return Ok(entry(pidfd::reap(&started.pidfd).map_or(TOO_LONG, pidfd::Ended::code), text));
    }
    // ESRCH: it has just ended.
    let _ = pidfd::send_signal(&started.pidfd, Signal::SIGKILL as i32);
    let _ = pidfd::reap(&started.pidfd);
    let seconds = Duration::from_nanos(timeout).as_secs_f64();
    Ok(entry(TOO_LONG, format!("Health check exceeded timeout ({seconds}s)")))
}

fn command(words: &[String]) -> Vec<String> {
    match words.split_first() {
        Some((kind, script)) if kind == "CMD-SHELL" => {
            ["/bin/sh".to_owned(), "-c".to_owned()].into_iter().chain(script.iter().cloned()).collect()
        }
        Some((kind, words)) if kind == "CMD" => words.to_vec(),
        // Old images have the words alone.
        _ => words.to_vec(),
    }
}

/// Takes up to `limit` bytes until the process ends, and what it has left behind; false: the time was up first.
///
/// Those that it has started may go on, and keep the pipe open.
fn listen(
    pipe: OwnedFd,
    process: &OwnedFd,
    deadline: Option<Instant>,
    limit: usize,
) -> ketch_sys::Result<(Vec<u8>, bool)> {
    fcntl(&pipe, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    let mut pipe = Some(File::from(pipe));
    let mut output = Vec::new();
    loop {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        if left == Some(Duration::ZERO) {
            return Ok((output, false));
        }
        let timeout = left.map_or(PollTimeout::NONE, |left| {
            PollTimeout::try_from(left.as_millis().saturating_add(1).min(i32::MAX as u128) as i32)
                .unwrap_or(PollTimeout::MAX)
        });
        let mut fds = vec![PollFd::new(process.as_fd(), PollFlags::POLLIN)];
        fds.extend(pipe.as_ref().map(|pipe| PollFd::new(pipe.as_fd(), PollFlags::POLLIN)));
        match poll(&mut fds, timeout) {
            Err(Errno::EINTR) | Ok(0) => continue,
            polled => polled?,
        };
        let ended = fds[0].any().unwrap_or(false);
        drop(fds);
        if let Some(file) = &mut pipe
            && !drain(file, &mut output, limit)
        {
            pipe = None;
        }
        if ended {
            return Ok((output, true));
        }
    }
}

/// Reads what is there; false at the end.
fn drain(pipe: &mut File, output: &mut Vec<u8>, limit: usize) -> bool {
    let mut buffer = [0; 4096];
    loop {
        match pipe.read(&mut buffer) {
            Ok(0) => return false,
            Ok(count) => {
                let room = limit.saturating_sub(output.len());
                output.extend_from_slice(&buffer[..count.min(room)]);
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return error.kind() == std::io::ErrorKind::WouldBlock,
        }
    }
}
