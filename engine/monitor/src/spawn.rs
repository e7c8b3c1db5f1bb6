//! The engine's end: starting a monitor and hearing how it went.

use std::ffi::CString;
use std::fs::File;
use std::io::{Seek, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use ketch_sys::pidfd::{self, Ended};
use ketch_sys::{Errno, inherit};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::lock::Lock;
use crate::report::Report;

/// A monitor finds what init is passed under init's own numbers: from this one up to, but without, [`CONFIG_FD`].
pub const PASSED_FD: i32 = 3;

/// Descriptors that a monitor finds open for itself. Below 64, the kernel has room for them without asking for more.
pub const CONFIG_FD: i32 = 32;
pub const REPORT_FD: i32 = 33;
pub const LOCK_FD: i32 = 34;
/// Those of [`Handed`], as many as [`Config::handed`] says: the root, the network, /dev/shm, the user namespace, the container's
/// streams, the account and the upper directory, and those that are held.
pub const HANDED_FD: i32 = 35;

/// Behind those with numbers of their own.
const LIST_FD: i32 = ACCOUNT_FD + 2;

/// The first of three.
const STDIO_FD: i32 = HANDED_FD + 4;

/// The first of two.
const ACCOUNT_FD: i32 = STDIO_FD + 3;

/// Where a monitor finds the network namespace that it was handed: the path to join in the configuration's `namespaces`.
pub const NETWORK_PATH: &str = "/proc/self/fd/36";

/// The source of a bind of [`Handed::shm`] in the configuration's `mounts`.
pub const SHM_PATH: &str = "/proc/self/fd/37";

/// As [`NETWORK_PATH`], for the user namespace.
pub const USER_PATH: &str = "/proc/self/fd/38";

/// Descriptors that the monitor keeps or uses for its container.
#[derive(Debug, Default)]
pub struct Handed {
    /// The root mount, attached nowhere.
    pub rootfs: Option<OwnedFd>,
    /// The network namespace: found at [`NETWORK_PATH`].
    pub network: Option<OwnedFd>,
    /// Another container's /dev/shm, a mount attached nowhere: bound from [`SHM_PATH`].
    pub shm: Option<OwnedFd>,
    /// The user namespace: found at [`USER_PATH`].
    pub user: Option<OwnedFd>,
    /// What init gets, each with its number there, which no other has (sd_listen_fds(3), `--preserve-fd`).
    pub passed: Vec<(i32, OwnedFd)>,
    /// The container's stdin, stdout and stderr, when it has those of the command.
    pub stdio: Option<[OwnedFd; 3]>,
    /// Where the engine's `cleanup` writes what the container has used; None: nobody wants to know.
    pub account: Option<OwnedFd>,
    /// The upper directory of its root, for that report.
    pub upper: Option<OwnedFd>,
    /// Kept open while the container lives, and otherwise unused: sockets that hold a port of the host.
    pub held: Vec<OwnedFd>,
}

/// How many of each there are. All but the last two have numbers of their own, given or not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandedCounts {
    pub rootfs: bool,
    pub network: bool,
    pub shm: bool,
    #[serde(default)]
    pub stdio: bool,
    #[serde(default)]
    pub user: bool,
    #[serde(default)]
    pub account: bool,
    #[serde(default)]
    pub upper: bool,
    /// A bit a number.
    passed: u32,
    pub held: usize,
}

impl HandedCounts {
    /// The numbers of those that init is passed, in order.
    pub fn passed(self) -> impl Iterator<Item = u32> {
        (PASSED_FD as u32..CONFIG_FD as u32).filter(move |number| self.passed & 1 << number != 0)
    }
}

impl Handed {
    pub fn counts(&self) -> HandedCounts {
        HandedCounts {
            rootfs: self.rootfs.is_some(),
            network: self.network.is_some(),
            shm: self.shm.is_some(),
            stdio: self.stdio.is_some(),
            user: self.user.is_some(),
            account: self.account.is_some(),
            upper: self.upper.is_some(),
            passed: self
                .passed
                .iter()
                .fold(0, |numbers, (number, _)| numbers | 1u32.checked_shl(*number as u32).unwrap_or(0)),
            held: self.held.len(),
        }
    }

    /// In the monitor, as its first act: what was handed over, and nothing else stays open from [`HANDED_FD`] on.
    pub(crate) fn take(counts: HandedCounts) -> ketch_sys::Result<Handed> {
        // A number that was not given is free, or taken by a file that the command itself has inherited.
        let fixed = |given: bool, number| match (given, inherit::take(number)) {
            (true, taken) => taken.map(Some),
            (false, _) => Ok(None),
        };
        let held = LIST_FD..LIST_FD + counts.held as i32;
        let mut others = PASSED_FD;
        for number in counts.passed().map(|number| number as i32) {
            inherit::close_between(others, number)?;
            others = number + 1;
        }
        inherit::close_between(others, CONFIG_FD)?;
        inherit::close_from(held.end)?;
        Ok(Handed {
            rootfs: fixed(counts.rootfs, HANDED_FD)?,
            network: fixed(counts.network, HANDED_FD + 1)?,
            shm: fixed(counts.shm, HANDED_FD + 2)?,
            stdio: match [0, 1, 2].map(|number| fixed(counts.stdio, STDIO_FD + number)) {
                [stdin, stdout, stderr] => stdin?.zip(stdout?).zip(stderr?).map(|((a, b), c)| [a, b, c]),
            },
            user: fixed(counts.user, HANDED_FD + 3)?,
            account: fixed(counts.account, ACCOUNT_FD)?,
            upper: fixed(counts.upper, ACCOUNT_FD + 1)?,
            passed: counts
                .passed()
                .map(|number| Ok((number as i32, inherit::take(number as i32)?)))
                .collect::<ketch_sys::Result<_>>()?,
            held: held.map(inherit::take).collect::<ketch_sys::Result<_>>()?,
        })
    }

    /// Each with its number in the monitor.
    fn numbered(&self) -> impl Iterator<Item = (BorrowedFd<'_>, i32)> {
        let fixed = [&self.rootfs, &self.network, &self.shm, &self.user].into_iter().zip(HANDED_FD..);
        let fixed = fixed.filter_map(|(fd, number)| fd.as_ref().map(|fd| (fd.as_fd(), number)));
        let stdio = self.stdio.iter().flatten().map(AsFd::as_fd).zip(STDIO_FD..);
        let account = [&self.account, &self.upper].into_iter().zip(ACCOUNT_FD..);
        let account = account.filter_map(|(fd, number)| fd.as_ref().map(|fd| (fd.as_fd(), number)));
        let passed = self.passed.iter().map(|(number, fd)| (fd.as_fd(), *number));
        let held = self.held.iter().map(AsFd::as_fd).zip(LIST_FD..);
        fixed.chain(stdio).chain(account).chain(passed).chain(held)
    }
}

/// Why a container did not start. `code` is what `ketch run` exits with: 127 (no such command), 126 (refused
/// by the runtime), 125 (the monitor's own failures).
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct StartError {
    pub message: String,
    pub code: i32,
}

impl StartError {
    /// A failure that is not the container's command's.
    pub(crate) fn ours(step: &str, cause: impl std::fmt::Display) -> StartError {
        StartError { message: format!("cannot {step}: {cause}"), code: 125 }
    }

    pub(crate) fn errno(step: &str, errno: Errno) -> StartError {
        StartError::ours(step, errno.desc().to_lowercase())
    }
}

/// A monitor whose container waits to be let go, so that the caller can attach before the first byte of output.
///
/// Dropped instead of started, it undoes the container and ends.
#[derive(Debug)]
pub struct Monitor {
    pub pid: i32,
    pub pidfd: OwnedFd,
    report: OwnedFd,
}

/// A monitor that is creating its container. Dropped, it undoes the container and ends.
#[derive(Debug)]
pub struct Spawned(Monitor);

/// Starts this binary again as a monitor (a read-only clone of it: CVE-2019-5736), in its own session, with
/// its own copy of nothing but the descriptors above. Returns while the monitor is at work.
pub fn spawn(config: &Config, lock: Lock, handed: Handed) -> Result<Spawned, StartError> {
    let step = |step: &'static str| move |errno: Errno| StartError::errno(step, errno);
    if let Some((number, _)) =
        handed.passed.iter().find(|(number, _)| !(PASSED_FD..CONFIG_FD).contains(number))
    {
        let problem = format!("their numbers are {PASSED_FD} to {}", CONFIG_FD - 1);
        return Err(StartError::ours(&format!("pass descriptor {number} on to the container"), problem));
    }
    let text =
        write_config(config).map_err(|e| StartError::ours("hand the configuration to the monitor", e))?;
    let (report, theirs) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)
        .map_err(step("make the monitor's report socket"))?;
    let program = ketch_sys::exe::read_only_exe().map_err(step("clone this program for the monitor"))?;

    let mut fds = vec![(text.as_fd(), CONFIG_FD), (theirs.as_fd(), REPORT_FD), (lock.0.as_fd(), LOCK_FD)];
    fds.extend(handed.numbered());
    let program_name = CString::new(crate::PROGRAM).expect("no NUL in it");
    // Shown by ps, read by nobody.
    let name = CString::new(config.name.replace('\0', "")).expect("no NUL is left");
    let pid = ketch_sys::spawn::detached(program.as_fd(), &[&program_name, &name], &fds)
        .map_err(step("start the monitor"))?;
    // Its end of the socket must be the only one: our copy would keep its death from us.
    drop((theirs, lock, handed, text, program));
    let pidfd = pidfd::open(pid).map_err(step("watch the monitor"))?;

    Ok(Spawned(Monitor { pid, pidfd, report }))
}

impl Spawned {
    /// Returns when the container is created and its attach socket is there.
    pub fn created(self) -> Result<Monitor, StartError> {
        match self.0.hear()? {
            Report::Created => Ok(self.0),
            other => Err(self.0.refuse(&other)),
        }
    }

    /// Has it undone, and waits for that.
    pub fn abandon(self) {
        let Monitor { pidfd, report, .. } = self.0;
        // One that has ended already needs not be told. The socket stays open: its end would be the command's death.
        let _ = Report::Undo.send(&report);
        // It is this process's child, so there is nothing else that could fail.
        let _ = pidfd::reap(&pidfd);
    }
}

impl Monitor {
    /// Has the container wait for a command that starts it: [`attach::start`](crate::attach::start).
    pub fn keep(self) -> Result<(), StartError> {
        match Report::Keep.send(&self.report) {
            Ok(()) | Err(Errno::EPIPE) => {}
            Err(errno) => return Err(StartError::errno("keep the container", errno)),
        }
        match self.hear()? {
            Report::Keep => Ok(()),
            other => Err(self.refuse(&other)),
        }
    }

    /// Lets the container go and returns init's pid once it has called `execve`.
    pub fn start(self) -> Result<i32, StartError> {
        match Report::Go.send(&self.report) {
            // It ended before: what it had to say is in the socket still.
            Ok(()) | Err(Errno::EPIPE) => {}
            Err(errno) => return Err(StartError::errno("let the container go", errno)),
        }
        match self.hear()? {
            Report::Started(pid) => Ok(pid),
            other => Err(self.refuse(&other)),
        }
    }

    /// The next report; a failure is this function's error, and the monitor is gone then.
    fn hear(&self) -> Result<Report, StartError> {
        let spoken = self.speaks_before_it_ends();
        match spoken.and_then(|spoken| if spoken { Report::receive(&self.report) } else { Ok(None) }) {
            Ok(Some(Report::Failed { code, message })) => {
                self.reap();
                Err(StartError { message, code })
            }
            Ok(Some(report)) => Ok(report),
            Ok(None) => Err(self.lost()),
            Err(errno) => Err(StartError::errno("hear from the monitor", errno)),
        }
    }

    /// Waits for a report, or for the monitor's end without one: an init that it was making may outlive it for a
    /// moment, and has the socket's other end until then.
    fn speaks_before_it_ends(&self) -> ketch_sys::Result<bool> {
        let watch = |fd| PollFd::new(fd, PollFlags::POLLIN);
        let mut fds = [watch(self.report.as_fd()), watch(self.pidfd.as_fd())];
        loop {
            match poll(&mut fds, PollTimeout::NONE) {
                Err(Errno::EINTR) => {}
                result => return result.map(|_| fds[0].any().unwrap_or(false)),
            }
        }
    }

    fn lost(&self) -> StartError {
        let end = match self.reap() {
            Some(Ended::Signaled(signal)) => format!("it was killed by signal {signal}"),
            Some(Ended::Exited(code)) => format!("it exited with code {code}"),
            None => "it has ended".to_owned(),
        };
        StartError::ours("start the container: the monitor did not report", end)
    }

    fn refuse(&self, report: &Report) -> StartError {
        StartError::ours("start the container: the monitor reports out of turn", format!("{report:?}"))
    }

    /// Waits for a monitor that is ending, so that no zombie and no held lock outlives the error.
    fn reap(&self) -> Option<Ended> {
        pidfd::reap(&self.pidfd).ok()
    }
}

fn write_config(config: &Config) -> std::io::Result<OwnedFd> {
    let mut file = File::from(memfd_create(c"ketch-monitor", MFdFlags::MFD_CLOEXEC)?);
    file.write_all(&serde_json::to_vec(config)?)?;
    file.rewind()?;
    Ok(file.into())
}
