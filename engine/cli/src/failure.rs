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

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// Prints `Error: cause: cause` on one line of stderr, and gives the exit code that goes with it.
///
/// A request for help is no error: clap carries it as one, and it goes to stdout with exit code 0.
pub(crate) fn report(error: &anyhow::Error) -> ExitCode {
    if let Some(usage) = error.downcast_ref::<clap::Error>() {
        return report_usage(usage);
    }
    // Nobody is left to tell when stderr itself is gone.
    let _ = writeln!(std::io::stderr(), "Error: {error:#}");
    ExitCode::from(error.downcast_ref::<Failure>().map_or(ENGINE, |failure| failure.code))
}

fn report_usage(usage: &clap::Error) -> ExitCode {
    if !usage.use_stderr() {
        let _ = write!(std::io::stdout(), "{}", usage.render());
        return ExitCode::SUCCESS;
    }
    let text = usage.render().to_string();
    let _ = write!(std::io::stderr(), "Error: {}", text.strip_prefix("error: ").unwrap_or(&text));
    ExitCode::from(ENGINE)
}
