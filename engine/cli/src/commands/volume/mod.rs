//! `ketch volume`: one verb a file.

use super::{Command, verb};

pub(crate) mod create;
pub(crate) mod exists;
pub(crate) mod inspect;
pub(crate) mod list;
pub(crate) mod prune;
pub(crate) mod remove;
mod show;

pub(crate) const COMMANDS: &[Command] = &[
    verb!("create", "Make a volume", create),
    verb!("exists", "Say by the exit code whether a volume is there", exists),
    verb!("inspect", "Show all about volumes as JSON", inspect),
    verb!("list", "List volumes", list),
    verb!("ls", "List volumes", list),
    verb!("prune", "Remove the volumes that no container uses", prune),
    verb!("remove", "Remove volumes", remove),
    verb!("rm", "Remove volumes", remove),
];
