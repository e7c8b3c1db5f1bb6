//! `ketch image`: one verb a file.

use std::io::Write;

use ketch_engine::image::Progress;

use super::{Command, diff, verb};
use crate::messages;

pub(crate) mod exists;
pub(crate) mod filter;
pub(crate) mod history;
pub(crate) mod import;
pub(crate) mod inspect;
pub(crate) mod list;
pub(crate) mod load;
pub(crate) mod mount;
pub(crate) mod prune;
pub(crate) mod pull;
pub(crate) mod push;
pub(crate) mod remove;
pub(crate) mod save;
pub(crate) mod tag;
pub(crate) mod tree;
pub(crate) mod unmount;
pub(crate) mod untag;

pub(crate) const COMMANDS: &[Command] = &[
    verb!("diff", "Show what an image's topmost layer changes", diff),
    verb!("exists", "Say by the exit code whether an image is there", exists),
    verb!("history", "Show the steps that an image was made in", history),
    verb!("import", "Make an image of a tar archive", import),
    verb!("inspect", "Show all about images as JSON", inspect),
    verb!("list", "List images", list),
    verb!("load", "Load images from an archive", load),
    verb!("ls", "List images", list),
    verb!("mount", "Mount images read-only where the host sees them", mount),
    verb!("prune", "Remove images that have no name, or that no container uses", prune),
    verb!("pull", "Pull images from registries", pull),
    verb!("push", "Push an image to a registry or an archive", push),
    verb!("rm", "Remove images", remove),
    verb!("save", "Write an image as an archive or a directory", save),
    verb!("search", "Search a registry for images", crate::commands::search),
    verb!("tag", "Give an image more names", tag),
    verb!("tree", "Show the layers of an image", tree),
    verb!("umount", "Take away what mount has mounted", unmount),
    verb!("unmount", "Take away what mount has mounted", unmount),
    verb!("untag", "Take names from an image", untag),
];

/// Prints what a transfer does, on stderr as podman does.
pub(crate) fn show(progress: Progress) {
    let text = match progress {
        Progress::Alias { name, path } => format!("Resolved {name:?} as an alias ({})", path.display()),
        Progress::Search { name, path } => {
            format!("Resolving {name:?} using unqualified-search registries ({})", path.display())
        }
        Progress::Trying(reference) => format!("Trying to pull {reference}..."),
        Progress::Copying(digest) => format!("Copying blob {digest}"),
        Progress::Present(digest) => format!("Copying blob {digest} skipped: already exists"),
        Progress::Config(digest) => format!("Copying config {digest}"),
        Progress::Writing => "Writing manifest to image destination".to_owned(),
        Progress::Instance { digest, number, count } => format!("Copying image {digest} ({number}/{count})"),
        Progress::WritingIndex => "Writing manifest list to image destination".to_owned(),
        Progress::Warning(text) => return messages::warn(&text),
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
