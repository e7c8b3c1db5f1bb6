//! `ketch network`: one verb a file.

use super::{Command, verb};

pub(crate) mod connect;
pub(crate) mod create;
pub(crate) mod disconnect;
pub(crate) mod exists;
pub(crate) mod inspect;
pub(crate) mod list;
pub(crate) mod prune;
pub(crate) mod reload;
pub(crate) mod remove;
mod show;

pub(crate) const COMMANDS: &[Command] = &[
    verb!("connect", "Put a container on one more network", connect),
    verb!("create", "Make a network", create),
    verb!("disconnect", "Take a container off a network", disconnect),
    verb!("exists", "Say by the exit code whether a network is there", exists),
    verb!("inspect", "Show all about networks as JSON", inspect),
    verb!("list", "List networks", list),
    verb!("ls", "List networks", list),
    verb!("prune", "Remove the networks that no container is on", prune),
    verb!("reload", "Make anew what of containers' networks is missing", reload),
    verb!("remove", "Remove networks", remove),
    verb!("rm", "Remove networks", remove),
];
