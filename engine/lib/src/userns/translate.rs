//! Owners of files, as they go into an archive.

use ketch_runtime::plan::ids::{self, Maps};

use super::namespace::inside;

/// What becomes of the ids that are read.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) enum Translate<'a> {
    #[default]
    Not,
    /// Ids of out here to those of a container; who is none of them is nobody.
    Inside(&'a Maps),
    /// A container's ids to those of out here.
    Outside(&'a Maps),
}

impl Translate<'_> {
    /// None: the container has no such user or group.
    pub(crate) fn apply(self, (uid, gid): (u32, u32)) -> Option<(u32, u32)> {
        match self {
            Translate::Not => Some((uid, gid)),
            Translate::Inside(maps) => Some(inside(maps, (uid, gid))),
            Translate::Outside(maps) => ids::host(&maps.uids, uid).zip(ids::host(&maps.gids, gid)),
        }
    }
}

impl<'a> From<Option<&'a Maps>> for Translate<'a> {
    /// The ids of a container, where they are not those out here.
    fn from(ids: Option<&'a Maps>) -> Translate<'a> {
        ids.map_or(Translate::Not, Translate::Inside)
    }
}
