//! ketchrun: the OCI runtime's command line.
//!
//! A word is looked up in [`commands::COMMANDS`], that command's own parser is built, and no other:
//! start-up is part of every container's start. An error is reported in one place, [`report`].

#![forbid(unsafe_code)]

mod bundle;
mod commands;
mod descriptors;
mod exe;
mod globals;
mod report;
mod streams;

use std::ffi::OsString;
use std::process::ExitCode;

use globals::{First, Globals};

#[global_allocator]
static MEMORY: ketch_sys::alloc::Arena = ketch_sys::alloc::Arena::new();

fn main() -> ExitCode {
    let mut words = std::env::args_os();
    let program = words.next().unwrap_or_else(|| OsString::from("ketchrun"));
    let (globals, verb, words) = match globals::parse(program, words) {
        Ok(First::Verb { globals, verb, words }) => (globals, verb, words),
        Ok(First::Answered) => return ExitCode::SUCCESS,
        Err(error) => {
            report::error(&Globals::default(), &error);
            return ExitCode::FAILURE;
        }
    };
    let Some(command) = commands::find(&verb) else {
        report::error(&globals, &anyhow::anyhow!("no command {verb:?}: `ketchrun --help` lists them"));
        return ExitCode::FAILURE;
    };
    report::debug(&globals, || format!("{} {words:?}", command.name));
    match (command.run)(&globals, words) {
        Ok(code) => code,
        Err(error) => {
            report::error(&globals, &error);
            ExitCode::from(command.failure)
        }
    }
}
