//! Standard streams.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use ketch_sys::{Errno, file};
use nix::fcntl::OFlag;
use nix::sys::stat::{SFlag, fstat, makedev};
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

/// Puts the container's own null device in the place of each stream that is the host's: as in runc, so that nothing of the
/// host's is left open, which a checkpoint could not find again. Runs once the container's root is the process's.
pub(crate) fn take_null() -> Result<(), StepError> {
    const NULL: &str = "/dev/null";
    let step = "replace a standard stream by";
    let is_null = |fd: BorrowedFd<'_>| {
        let stat = fstat(fd)?;
        let is_char = SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT == SFlag::S_IFCHR;
        Ok::<bool, Errno>(is_char && stat.st_rdev == makedev(1, 3))
    };
    let (input, output, error) = (std::io::stdin(), std::io::stdout(), std::io::stderr());
    let nulls = [input.as_fd(), output.as_fd(), error.as_fd()].map(|fd| is_null(fd).unwrap_or(false));
    if nulls == [false; 3] {
        return Ok(());
    }
    // Looked at before it is opened, for a stand-in could have effects of its own; without one the streams stay.
    match file::open(NULL, OFlag::O_PATH | OFlag::O_NOFOLLOW) {
        Ok(node) if is_null(node.as_fd()).at(step, NULL)? => {}
        _ => return Ok(()),
    }
    let own = file::open(NULL, OFlag::O_RDWR | OFlag::O_NOFOLLOW).at(step, NULL)?;
    // In a volume it can have been swapped meanwhile, and the streams are given to the program's user (CVE-2026-88265).
    if !is_null(own.as_fd()).at(step, NULL)? {
        return Err(Errno::ENODEV).at(step, NULL);
    }
    let [input, output, error] = nulls;
    if input {
        dup2_stdin(&own).at(step, NULL)?;
    }
    if output {
        dup2_stdout(&own).at(step, NULL)?;
    }
    if error {
        dup2_stderr(&own).at(step, NULL)?;
    }
    Ok(())
}

/// Lets these descriptors cross `execve`, for `--preserve-fds`.
pub(crate) fn preserve(numbers: &[u32]) -> Result<(), StepError> {
    for &number in numbers {
        ketch_sys::prctl::keep_across_exec(number).at("preserve descriptor", &number.to_string())?;
    }
    Ok(())
}
