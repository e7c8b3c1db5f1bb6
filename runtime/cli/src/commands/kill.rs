use std::process::ExitCode;

use anyhow::{Context, bail};
use ketch_runtime::container::kill::kill;
use ketch_runtime::container::state::State;
use nix::errno::Errno;
use nix::sys::signal::Signal;

use crate::chosen;
use crate::globals::Globals;

/// Send a signal to a container's first process, or to all of its processes
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    /// The container's id
    container: String,

    /// CONTAINER is a regular expression: signal every container whose id it is found in
    #[arg(short, long)]
    regex: bool,

    /// Name, with or without SIG, or number
    #[arg(default_value = "TERM")]
    signal: String,

    /// Signal every process of the container
    #[arg(short, long)]
    all: bool,
}

pub(crate) fn run(globals: &Globals, args: &Args) -> anyhow::Result<ExitCode> {
    let signal = signal_number(&args.signal).with_context(|| format!("unknown signal {:?}", args.signal))?;
    chosen::each(globals, &args.container, args.regex, |id| {
        let state = State::load(&globals.root(), id)?;
        match kill(&state, signal, args.all) {
            Ok(()) => Ok(()),
            // Engines look for these very words.
            Err(Errno::ESRCH) => bail!("container not running"),
            Err(errno) => Err(errno).with_context(|| format!("cannot signal container {id:?}")),
        }
    })?;
    Ok(ExitCode::SUCCESS)
}

/// `TERM`, `sigterm`, `15`, `RTMIN+3`. Real-time signals count from 34, as glibc and every engine do.
fn signal_number(word: &str) -> Option<i32> {
    const REAL_TIME: std::ops::RangeInclusive<i32> = 34..=64;
    if let Ok(number) = word.parse::<i32>() {
        return (0..=*REAL_TIME.end()).contains(&number).then_some(number);
    }
    let name = word.to_ascii_uppercase();
    let name = name.strip_prefix("SIG").unwrap_or(&name);
    let real_time = |number: i32| REAL_TIME.contains(&number).then_some(number);
    if let Some(offset) = name.strip_prefix("RTMIN") {
        return real_time(REAL_TIME.start() + offset_number(offset, '+')?);
    }
    if let Some(offset) = name.strip_prefix("RTMAX") {
        return real_time(REAL_TIME.end() - offset_number(offset, '-')?);
    }
    match name {
        "CLD" => Some(Signal::SIGCHLD as i32),
        "POLL" => Some(Signal::SIGIO as i32),
        "IOT" => Some(Signal::SIGABRT as i32),
        name => format!("SIG{name}").parse::<Signal>().ok().map(|signal| signal as i32),
    }
}

/// The `3` of `RTMIN+3`; nothing after `RTMIN` is 0.
fn offset_number(offset: &str, sign: char) -> Option<i32> {
    if offset.is_empty() {
        return Some(0);
    }
    offset.strip_prefix(sign)?.parse::<u8>().ok().map(i32::from)
}

#[cfg(test)]
mod tests {
    use super::signal_number;

    #[test]
    fn signals_by_any_name() {
        for (word, number) in [
            ("TERM", Some(15)),
            ("SIGTERM", Some(15)),
            ("sigkill", Some(9)),
            ("Hup", Some(1)),
            ("9", Some(9)),
            ("0", Some(0)),
            ("64", Some(64)),
            ("65", None),
            ("-1", None),
            ("RTMIN", Some(34)),
            ("SIGRTMIN+3", Some(37)),
            ("RTMAX-2", Some(62)),
            ("RTMIN-1", None),
            ("RTMIN+31", None),
            ("CLD", Some(17)),
            ("FOO", None),
            ("", None),
            ("SIG", None),
        ] {
            assert_eq!(signal_number(word), number, "{word}");
        }
    }
}
