//! What is wrong with a verb's words, said as podman says it: one line, and after a wrong flag where help is.

use std::error::Error;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::failure::Failure;

/// None when nothing is wrong: the parser carries a request for help as an error.
pub(crate) fn error(error: &clap::Error, verb: &str) -> Option<anyhow::Error> {
    if !error.use_stderr() {
        return None;
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
        ErrorKind::UnknownArgument if flag.starts_with("--") => format!("unknown flag: {flag}"),
        ErrorKind::UnknownArgument if flag.starts_with('-') => format!("unknown shorthand flag: {flag}"),
        ErrorKind::UnknownArgument => format!("`{verb}` takes no argument {arg:?} here"),
        ErrorKind::InvalidValue if value.is_empty() => format!("flag needs an argument: {flag}"),
        ErrorKind::InvalidValue => {
            let valid = text(ContextKind::ValidValue);
            format!("invalid argument {value:?} for {flag:?}: choose from: {valid}")
        }
        ErrorKind::ValueValidation => {
            let reason = error.source().map(|source| format!(": {source}")).unwrap_or_default();
            format!("invalid argument {value:?} for {flag:?}{reason}")
        }
        ErrorKind::MissingRequiredArgument => format!("missing argument: {arg}"),
        _ => {
            let rendered = error.render().to_string();
            let first = rendered.lines().next().unwrap_or_default();
            first.strip_prefix("error: ").unwrap_or(first).to_owned()
        }
    };
    let message = if flag.starts_with('-') { format!("{message}\nSee '{verb} --help'") } else { message };
    Some(Failure { code: 125, message }.into())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Args {
        #[arg(long)]
        cpus: Option<f64>,
        #[arg(long, value_parser = ["always", "never"])]
        pull: Option<String>,
        image: String,
    }

    #[test]
    fn one_line_and_where_help_is() {
        for (words, expected) in [
            (&["x", "--bogus"][..], "unknown flag: --bogus"),
            (&["x", "-z"], "unknown shorthand flag: -z"),
            (&["x", "a", "b"], "`ketch x` takes no argument \"b\" here"),
            (&["x", "--cpus", "y", "a"], "invalid argument \"y\" for \"--cpus\": invalid float literal"),
            (&["x", "--cpus"], "flag needs an argument: --cpus"),
            (&["x", "--pull", "y", "a"], "invalid argument \"y\" for \"--pull\": choose from: always, never"),
            (&["x"], "missing argument: <IMAGE>"),
        ] {
            let error = super::error(&Args::try_parse_from(words).unwrap_err(), "ketch x").expect("an error");
            let text = error.to_string();
            let (first, second) = text.split_once('\n').unwrap_or((&text, "See 'ketch x --help'"));
            assert_eq!((first, second), (expected, "See 'ketch x --help'"), "{words:?}");
        }
        assert!(super::error(&Args::try_parse_from(["x", "--help"]).unwrap_err(), "ketch x").is_none());
    }
}
