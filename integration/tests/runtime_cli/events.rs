//! events: what a container uses, and when it runs out of memory.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Stdio};

use serde_json::{Value, json};

use crate::subject::{Bundle, is_crun, is_ours, is_v2};

/// `events` as it runs, and its lines.
struct Events {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Events {
    fn start(bundle: &Bundle, interval: &str) -> Events {
        let mut command = bundle.command(&["events", "--interval", interval, &bundle.id]);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the runtime starts");
        let lines = BufReader::new(child.stdout.take().expect("a pipe"));
        Events { child, lines }
    }

    /// The next line; None at the end.
    fn next(&mut self) -> Option<Value> {
        let mut line = String::new();
        self.lines.read_line(&mut line).expect("a line");
        (!line.is_empty()).then(|| serde_json::from_str(&line).expect("JSON"))
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn stats_are_in_runcs_form() {
    if is_crun() {
        return;
    }
    let bundle = Bundle::new(&["sleep", "1000"]);
    bundle.configure(|config| {
        config["linux"]["resources"]["memory"] = json!({ "limit": 100 << 20 });
        config["linux"]["resources"]["pids"] = json!({ "limit": 33 });
    });
    bundle.make("run", &["--detach"]).succeeds();
    let out = bundle.call(&["events", "--stats", &bundle.id]).succeeds();
    let event: Value = serde_json::from_str(&out.stdout).expect("JSON");
    assert_eq!((&event["type"], &event["id"]), (&json!("stats"), &json!(bundle.id)));
    let data = &event["data"];
    let keys = |value: &Value| -> BTreeSet<String> {
        value.as_object().unwrap_or_else(|| panic!("{value}")).keys().cloned().collect()
    };
    let expect = |path: &str, names: &[&str]| {
        let names: BTreeSet<String> = names.iter().map(|&name| name.to_owned()).collect();
        let keys = keys(data.pointer(path).unwrap_or_else(|| panic!("no {path}")));
        assert!(names.is_subset(&keys), "{path}: {keys:?}");
    };
    let groups = ["cpu", "cpuset", "memory", "pids", "blkio", "hugetlb", "intel_rdt", "network_interfaces"];
    expect("", &groups);
    expect("/cpu", &["usage", "throttling"]);
    expect("/cpu/usage", &["total", "kernel", "user"]);
    expect("/cpuset", &["cpu_exclusive", "mem_hardwall", "sched_load_balance", "sched_relax_domain_level"]);
    expect("/memory", &["usage", "swap", "kernel", "kernelTCP", "raw"]);
    expect("/memory/usage", &["limit", "usage", "failcnt"]);
    assert_eq!(data["memory"]["usage"]["limit"], 100 << 20);
    assert_eq!(data["pids"], json!({ "current": 1, "limit": 33 }));
    assert!(data["cpu"]["usage"]["total"].as_u64() > Some(0), "{data}");
    // Counted late: nothing is said of how many.
    expect("/memory/raw", &["pgfault", "pgmajfault"]);
    if !is_v2() {
        expect("/cpu/usage", &["percpu", "percpu_kernel", "percpu_user"]);
        expect("/cpuset", &["cpus", "mems"]);
    }

    bundle.kill_and_wait();
    bundle.call(&["events", "--stats", &bundle.id]).fails(1, "not running");
    bundle.call(&["events", &bundle.id]).fails(1, "not running");
    bundle.call(&["events", "--interval", "0s", &bundle.id]).exits(1);
}

#[test]
fn again_and_again_until_the_end() {
    if is_crun() {
        return;
    }
    let bundle = Bundle::new(&["sleep", "1000"]);
    bundle.make("run", &["--detach"]).succeeds();
    let mut events = Events::start(&bundle, "20ms");
    for _ in 0..3 {
        assert_eq!(events.next().expect("an event")["type"], "stats");
    }
    bundle.kill_and_wait();
    // runc's end with the cgroup.
    if !is_ours() {
        bundle.verb("delete").succeeds();
    }
    while events.next().is_some() {}
    let status = events.child.wait().expect("it ends");
    assert!(status.success() || !is_ours(), "{status}");
}

#[test]
fn running_out_of_memory_is_told() {
    if is_crun() {
        return;
    }
    let bundle = Bundle::new(&["sh", "-c", "a=0123456789; while :; do a=$a$a; done"]);
    bundle.configure(|config| {
        config["linux"]["resources"]["memory"] = json!({ "limit": 20 << 20, "swap": 20 << 20 });
    });
    bundle.make("create", &[]).succeeds();
    let mut events = Events::start(&bundle, "20ms");
    // From its first line on it listens.
    assert_eq!(events.next().expect("an event")["type"], "stats");
    bundle.verb("start").succeeds();
    loop {
        let event = events.next().expect("an event before the end");
        if event["type"] == "oom" {
            assert_eq!(event, json!({ "type": "oom", "id": bundle.id }));
            break;
        }
    }
}
