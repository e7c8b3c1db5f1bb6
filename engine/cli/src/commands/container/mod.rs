//! `ketch container`: one verb a file.

use super::{Command, diff, verb};

pub(crate) mod attach;
pub(crate) mod checkpoint;
pub(crate) mod cleanup;
pub(crate) mod clone;
pub(crate) mod commit;
pub(crate) mod copy;
pub(crate) mod create;
pub(crate) mod exec;
pub(crate) mod exists;
pub(crate) mod export;
pub(crate) mod init;
pub(crate) mod inspect;
pub(crate) mod kill;
pub(crate) mod logs;
pub(crate) mod mount;
pub(crate) mod pause;
pub(crate) mod port;
pub(crate) mod prune;
pub(crate) mod ps;
pub(crate) mod remove;
pub(crate) mod rename;
pub(crate) mod restart;
pub(crate) mod restore;
pub(crate) mod run;
pub(crate) mod sandbox;
pub(crate) mod start;
pub(crate) mod stats;
pub(crate) mod stop;
pub(crate) mod terminal;
pub(crate) mod top;
pub(crate) mod unmount;
pub(crate) mod unpause;
pub(crate) mod update;
pub(crate) mod wait;

mod criu;
pub(crate) mod filter;
pub(super) mod image;
mod ports;
mod prefix;
mod row;
mod select;
mod service;
mod session;
mod summary;

pub(crate) const COMMANDS: &[Command] = &[
    verb!("attach", "Attach to a running container", attach),
    verb!("checkpoint", "Write the processes of containers to disk, and end them", checkpoint),
    verb!("cleanup", "Give back what containers that have ended still hold", cleanup),
    verb!("clone", "Create a container after another one", clone),
    verb!("commit", "Make an image of what a container is now", commit),
    verb!("cp", "Copy files between a container and the host or another container", copy),
    verb!("create", "Create a container without starting it", create),
    verb!("diff", "Show what a container has changed of its image", diff),
    verb!("exec", "Run one more command in a running container", exec),
    verb!("exists", "Tell whether there is such a container", exists),
    verb!("export", "Write a container's root as a tar archive", export),
    verb!("init", "Make containers ready to be started", init),
    verb!("inspect", "Show all about containers as JSON", inspect),
    verb!("kill", "Send a signal to containers", kill),
    verb!("list", "List containers", ps),
    verb!("logs", "Show what containers have written", logs),
    verb!("ls", "List containers", ps),
    verb!("mount", "Mount the roots of containers where the host sees them", mount),
    verb!("pause", "Stop all processes of containers where they are", pause),
    verb!("port", "Show which ports of the host lead to which of containers", port),
    verb!("prune", "Remove all containers that do not run", prune),
    verb!("ps", "List containers", ps),
    verb!("rename", "Give a container another name", rename),
    verb!("restart", "Stop containers, and start them", restart),
    verb!("restore", "Let containers go on from their checkpoints", restore),
    verb!("rm", "Remove containers", remove),
    verb!("run", "Run a command in a new container", run),
    verb!("start", "Start containers", start),
    verb!("stats", "Show what containers use", stats),
    verb!("stop", "Stop containers", stop),
    verb!("top", "Show the processes of a container", top),
    verb!("umount", "Take away what mount has mounted", unmount),
    verb!("unmount", "Take away what mount has mounted", unmount),
    verb!("unpause", "Let the processes of paused containers go on", unpause),
    verb!("update", "Change containers' limits, restart policies and health checks", update),
    verb!("wait", "Wait for containers to end", wait),
];
