//! A volume as `ls` and `inspect` show it.

use ketch_engine::Engine;
use ketch_engine::volume::{Volume, mount_point};
use serde_json::{Value, json};

/// What `--format` can name, and the heading of each in a table.
pub(super) const HEADING: &[(&str, &str)] = &[
    ("Name", "VOLUME NAME"),
    ("Driver", "DRIVER"),
    ("Mountpoint", "MOUNTPOINT"),
    ("CreatedAt", "CREATED AT"),
    ("Labels", "LABELS"),
    ("Scope", "SCOPE"),
    ("Options", "OPTIONS"),
    ("MountCount", "MOUNT COUNT"),
    ("NeedsCopyUp", "NEEDS COPY UP"),
    ("NeedsChown", "NEEDS CHOWN"),
    ("Anonymous", "ANONYMOUS"),
];

/// podman's document. Its mount count is of mounts on the host, which ketch never makes, and its locks are not ours.
pub(super) fn document(engine: &Engine, volume: &Volume) -> Value {
    let mut document = json!({
        "Name": volume.name,
        "Driver": "local",
        "Mountpoint": mount_point(&engine.paths, &volume.name),
        "CreatedAt": volume.created,
        "Labels": volume.labels,
        "Scope": "local",
        "Options": {},
    });
    if volume.anonymous {
        document["Anonymous"] = true.into();
    }
    document["MountCount"] = 0.into();
    if volume.fresh {
        document["NeedsCopyUp"] = true.into();
        document["NeedsChown"] = true.into();
    }
    document
}

/// What a template sees: every field.
pub(super) fn fields(engine: &Engine, volume: &Volume) -> Value {
    let mut fields = document(engine, volume);
    fields["Anonymous"] = volume.anonymous.into();
    fields["NeedsCopyUp"] = volume.fresh.into();
    fields["NeedsChown"] = volume.fresh.into();
    fields
}
