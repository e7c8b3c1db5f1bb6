//! `ketch image`: one verb a file.

use std::io::Write;

use ketch_engine::image::Progress;

use super::{Command, verb};

pub(crate) mod exists;
pub(crate) mod inspect;
pub(crate) mod list;
pub(crate) mod load;
pub(crate) mod pull;
pub(crate) mod remove;
pub(crate) mod tag;
pub(crate) mod untag;

pub(crate) const COMMANDS: &[Command] = &[
    verb!("exists", "Say by the exit code whether an image is there", exists),
    verb!("inspect", "Show all about images as JSON", inspect),
    verb!("list", "List images", list),
    verb!("load", "Load images from an archive", load),
    verb!("ls", "List images", list),
    verb!("pull", "Pull images from registries", pull),
    verb!("rm", "Remove images", remove),
    verb!("tag", "Give an image more names", tag),
    verb!("untag", "Take names from an image", untag),
];

/// Prints what a transfer does, on stderr as podman does.
pub(crate) fn show(progress: Progress) {
    let text = match progress {
        Progress::Trying(reference) => format!("Trying to pull {reference}..."),
        Progress::Copying(digest) => format!("Copying blob {digest}"),
        Progress::Present(digest) => format!("Copying blob {digest} skipped: already exists"),
        Progress::Config(digest) => format!("Copying config {digest}"),
        Progress::Writing => "Writing manifest to image destination".to_owned(),
        Progress::Warning(text) => format!("WARNING: {text}"),
    };
    // Progress that nobody reads is no reason to stop.
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// `--quiet` keeps warnings.
pub(crate) fn show_warning(progress: Progress) {
    if matches!(progress, Progress::Warning(_)) {
        show(progress);
    }
}
