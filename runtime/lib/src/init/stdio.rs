//! Standard streams.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use ketch_sys::Errno;
use nix::sys::stat::{fstat, makedev};
use nix::unistd::{Uid, dup2_stderr, dup2_stdin, dup2_stdout, fchown};

use crate::step::{At, StepError};

/// Makes `streams` the calling process's 0, 1 and 2. They may not be one of the three themselves.
pub(crate) fn replace(streams: [BorrowedFd<'_>; 3]) -> Result<(), StepError> {
    let [input, output, error] = streams;
    if streams.iter().any(|fd| fd.as_raw_fd() < 3) {
        return Err(Errno::EBADF).at("take as standard streams", "descriptors below 3");
    }
    dup2_stdin(input).at("replace", "standard input")?;
    dup2_stdout(output).at("replace", "standard output")?;
    dup2_stderr(error).at("replace", "standard error")
}

/// Gives the standard streams to `uid`, so that a program can open `/dev/stdout` again after it has become that user.
/// As in runc, `/dev/null` is left alone, and so is what cannot change hands.
pub(crate) fn give_to(uid: u32) -> Result<(), StepError> {
    let (input, output, error) = (std::io::stdin(), std::io::stdout(), std::io::stderr());
    give([input.as_fd(), output.as_fd(), error.as_fd()], uid)
}

/// The same for `streams` that are not standard yet.
pub(crate) fn give(streams: [BorrowedFd<'_>; 3], uid: u32) -> Result<(), StepError> {
    for stream in streams {
        let stat = fstat(stream).at("inspect", "a standard stream")?;
        if stat.st_uid == uid || stat.st_rdev == makedev(1, 3) {
            continue;
        }
        match fchown(stream, Some(Uid::from_raw(uid)), None) {
            // A socket, an unmapped id, a read-only file system: the stream works without it.
            Ok(()) | Err(Errno::EINVAL | Errno::EPERM | Errno::EROFS | Errno::ENOSYS) => {}
            Err(errno) => return Err(errno).at("give to the container's user", "a standard stream"),
        }
    }
    Ok(())
}

/// Lets descriptors 3 to `3 + count` cross `execve`, for `--preserve-fds`.
pub(crate) fn preserve(count: u32) -> Result<(), StepError> {
    for number in 3..3 + count {
        ketch_sys::prctl::keep_across_exec(number).at("preserve descriptor", &number.to_string())?;
    }
    Ok(())
}
