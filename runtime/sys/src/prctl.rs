//! What a process sets for itself before it executes another program.

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

use crate::{Errno, Result};

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
pub fn reset_signals() -> Result<()> {
    SigSet::empty().thread_set_mask()?;
    let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
    for signal in Signal::iterator().filter(|signal| !matches!(signal, Signal::SIGKILL | Signal::SIGSTOP)) {
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
