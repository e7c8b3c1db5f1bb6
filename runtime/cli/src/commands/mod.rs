//! The commands, one a file. [`COMMANDS`] is the table that leads to them.

use std::ffi::{OsStr, OsString};
use std::process::ExitCode;

use crate::globals::Globals;

mod checkpoint;
mod completion;
mod create;
mod delete;
mod events;
mod exec;
pub(crate) mod features;
mod kill;
mod list;
mod mounts;
mod pause;
mod ps;
mod restore;
mod resume;
mod run;
mod spec;
mod start;
mod state;
mod update;

/// A command's name, its line in `--help`, and what it does with its words.
#[derive(Debug)]
pub(crate) struct Command {
    pub name: &'static str,
    pub about: &'static str,
    pub run: fn(&Globals, Vec<OsString>) -> anyhow::Result<ExitCode>,
    /// The exit code of an error of ours.
    pub failure: u8,
    /// What it takes, for who wants to know of all.
    pub parser: fn() -> clap::Command,
}

/// `failure` is 1, but for `exec`, whose 1 would look like the program's own.
macro_rules! commands {
    ($($name:ident $failure:literal $about:literal)*) => {
        &[$(Command {
            name: stringify!($name),
            about: $about,
            run: |globals, words| match crate::globals::verb::<$name::Args>(words)? {
                Some(args) => $name::run(globals, &args),
                None => Ok(ExitCode::SUCCESS),
            },
            failure: $failure,
            parser: <$name::Args as clap::CommandFactory>::command,
        }),*]
    };
}

pub(crate) const COMMANDS: &[Command] = commands! {
    create   1 "Make a container, whose program then waits for start"
    start    1 "Let a created container's program go on"
    run      1 "Make a container, start it, and delete it when it has ended"
    exec   255 "Run one more program in a container"
    kill     1 "Send a signal to a container's first process, or to all"
    pause    1 "Freeze all processes of a container"
    resume   1 "Let a paused container go on"
    delete   1 "Remove what a stopped container has left"
    state    1 "Print a container's state as JSON"
    list     1 "List the containers below the root directory"
    ps       1 "List the processes of a container"
    events   1 "Print what a container uses, and when it runs out of memory"
    update   1 "Change the limits of a running container"
    mounts   1 "Add mounts to a running container, or remove some"
    checkpoint 1 "Write a container's processes to images, and end it"
    restore  1 "Make a container from the images of a checkpoint"
    spec     1 "Write a config.json to start from"
    completion 1 "Print a script that has a shell complete this program's words"
    features 1 "Print as JSON what this runtime can do"
};

pub(crate) fn find(name: &str) -> Option<&'static Command> {
    COMMANDS.iter().find(|command| command.name == name)
}

/// Whether a command of this name sends a process into a container, which must not find this program's file to
/// write to.
pub(crate) fn enters_container(name: &OsStr) -> bool {
    ["create", "run", "exec", "restore", "mounts"].iter().any(|verb| name == *verb)
}
