//! `ketch sandbox`: a command where it can do no harm, and what it has used.

use std::fs;
use std::path::Path;

use ketch_integration::{Engine, Output, program};
use serde_json::{Value, json};

/// From `directory`, with `script`'s `"$@"` for the engine's command line: for a shell's redirections.
fn after(engine: &Engine, script: &str, args: &[&str]) -> Output {
    let ketch = engine.command();
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", script, "sh"]).arg(ketch.get_program()).args(ketch.get_args()).args(args);
    program::finish(shell.current_dir(engine.dir()))
}

fn summary(engine: &Engine, code: i32, args: &[&str]) -> Value {
    let args = [&["sandbox", "--summary", "json", "--summary-fd", "7"], args].concat();
    after(engine, r#""$@" 7>summary.json"#, &args).assert_exit(code);
    let text = fs::read_to_string(engine.path("summary.json")).unwrap();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text:?}"))
}

#[test]
fn the_hosts_root_stays_as_it_is() {
    let engine = Engine::new();
    let file = format!("/etc/ketch-sandbox-{}", std::process::id());
    let script = format!(
        "pwd; echo 1 > {file}; mkdir /opt/made; rm /etc/passwd; echo x >> /etc/group; grep NoNewPrivs /proc/self/status; \
         grep -c : /proc/net/dev; exit 3"
    );
    let out = after(&engine, r#""$@""#, &["sandbox", "--summary-files", "--", "sh", "-c", &script]);
    let out = out.assert_exit(3);
    assert_eq!(out.stdout, format!("{}\nNoNewPrivs:\t1\n1\n", engine.dir().display()));
    let lines: Vec<&str> = out.stderr.lines().collect();
    assert!(lines[0].starts_with("sandbox: exit code 3, "), "{out:#?}");
    let added = format!("A {file}");
    assert_eq!(
        lines[2..],
        [
            "sandbox: 2 files added, 1 changed, 1 deleted",
            &added,
            "A /opt/made",
            "C /etc/group",
            "D /etc/passwd"
        ]
    );
    assert!(!Path::new(&file).exists() && Path::new("/etc/passwd").exists());
    assert!(engine.ids().is_empty());
}

#[test]
fn numbers_from_its_cgroup() {
    let engine = Engine::with_busybox();
    let work = "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; head -c 30000000 /dev/zero | tail -c 20000000 > /tmp/x";
    let used =
        summary(&engine, 0, &["--image", "busybox", "--memory", "200m", "--cpus", "2", "sh", "-c", work]);
    assert_eq!(used["cpu"]["source"], "cgroup");
    let cpu = used["cpu"]["userSeconds"].as_f64().unwrap() + used["cpu"]["systemSeconds"].as_f64().unwrap();
    let wall = used["wallSeconds"].as_f64().unwrap();
    assert!(cpu > 0.0 && cpu <= wall * 2.0 + 0.1, "{used:#}");
    assert_eq!(used["memory"]["source"], "cgroup");
    // tail keeps that much.
    assert!((20_000_000..=200 << 20).contains(&used["memory"]["peakBytes"].as_u64().unwrap()), "{used:#}");
    assert_eq!(used["files"], json!({ "added": 1, "changed": 0, "deleted": 0 }));
    assert_eq!(
        (&used["exitCode"], &used["timedOut"], &used["problem"]),
        (&json!(0), &json!(false), &Value::Null)
    );

    let used = summary(
        &engine,
        5,
        &["--image", "busybox", "--cgroups", "disabled", "--summary-files", "sh", "-c", "> /new; exit 5"],
    );
    assert_eq!((&used["cpu"]["source"], &used["memory"]["source"]), (&json!("rusage"), &json!("rusage")));
    assert!(used["memory"]["peakBytes"].as_u64().unwrap() > 4096, "{used:#}");
    assert_eq!(used["files"], json!({ "added": ["/new"], "changed": [], "deleted": [] }));
}

#[test]
fn its_time_and_its_memory_end() {
    let engine = Engine::with_busybox();
    let used = summary(&engine, 124, &["--image", "busybox", "--timeout", "1", "sleep", "1000"]);
    assert_eq!((&used["timedOut"], &used["exitCode"]), (&json!(true), &json!(255)));
    assert!(used["wallSeconds"].as_f64().unwrap() >= 1.0, "{used:#}");
    let eat =
        ["--image", "busybox", "--memory", "16m", "--memory-swap", "16m", "tail", "-c", "100m", "/dev/zero"];
    let used = summary(&engine, 137, &eat);
    assert_eq!((&used["oomKilled"], &used["timedOut"]), (&json!(true), &json!(false)));
}

#[test]
fn what_is_asked_for_is_given() {
    let engine = Engine::with_busybox();
    let dir = engine.path("out");
    fs::create_dir(&dir).unwrap();
    let volume = format!("{}:/out", dir.display());
    let run = ["sandbox", "--summary=none", "-e", "WORD=yes", "-v", &volume, "-w", "/out", "--", "sh", "-c"];
    let out = engine.run([&run[..], &["echo $WORD $HOME > file; pwd"]].concat()).ok().assert_stdout("/out");
    assert_eq!(out.stderr, "");
    assert_eq!(fs::read_to_string(dir.join("file")).unwrap(), "yes /root\n");
    // An image's own command, and another's privileges.
    engine.line("sandbox --summary none --image hello").ok().assert_stdout_has("ketch");
    engine
        .line("sandbox --summary none --image busybox --security-opt no-new-privileges=false grep NoNewPrivs /proc/self/status")
        .ok()
        .assert_stdout("NoNewPrivs:\t0");
    engine.line("sandbox --summary none --image busybox cat /proc/net/route").ok();
}

#[test]
fn what_makes_no_sandbox_is_refused() {
    let engine = Engine::with_busybox();
    for (line, words) in [
        ("sandbox", "a command is needed"),
        ("sandbox --rootfs true", "--rootfs is for run"),
        ("sandbox --restart always true", "--restart is for run"),
        ("sandbox --summary-fd 9 true", "--summary-fd 9: there is no such descriptor"),
        ("sandbox --summary none --summary-files true", "cannot be used together"),
        ("sandbox --summary xml true", "choose from: text, json, none"),
    ] {
        engine.line(line).assert_exit(125).assert_stderr_has(words);
    }
    engine
        .line("sandbox -w /nope true")
        .assert_exit(126)
        .assert_stderr_has("workdir \"/nope\" does not exist");
    engine.line("sandbox /nope").assert_exit(127);
    engine.line("sandbox --image busybox /etc").assert_exit(126);
    assert!(engine.ids().is_empty());
}
