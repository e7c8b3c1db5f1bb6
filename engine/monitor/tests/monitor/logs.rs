//! The log, written by a monitor and read back.

use std::time::SystemTime;

use ketch_monitor::log::Query;

use crate::Test;
use crate::bundle::Bundle;

pub(crate) const TESTS: &[Test] = &[
    ("the_log_is_conmons_format", the_log_is_conmons_format),
    ("a_terminals_log_has_carriage_returns", a_terminals_log_has_carriage_returns),
    ("tail_counts_lines_not_records", tail_counts_lines_not_records),
    ("timestamps_stand_at_the_start_of_lines", timestamps_stand_at_the_start_of_lines),
    ("since_and_until_cut", since_and_until_cut),
    ("rotation_loses_and_splits_nothing", rotation_loses_and_splits_nothing),
    ("follow_ends_with_the_container", follow_ends_with_the_container),
    ("follow_goes_through_rotation", follow_goes_through_rotation),
    ("follow_of_an_ended_container_ends", follow_of_an_ended_container_ends),
    ("a_full_disk_does_not_stop_the_container", a_full_disk_does_not_stop_the_container),
    ("output_is_logged_to_its_last_byte", output_is_logged_to_its_last_byte),
    (
        "a_process_that_outlives_init_does_not_hold_the_end",
        a_process_that_outlives_init_does_not_hold_the_end,
    ),
];

/// The log without its times.
fn records(bundle: &Bundle) -> Vec<String> {
    bundle.raw_log().lines().map(|line| line.split_once(' ').unwrap().1.to_owned()).collect()
}

/// podman 5.8 with conmon writes the same for this script.
fn the_log_is_conmons_format() {
    let bundle =
        Bundle::new(r"printf 'one\ntwo\n\nthree'; sleep 0.2; printf 'four\n'; printf '\r\ncr\r\ntail'");
    bundle.run();
    let expected = ["F one", "F two", "F ", "P three", "F four", "F \r", "F cr\r", "P tail"];
    assert_eq!(
        records(&bundle).concat(),
        expected.map(|record| format!("stdout {record}")).concat().replace('\r', "")
    );
    let log = bundle.raw_log();
    let time = log.split_once(' ').unwrap().0;
    assert_eq!((time.len(), &time[10..11], &time[19..20], &time[29..]), (35, "T", ".", "+00:00"));
    assert!(log.contains("stdout F \r\n") && log.contains("stdout F cr\r\n"), "{log:?}");

    let bundle = Bundle::new("echo out; sleep 0.1; echo err >&2");
    bundle.run();
    assert_eq!(records(&bundle), ["stdout F out", "stderr F err"]);
    assert_eq!(bundle.logs(&Query::default()), ("out\n".into(), "err\n".into()));
}

fn a_terminals_log_has_carriage_returns() {
    let bundle = Bundle::terminal(r"printf 'one\ntwo\n'; printf abc; sleep 0.1; printf 'def\n'; printf end");
    bundle.run();
    let lines: Vec<_> = bundle.raw_log().split('\n').map(str::to_owned).collect();
    let texts: Vec<_> =
        lines.iter().filter_map(|line| line.split_once("stdout ")).map(|(_, text)| text).collect();
    assert_eq!(texts, ["F one\r", "F two\r", "P abc", "F def\r", "P end"]);
    assert_eq!(bundle.logs(&Query::default()).0, "one\r\ntwo\r\nabcdef\r\nend");
}

/// podman prints the same.
fn tail_counts_lines_not_records() {
    let script = r"printf 'one\ntwo\n\nthr'; sleep .1; printf ee; sleep .1; printf 'four\na\ntail'; sleep .1; printf 2";
    let bundle = Bundle::new(script);
    bundle.run();
    let all = "one\ntwo\n\nthreefour\na\ntail2";
    for (lines, text) in [
        (0, ""),
        (1, "tail2"),
        (2, "a\ntail2"),
        (3, "threefour\na\ntail2"),
        (4, "\nthreefour\na\ntail2"),
        (6, all),
        (60, all),
    ] {
        let query = Query { tail: Some(lines), ..Query::default() };
        assert_eq!(bundle.logs(&query).0, text, "tail {lines}");
    }
    assert_eq!(bundle.logs(&Query::default()).0, all);
}

fn timestamps_stand_at_the_start_of_lines() {
    let bundle = Bundle::new(r"printf 'a\nb'; sleep .1; printf 'c\n'");
    bundle.run();
    let (text, _) = bundle.logs(&Query { timestamps: true, ..Query::default() });
    let lines: Vec<_> = text.lines().map(|line| line.split_at(30)).collect();
    assert_eq!(lines.iter().map(|(_, text)| *text).collect::<Vec<_>>(), [" a", " bc"]);
    assert!(lines.iter().all(|(time, _)| time.ends_with('Z')), "{text}");
}

fn since_and_until_cut() {
    let bundle = Bundle::new("echo a; sleep 0.2; echo b >/tmp/b; echo b; sleep 0.2; echo c");
    bundle.run();
    let middle = std::fs::metadata(bundle.in_root("tmp/b")).unwrap().modified().unwrap();
    let before = middle - std::time::Duration::from_millis(100);
    let after = middle + std::time::Duration::from_millis(100);
    let query = |since: Option<SystemTime>, until| Query { since, until, ..Query::default() };
    assert_eq!(bundle.logs(&query(Some(before), None)).0, "b\nc\n");
    assert_eq!(bundle.logs(&query(None, Some(after))).0, "a\nb\n");
    assert_eq!(bundle.logs(&query(Some(before), Some(after))).0, "b\n");
}

fn rotation_loses_and_splits_nothing() {
    let bundle = Bundle::new("seq 1 3000").rotate(20_000, 100);
    bundle.run();
    let expected: String = (1..=3000).map(|n| format!("{n}\n")).collect();
    assert_eq!(bundle.logs(&Query::default()).0, expected);
    let path = |n: u32| bundle.config.dir.join(format!("ctr.log.{n}"));
    for number in 1..=7 {
        let text = std::fs::read_to_string(path(number)).unwrap();
        assert!(text.len() <= 20_000 && text.ends_with('\n'), "file {number}: {} bytes", text.len());
    }
    assert_eq!(
        bundle.logs(&Query { tail: Some(2000), ..Query::default() }).0,
        expected[expected.find("\n1001\n").unwrap() + 1..]
    );

    let bundle = Bundle::new("seq 1 3000").rotate(20_000, 3);
    bundle.run();
    assert!(bundle.config.dir.join("ctr.log.2").exists() && !bundle.config.dir.join("ctr.log.3").exists());
    let (text, _) = bundle.logs(&Query::default());
    assert!(expected.ends_with(&text) && text.len() < expected.len());

    let bundle = Bundle::new("seq 1 3000").rotate(20_000, 1);
    bundle.run();
    assert!(!bundle.config.dir.join("ctr.log.1").exists());
    let (text, _) = bundle.logs(&Query::default());
    assert!(expected.ends_with(&text) && !text.is_empty());
}

fn follow_ends_with_the_container() {
    let bundle = Bundle::new("echo a; sleep 0.2; echo b >&2; sleep 0.2; printf c; sleep 0.2; exit 3");
    bundle.start();
    let follow = Query { follow: true, ..Query::default() };
    assert_eq!(bundle.logs(&follow), ("a\nc".into(), "b\n".into()));
    bundle.assert_nothing_left();
}

fn follow_goes_through_rotation() {
    let bundle = Bundle::new("for i in 1 2 3 4 5 6 7 8 9; do seq 1 100; sleep 0.03; done").rotate(3_000, 50);
    bundle.start();
    let (text, _) = bundle.logs(&Query { follow: true, ..Query::default() });
    let once: String = (1..=100).map(|n| format!("{n}\n")).collect();
    assert_eq!(text, once.repeat(9));
}

fn follow_of_an_ended_container_ends() {
    let bundle = Bundle::new("echo a");
    bundle.run();
    assert_eq!(bundle.logs(&Query { follow: true, ..Query::default() }).0, "a\n");
}

/// A small file system of its own stands for the disk.
fn a_full_disk_does_not_stop_the_container() {
    let mut bundle = Bundle::new(
        "seq 1 40000; sleep 0.1; while [ ! -e /tmp/go ]; do sleep 0.05; done; echo after; exit 4",
    );
    let disk = bundle.config.dir.join("disk");
    std::fs::create_dir(&disk).unwrap();
    let mount = |flags: &[&str]| {
        let status = std::process::Command::new("mount").args(flags).arg(&disk).status().unwrap();
        assert!(status.success());
    };
    mount(&["-t", "tmpfs", "-o", "size=256k", "none"]);
    bundle.config.log.path = disk.join("ctr.log");
    let monitor = bundle.spawn().unwrap();
    let client = crate::client::Client::attach(&bundle, "oe");
    monitor.start().unwrap();

    // The log is full long before the client has all; then there is room again.
    let mut client = client;
    while client.line() != "40000\n" {}
    mount(&["-o", "remount,size=1m"]);
    std::fs::write(bundle.in_root("tmp/go"), "").unwrap();
    let (code, rest, _) = client.end();
    assert_eq!((code, rest.as_str()), (4, "after\n"));
    assert_eq!(bundle.end().code, 4);
    let (out, err) = bundle.logs(&Query::default());
    assert!(out.starts_with("1\n2\n") && out.ends_with("\nafter\n"), "{}", &out[out.len() - 100..]);
    assert!(err.starts_with("ketch: ") && err.contains("could not be logged: No space left"), "{err}");
    assert_eq!(err.lines().count(), 1, "the loss is noted once");
    assert!(std::process::Command::new("umount").arg(&disk).status().unwrap().success());
}

fn output_is_logged_to_its_last_byte() {
    for script in ["head -c 3000000 /dev/zero | tr '\\0' x", "seq 1 200000"] {
        let bundle = Bundle::new(script);
        bundle.run();
        let (text, _) = bundle.logs(&Query::default());
        let expected: usize = if script.starts_with("seq") { 1_288_895 } else { 3_000_000 };
        assert_eq!(text.len(), expected, "{script}");
    }
    let bundle = Bundle::terminal("seq 1 20000");
    bundle.run();
    let (text, _) = bundle.logs(&Query::default());
    assert!(text.ends_with("\r\n20000\r\n") && text.lines().count() == 20_000, "{}", text.len());
}

/// With the host's pid namespace init's children live on, here one that never stops writing.
fn a_process_that_outlives_init_does_not_hold_the_end() {
    let bundle = Bundle::new("yes & echo $! >/tmp/pid; sleep 0.1; exit 6").host_pids();
    assert_eq!(bundle.run().code, 6);
    bundle.assert_nothing_left();
}
