//! Help, in the sections that runc's has: `NAME`, `USAGE`, `COMMANDS`, `OPTIONS`.

use std::fmt::Write;

use clap::Arg;

use crate::commands::{COMMANDS, Command};

/// Of the program. `version` is what `--version` says, without its first words.
pub(crate) fn of_program(mut globals: clap::Command, version: &str) -> String {
    globals.build();
    let mut text = String::from("NAME:\n   ketchrun - Open Container Initiative runtime\n");
    push(
        &mut text,
        "USAGE",
        ["ketchrun [global options] command [command options] [arguments...]".to_owned()],
    );
    push(&mut text, "VERSION", version.lines().map(str::to_owned));
    let mut commands: Vec<&Command> = COMMANDS.iter().collect();
    commands.sort_by_key(|command| command.name);
    let lines = commands.iter().map(|Command { name, about, .. }| format!("{name:12}{about}"));
    push(
        &mut text,
        "COMMANDS",
        lines.chain(["help, h     Show a list of commands, or help for one".to_owned()]),
    );
    push(&mut text, "GLOBAL OPTIONS", options(&globals));
    text
}

/// Of a command.
pub(crate) fn of_command(name: &str, mut command: clap::Command) -> String {
    command.build();
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    let mut text = format!("NAME:\n   ketchrun {name} - {about}\n");
    let operands: String = command.get_positionals().map(operand).collect();
    push(&mut text, "USAGE", [format!("ketchrun {name} [command options]{operands}")]);
    let described = command
        .get_positionals()
        .filter_map(|arg| Some(format!("{}   {}", operand(arg).trim_start(), arg.get_help()?)));
    push(&mut text, "ARGUMENTS", described);
    push(&mut text, "OPTIONS", options(&command));
    text
}

fn push(text: &mut String, title: &str, lines: impl IntoIterator<Item = String>) {
    let lines: Vec<String> = lines.into_iter().collect();
    if !lines.is_empty() {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "\n{title}:\n   {}", lines.join("\n   "));
    }
}

/// ` <container-id>`, ` [command options]…` as the parser has it.
fn operand(arg: &Arg) -> String {
    let names: Vec<&str> = arg.get_value_names().unwrap_or_default().iter().map(AsRef::as_ref).collect();
    let names = match names.is_empty() {
        true => arg.get_id().as_str().to_owned(),
        false => names.join(" "),
    };
    let name = if names == "CONTAINER" { "container-id".to_owned() } else { names.to_lowercase() };
    let many = if arg.get_num_args().unwrap_or_default().max_values() > 1 { "..." } else { "" };
    if arg.is_required_set() { format!(" <{name}>{many}") } else { format!(" [{name}{many}]") }
}

/// `--bundle DIR, -b DIR   What it is for`, in two columns.
fn options(command: &clap::Command) -> Vec<String> {
    let mut options: Vec<&Arg> =
        command.get_arguments().filter(|arg| !arg.is_positional() && !arg.is_hide_set()).collect();
    options.sort_by_key(|arg| arg.get_long().unwrap_or_default().to_owned());
    let heads: Vec<String> = options.iter().map(|arg| head(arg)).collect();
    let width = heads.iter().map(String::len).max().unwrap_or_default();
    let lines = options.iter().zip(&heads).map(|(arg, head)| {
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        format!("{head:width$}  {help}{}", default(arg)).trim_end().to_owned()
    });
    lines.collect()
}

fn head(arg: &Arg) -> String {
    let takes_value = arg.get_action().takes_values();
    let value = arg.get_value_names().unwrap_or_default().first().filter(|_| takes_value);
    let value = value.map(|value| format!(" {value}")).unwrap_or_default();
    let long = arg.get_long().map(|long| format!("--{long}{value}"));
    let short = arg.get_short().map(|short| format!("-{short}{value}"));
    [long, short].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn default(arg: &Arg) -> String {
    let values: Vec<_> = arg.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
    match values.is_empty() || !arg.get_action().takes_values() {
        true => String::new(),
        false => format!(" (default: {:?})", values.join(" ")),
    }
}
