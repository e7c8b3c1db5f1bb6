//! `ketch system`: one verb a file.

use super::{Command, events, verb};

mod check;
mod df;
pub(crate) mod info;
mod migrate;
mod prune;
mod renumber;
mod reset;

pub(crate) const COMMANDS: &[Command] = &[
    verb!("check", "Look whether the store is as it should be", check),
    verb!("df", "Show what images, containers and volumes take on the disk", df),
    verb!("events", "Show what has happened, and what happens", events),
    verb!("info", "Show what the host is and what the store holds", info),
    verb!("migrate", "Bring containers of an older ketch up to this one", migrate),
    verb!("prune", "Remove what nobody uses", prune),
    verb!("renumber", "Give containers other lock numbers", renumber),
    verb!("reset", "Remove all containers, pods, images, networks and volumes", reset),
];
