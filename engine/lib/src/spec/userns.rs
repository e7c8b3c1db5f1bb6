//! The container's user namespace in its configuration.

use ketch_runtime::plan::ids;
use ketch_runtime::spec::{Linux, LinuxIdMappingBuilder};

use crate::container::options::{IdRange, Options};

/// What the ids of the user namespace that is joined are outside.
pub(super) fn map(linux: &mut Linux, options: &Options) {
    let list = |ranges: &[IdRange]| {
        let ranges = ranges.iter().map(|range| {
            let mapping = LinuxIdMappingBuilder::default()
                .container_id(range.container)
                .host_id(range.host)
                .size(range.size);
            mapping.build().expect("all fields are there")
        });
        Some(ranges.collect::<Vec<_>>()).filter(|list| !list.is_empty())
    };
    linux.set_uid_mappings(list(&options.userns.uids));
    linux.set_gid_mappings(list(&options.userns.gids));
}

/// Whether the container has the group `gid`, where `here` says it of ketch itself.
pub(super) fn has_group(options: &Options, gid: u32, here: bool) -> bool {
    match options.userns.is_own() {
        true => ids::host(&options.userns.maps().gids, gid).is_some(),
        false => here,
    }
}
