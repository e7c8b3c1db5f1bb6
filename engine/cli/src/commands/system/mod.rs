//! `ketch system`: one verb a file.

use super::{Command, events, verb};

mod df;
pub(crate) mod info;
mod reset;

pub(crate) const COMMANDS: &[Command] = &[
    verb!("df", "Show what images, containers and volumes take on the disk", df),
    verb!("events", "Show what has happened, and what happens", events),
    verb!("info", "Show what the host is and what the store holds", info),
    verb!("reset", "Remove all containers, pods, images, networks and volumes", reset),
];
