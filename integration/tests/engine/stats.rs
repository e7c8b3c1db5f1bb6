//! stats: what containers use.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use ketch_integration::Engine;

#[test]
fn a_table_of_what_runs() {
    let engine = Engine::with_busybox();
    let id = engine.line("run -d --name s -m 64m busybox sleep 1000").ok().text().to_owned();
    engine.line("create --name other busybox").ok();
    let table = engine.line("stats --no-stream").ok();
    let lines: Vec<&str> = table.stdout.lines().collect();
    let columns: Vec<&str> =
        lines[0].split("  ").map(str::trim).filter(|column| !column.is_empty()).collect();
    let expected = [
        "ID",
        "NAME",
        "CPU %",
        "MEM USAGE / LIMIT",
        "MEM %",
        "NET IO",
        "BLOCK IO",
        "PIDS",
        "CPU TIME",
        "AVG CPU %",
    ];
    assert_eq!(columns, expected);
    assert_eq!(lines.len(), 2, "{}", table.stdout);
    assert!(lines[1].starts_with(&id[..12]), "{}", table.stdout);
    assert!(lines[1].contains(" / 67.11MB "), "{}", table.stdout);

    let all = engine.line("stats --no-stream --all --format {{.Name}}|{{.PIDS}}|{{.UpTime}}").ok();
    let rows: Vec<&str> = all.stdout.lines().collect();
    assert!(rows[0].starts_with("s|1|"), "{rows:?}");
    assert_eq!(rows[1], "other|0|0s");
    engine.line("stats --no-stream --format {{.ID}} --no-trunc -l").ok();
    let json = engine.line("stats --no-stream s --format json").ok().json();
    assert_eq!((&json[0]["id"], &json[0]["pids"]), (&id[..12].into(), &"1".into()));
    engine.line("stop -t 0 s").ok();
    engine.line("stats --no-stream --format json").ok().assert_stdout("[]");
}

/// Numbers that the container itself has caused.
#[test]
fn numbers_follow_what_is_done() {
    let engine = Engine::with_busybox();
    let script = "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; head -c 20000000 /dev/zero > /dev/shm/fill; \
        echo ready; sleep 1000";
    engine.run(["run", "-d", "--name", "s", "busybox", "sh", "-c", script]).ok();
    engine.wait_for_log("s", "ready");
    let raw = engine.run(["stats", "--no-stream", "--format", "{{json .}}", "s"]).ok().json();
    let number = |name: &str| raw[name].as_u64().unwrap_or_else(|| panic!("{name} in {raw}"));
    assert!(number("CPUNano") > 1_000_000, "{raw}");
    assert!(number("MemUsage") >= 20_000_000, "{raw}");
    assert!(number("MemLimit") > number("MemUsage"), "{raw}");
    assert!(number("PIDs") >= 1, "{raw}");
    assert!(raw["CPU"].as_f64() > Some(0.0), "{raw}");
    assert!(raw["Network"].is_null() || raw["Network"].get("lo").is_none(), "{raw}");
}

/// Live: report after report, without the codes that clear a screen when there is none.
#[test]
fn goes_on_until_it_is_ended() {
    let engine = Engine::with_busybox();
    engine.line("run -d --name s busybox sleep 1000").ok();
    let mut command = engine.command();
    let mut live = command.args(["stats", "-i", "1", "s"]).stdout(Stdio::piped()).spawn().expect("it starts");
    let mut lines = BufReader::new(live.stdout.take().expect("a pipe")).lines();
    let mut line = || lines.next().expect("one more line").expect("text");
    for _ in 0..2 {
        let (heading, row) = (line(), line());
        assert!(heading.starts_with("ID  "), "{heading}");
        assert!(row.contains("  s  "), "{row}");
    }
    live.kill().expect("it lives");
    live.wait().expect("it has ended");
}

#[test]
fn refusals() {
    let engine = Engine::new();
    for (line, text) in [
        ("stats --no-stream nobody", "unable to look up container nobody"),
        ("stats --no-stream -a -l", "cannot be used together"),
        ("stats --no-stream -l nobody", "cannot be used together"),
        ("stats --no-stream -i 0", "invalid interval"),
        ("stats --no-stream -i -1", "invalid interval"),
    ] {
        engine.line(line).assert_exit(125).assert_stderr_has(text).assert_one_error_line();
    }
}
