//! OOM kills in a cgroup that systemd removes the moment it is empty, with all that the kernel has counted in it.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use crate::oom::{self, EVENTS};

/// The cgroup's count, and that of the one above: the kernel raises both before it sends the signal (cgroup-v2.rst,
/// `memory.events`), and the other one stays.
///
/// Its descriptor has POLLPRI when there may be something to see.
#[derive(Debug)]
pub struct ScopeOom {
    own: File,
    above: Option<File>,
    /// As of the last look.
    kills_above: Option<u64>,
}

/// What there is to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Oom {
    No,
    /// A process of the cgroup was killed.
    Kill,
    /// The cgroup has gone. `near`: since the last look, a process of it or of one beside it was killed.
    Gone {
        near: bool,
    },
}

impl ScopeOom {
    /// None: memory is not counted there.
    pub(crate) fn new(cgroup: &Path) -> Option<ScopeOom> {
        let own = File::open(cgroup.join(EVENTS)).ok()?;
        let above = cgroup.parent().and_then(|above| File::open(above.join(EVENTS)).ok());
        let kills_above = above.as_ref().and_then(kills);
        Some(ScopeOom { own, above, kills_above })
    }

    pub fn look(&mut self) -> Oom {
        // Before the cgroup's own: what is killed after this look is a difference in the next.
        let kills_above = self.above.as_ref().and_then(kills);
        let before = std::mem::replace(&mut self.kills_above, kills_above);
        match kills(&self.own) {
            Some(0) => Oom::No,
            Some(_) => Oom::Kill,
            None => Oom::Gone { near: kills_above > before },
        }
    }
}

impl AsFd for ScopeOom {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.own.as_fd()
    }
}

/// None: the cgroup has gone.
fn kills(events: &File) -> Option<u64> {
    oom::kills(events).ok()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_is_seen() {
        let above = tempfile::tempdir().unwrap();
        let own = above.path().join("own");
        fs::create_dir(&own).unwrap();
        let count = |dir: &Path, kills: u64| {
            fs::write(dir.join(EVENTS), format!("low 0\nmax 7\noom 3\noom_kill {kills}\n")).unwrap();
        };
        count(above.path(), 2);
        count(&own, 0);
        let watch = || ScopeOom::new(&own).unwrap();
        // A directory cannot be read either.
        let gone = |watch: ScopeOom| ScopeOom { own: File::open(&own).unwrap(), ..watch };

        let mut before = watch();
        assert_eq!(before.look(), Oom::No);
        assert_eq!(gone(watch()).look(), Oom::Gone { near: false });
        count(above.path(), 3);
        assert_eq!(gone(before).look(), Oom::Gone { near: true });
        assert_eq!(gone(watch()).look(), Oom::Gone { near: false });
        count(&own, 1);
        assert_eq!(watch().look(), Oom::Kill);
        fs::remove_file(own.join(EVENTS)).unwrap();
        assert!(ScopeOom::new(&own).is_none());
    }
}
