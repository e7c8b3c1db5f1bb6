//! The one place that turns an error into podman's exit code and error line.

use std::fmt;
use std::io::Write;
use std::process::ExitCode;

/// The engine's own failures exit with 125, as podman's and docker's do.
const ENGINE: u8 = 125;

/// An error that decides its own exit code.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: u8,
    pub(crate) message: String,
}

/// A verb has no flag of this name, with its dashes.
#[derive(Debug)]
pub(crate) struct UnknownFlag {
    pub(crate) flag: String,
    /// The verb's full name.
    pub(crate) verb: String,
}

impl fmt::Display for UnknownFlag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown flag: {}\nSee '{} --help'", self.flag, self.verb)
    }
}

impl std::error::Error for UnknownFlag {}

impl Failure {
    /// This one behind an earlier one, if there is one: a line each, and the first decides the exit code.
    pub(crate) fn after(self, earlier: Option<Failure>) -> Failure {
        match earlier {
            None => self,
            Some(first) => {
                Failure { code: first.code, message: format!("{}\nError: {}", first.message, self.message) }
            }
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// An error of a flag, where an operation asks for a type of its own.
#[derive(Debug)]
pub(crate) struct Reason(pub(crate) anyhow::Error);

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.0)
    }
}

impl std::error::Error for Reason {}

/// Somebody asked a verb for help, and here it is.
#[derive(Debug)]
pub(crate) struct Help(pub(crate) String);

impl fmt::Display for Help {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Help {}

/// Prints `Error: cause: cause` on one line of stderr, and gives the exit code that goes with it.
///
/// A request for help is no error: it goes to stdout, with exit code 0.
pub(crate) fn report(error: &anyhow::Error) -> ExitCode {
    if let Some(Help(text)) = error.downcast_ref() {
        let _ = write!(std::io::stdout(), "{text}");
        return ExitCode::SUCCESS;
    }
    // Nobody is left to tell when stderr itself is gone.
    let _ = writeln!(std::io::stderr(), "Error: {}", without_numbers(&format!("{error:#}")));
    ExitCode::from(error.downcast_ref::<Failure>().map_or(ENGINE, |failure| failure.code))
}

/// The text without Rust's `(os error 2)`, which says again what stands before it.
fn without_numbers(text: &str) -> String {
    let mut parts = text.split(" (os error ");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |mut text, part| {
        match part.split_once(')').filter(|(number, _)| number.bytes().all(|byte| byte.is_ascii_digit())) {
            Some((_, rest)) => text.push_str(rest),
            None => text.extend([" (os error ", part]),
        }
        text
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn numbers_of_errors() {
        for (text, expected) in [
            (
                "cannot open x: No such file or directory (os error 2)",
                "cannot open x: No such file or directory",
            ),
            ("a (os error 2): b (os error 13)", "a: b"),
            ("a (os error x)", "a (os error x)"),
            ("a", "a"),
        ] {
            assert_eq!(super::without_numbers(text), expected);
        }
    }
}
