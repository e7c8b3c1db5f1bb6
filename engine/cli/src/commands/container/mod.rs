//! `ketch container`: one verb a file.

use super::{Command, verb};

pub(crate) mod attach;
pub(crate) mod checkpoint;
pub(crate) mod create;
pub(crate) mod exec;
pub(crate) mod exists;
pub(crate) mod inspect;
pub(crate) mod kill;
pub(crate) mod logs;
pub(crate) mod ps;
pub(crate) mod remove;
pub(crate) mod restore;
pub(crate) mod run;
pub(crate) mod start;
pub(crate) mod stop;
pub(crate) mod terminal;
pub(crate) mod top;
pub(crate) mod wait;

mod criu;
mod image;
mod prefix;
mod row;
mod select;
mod session;

pub(crate) const COMMANDS: &[Command] = &[
    verb!("attach", "Attach to a running container", attach),
    verb!("checkpoint", "Write the processes of containers to disk, and end them", checkpoint),
    verb!("create", "Create a container without starting it", create),
    verb!("exec", "Run one more command in a running container", exec),
    verb!("exists", "Tell whether there is such a container", exists),
    verb!("inspect", "Show all about containers as JSON", inspect),
    verb!("kill", "Send a signal to containers", kill),
    verb!("list", "List containers", ps),
    verb!("logs", "Show what containers have written", logs),
    verb!("ls", "List containers", ps),
    verb!("ps", "List containers", ps),
    verb!("restore", "Let containers go on from their checkpoints", restore),
    verb!("rm", "Remove containers", remove),
    verb!("run", "Run a command in a new container", run),
    verb!("start", "Start containers", start),
    verb!("stop", "Stop containers", stop),
    verb!("top", "Show the processes of a container", top),
    verb!("wait", "Wait for containers to end", wait),
];
