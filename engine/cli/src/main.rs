//! `ketch`: containers and images with podman's command line and no daemon.
//!
//! The same binary under the name `ketch-monitor` is the process beside each container.

#![forbid(unsafe_code)]
// The arguments' doc comments are their help texts, where brackets mean "optional".
#![allow(rustdoc::broken_intra_doc_links)]

mod commands;
mod failure;
mod flags;
mod globals;
mod messages;
mod output;
mod rootless;

use std::ffi::OsString;
use std::process::ExitCode;

#[global_allocator]
static MEMORY: ketch_sys::alloc::Arena = ketch_sys::alloc::Arena::new();

fn main() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().collect();
    if words.first().is_some_and(|name| name == ketch_monitor::PROGRAM) {
        MEMORY.retire();
        return ketch_monitor::run(ketch_engine::container::cleanup::HOOKS);
    }
    if words.first().is_some_and(|name| name == commands::TERMINAL_KEEPER) {
        return commands::keep_terminal();
    }
    if words.first().is_some_and(|name| name == ketch_engine::container::health::PROGRAM) {
        return ketch_engine::container::health::main(words);
    }
    match run(&words) {
        Ok(code) => code,
        Err(error) => failure::report(&error),
    }
}

/// A global option behind the verb is as good as one before it, as with podman.
fn run(words: &[OsString]) -> anyhow::Result<ExitCode> {
    let (globals, rest) = globals::parse(words)?;
    let verb = words.len() - rest.len();
    commands::dispatch(&globals, rest).or_else(|error| match globals::moved(words, verb, &error) {
        Some(words) => run(&words),
        None => Err(error),
    })
}
