//! `__complete WORD… PREFIX`: what the last word can become, as a shell's completion asks for it. The answer has podman's
//! form: a candidate a line, then `:` and a number that tells the shell what else to do.

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use clap::Arg;
use ketch_engine::Engine;

use super::{Action, Command, top_level};
use crate::globals::{self, Globals};

/// cobra's directives: nothing else may be offered, or files as well.
const NO_FILES: Directive = (4, "ShellCompDirectiveNoFileComp");
const FILES: Directive = (0, "ShellCompDirectiveDefault");

type Directive = (u8, &'static str);

/// The word, and what it is about.
type Candidate = (String, String);

/// The verbs under which the shell's script calls; the second is for one that shows no descriptions.
pub(super) const VERBS: [&str; 2] = ["__complete", "__completeNoDesc"];

/// `words` are those behind the verb.
pub(super) fn run(globals: &Globals, words: &[OsString], described: bool) -> anyhow::Result<ExitCode> {
    let words: Vec<String> = words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let (candidates, (number, name)) = match words.split_last() {
        Some((prefix, before)) => complete(globals, before, prefix),
        None => (Vec::new(), NO_FILES),
    };
    let mut text = String::new();
    for (word, about) in candidates {
        text.push_str(&word);
        if described && !about.is_empty() {
            text.extend(["\t", &about]);
        }
        text.push('\n');
    }
    writeln!(std::io::stdout(), "{text}:{number}")?;
    writeln!(std::io::stderr(), "Completion ended with directive: {name}")?;
    Ok(ExitCode::SUCCESS)
}

fn complete(globals: &Globals, mut before: &[String], prefix: &str) -> (Vec<Candidate>, Directive) {
    let mut table = top_level::COMMANDS;
    let mut options = globals::command();
    options.build();
    loop {
        let given = Given::count(&options, before);
        if let Some(arg) = given.open {
            return values(globals, arg, prefix);
        }
        let Some(verb) = before.get(given.first) else {
            let candidates =
                if prefix.starts_with('-') { flags(&options, prefix) } else { verbs(table, prefix) };
            return (candidates, NO_FILES);
        };
        before = &before[given.first + 1..];
        match table.iter().find(|command| command.name == verb).map(|command| &command.action) {
            Some(Action::Group(of_noun)) => table = of_noun,
            Some(Action::Run { parser, .. }) => return of_verb(globals, parser(), before, prefix),
            None => return (Vec::new(), NO_FILES),
        }
    }
}

fn of_verb(
    globals: &Globals,
    mut parser: clap::Command,
    before: &[String],
    prefix: &str,
) -> (Vec<Candidate>, Directive) {
    parser.build();
    let given = Given::count(&parser, before);
    if let Some(arg) = given.open {
        return values(globals, arg, prefix);
    }
    if prefix.starts_with('-') {
        return (flags(&parser, prefix), NO_FILES);
    }
    let mut left = given.operands;
    for arg in parser.get_positionals().filter(|arg| !arg.is_hide_set()) {
        let most = arg.get_num_args().unwrap_or_default().max_values();
        if left < most {
            let names = arg.get_value_names().unwrap_or_default();
            let name = names.get(left.min(names.len().saturating_sub(1)));
            return of_kind(globals, name.map_or("", |name| name.as_str()), prefix);
        }
        left -= most;
    }
    (Vec::new(), NO_FILES)
}

/// What the words before the last one are.
struct Given<'a> {
    /// The option whose value comes next.
    open: Option<&'a Arg>,
    operands: usize,
    /// Where the first operand is.
    first: usize,
}

impl<'a> Given<'a> {
    fn count(parser: &'a clap::Command, words: &[String]) -> Given<'a> {
        let (mut open, mut operands, mut first) = (None, 0, words.len());
        for (at, word) in words.iter().enumerate() {
            if open.take().is_some() {
                continue;
            }
            let option = word.strip_prefix('-').filter(|rest| !rest.is_empty() && *rest != "-");
            let Some(option) = option.filter(|_| first == words.len() || operands > 0) else {
                first = first.min(at);
                operands += 1;
                continue;
            };
            let is_it = |arg: &&Arg| match option.strip_prefix('-') {
                Some(long) => arg.get_long() == Some(long),
                // The last of `-it`.
                None => option.chars().last() == arg.get_short(),
            };
            open = parser.get_arguments().find(is_it).filter(|arg| takes_value(arg));
        }
        Given { open, operands, first }
    }
}

/// As a word of its own.
fn takes_value(arg: &Arg) -> bool {
    arg.get_action().takes_values() && !arg.is_require_equals_set()
}

fn verbs(table: &[Command], prefix: &str) -> Vec<Candidate> {
    // Second names of other verbs.
    let is_alias = |name: &str| matches!(name, "ls" | "umount");
    let verbs = table.iter().filter(|command| command.name.starts_with(prefix) && !is_alias(command.name));
    verbs.map(|command| (command.name.to_owned(), command.about.to_owned())).collect()
}

fn flags(parser: &clap::Command, prefix: &str) -> Vec<Candidate> {
    let mut flags: Vec<&Arg> =
        parser.get_arguments().filter(|arg| !arg.is_positional() && !arg.is_hide_set()).collect();
    flags.sort_by_key(|arg| arg.get_long().unwrap_or_default().to_owned());
    let words = flags.iter().filter(|arg| arg.get_id() != "help").flat_map(|arg| {
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        let long = arg.get_long().map(|long| format!("--{long}"));
        let short = arg.get_short().map(|short| format!("-{short}"));
        [long, short].into_iter().flatten().map(move |word| (word, help.clone()))
    });
    words.filter(|(word, _)| word.starts_with(prefix)).collect()
}

/// What an option can be told.
fn values(globals: &Globals, arg: &Arg, prefix: &str) -> (Vec<Candidate>, Directive) {
    let possible = arg.get_possible_values();
    if possible.is_empty() {
        let names = arg.get_value_names().unwrap_or_default();
        return of_kind(globals, names.first().map_or("", |name| name.as_str()), prefix);
    }
    let names = possible.iter().filter(|value| !value.is_hide_set()).map(|value| value.get_name());
    (
        names.filter(|name| name.starts_with(prefix)).map(|name| (name.to_owned(), String::new())).collect(),
        NO_FILES,
    )
}

/// By the name that help has for a value. Without an engine there is nothing to offer, and nobody to tell why.
fn of_kind(globals: &Globals, kind: &str, prefix: &str) -> (Vec<Candidate>, Directive) {
    let things = |find: fn(&Engine) -> anyhow::Result<Vec<Thing>>| {
        let things = globals.engine().and_then(|engine| find(&engine)).unwrap_or_default();
        (things.into_iter().filter_map(|thing| thing.begun(prefix)).collect(), NO_FILES)
    };
    match kind {
        "CONTAINER" => things(containers),
        "IMAGE" => things(images),
        "CONTAINER|IMAGE" => {
            things(|engine| Ok([containers(engine)?, images(engine)?].into_iter().flatten().collect()))
        }
        "POD" => things(pods),
        "NETWORK" => things(|engine| {
            Ok(engine.db.networks()?.into_iter().map(|it| Thing::new(it.id, it.name)).collect())
        }),
        "VOLUME" => things(|engine| {
            Ok(engine.db.volumes()?.into_iter().map(|it| Thing::new(String::new(), it.name)).collect())
        }),
        "SECRET" => things(|engine| {
            Ok(engine.db.secrets()?.into_iter().map(|it| Thing::new(it.id, it.name)).collect())
        }),
        "FILE" | "PATH" | "DIR" | "COMMAND" | "ARCHIVE" => (Vec::new(), FILES),
        _ => (Vec::new(), NO_FILES),
    }
}

/// What can be meant by its name or by the beginning of its id.
struct Thing {
    id: String,
    name: String,
    about: String,
}

impl Thing {
    fn new(id: String, name: String) -> Thing {
        Thing { id, name, about: String::new() }
    }

    /// Its name; or the short id, once one letter of it is there.
    fn begun(self, prefix: &str) -> Option<Candidate> {
        if self.name.starts_with(prefix) {
            return Some((self.name, self.about));
        }
        let is_id = prefix.len() > 1 && self.id.starts_with(prefix);
        is_id.then(|| (self.id.chars().take(12).collect(), self.name))
    }
}

fn containers(engine: &Engine) -> anyhow::Result<Vec<Thing>> {
    Ok(engine.db.containers()?.into_iter().map(|record| Thing::new(record.id, record.name)).collect())
}

fn pods(engine: &Engine) -> anyhow::Result<Vec<Thing>> {
    Ok(engine.db.pods()?.into_iter().map(|pod| Thing::new(pod.id, pod.name)).collect())
}

fn images(engine: &Engine) -> anyhow::Result<Vec<Thing>> {
    let images = ketch_engine::image::list(engine)?;
    Ok(images
        .into_iter()
        .flat_map(|image| image.names.into_iter().map(move |name| Thing::new(image.id.clone(), name)))
        .collect())
}
