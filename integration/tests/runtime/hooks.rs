//! Hooks: when they run, what they are told, and what their failure does.

use std::fs;
use std::path::Path;

use ketch_integration::Bundle;
use serde_json::{Value, json};

use crate::{is_ours, shell, start};

const STAGES: [&str; 6] =
    ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"];

/// A hook of each stage that keeps its standard input in `log`, which it sees under the same path inside and outside.
fn recorded(bundle: Bundle, log: &Path) -> Bundle {
    let record = |stage: &str| {
        let script = format!("cat > {0}/{stage}; echo {stage} >> {0}/order", log.display());
        json!([{"path": "/bin/sh", "args": ["sh", "-c", script], "env": ["PATH=/bin:/usr/bin"]}])
    };
    let hooks: serde_json::Map<String, Value> =
        STAGES.iter().map(|stage| ((*stage).to_owned(), record(stage))).collect();
    bundle.bind(log, log.to_str().expect("UTF-8"), "").edit(|config| config["hooks"] = json!(hooks))
}

#[test]
fn all_six_in_their_order() {
    let log = tempfile::tempdir().expect("a directory");
    // The program waits for poststart, which it would otherwise race.
    let script = format!(
        "until grep -q poststart {0}/order; do :; done; echo program >> {0}/order",
        log.path().display()
    );
    let bundle =
        recorded(shell(&script), log.path()).edit(|config| config["annotations"] = json!({"a.b": "c"}));
    bundle.run().ok();
    let order = fs::read_to_string(log.path().join("order")).expect("hooks ran");
    let order: Vec<&str> = order.lines().collect();
    // The peers do not wait for startContainer's before they run poststart's.
    let kept = if is_ours() { 5 } else { 3 };
    assert_eq!(order[..kept], STAGES[..kept], "{order:?}");
    assert_eq!(order.last(), Some(&"poststop"), "{order:?}");
    assert_eq!(order.len(), 7, "{order:?}");

    for stage in STAGES {
        let text = fs::read(log.path().join(stage)).expect("a state on its standard input");
        let state: Value = serde_json::from_slice(&text).unwrap_or_else(|e| panic!("{stage}: {e}"));
        assert_eq!(state["id"], json!(bundle.id), "{stage}");
        assert_eq!(state["bundle"], json!(bundle.path()), "{stage}");
        assert_eq!(state["annotations"]["a.b"], "c", "{stage}");
        let status = match stage {
            "poststart" => "running",
            "poststop" => "stopped",
            "startContainer" => "created",
            _ => "creating",
        };
        // The peers are not of one mind on `created`.
        if is_ours() {
            assert_eq!(state["status"], status, "{stage}");
        }
        let has_pid = state["pid"].as_i64().is_some_and(|pid| pid > 0);
        assert_eq!(has_pid, stage != "poststop", "{stage}: {state}");
    }
}

/// What runs before the program can stop it: nothing is left, which the harness looks for, and poststop hooks have run.
#[test]
fn a_failing_hook_undoes_everything() {
    for stage in &STAGES[..4] {
        let log = tempfile::tempdir().expect("a directory");
        let bundle = recorded(shell("echo program"), log.path()).edit(|config| {
            let failing = json!({"path": "/bin/sh", "args": ["sh", "-c", "echo because >&2; exit 3"]});
            config["hooks"][*stage].as_array_mut().expect("a list").push(failing);
        });
        let out = bundle.run().assert_stdout("");
        assert_ne!(out.code, 0, "{out:?}");
        if is_ours() {
            let out = out
                .assert_exit(1)
                .assert_one_error_line()
                .assert_stderr_has(stage)
                .assert_stderr_has("/bin/sh");
            out.assert_stderr_has("because").assert_stderr_has("exit code 3");
            assert!(log.path().join("poststop").exists(), "{stage}");
            bundle.runtime(["state", &bundle.id]).assert_exit(1);
        }
    }
}

/// runtime-spec, lifecycle, 9.
#[test]
fn a_failing_poststart_hook_destroys_the_container() {
    let log = tempfile::tempdir().expect("a directory");
    let bundle = recorded(Bundle::busybox().args(["sleep", "1000"]), log.path()).edit(|config| {
        let failing = json!({"path": "/bin/false"});
        config["hooks"]["poststart"].as_array_mut().expect("a list").push(failing);
    });
    bundle.create().ok();
    let out = bundle.runtime(["start", &bundle.id]);
    assert_ne!(out.code, 0, "{out:?}");
    // runc kills it and keeps what is left.
    if is_ours() {
        out.assert_one_error_line().assert_stderr_has("poststart hook failed with exit code 1");
        assert!(log.path().join("poststop").exists());
        bundle.runtime(["state", &bundle.id]).assert_exit(1);
    }
}

#[test]
fn a_hook_that_takes_too_long() {
    let bundle = shell("true").edit(|config| {
        config["hooks"]["createRuntime"] =
            json!([{"path": "/bin/sleep", "args": ["sleep", "1000"], "timeout": 1}]);
    });
    let began = std::time::Instant::now();
    let out = bundle.run().assert_exit(1);
    assert!(began.elapsed().as_secs() < 60, "{out:?}");
    if is_ours() {
        out.assert_one_error_line().assert_stderr_has("/bin/sleep").assert_stderr_has("timed out");
    }
}

#[test]
fn a_hook_that_is_not_there() {
    let bundle =
        shell("true").edit(|config| config["hooks"]["createRuntime"] = json!([{"path": "/nonesuch"}]));
    let out = bundle.run().assert_stderr_has("/nonesuch");
    assert_ne!(out.code, 0, "{out:?}");
}

/// runc and crun: outside, a hook without an environment of its own has the runtime's.
#[test]
fn the_environment() {
    let log = tempfile::tempdir().expect("a directory");
    let script = |name: &str| {
        json!(["sh", "-c", format!("echo \"$KETCH_TEST-$OWN\" > {}/{name}", log.path().display())])
    };
    let bundle = shell("true").edit(|config| {
        config["hooks"]["createRuntime"] = json!([
            {"path": "/bin/sh", "args": script("inherited")},
            {"path": "/bin/sh", "args": script("own"), "env": ["OWN=1"]},
        ]);
    });
    bundle.write();
    let mut command = bundle.command();
    command.env("KETCH_TEST", "host").arg("run").arg("--bundle").arg(bundle.path()).arg(&bundle.id);
    ketch_integration::program::finish(&mut command).ok();
    let read = |name: &str| fs::read_to_string(log.path().join(name)).expect("the hook ran");
    assert_eq!((read("inherited").trim(), read("own").trim()), ("host-", "-1"));
}

/// runc and crun: `startContainer` has the program's environment.
#[test]
fn the_programs_environment() {
    let script = json!(["sh", "-c", "[ \"$ONE\" = two ] && [ \"$PATH\" = /bin ]"]);
    let bundle = shell("true").edit(|config| {
        config["process"]["env"] = json!(["PATH=/bin", "ONE=two"]);
        config["hooks"]["startContainer"] = json!([{"path": "/bin/sh", "args": script}]);
    });
    bundle.run().ok();
}

/// Outside, hooks see init's pid as the host does, and its root at `root.path` only from inside its mount namespace.
#[test]
fn a_hook_can_configure_the_namespaces() {
    let bundle = Bundle::busybox().args(["sleep", "1000"]).edit(|config| {
        let script = "pid=$(grep -o '\"pid\" *: *[0-9]*' | tr -dc 0-9); nsenter -t $pid -n ip link set lo mtu 1234 && nsenter -t $pid -u hostname hooked";
        config["hooks"]["createRuntime"] = json!([{"path": "/bin/sh", "args": ["sh", "-c", script]}]);
    });
    start(&bundle);
    // runc sets the configured name after the hook.
    let shown = if is_ours() { "hooked\n1234" } else { "runc\n1234" };
    bundle
        .runtime(["exec", &bundle.id, "sh", "-c", "hostname; cat /sys/class/net/lo/mtu"])
        .ok()
        .assert_stdout(shown);
}
