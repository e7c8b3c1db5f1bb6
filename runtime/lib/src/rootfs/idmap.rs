//! Mounts that show other ids than their file systems have: mount_setattr(2).

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use ketch_sys::{Errno, mount};
use nix::libc;

use crate::init::namespace::Open;
use crate::plan::ids::Maps;
use crate::plan::mount::Mount;
use crate::plan::mount_idmap::Mapping;
use crate::step::{At, StepError};
use crate::userns;

/// Those made so far, one a mapping.
#[derive(Debug)]
pub(super) struct Mappings<'a> {
    joined: Option<BorrowedFd<'a>>,
    made: Vec<(&'a Maps, OwnedFd)>,
}

impl<'a> Mappings<'a> {
    pub(super) fn new(joined: &'a [Open<'a>]) -> Mappings<'a> {
        let user = joined.iter().find(|open| open.joined.flag == libc::CLONE_NEWUSER);
        Mappings { joined: user.map(|open| open.fd.as_fd()), made: Vec::new() }
    }

    /// The user namespace whose maps `mount` is to have; None if its ids are not mapped.
    pub(super) fn of(&mut self, mount: &'a Mount) -> Result<Option<BorrowedFd<'_>>, StepError> {
        let Some(map) = &mount.idmap else { return Ok(None) };
        match &map.mapping {
            Mapping::Ranges(maps) => self.namespace(maps).map(Some),
            Mapping::OfJoined => match self.joined {
                Some(joined) => Ok(Some(joined)),
                None => Err(Errno::ENOENT).at("find the user namespace for", &mount.destination),
            },
        }
    }

    fn namespace(&mut self, maps: &'a Maps) -> Result<BorrowedFd<'_>, StepError> {
        let index = match self.made.iter().position(|(of, _)| *of == maps) {
            Some(index) => index,
            None => {
                let made = userns::make(maps, false, "an id-mapped mount")?;
                self.made.push((maps, made.user));
                self.made.len() - 1
            }
        };
        Ok(self.made[index].1.as_fd())
    }
}

/// Maps the ids of `tree`, what is to be mounted and is not yet. Only root of the user namespace that a file system was
/// mounted in may.
pub(super) fn apply(mount: &Mount, tree: &OwnedFd, user: impl AsFd) -> Result<(), StepError> {
    let recursive = mount.idmap.as_ref().is_some_and(|map| map.recursive);
    mount::set_idmap(tree, recursive, user).map_err(|errno| {
        let why = match errno {
            Errno::EINVAL => " (its file system cannot)",
            Errno::EPERM => " (they are mapped already, or the file system is not the caller's)",
            _ => "",
        };
        let object = format!("{}{why}", mount.destination.display());
        StepError { step: "map the ids of the mount on".to_owned(), object, errno }
    })
}
