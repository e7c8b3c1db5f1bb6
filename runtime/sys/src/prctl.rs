//! What a process sets for itself before it executes another program.

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

use crate::{Errno, Result, file};

/// Marks every descriptor from `first` on close-on-exec, those that this program does not know of included: close_range(2), Linux 5.11.
pub fn close_on_exec_from(first: u32) -> Result<()> {
    // SAFETY: takes integers only, and closes nothing now.
    Errno::result(unsafe {
        libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC)
    })
    .map(drop)
}

/// Undoes what would be inherited across `execve` and was never the new program's choice: blocked signals and ignored
/// ones, such as `nohup`'s SIGHUP and the SIGPIPE of Rust's runtime. Of the real-time signals only the first three are
/// seen to: a libc keeps them for itself, and musl's posix_spawn leaves them ignored. Nobody ignores the others for
/// another program, and they would double the number of calls.
///
/// Of the others those in `ignored` are reset, which [`ignored_signals`] found in this process, or all.
pub fn reset_signals(ignored: Option<u32>) -> Result<()> {
    SigSet::empty().thread_set_mask()?;
    let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
    let is_meant = |signal: &Signal| match signal {
        Signal::SIGKILL | Signal::SIGSTOP => false,
        signal => ignored.is_none_or(|ignored| ignored >> (*signal as u32 - 1) & 1 == 1),
    };
    for signal in Signal::iterator().filter(is_meant) {
        // SAFETY: the default action runs no code of ours.
        unsafe { sigaction(signal, &default) }?;
    }
    // sigaction(3) refuses those that it keeps for itself. The kernel's own structure of four words, all zero, is SIG_DFL.
    let default = [0u64; 4];
    for signal in 32..35 {
        // SAFETY: the kernel reads the structure and writes nothing; the last argument is the size of its signal set.
        let call = unsafe { libc::syscall(libc::SYS_rt_sigaction, signal, default.as_ptr(), 0usize, 8usize) };
        Errno::result(call)?;
    }
    Ok(())
}

/// The signals 1 to 31 that this process ignores, the first in bit 0, by the host's `/proc`: field 33 of its `stat`, proc(5). None:
/// it is not to be had. In a process without handlers these are all that would be inherited.
pub fn ignored_signals() -> Option<u32> {
    let mut stat = [0; 2048];
    parse_ignored(file::read_start("/proc/self/stat", &mut stat).ok()?)
}

fn parse_ignored(stat: &[u8]) -> Option<u32> {
    // The name, in parentheses, may hold anything; the field behind it is the third.
    let name_end = stat.iter().rposition(|byte| *byte == b')')?;
    let field = str::from_utf8(&stat[name_end + 1..]).ok()?.split_ascii_whitespace().nth(33 - 3)?;
    field.parse().ok()
}

/// Lets descriptor `number` cross `execve`. EBADF: it is not open.
pub fn keep_across_exec(number: u32) -> Result<()> {
    // SAFETY: takes integers only, and changes a flag of a descriptor, not what it is open on.
    Errno::result(unsafe { libc::fcntl(number as libc::c_int, libc::F_SETFD, 0) }).map(drop)
}

/// Sets the NIS domain name of the current UTS namespace.
pub fn set_domainname(name: &str) -> Result<()> {
    // SAFETY: the kernel reads `len` bytes of the string; no NUL is needed.
    Errno::result(unsafe { libc::setdomainname(name.as_ptr().cast(), name.len()) }).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignored() {
        let numbers =
            "1 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4711 1234 56 18446744073709551615 1 1 0 0 0 0 0";
        let stat = format!("7 (a) S 1) S {numbers} 4097 2 0 0 0 17 0");
        assert_eq!(parse_ignored(stat.as_bytes()), Some(4097));
        assert_eq!(parse_ignored(b"7 (sh) S 1"), None);
        // Rust's runtime has seen to that.
        let pipe = 1 << (Signal::SIGPIPE as u32 - 1);
        assert_eq!(ignored_signals().map(|ignored| ignored & pipe), Some(pipe));
    }
}
