//! The command table: a verb is a file, `commands/<noun>/<verb>.rs`, with its arguments and its function.

// A verb owns its arguments, whether or not it uses them up.
#![allow(clippy::needless_pass_by_value)]

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use crate::failure::Failure;
use crate::globals::{Globals, VERSION};
use crate::messages;

mod archive;
mod complete;
mod completion;
mod container;
mod diff;
mod events;
mod healthcheck;
mod help;
mod image;
mod login;
mod logout;
mod manifest;
mod network;
mod pod;
mod search;
mod secret;
mod select;
mod suggest;
mod system;
mod top_level;
mod unshare;
pub(crate) mod usage;
mod version;
mod volume;

pub(crate) use container::terminal::{PROGRAM as TERMINAL_KEEPER, main as keep_terminal};

/// One verb, or a noun with verbs of its own.
pub(crate) struct Command {
    pub(crate) name: &'static str,
    /// One line for the list of commands.
    pub(crate) about: &'static str,
    pub(crate) action: Action,
}

pub(crate) enum Action {
    /// Gets the verb's own words, the verb's full name first.
    Run {
        run: fn(&Globals, Vec<OsString>) -> anyhow::Result<ExitCode>,
        /// For those who ask what the verb takes.
        parser: fn() -> clap::Command,
    },
    Group(&'static [Command]),
}

/// A table entry for the module of a verb: its `Args` (a `clap::Parser`) and `run(&Globals, Args)`.
macro_rules! verb {
    ($name:literal, $about:literal, $($module:ident)::+) => {
        $crate::commands::Command {
            name: $name,
            about: $about,
            action: $crate::commands::Action::Run {
                run: |globals, words| {
                    let args = $crate::commands::parse::<$($module)::+::Args>(words)?;
                    $($module)::+::run(globals, args)
                },
                parser: || <$($module)::+::Args as clap::CommandFactory>::command(),
            },
        }
    };
}
pub(crate) use verb;

/// Parses a verb's words, its full name first. As with podman, what follows an option that takes a value is its value,
/// whatever it looks like.
fn parse<A: clap::Parser>(words: Vec<OsString>) -> anyhow::Result<A> {
    let parser = || {
        A::command().mut_args(|arg| {
            let takes_any = arg.get_action().takes_values() && !arg.is_positional();
            if takes_any { arg.allow_hyphen_values(true) } else { arg }
        })
    };
    let parsed = parser().try_get_matches_from(&words).and_then(|matches| A::from_arg_matches(&matches));
    parsed.map_err(|error| usage::error(&error, parser(), &words))
}

/// Runs the verb that `words` name.
pub(crate) fn dispatch(globals: &Globals, mut words: Vec<OsString>) -> anyhow::Result<ExitCode> {
    if globals.version && !globals.help {
        writeln!(std::io::stdout(), "ketch version {VERSION}")?;
        return Ok(ExitCode::SUCCESS);
    }
    if words.first().is_some_and(|verb| verb == "help") {
        // `help CMD` is `CMD --help`, and as with podman help for what is not there is a list of what is.
        words.remove(0);
        if !is_known(top_level::COMMANDS, &words) {
            let topic: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
            writeln!(std::io::stderr(), "Unknown help topic [`{}`]", topic.join(" "))?;
            words.clear();
        }
        words.push("--help".into());
    } else if let Some(way) =
        words.first().and_then(|verb| complete::VERBS.iter().position(|name| verb == name))
    {
        return complete::run(globals, &words[1..], way == 0);
    } else {
        globals.settle()?;
    }
    messages::debug(|| {
        let words: Vec<_> = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
        format!("Called {}", words.join(" "))
    });
    let about = "Manage containers, pods and images, without a daemon";
    descend(globals, (top_level::COMMANDS, about), "ketch".to_owned(), words)
}

/// Whether all of the words name a noun or a verb.
fn is_known(table: &[Command], words: &[OsString]) -> bool {
    let Some((first, rest)) = words.split_first() else { return true };
    match table.iter().find(|command| *first == *command.name).map(|command| &command.action) {
        Some(Action::Group(table)) => is_known(table, rest),
        Some(Action::Run { .. }) => rest.is_empty(),
        None => false,
    }
}

fn descend(
    globals: &Globals,
    (table, about): (&'static [Command], &str),
    path: String,
    mut words: Vec<OsString>,
) -> anyhow::Result<ExitCode> {
    let list = || {
        // Whoever has gone before the end has seen what he wanted.
        let _ = write!(std::io::stdout(), "{}", help::of_group(&path, about, table));
    };
    let Some(verb) = words.first().filter(|_| !globals.help) else {
        list();
        let message = format!("missing command '{path} COMMAND'");
        return if globals.help { Ok(ExitCode::SUCCESS) } else { Err(Failure { code: 125, message }.into()) };
    };
    if verb == "help" || verb == "--help" || verb == "-h" {
        list();
        return Ok(ExitCode::SUCCESS);
    }
    if verb.as_encoded_bytes().starts_with(b"-") {
        let message = format!("unknown flag: {}\nSee '{path} --help'", verb.to_string_lossy());
        return Err(Failure { code: 125, message }.into());
    }
    let Some(command) = table.iter().find(|command| *verb == *command.name) else {
        let verb = verb.to_string_lossy();
        let near = if path == "ketch" { suggest::near(&verb, table) } else { String::new() };
        let message =
            format!("unrecognized command `{path} {verb}`\n{near}Try '{path} --help' for more information");
        return Err(Failure { code: 125, message }.into());
    };
    let path = format!("{path} {}", command.name);
    match &command.action {
        Action::Group(table) => descend(globals, (table, command.about), path, words.split_off(1)),
        Action::Run { run, .. } => {
            // clap takes the first word for the program's name in usage lines.
            words[0] = path.into();
            run(globals, words)
        }
    }
}
