//! Help, laid out as podman's is: what reads podman's finds the same sections here.

use std::fmt::Write;

use clap::{Arg, ArgAction};

use super::Command;
use crate::globals;

/// Of a noun: what it is about and its verbs. `path` is its full name.
pub(super) fn of_group(path: &str, about: &str, table: &[Command]) -> String {
    let is_top = !path.contains(' ');
    let options = if is_top { "[options] " } else { "" };
    let mut text = format!("{about}\n");
    if !is_top {
        push(&mut text, "Description", [format!("  {about}")]);
    }
    push(&mut text, "Usage", [format!("  {path} {options}[command]")]);
    let width = table.iter().map(|command| command.name.len()).max().unwrap_or_default();
    let verbs = table.iter().map(|Command { name, about, .. }| format!("  {name:width$} {about}"));
    push(&mut text, "Available Commands", verbs);
    if is_top {
        let globals = globals::command();
        push(&mut text, "Options", options_of(&globals));
    }
    text
}

/// Of a verb; `path` is its full name.
pub(super) fn of_verb(path: &str, command: &clap::Command) -> String {
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    let long = command.get_long_about().map_or_else(|| about.clone(), ToString::to_string);
    let mut text = format!("{about}\n");
    push(&mut text, "Description", long.lines().map(|line| format!("  {line}").trim_end().to_owned()));
    push(&mut text, "Usage", [format!("  {path}{}", usage(command))]);
    let described = command.get_positionals().filter_map(|arg| {
        Some(format!("  {}   {}", name(arg).trim_start(), arg.get_help()?)).filter(|_| !arg.is_hide_set())
    });
    push(&mut text, "Arguments", described);
    push(&mut text, "Options", options_of(command));
    if let Some(after) = command.get_after_help() {
        let _ = write!(text, "\n{after}\n");
    }
    text
}

/// A section, unless it is empty.
fn push(text: &mut String, title: &str, lines: impl IntoIterator<Item = String>) {
    let lines: Vec<String> = lines.into_iter().collect();
    if !lines.is_empty() {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "\n{title}:\n{}", lines.join("\n"));
    }
}

/// ` [options] CONTAINER [CONTAINER...]`
fn usage(command: &clap::Command) -> String {
    let has_options = command.get_arguments().any(is_option);
    let options = if has_options { " [options]" } else { "" };
    command
        .get_positionals()
        .filter(|arg| !arg.is_hide_set())
        .map(name)
        .fold(options.to_owned(), |a, b| a + &b)
}

/// ` NAME`, ` NAME [NAME...]`, ` [NAME]` or ` [NAME...]`; of several names in one the first is what all stands on.
fn name(arg: &Arg) -> String {
    let names = arg.get_value_names().unwrap_or_default();
    let first = names.first().map_or_else(|| arg.get_id().as_str().to_uppercase(), ToString::to_string);
    let range = arg.get_num_args().unwrap_or_default();
    let many = range.max_values() > 1 || matches!(arg.get_action(), ArgAction::Append);
    match (names.get(1..).unwrap_or_default(), arg.is_required_set(), many) {
        ([], true, false) => format!(" {first}"),
        ([], true, true) => format!(" {first} [{first}...]"),
        ([], false, false) => format!(" [{first}]"),
        ([], false, true) => format!(" [{first}...]"),
        ([rest @ .., last], _, _) if last.as_str() == "COMMAND" => {
            let between: String = rest.iter().map(|name| format!(" {name}")).collect();
            format!(" {first}{between} [COMMAND [ARG...]]")
        }
        (rest, _, _) => rest.iter().fold(format!(" {first}"), |text, name| format!("{text} [{name}]")),
    }
}

fn is_option(arg: &Arg) -> bool {
    !arg.is_positional() && !arg.is_hide_set() && arg.get_id() != "help"
}

/// A line each, in two columns: `  -a, --attach STREAM   What it does`.
fn options_of(command: &clap::Command) -> Vec<String> {
    let mut options: Vec<&Arg> = command.get_arguments().filter(|arg| is_option(arg)).collect();
    options.sort_by_key(|arg| arg.get_long().unwrap_or_default().to_owned());
    let heads: Vec<String> = options.iter().map(|arg| head(arg)).collect();
    let width = heads.iter().map(String::len).max().unwrap_or_default();
    let lines = options.iter().zip(&heads).map(|(arg, head)| {
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        format!("  {head:width$}   {help}{}", choice(arg)).trim_end().to_owned()
    });
    lines.collect()
}

/// `-a, --attach STREAM`
fn head(arg: &Arg) -> String {
    let short = arg.get_short().map_or_else(|| "    ".to_owned(), |short| format!("-{short}, "));
    let long = arg.get_long().map(|long| format!("--{long}")).unwrap_or_default();
    let names = arg.get_value_names().unwrap_or_default();
    let value = match names.first() {
        // A flag that may be told its value, `--all=false`.
        Some(_) if !arg.get_action().takes_values() || arg.is_require_equals_set() => String::new(),
        Some(name) => format!(" {name}"),
        None => String::new(),
    };
    format!("{short}{long}{value}")
}

/// What it is when it is not given, and what it can be.
fn choice(arg: &Arg) -> String {
    let mut text = String::new();
    let possible = arg.get_possible_values();
    let names: Vec<&str> = possible
        .iter()
        .filter(|value| !value.is_hide_set())
        .map(clap::builder::PossibleValue::get_name)
        .collect();
    if !names.is_empty() && !arg.is_require_equals_set() && arg.get_action().takes_values() {
        let _ = write!(text, " ({})", names.join(", "));
    }
    let defaults: Vec<_> = arg.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
    let is_flag = arg.is_require_equals_set() || !arg.get_action().takes_values();
    if !defaults.is_empty() && !is_flag && !arg.is_hide_default_value_set() {
        let _ = write!(text, " (default {})", defaults.join(","));
    }
    text
}
