//! posix_spawn(3): a new program without a copy of the caller's address space (musl: `CLONE_VM | CLONE_VFORK`).

use std::ffi::{CStr, CString};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use nix::fcntl::{FcntlArg, OFlag, fcntl, open};
use nix::sys::stat::Mode;

use crate::{Errno, Result};

unsafe extern "C" {
    static environ: *const *mut libc::c_char;
}

/// Starts the program that `program` is open on, in a session of its own, and returns its pid once it executes.
///
/// 0, 1 and 2 are /dev/null, each of `fds` appears under the number beside it; else it gets what is not
/// close-on-exec. It starts with all signals blocked and the caller's environment.
pub fn detached(program: BorrowedFd<'_>, argv: &[&CStr], fds: &[(BorrowedFd<'_>, RawFd)]) -> Result<i32> {
    // Copies above every target: no dup2 below can close what a later one needs.
    let floor = 1 + fds.iter().map(|(_, target)| *target).max().unwrap_or(2).max(2);
    let above = |fd: BorrowedFd<'_>| -> Result<OwnedFd> {
        let copy = fcntl(fd, FcntlArg::F_DUPFD_CLOEXEC(floor))?;
        // SAFETY: fcntl has just made this descriptor; nobody else owns it.
        Ok(unsafe { <OwnedFd as std::os::fd::FromRawFd>::from_raw_fd(copy) })
    };
    let program = above(program)?;
    let null = above(open(c"/dev/null", OFlag::O_RDWR | OFlag::O_CLOEXEC, Mode::empty())?.as_fd())?;
    let sources = fds.iter().map(|(fd, _)| above(*fd)).collect::<Result<Vec<_>>>()?;

    let mut actions = Actions::new()?;
    for target in 0..3 {
        actions.dup2(null.as_raw_fd(), target)?;
    }
    for (source, (_, target)) in sources.iter().zip(fds) {
        actions.dup2(source.as_raw_fd(), *target)?;
    }
    let attributes = Attributes::new()?;

    let path = CString::new(format!("/proc/self/fd/{}", program.as_raw_fd())).expect("no NUL in a number");
    let mut pointers: Vec<*mut libc::c_char> = argv.iter().map(|a| a.as_ptr().cast_mut()).collect();
    pointers.push(std::ptr::null_mut());
    let mut pid = 0;
    // SAFETY: path, actions, attributes and the NUL-terminated strings of argv outlive the call, which only
    // reads them; `environ` is libc's own array, and this process has no other thread that could change it.
    check(unsafe {
        libc::posix_spawn(&mut pid, path.as_ptr(), &actions.0, &attributes.0, pointers.as_ptr(), environ)
    })?;
    Ok(pid)
}

/// posix_spawn's functions return the error instead of setting errno.
fn check(error: libc::c_int) -> Result<()> {
    if error == 0 { Ok(()) } else { Err(Errno::from_raw(error)) }
}

struct Actions(libc::posix_spawn_file_actions_t);

impl Actions {
    fn new() -> Result<Actions> {
        let mut actions = MaybeUninit::uninit();
        // SAFETY: init fills the whole object when it succeeds.
        unsafe {
            check(libc::posix_spawn_file_actions_init(actions.as_mut_ptr()))?;
            Ok(Actions(actions.assume_init()))
        }
    }

    fn dup2(&mut self, source: RawFd, target: RawFd) -> Result<()> {
        // SAFETY: the object is initialised; the call stores two numbers in it.
        check(unsafe { libc::posix_spawn_file_actions_adddup2(&mut self.0, source, target) })
    }
}

impl Drop for Actions {
    fn drop(&mut self) {
        // SAFETY: initialised in `new`, destroyed once.
        unsafe { libc::posix_spawn_file_actions_destroy(&mut self.0) };
    }
}

struct Attributes(libc::posix_spawnattr_t);

impl Attributes {
    fn new() -> Result<Attributes> {
        let mut attributes = MaybeUninit::uninit();
        let mut all = MaybeUninit::uninit();
        // SAFETY: init fills the whole object when it succeeds, sigfillset the whole set; the setters read them.
        unsafe {
            check(libc::posix_spawnattr_init(attributes.as_mut_ptr()))?;
            let mut attributes = Attributes(attributes.assume_init());
            libc::sigfillset(all.as_mut_ptr());
            check(libc::posix_spawnattr_setsigmask(&mut attributes.0, all.as_ptr()))?;
            let flags = libc::POSIX_SPAWN_SETSID | libc::POSIX_SPAWN_SETSIGMASK as libc::c_short;
            check(libc::posix_spawnattr_setflags(&mut attributes.0, flags))?;
            Ok(attributes)
        }
    }
}

impl Drop for Attributes {
    fn drop(&mut self) {
        // SAFETY: initialised in `new`, destroyed once.
        unsafe { libc::posix_spawnattr_destroy(&mut self.0) };
    }
}
