//! What is wrong with a verb's words, said as podman says it: one line, and after a wrong flag where help is.

use std::error::Error;
use std::ffi::OsString;

use clap::Arg;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::help;
use crate::failure::{Failure, Help, UnknownFlag};

/// `words` are those that `parser` did not take, the verb's full name first.
pub(crate) fn error(error: &clap::Error, parser: clap::Command, words: &[OsString]) -> anyhow::Error {
    let verb = words.first().map(|verb| verb.to_string_lossy().into_owned()).unwrap_or_default();
    if !error.use_stderr() {
        let mut parser = parser;
        parser.build();
        return Help(help::of_verb(&verb, &parser)).into();
    }
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        Some(ContextValue::Strings(list)) => list.join(", "),
        _ => String::new(),
    };
    let (arg, value) = (text(ContextKind::InvalidArg), text(ContextKind::InvalidValue));
    // `--cpus <N>`
    let flag = arg.split_whitespace().next().unwrap_or_default();
    let message = match error.kind() {
        ErrorKind::UnknownArgument if flag.starts_with("--") => {
            return UnknownFlag { flag: flag.to_owned(), verb }.into();
        }
        ErrorKind::UnknownArgument if flag.starts_with('-') => format!("unknown shorthand flag: {flag}"),
        ErrorKind::UnknownArgument => count(parser, words),
        ErrorKind::InvalidValue if value.is_empty() => format!("flag needs an argument: {flag}"),
        ErrorKind::InvalidValue => {
            let valid = text(ContextKind::ValidValue);
            format!("invalid argument {value:?} for {flag:?}: choose from: {valid}")
        }
        ErrorKind::ValueValidation => {
            let reason = error.source().map(|source| format!(": {source}")).unwrap_or_default();
            format!("invalid argument {value:?} for {flag:?}{reason}")
        }
        ErrorKind::MissingRequiredArgument if flag.starts_with('-') => {
            format!("required flag(s) {flag:?} not set")
        }
        ErrorKind::MissingRequiredArgument => count(parser, words),
        _ => {
            let rendered = error.render().to_string();
            let first = rendered.lines().next().unwrap_or_default();
            first.strip_prefix("error: ").unwrap_or(first).to_owned()
        }
    };
    let message = if flag.starts_with('-') { format!("{message}\nSee '{verb} --help'") } else { message };
    Failure { code: 125, message }.into()
}

/// How many arguments there are to be, and how many there are.
fn count(parser: clap::Command, words: &[OsString]) -> String {
    let (mut least, mut most) = (0, 0_usize);
    let mut built = parser.clone();
    built.build();
    for arg in built.get_positionals() {
        let range = arg.get_num_args().unwrap_or_default();
        least += if arg.is_required_set() { range.min_values().max(1) } else { 0 };
        most = most.saturating_add(range.max_values());
    }
    let verb = words.first().map(|verb| verb.to_string_lossy().into_owned()).unwrap_or_default();
    let received = received(parser, words, most);
    match (least, most) {
        (_, 0) => format!("`{verb}` takes no arguments"),
        (least, usize::MAX) => format!("requires at least {least} arg(s), only received {received}"),
        (least, most) if least == most => format!("accepts {most} arg(s), received {received}"),
        (0, most) => format!("accepts at most {most} arg(s), received {received}"),
        (least, most) => format!("accepts between {least} and {most} arg(s), received {received}"),
    }
}

/// The arguments that are there, counted by a parser that takes any number of them.
fn received(parser: clap::Command, words: &[OsString], most: usize) -> usize {
    let mut parser = parser.mut_args(|arg| if arg.is_positional() { arg.required(false) } else { arg });
    if most != usize::MAX {
        parser = parser.arg(Arg::new("more").num_args(0..));
    }
    let ids: Vec<_> = parser.get_positionals().map(|arg| arg.get_id().clone()).collect();
    let Ok(matches) = parser.try_get_matches_from(words) else { return 0 };
    ids.iter().filter_map(|id| matches.get_raw(id.as_str())).map(Iterator::count).sum()
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;

    #[derive(Debug, Parser)]
    struct Args {
        #[arg(long)]
        cpus: Option<f64>,
        #[arg(long, value_parser = ["always", "never"])]
        pull: Option<String>,
        image: String,
    }

    fn said(words: &[&str]) -> String {
        let mut words: Vec<OsString> = words.iter().map(OsString::from).collect();
        words[0] = "ketch x".into();
        error(&Args::try_parse_from(&words).unwrap_err(), Args::command(), &words).to_string()
    }

    #[test]
    fn one_line_and_where_help_is() {
        for (words, expected) in [
            (&["x", "--bogus"][..], "unknown flag: --bogus"),
            (&["x", "-z"], "unknown shorthand flag: -z"),
            (&["x", "a", "b"], "accepts 1 arg(s), received 2"),
            (&["x", "--cpus", "y", "a"], "invalid argument \"y\" for \"--cpus\": invalid float literal"),
            (&["x", "--cpus"], "flag needs an argument: --cpus"),
            (&["x", "--pull", "y", "a"], "invalid argument \"y\" for \"--pull\": choose from: always, never"),
            (&["x"], "accepts 1 arg(s), received 0"),
        ] {
            let text = said(words);
            let (first, second) = text.split_once('\n').unwrap_or((&text, "See 'ketch x --help'"));
            assert_eq!((first, second), (expected, "See 'ketch x --help'"), "{words:?}");
        }
        assert!(said(&["x", "--help"]).contains("Usage:\n  ketch x [options] IMAGE\n"));
    }
}
