//! docs/podman-flags.md says what is so.

use std::collections::BTreeSet;

use ketch_integration::{Output, program};

const TABLE: &str = include_str!("../../../../docs/podman-flags.md");

/// Flags at the beginning of a help text's lines, behind the short one.
fn flags(help: &Output) -> BTreeSet<String> {
    let flag = |line: &str| {
        let line = line.trim_start();
        let long = line
            .split_once(", --")
            .filter(|(short, _)| short.len() == 2)
            .map_or(line, |(short, _)| &line[short.len() + 2..]);
        let name = long.strip_prefix("--")?;
        let end = name.find(|c: char| !c.is_ascii_alphanumeric() && c != '-').unwrap_or(name.len());
        Some(format!("--{}", &name[..end]))
    };
    let mut flags: BTreeSet<String> = help.stdout.lines().filter_map(flag).collect();
    flags.remove("--help");
    assert!(!flags.is_empty(), "{help:#?}");
    flags
}

fn ours(command: &str) -> BTreeSet<String> {
    flags(&program::run(program::engine(), command.split_whitespace().chain(["--help"])).ok())
}

/// The flags between backticks of a section's rows whose last cell begins with one of `words`.
fn listed(section: &str, words: &[&str]) -> BTreeSet<String> {
    let section = TABLE.split("\n## ").find(|text| text.starts_with(section)).expect("a section");
    let rows =
        section.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |")?.split_once(" | "));
    rows.filter(|(_, word)| words.iter().any(|wanted| word.starts_with(wanted)))
        .flat_map(|(cell, _)| cell.split('`').filter(|text| text.starts_with("--")).map(str::to_owned))
        .collect()
}

const RUN: &str = "run, create";
const GLOBALS: &str = "Before the command";
const KNOWN: [&str; 4] = ["honoured", "in part", "no effect", "refused"];
/// `run` has these alone.
const OF_RUN: [&str; 7] =
    ["--detach", "--detach-keys", "--passwd", "--preserve-fd", "--preserve-fds", "--rmi", "--sig-proxy"];

#[test]
fn our_help_agrees() {
    let known = listed(RUN, &KNOWN);
    assert_eq!(ours("run"), known);
    let mut of_create: BTreeSet<String> =
        known.into_iter().filter(|flag| !OF_RUN.contains(&&**flag)).collect();
    of_create.insert("--init-ctr".to_owned());
    assert_eq!(ours("create"), of_create);
    let mut before = ours("");
    assert!(before.remove("--noout"), "podman hides it");
    assert_eq!(before, listed(GLOBALS, &KNOWN));
}

/// Every flag is listed, and the other commands have all of podman's.
#[test]
#[ignore = "needs the peers (hack/peers setup): hack/test --test engine -- --ignored podmans_help_agrees"]
fn podmans_help_agrees() {
    let peers = concat!(env!("CARGO_MANIFEST_DIR"), "/../hack/peers");
    let podmans = |command: &str| {
        flags(
            &program::run(
                peers,
                ["in", "podman"].into_iter().chain(command.split_whitespace()).chain(["--help"]),
            )
            .ok(),
        )
    };
    assert_eq!(podmans("run"), listed(RUN, &[&KNOWN[..], &["missing"]].concat()));
    assert_eq!(podmans(""), listed(GLOBALS, &KNOWN));
    let others = TABLE.split("all of podman's flags:").nth(1).expect("a list");
    let others = others.split_once('.').expect("a sentence").0;
    let commands: Vec<&str> = others.split('`').skip(1).step_by(2).collect();
    assert!(commands.len() > 10, "{commands:?}");
    for command in commands {
        let (theirs, ours) = (podmans(command), ours(command));
        let lacking: Vec<_> = theirs.difference(&ours).collect();
        assert!(lacking.is_empty(), "{command} lacks {lacking:?}");
    }
}
