//! Signals of an attached client, as a descriptor to poll instead of handlers.

use nix::sys::signal::{SigSet, SigmaskHow, Signal, raise};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// What `--sig-proxy` passes on. Not the stop signals (the shell's job control stays the user's), nor those
/// that tell of the client's own fault or children.
const PROXIED: [Signal; 7] = [
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGTERM,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGALRM,
];

/// What would end this process and leave its terminal raw.
const FATAL: [Signal; 4] = [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTERM];

/// Signals caught while this lives; the mask is as before when it is dropped.
#[derive(Debug)]
pub(super) struct Caught {
    pub(super) fd: SignalFd,
    before: SigSet,
}

impl Caught {
    pub(super) fn block(proxy: bool, terminal: bool) -> ketch_sys::Result<Caught> {
        let mut set = SigSet::empty();
        if proxy {
            set.extend(PROXIED);
        }
        if terminal {
            set.extend(FATAL);
            set.extend([Signal::SIGWINCH, Signal::SIGCONT]);
        }
        let fd = SignalFd::with_flags(&set, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?;
        let before = set.thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
        Ok(Caught { fd, before })
    }

    pub(super) fn next(&self) -> ketch_sys::Result<Option<Signal>> {
        let info = self.fd.read_signal()?;
        Ok(info.and_then(|info| Signal::try_from(info.ssi_signo as i32).ok()))
    }

    /// Lets `signal` do what it would have done to this process.
    pub(super) fn give_back(self, signal: Signal) -> ketch_sys::Result<()> {
        drop(self);
        raise(signal)
    }
}

impl Drop for Caught {
    fn drop(&mut self) {
        // Fails for an invalid mask only, and this one came from the kernel.
        let _ = self.before.thread_set_mask();
    }
}
