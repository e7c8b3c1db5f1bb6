//! Being told when a cgroup runs out of memory, without asking again and again.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use nix::poll::PollFlags;
use nix::sys::eventfd::{EfdFlags, EventFd};

use crate::{Error, Location, file, v1};

/// v2: counts, and POLLPRI at each change of one.
pub(crate) const EVENTS: &str = "memory.events";

/// An ear for one cgroup. Dropping it ends it.
#[derive(Debug)]
pub struct OomWatch(Source);

#[derive(Debug)]
enum Source {
    /// v2: `memory.events`, with POLLPRI at each change; the kills that were told already.
    Events { file: File, told: u64 },
    /// v1: an eventfd registered for `memory.oom_control` (cgroup-v1/memory.txt, section 10). It is written to when the
    /// cgroup is removed, too.
    Control { eventfd: EventFd, directory: PathBuf },
}

/// None where the memory controller is not there.
pub(crate) fn watch(location: &Location) -> Result<Option<OomWatch>, Error> {
    let source = match &location.paths[..] {
        [path] if location.v2 => events(path)?,
        paths => v1::hierarchy(paths, "memory").map(control).transpose()?,
    };
    Ok(source.map(OomWatch))
}

fn events(directory: &Path) -> Result<Option<Source>, Error> {
    let path = directory.join(EVENTS);
    let file = match File::open(&path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        file => file.map_err(Error::io("open", &path))?,
    };
    let told = kills(&file).map_err(Error::io("read", &path))?;
    Ok(Some(Source::Events { file, told }))
}

/// The count in a v2 `memory.events`, from its start, so that poll(2) tells of changes from here on. An error says that the
/// cgroup has gone.
pub(crate) fn kills(events: &File) -> std::io::Result<u64> {
    let mut text = [0; 512];
    let n = events.read_at(&mut text, 0)?;
    Ok(file::field(&String::from_utf8_lossy(&text[..n]), "oom_kill").unwrap_or(0))
}

fn control(directory: &Path) -> Result<Source, Error> {
    let eventfd = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)
        .map_err(|errno| Error::io("make an eventfd for", directory)(errno.into()))?;
    let path = directory.join("memory.oom_control");
    let control = File::open(&path).map_err(Error::io("open", &path))?;
    let line = format!("{} {}", eventfd.as_fd().as_raw_fd(), control.as_raw_fd());
    file::write(&directory.join("cgroup.event_control"), &line)?;
    Ok(Source::Control { eventfd, directory: directory.to_owned() })
}

impl OomWatch {
    /// What to poll(2), and for which events; [`OomWatch::happened`] tells then.
    pub fn poll(&self) -> (BorrowedFd<'_>, PollFlags) {
        match &self.0 {
            Source::Events { file, .. } => (file.as_fd(), PollFlags::POLLPRI),
            Source::Control { eventfd, .. } => (eventfd.as_fd(), PollFlags::POLLIN),
        }
    }

    /// Whether it has run out of memory since this was asked last, or the watch began. A cgroup that is gone has not.
    pub fn happened(&mut self) -> bool {
        match &mut self.0 {
            Source::Events { file, told } => {
                let now = kills(file).unwrap_or(*told);
                std::mem::replace(told, now) < now
            }
            Source::Control { eventfd, directory } => {
                eventfd.read().is_ok() && directory.join("memory.oom_control").exists()
            }
        }
    }
}
