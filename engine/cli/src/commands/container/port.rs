//! `ketch port`

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, bail, ensure};
use ketch_engine::container::port::{Published, published};
use ketch_engine::container::status;
use ketch_engine::network::ports_of;

use super::select::{Containers, Selection};
use crate::globals::Globals;

/// Show which ports of the host lead to which of containers
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    /// All containers that run
    #[arg(long, short)]
    all: bool,
    /// The container that was created last; the word is a port then
    #[arg(long, short)]
    latest: bool,
    /// The container, and a port inside (80, 53/udp)
    #[arg(value_names = ["CONTAINER", "PORT..."], num_args = 0..)]
    words: Vec<String>,
}

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    ensure!(args.words.len() <= 2, "`port` accepts at most 2 arguments");
    ensure!(!(args.all && args.latest), "--all and --latest cannot be used together");
    ensure!(!args.all || args.words.is_empty(), "no arguments are needed with --all");
    let (names, port) = match &args.words[..] {
        [port] if args.latest => (&[][..], Some(port)),
        [_, _] if args.latest => bail!("--latest and containers cannot be used together"),
        [name, port] => (std::slice::from_ref(name), Some(port)),
        names => (names, None),
    };
    let wanted = port.map(|port| parse(port)).transpose()?;
    let engine = globals.engine()?;
    let selection =
        Selection { all: args.all, latest: args.latest, names: names.to_vec(), ..Selection::default() };
    let chosen = selection.find(&Containers(&engine), "you must supply a running container name or id")?;
    let mut found = false;
    let mut out = std::io::stdout().lock();
    for chosen in chosen {
        let record = &chosen.item;
        // Whatever it will publish when it runs: now nothing leads to it.
        if !status(&engine.paths, &record.id).is_alive() {
            continue;
        }
        for one in published(&ports_of(&engine, record)?).into_iter().flat_map(Published::each) {
            let (inside, protocol) = (one.container_port, one.protocol.name());
            let outside = format!("{}:{}", one.host(), one.host_port);
            match &wanted {
                Some(wanted) if *wanted == (inside, protocol.to_owned()) => writeln!(out, "{outside}")?,
                Some(_) => continue,
                None if args.all => writeln!(out, "{}\t{inside}/{protocol} -> {outside}", &record.id[..12])?,
                None => writeln!(out, "{inside}/{protocol} -> {outside}")?,
            }
            found = true;
        }
        if let (false, Some(port)) = (found, port) {
            bail!("failed to find published port {port:?}");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// `80`, `80/udp`
fn parse(text: &str) -> anyhow::Result<(u16, String)> {
    let (number, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let number = number.parse().with_context(|| format!("invalid port {text:?}"))?;
    Ok((number, protocol.to_lowercase()))
}
