//! Small files, read in three calls: std's and musl's way takes seven; and many descriptors, closed in few.

use std::os::fd::{AsFd, IntoRawFd, OwnedFd, RawFd};

use nix::NixPath;
use nix::fcntl::{AT_FDCWD, OFlag, openat};
use nix::sys::stat::Mode;

use crate::{Errno, Result};

/// What a first read asks for: more than most files have that are read so.
const CHUNK: usize = 8192;

/// Opens `path` close-on-exec. openat, because musl's open sets that with a second call.
pub fn open(path: &(impl NixPath + ?Sized), flags: OFlag) -> Result<OwnedFd> {
    open_at(AT_FDCWD, path, flags)
}

/// The same for a path that starts at `directory`.
fn open_at(directory: impl AsFd, path: &(impl NixPath + ?Sized), flags: OFlag) -> Result<OwnedFd> {
    openat(directory, path, flags | OFlag::O_CLOEXEC, Mode::empty())
}

/// Reads a whole regular file. `buffer` is made larger where it has to be, and can be used again for the next.
pub fn read<'a>(path: &(impl NixPath + ?Sized), buffer: &'a mut Vec<u8>) -> Result<&'a [u8]> {
    read_at(AT_FDCWD, path, buffer)
}

/// The same for a path that starts at `directory`.
pub fn read_at<'a>(
    directory: impl AsFd,
    path: &(impl NixPath + ?Sized),
    buffer: &'a mut Vec<u8>,
) -> Result<&'a [u8]> {
    let file = open_at(directory, path, OFlag::O_RDONLY)?;
    if buffer.len() < CHUNK {
        buffer.resize(CHUNK, 0);
    }
    let mut filled = 0;
    loop {
        filled += read_some(&file, &mut buffer[filled..])?;
        // A regular file gives all that it has.
        if filled < buffer.len() {
            return Ok(&buffer[..filled]);
        }
        buffer.resize(2 * buffer.len(), 0);
    }
}

/// Reads the first bytes of a file, as many as fit: all of a procfs file that is less than a page, in one read.
pub fn read_start<'a>(path: &(impl NixPath + ?Sized), buffer: &'a mut [u8]) -> Result<&'a [u8]> {
    let n = read_some(&open(path, OFlag::O_RDONLY)?, buffer)?;
    Ok(&buffer[..n])
}

fn read_some(file: &OwnedFd, buffer: &mut [u8]) -> Result<usize> {
    loop {
        match nix::unistd::read(file, buffer) {
            Err(Errno::EINTR) => {}
            n => return n,
        }
    }
}

/// Closes all of them, neighbours with one call: close_range(2), Linux 5.9.
pub fn close_all(files: Vec<OwnedFd>) {
    let mut numbers: Vec<RawFd> = files.into_iter().map(IntoRawFd::into_raw_fd).collect();
    numbers.sort_unstable();
    for run in numbers.chunk_by(|a, b| a + 1 == *b) {
        // SAFETY: takes integers; every number from the first to the last is of a descriptor that was given up above.
        unsafe { libc::syscall(libc::SYS_close_range, run[0], run[run.len() - 1], 0) };
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::fd::AsRawFd;
    use std::path::Path;

    use super::*;

    #[test]
    fn closes_what_it_is_given() {
        let open = || open("/dev/null", OFlag::O_RDONLY).expect("/dev/null is there");
        let mut files: Vec<OwnedFd> = (0..7).map(|_| open()).collect();
        let kept = files.remove(3);
        let numbers: Vec<RawFd> = files.iter().map(AsRawFd::as_raw_fd).collect();
        close_all(files);
        assert!(numbers.iter().all(|number| !Path::new(&format!("/proc/self/fd/{number}")).exists()));
        assert!(Path::new(&format!("/proc/self/fd/{}", kept.as_raw_fd())).exists());
        close_all(Vec::new());
    }

    #[test]
    fn reads_whole_files() {
        let mut buffer = Vec::new();
        for length in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 5 * CHUNK] {
            let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
            let text: Vec<u8> = (0..length).map(|n| n as u8).collect();
            file.write_all(&text).expect("write");
            assert_eq!(read(file.path(), &mut buffer), Ok(&text[..]), "{length}");
            let mut start = [0; 100];
            assert_eq!(read_start(file.path(), &mut start), Ok(&text[..length.min(100)]), "{length}");
        }
        assert_eq!(read("/proc/self/no-such-file", &mut buffer), Err(Errno::ENOENT));
    }
}
