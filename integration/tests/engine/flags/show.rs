//! Flags of the verbs that show containers, wait for them and remove them.

use std::fs;

use super::{engine, inspect};

#[test]
fn namespaces_in_ps() {
    let engine = engine();
    engine.line("run -d --name r --network none busybox sleep 1000").ok();
    engine.line("create --name c busybox").ok();
    let pid = inspect(&engine, "r")["State"]["Pid"].to_string();
    let link = fs::read_link(format!("/proc/{pid}/ns/pid")).unwrap();
    let inode = link.to_str().unwrap().trim_matches(|c: char| !c.is_ascii_digit()).to_owned();
    let table = engine.line("ps -a --ns --external --sync").ok();
    let heading = "CONTAINER ID  NAMES       PID         CGROUPNS    IPC         MNT         NET         PIDNS       USERNS      UTS";
    assert_eq!(table.stdout.lines().next().unwrap().trim_end(), heading);
    let line = table.stdout.lines().find(|line| line.contains(" r ")).unwrap();
    let cells: Vec<&str> = line.split_whitespace().collect();
    assert_eq!((cells[2], cells[7], cells.len()), (&*pid, &*inode, 10), "{line}");
    engine
        .run(["ps", "-a", "--format", "{{.Names}} {{.PIDNS}}", "--sort", "names"])
        .ok()
        .assert_stdout(&format!("c \nr {inode}"));
    engine.line("ps --ns -q").assert_exit(125).assert_stderr_has("quiet conflicts with size and namespace");
    engine.line("ps --ns -s").assert_exit(125).assert_stderr_has("size and namespace options conflict");
    engine.line("container exists --external r").ok();
}

#[test]
fn logs_in_colours() {
    let engine = engine();
    engine.line("run --name a --network none busybox echo one").ok();
    engine.line("run --name b --network none busybox echo two").ok();
    engine.line("logs --color a").ok().assert_stdout("\x1b[37mone\x1b[0m");
    let both = engine.line("logs --color -n a b").ok();
    let mut lines: Vec<&str> = both.stdout.lines().collect();
    lines.sort_unstable();
    // Each has one of its own.
    let colour = |line: &str| line.split('m').next().unwrap().to_owned();
    assert!(lines.iter().all(|line| line.ends_with("\x1b[0m")) && lines.len() == 2, "{both:#?}");
    assert_ne!(colour(lines[0]), colour(lines[1]));
}

#[test]
fn waiting_for_the_first() {
    let engine = engine();
    engine.line("run -d --name long --network none busybox sleep 1000").ok();
    let start = "run -d --rm --name short --network none busybox sh -c";
    let args = start.split(' ').chain(["read x < /gate; exit 3"]);
    // It ends when it is told to: a FIFO of its own.
    engine.run(args.clone().map(|word| word.replace("read x < /gate", "mkfifo /gate; read x < /gate"))).ok();
    let waiting = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| engine.line("wait --exit-first-match --interval 10ms long short"));
        // Whether it waits already does not matter.
        engine.run(["exec", "short", "sh", "-c", "until test -p /gate; do :; done; echo > /gate"]);
        waiting.join().unwrap()
    });
    waiting.ok().assert_stdout("3");
    // One that has ended already is the first.
    engine.line("run --name done --network none busybox sh -c true").ok();
    engine.line("wait --exit-first-match long done").ok().assert_stdout("0");
    engine.line("wait --exit-first-match --condition running done long").ok().assert_stdout("-1");
    engine.line("wait --interval x long").assert_exit(125).assert_stderr_has("invalid duration");
}

#[test]
fn words_of_ps_for_top() {
    let engine = engine();
    engine.line("run -d --name t --network none busybox sleep 1000").ok();
    for words in ["-eo pid,args", "-o pid,cmd", "pid args"] {
        let table = engine.line(&format!("top t {words}")).ok();
        let rows: Vec<Vec<&str>> =
            table.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(rows, [vec!["PID", "COMMAND"], vec!["1", "sleep", "1000"]], "{words}");
    }
    for words in ["-ef", "aux"] {
        engine.line(&format!("top t {words}")).ok().assert_stdout_has("sleep 1000");
    }
    engine.line("top t -q 1").assert_exit(125).assert_stderr_has("unknown column \"-q\"");
}

#[test]
fn images_and_their_names() {
    let engine = engine();
    let table = engine.line("images --history busybox").ok();
    let lines: Vec<&str> = table.stdout.lines().map(str::trim_end).collect();
    assert!(
        lines[0].ends_with("HISTORY") && lines[1].ends_with("docker.io/library/busybox:latest"),
        "{table:#?}"
    );
    engine.line("rmi --no-prune busybox").ok();
}
