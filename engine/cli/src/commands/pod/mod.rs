//! `ketch pod`: one verb a file.

use super::{Command, verb};

mod clone;
mod create;
mod exists;
pub(super) mod inspect;
mod kill;
mod logs;
mod pause;
mod prune;
mod ps;
mod remove;
mod restart;
mod select;
mod start;
mod stats;
mod stop;
mod top;
mod unpause;

pub(super) use remove::remove_pod;

pub(crate) const COMMANDS: &[Command] = &[
    verb!("clone", "Create a pod after another one", clone),
    verb!("create", "Create a pod", create),
    verb!("exists", "Tell whether there is such a pod", exists),
    verb!("inspect", "Show all about pods as JSON", inspect),
    verb!("kill", "Send a signal to the containers of pods", kill),
    verb!("list", "List pods", ps),
    verb!("logs", "Show what the containers of a pod have written", logs),
    verb!("ls", "List pods", ps),
    verb!("pause", "Stop all processes of pods where they are", pause),
    verb!("prune", "Remove pods that have ended", prune),
    verb!("ps", "List pods", ps),
    verb!("restart", "Stop pods and start them again", restart),
    verb!("rm", "Remove pods", remove),
    verb!("start", "Start pods", start),
    verb!("stats", "Show what the containers of pods use", stats),
    verb!("stop", "Stop pods", stop),
    verb!("top", "Show the processes of a pod", top),
    verb!("unpause", "Let the processes of paused pods go on", unpause),
];
