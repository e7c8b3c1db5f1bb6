//! Plays a page of the documentation on the machine that this runs on.
//!
//! `play PAGE DIRECTORY [TAG]...`: blocks with one of the tags are left out; DIRECTORY has the page's files.
//!
//! As root there is another machine too, in a network namespace of its own.

#![forbid(unsafe_code)]
// A program whose output is its progress.
#![allow(clippy::print_stderr)]

use std::path::PathBuf;
use std::process::ExitCode;

use ketch_integration::Netns;
use ketch_integration::play::{Machine, Stage, play};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [page, dir, without @ ..] = &words[..] else {
        eprintln!("usage: play PAGE DIRECTORY [TAG]...");
        return ExitCode::from(2);
    };
    let text = std::fs::read_to_string(page).expect("the page can be read");
    let dir = PathBuf::from(dir);
    let other = nix::unistd::geteuid().is_root();
    let other = other.then(|| Machine::apart(&dir.join("other"), Netns::new(), "127.0.0.1", "::1"));
    let stage = Stage { here: Machine::this(), other, dir, without: without.to_vec() };
    match play(&stage, &text, |step| eprintln!("{}: {}", step.line, step.command)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(wrong) => {
            eprintln!("{page}: {wrong}");
            ExitCode::FAILURE
        }
    }
}
