//! User namespaces of choice: settled when a container is created ([`settle`]), made or joined at each of its starts
//! ([`namespace`]).
//!
//! An image's layers, and what a container writes to its root, have the container's ids on disk, whatever ids those are
//! outside: the layers are mounted with the ids of its user namespace (mount_setattr(2)). So no layer is copied or changed, and what
//! commit, diff and the like read in the upper directory is an image's already.
//!
//! An ordinary user may not do that. There the ids on disk are those outside, and each layer is copied once for each mapping
//! ([`crate::store`]); what reads the upper directory translates.

mod acting;
pub(crate) mod auto;
pub(crate) mod namespace;
mod parse;
pub(crate) mod settle;
mod translate;

pub(crate) use acting::Acting;
pub(crate) use namespace::Users;
pub use namespace::UsersError;
pub use settle::SettleError;
pub(crate) use translate::Translate;

use ketch_runtime::plan::ids::Maps;

use crate::container::options::Options;

/// What the container's ids are in its upper directory, if they are not the same: where ids cannot be mapped by a mount.
pub(crate) fn ids_on_disk(options: &Options) -> ketch_sys::Result<Option<Maps>> {
    Ok((options.userns.is_own() && !maps_mounts()?).then(|| options.userns.maps()))
}

/// Whether ketch may map the ids of mounts: that is for root of the user namespace that a file system was mounted in,
/// and disks are in the first one.
fn maps_mounts() -> ketch_sys::Result<bool> {
    ketch_sys::ns::in_first_user()
}
