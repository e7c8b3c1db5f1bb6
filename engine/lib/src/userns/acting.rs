//! Making files for a container: who is mapped makes them.

use ketch_runtime::plan::ids::{self, Maps};
use ketch_sys::caps::{self, Sets};
use ketch_sys::{Errno, Result};
use nix::unistd::{Gid, Uid, setfsgid, setfsuid};

/// While it lives, what the calling thread makes belongs to a container's root: where ids are mapped nobody else may make
/// anything, the host's root neither (EOVERFLOW). The thread has its capabilities still.
#[derive(Debug)]
pub(crate) struct Acting {
    uid: Uid,
    gid: Gid,
    held: Sets,
}

impl Acting {
    /// EINVAL: the container has no root.
    pub(crate) fn root_of(maps: &Maps) -> Result<Acting> {
        let root = |ranges: &[ids::Range]| ids::host(ranges, 0).ok_or(Errno::EINVAL);
        let (uid, gid) = (root(&maps.uids)?, root(&maps.gids)?);
        let held = caps::get()?;
        // setfsuid(2): it takes capabilities that are about files, for a moment. Both tell who it was before.
        let gid = setfsgid(Gid::from_raw(gid));
        let acting = Acting { uid: setfsuid(Uid::from_raw(uid)), gid, held };
        caps::set(held)?;
        Ok(acting)
    }
}

impl Drop for Acting {
    fn drop(&mut self) {
        setfsuid(self.uid);
        setfsgid(self.gid);
        // It had them a moment ago, so it may have them.
        let _ = caps::set(self.held);
    }
}
