//! ketchrun: the OCI runtime's command line.
//!
//! A word is looked up in [`commands::COMMANDS`], that command's own parser is built, and no other:
//! start-up is part of every container's start. An error is reported in one place.

#![forbid(unsafe_code)]

mod bundle;
mod cgroups;
mod chosen;
mod commands;
mod criu;
mod descriptors;
mod exe;
mod globals;
mod help;
mod log;
mod notify;
mod report;
mod streams;

use std::ffi::OsString;
use std::process::ExitCode;

use globals::{First, Globals};

#[global_allocator]
static MEMORY: ketch_sys::alloc::Arena = ketch_sys::alloc::Arena::new();

fn main() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().collect();
    match answer(words) {
        Ok(code) => code,
        Err(Failure { globals, error, code }) => {
            report::error(&globals, &error);
            ExitCode::from(code)
        }
    }
}

/// Why no command's own exit code is to be given, how to report that, and the code to give instead.
struct Failure {
    globals: Globals,
    error: anyhow::Error,
    code: u8,
}

fn answer(words: Vec<OsString>) -> Result<ExitCode, Failure> {
    let early = |error| Failure { globals: Globals::default(), error, code: 1 };
    // Before anything is parsed, for after it all begins again. A word that is not the verb does no harm.
    if words.iter().any(|word| commands::enters_container(word)) {
        exe::protect(&words).map_err(early)?;
    }
    let First::Verb { globals, verb, words } = globals::parse(words).map_err(early)? else {
        return Ok(ExitCode::SUCCESS);
    };
    let Some(command) = commands::find(&verb) else {
        // As in runc, the code too.
        let error = anyhow::anyhow!("No help topic for '{verb}'");
        return Err(Failure { globals, error, code: 3 });
    };
    if let Some(log) = &globals.log
        && let Err(error) = log.check()
    {
        return Err(early(anyhow::anyhow!("cannot write the log {log}: {error}")));
    }
    report::debug(&globals, || format!("{} {words:?}", command.name));
    (command.run)(&globals, words).map_err(|error| Failure { globals, error, code: command.failure })
}
