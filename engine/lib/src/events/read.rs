//! Reading events: those that are there, and those that come.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use ketch_sys::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

use super::{Event, log};
use crate::Paths;

#[derive(Debug, thiserror::Error)]
#[error("cannot {step} {path}")]
pub struct ReadError {
    step: &'static str,
    path: PathBuf,
    source: io::Error,
}

impl ReadError {
    fn at(step: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ReadError {
        move |source| ReadError { step, path: path.to_owned(), source }
    }
}

/// All events so far, the oldest first.
pub fn past(paths: &Paths) -> Result<Vec<Event>, ReadError> {
    Files { dir: paths.events(), tails: Vec::new() }.read()
}

/// The events as they come.
#[derive(Debug)]
pub struct Follower {
    files: Files,
    watch: Inotify,
}

impl Follower {
    /// Begins with the events so far.
    pub fn new(paths: &Paths) -> Result<Follower, ReadError> {
        let dir = paths.events();
        std::fs::create_dir_all(&dir).map_err(ReadError::at("make the directory", &dir))?;
        let failed = |errno: Errno| ReadError { step: "watch", path: dir.clone(), source: errno.into() };
        let watch = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK).map_err(failed)?;
        let changes = AddWatchFlags::IN_MODIFY | AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MOVED_TO;
        watch.add_watch(&dir, changes).map_err(failed)?;
        Ok(Follower { files: Files { dir, tails: Vec::new() }, watch })
    }

    /// The events since the last call, at least one of them; none when it is `until` first.
    pub fn next(&mut self, until: Option<SystemTime>) -> Result<Vec<Event>, ReadError> {
        loop {
            let events = self.files.read()?;
            if !events.is_empty() {
                return Ok(events);
            }
            // poll(2) takes milliseconds, in 31 bits: a longer wait is several.
            let timeout = match until.map(|until| until.duration_since(SystemTime::now())) {
                None => PollTimeout::NONE,
                Some(Ok(left)) => {
                    let left = left.as_micros().div_ceil(1000).min(i32::MAX as u128);
                    PollTimeout::try_from(left as i32).unwrap_or(PollTimeout::MAX)
                }
                Some(Err(_)) => return Ok(Vec::new()),
            };
            let failed = |errno: Errno| ReadError {
                step: "watch",
                path: self.files.dir.clone(),
                source: errno.into(),
            };
            let mut fds = [PollFd::new(self.watch.as_fd(), PollFlags::POLLIN)];
            match poll(&mut fds, timeout) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(errno) => return Err(failed(errno)),
            }
            match self.watch.read_events() {
                Ok(_) | Err(Errno::EAGAIN | Errno::EINTR) => {}
                Err(errno) => return Err(failed(errno)),
            }
        }
    }
}

/// The two files, each read up to some place.
#[derive(Debug)]
struct Files {
    dir: PathBuf,
    /// The oldest first. A file that has lost its names is still read: its last writers may have opened it before.
    tails: Vec<Tail>,
}

#[derive(Debug)]
struct Tail {
    file: File,
    inode: u64,
    /// What is read already of a line whose end is not there yet.
    rest: Vec<u8>,
}

impl Files {
    /// What has come since the last time.
    fn read(&mut self) -> Result<Vec<Event>, ReadError> {
        let mut events = Vec::new();
        loop {
            for tail in &mut self.tails {
                tail.read(&mut events).map_err(ReadError::at("read the events in", &self.dir))?;
            }
            if !self.find()? {
                return Ok(events);
            }
        }
    }

    /// Opens files that were not there before; whether there are any.
    fn find(&mut self) -> Result<bool, ReadError> {
        let before = self.tails.len();
        for name in [log::LAST, log::CURRENT] {
            let path = self.dir.join(name);
            let file = match File::open(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                opened => opened.map_err(ReadError::at("open", &path))?,
            };
            let inode = file.metadata().map_err(ReadError::at("look at", &path))?.ino();
            if self.tails.iter().all(|tail| tail.inode != inode) {
                self.tails.push(Tail { file, inode, rest: Vec::new() });
            }
        }
        let found = self.tails.len() > before;
        // Those that are opened but not read yet stay, and the one before them.
        let kept = self.tails.len() - before + 1;
        self.tails.drain(..self.tails.len().saturating_sub(kept.max(2)));
        Ok(found)
    }
}

impl Tail {
    fn read(&mut self, events: &mut Vec<Event>) -> io::Result<()> {
        self.file.read_to_end(&mut self.rest)?;
        let Some(end) = self.rest.iter().rposition(|byte| *byte == b'\n') else { return Ok(()) };
        let rest = self.rest.split_off(end + 1);
        let lines = std::mem::replace(&mut self.rest, rest);
        // A line that is no event is what a full disk has left, or another version's.
        events
            .extend(lines.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Action, Kind, note};
    use super::*;

    fn names(events: &[Event]) -> Vec<&str> {
        events.iter().map(|event| &*event.name).collect()
    }

    #[test]
    fn follows_from_file_to_file() {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths { root: root.path().into(), run: root.path().into() };
        let happen = |name: &str| note(&paths, &[Event::new(Kind::Volume, Action::Create, "", name)]);
        let rotate =
            || std::fs::rename(paths.events().join(log::CURRENT), paths.events().join(log::LAST)).unwrap();
        assert!(past(&paths).unwrap().is_empty());
        happen("a");
        let mut follower = Follower::new(&paths).unwrap();
        assert_eq!(names(&follower.next(None).unwrap()), ["a"]);
        happen("b");
        rotate();
        happen("c");
        assert_eq!(names(&follower.next(None).unwrap()), ["b", "c"]);
        rotate();
        happen("d");
        rotate();
        happen("e");
        assert_eq!(names(&follower.next(None).unwrap()), ["d", "e"]);
        assert!(follower.next(Some(SystemTime::now())).unwrap().is_empty());
        assert_eq!(names(&past(&paths).unwrap()), ["d", "e"]);

        // What is no event is passed over; what has no end yet is waited for.
        let path = paths.events().join(log::CURRENT);
        let mut text = std::fs::read(&path).unwrap();
        text.splice(0..0, *b"nonsense\n");
        text.extend(b"{\"Type\":");
        std::fs::write(&path, text).unwrap();
        assert_eq!(names(&past(&paths).unwrap()), ["d", "e"]);
    }

    #[test]
    fn an_event_is_podmans_document() {
        let mut event = Event::new(Kind::Image, Action::PullError, "", "bb");
        (event.seconds, event.nanoseconds, event.error) = (1, 1_000_000_002, "no".into());
        let text = serde_json::to_string(&event).unwrap();
        assert_eq!(
            text,
            r#"{"Name":"bb","Status":"pull-error","time":1,"timeNano":1000000002,"Type":"image","Error":"no","Attributes":null}"#
        );
        assert_eq!(serde_json::from_str::<Event>(&text).unwrap(), event);
    }
}
