//! `ketch image`: one verb a file.

use std::io::Write;

use ketch_engine::image::Progress;

use super::{Command, verb};

pub(crate) mod pull;

pub(crate) const COMMANDS: &[Command] = &[verb!("pull", "Pull an image from a registry", pull)];

/// Prints what a transfer does, on stderr as podman does.
fn show(progress: Progress) {
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

fn is_quiet(progress: &Progress) -> bool {
    !matches!(progress, Progress::Warning(_))
}
