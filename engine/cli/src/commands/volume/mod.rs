//! `ketch volume`: one verb a file.

use super::{Command, verb};

pub(crate) mod create;
pub(crate) mod exists;
pub(crate) mod export;
pub(crate) mod import;
pub(crate) mod inspect;
pub(crate) mod list;
pub(crate) mod mount;
pub(crate) mod prune;
pub(crate) mod reload;
pub(crate) mod remove;
mod show;
pub(crate) mod unmount;

pub(crate) const COMMANDS: &[Command] = &[
    verb!("create", "Make a volume", create),
    verb!("exists", "Say by the exit code whether a volume is there", exists),
    verb!("export", "Write what is in a volume as a tar archive", export),
    verb!("import", "Extract a tar archive into a volume", import),
    verb!("inspect", "Show all about volumes as JSON", inspect),
    verb!("list", "List volumes", list),
    verb!("ls", "List volumes", list),
    verb!("mount", "Show where the host sees a volume", mount),
    verb!("prune", "Remove the volumes that no container uses", prune),
    verb!("reload", "Ask volume plugins for their volumes", reload),
    verb!("remove", "Remove volumes", remove),
    verb!("rm", "Remove volumes", remove),
    verb!("unmount", "Take away what mount has mounted", unmount),
];
