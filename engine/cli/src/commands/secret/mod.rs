//! `ketch secret`: one verb a file.

use super::{Command, verb};

mod create;
mod exists;
mod inspect;
mod list;
mod remove;

pub(crate) const COMMANDS: &[Command] = &[
    verb!("create", "Keep a secret", create),
    verb!("exists", "Say by the exit code whether a secret is there", exists),
    verb!("inspect", "Show all about secrets as JSON", inspect),
    verb!("list", "List secrets", list),
    verb!("ls", "List secrets", list),
    verb!("rm", "Remove secrets", remove),
];
