//! The user namespace of a container that starts.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use ketch_runtime::plan::ids::{self, Maps, Range};
use ketch_runtime::step::StepError;
use ketch_runtime::userns;

use super::parse;
use crate::container::options::{Network, Options};

#[derive(Debug, thiserror::Error)]
pub enum UsersError {
    #[error(transparent)]
    Step(#[from] StepError),
    #[error("cannot tell the user namespace: {}", .0.desc().to_lowercase())]
    Kernel(ketch_sys::Errno),
    #[error("cannot open the user namespace {path}")]
    Open { path: PathBuf, source: std::io::Error },
    #[error("the user namespace {0} has other ids than it had when the container was created")]
    Changed(PathBuf),
}

/// A container's user namespace, and what it needs with it.
#[derive(Debug)]
pub(crate) struct Users {
    pub(crate) namespace: OwnedFd,
    /// A network namespace that belongs to it, for a container whose interfaces ketch makes.
    pub(crate) network: Option<OwnedFd>,
    pub(crate) maps: Maps,
    /// The ids out here are those on disk.
    pub(crate) on_disk: bool,
}

impl Users {
    /// Makes it, or opens the one that is found at `joined`. None: the container is in ketch's own.
    ///
    /// The calling process must have one thread.
    pub(crate) fn open(options: &Options, joined: Option<&Path>) -> Result<Option<Users>, UsersError> {
        if !options.userns.is_own() {
            return Ok(None);
        }
        let maps = options.userns.maps();
        let on_disk = !super::maps_mounts().map_err(UsersError::Kernel)?;
        let object = "the container";
        let has_network = matches!(options.network, Network::Bridge(_) | Network::Pasta(_));
        let Some(path) = joined else {
            let made = userns::make(&maps, has_network, object)?;
            return Ok(Some(Users { namespace: made.user, network: made.network, maps, on_disk }));
        };
        let namespace: OwnedFd =
            File::open(path).map_err(|source| UsersError::Open { path: path.to_owned(), source })?.into();
        if maps_of(namespace.as_fd())? != maps {
            return Err(UsersError::Changed(path.to_owned()));
        }
        let network = has_network.then(|| userns::network_in(namespace.as_fd(), object)).transpose()?;
        Ok(Some(Users { namespace, network, maps, on_disk }))
    }

    /// What the container's user and group are outside; who is not mapped stays as he is.
    pub(crate) fn outside(&self, (uid, gid): (u32, u32)) -> (u32, u32) {
        outside(&self.maps, (uid, gid))
    }
}

/// Whoever has no place in `maps` stays who he is.
pub(crate) fn outside(maps: &Maps, (uid, gid): (u32, u32)) -> (u32, u32) {
    (ids::host(&maps.uids, uid).unwrap_or(uid), ids::host(&maps.gids, gid).unwrap_or(gid))
}

/// What processes of the container see in place of ids out here.
pub(crate) fn inside(maps: &Maps, (uid, gid): (u32, u32)) -> (u32, u32) {
    (within(&maps.uids, uid).unwrap_or(NOBODY), within(&maps.gids, gid).unwrap_or(NOBODY))
}

/// `/proc/sys/kernel/overflowuid`, by default.
const NOBODY: u32 = 65534;

/// The id inside that is `id` outside.
pub(super) fn within(ranges: &[Range], id: u32) -> Option<u32> {
    let range = ranges.iter().find(|range| id >= range.host && id - range.host < range.size)?;
    Some(range.container + (id - range.host))
}

/// The maps of a user namespace, as seen from here.
pub(super) fn maps_of(namespace: BorrowedFd<'_>) -> Result<Maps, StepError> {
    let (uids, gids) = userns::maps_of(namespace, "the container")?;
    Ok(Maps { uids: parse::map(&uids), gids: parse::map(&gids) })
}
