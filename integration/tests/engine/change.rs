//! pause, unpause, restart, rename, prune, and the ways to choose several containers at once.

use std::fs;

use ketch_integration::Engine;

fn status(engine: &Engine, name: &str) -> String {
    engine.run(["inspect", "--format", "{{.State.Status}}", name]).ok().text().to_owned()
}

fn started_at(engine: &Engine, name: &str) -> String {
    engine.line(&format!("inspect {name}")).ok().json()[0]["State"]["StartedAt"].to_string()
}

#[test]
fn pause_and_unpause() {
    let engine = Engine::with_busybox();
    let id = engine.line("run -d --name p busybox sleep 1000").ok().text().to_owned();
    engine.line("create --name other busybox").ok();
    engine.line("unpause p").assert_exit(125).assert_stderr_has("is not paused, can't unpause");
    engine.line("pause p").ok().assert_stdout("p");
    assert_eq!(status(&engine, "p"), "paused");
    engine.line("pause p").assert_exit(125).assert_stderr_has("is already paused");
    engine.line("pause other").assert_exit(125).assert_stderr_has("\"created\" is not running, can't pause");
    engine.line("restart p").assert_exit(125).assert_stderr_has("container state improper");
    engine.line("exec p true").assert_exit(255);
    engine.line("unpause p").ok().assert_stdout("p");
    assert_eq!(status(&engine, "p"), "running");
    // Those that can be, and no others.
    engine.line("pause --all").ok().assert_stdout(&id);
    engine.line("unpause -a").ok().assert_stdout(&id);
    engine.line("exec p echo on").ok().assert_stdout("on");
    // A paused container can be removed by force.
    engine.line("pause -l").assert_exit(125);
    engine.line("pause p").ok();
    engine.line("rm -f -t 0 p").ok();
}

#[test]
fn restart_stops_and_starts() {
    let engine = Engine::with_busybox();
    let script = "trap 'exit 3' TERM; echo ready; while :; do sleep 0.05; done";
    engine.run(["run", "-d", "--name", "r", "busybox", "sh", "-c", script]).ok();
    engine.wait_for_log("r", "ready");
    let before = started_at(&engine, "r");
    engine.line("restart r").ok().assert_stdout("r");
    assert_eq!(status(&engine, "r"), "running");
    assert_ne!(started_at(&engine, "r"), before);

    engine.line("create --name new busybox sleep 1000").ok();
    engine.line("restart --running").ok();
    assert_eq!(status(&engine, "new"), "created");
    engine.line("restart new").ok().assert_stdout("new");
    assert_eq!(status(&engine, "new"), "running");
    engine.line("restart").assert_exit(125).assert_stderr_has("you must provide at least one name or id");
    engine.line("restart nobody").assert_exit(125).assert_stderr_has("no such container");
}

/// `--rm` is for the end, and a restart is none.
#[test]
fn restart_keeps_what_is_removed_at_its_end() {
    let engine = Engine::with_busybox();
    let id = engine.line("run -d --rm --name r busybox sleep 1000").ok().text().to_owned();
    engine.run(["exec", "r", "sh", "-c", "echo kept > /file"]).ok();
    // Named twice, it is restarted once.
    engine.run(["restart", "-t", "0", "r", &id[..12]]).ok().assert_stdout("r");
    assert_eq!(engine.ids(), [id]);
    engine.line("exec r cat /file").ok().assert_stdout("kept");
    engine.line("stop -t 0 r").ok();
    assert_eq!(engine.ids(), Vec::<String>::new());
}

#[test]
fn rename_a_running_container() {
    let engine = Engine::with_busybox();
    let id = engine.line("run -d --name old busybox sleep 1000").ok().text().to_owned();
    engine.line("create --name taken busybox").ok();
    engine
        .line("rename old taken")
        .assert_exit(125)
        .assert_stderr_has("already in use")
        .assert_one_error_line();
    engine.run(["rename", "old", "a b"]).assert_exit(125).assert_stderr_has("names must match");
    engine.line("rename nobody x").assert_exit(125).assert_stderr_has("no such container");
    engine.line("rename old new").ok().assert_stdout("");
    engine.line("inspect --type container old").assert_exit(125);
    assert_eq!(engine.line("inspect new --format {{.Id}}").ok().text(), id);
    // The name is free again.
    engine.line("create --name old busybox").ok();
    engine.line("stop -t 0 new").ok();
    // The monitor noted the end under the new name.
    let died = "events --stream=false --filter event=died --format {{.Name}}";
    engine.line(died).ok().assert_stdout("new");
}

#[test]
fn prune_removes_what_does_not_run() {
    let engine = Engine::with_busybox();
    engine.line("run -d --name up busybox sleep 1000").ok();
    engine.line("pause up").ok();
    let new = engine.line("create --name new --label keep=no busybox").ok().text().to_owned();
    engine.line("run --name done busybox true").ok();
    engine.line("container prune").assert_exit(125).assert_stderr_has("EOF");
    engine.line("container prune -f --filter name=x").assert_exit(125).assert_stderr_has("invalid filter");
    engine.line("container prune -f --filter until=1h").ok().assert_stdout("");
    engine.line("container prune -f --filter label=keep=no").ok().assert_stdout(&new);
    engine.line("container prune -f").ok();
    engine.line("ps -a --format {{.Names}}").ok().assert_stdout("up");
    engine.line("unpause up").ok();
}

#[test]
fn choosing() {
    let engine = Engine::with_busybox();
    let file = engine.path("cid");
    let path = file.display().to_string();
    for name in ["a", "b", "c"] {
        engine
            .run(["run", "-d", "--name", name, "--label", &format!("n={name}"), "busybox", "sleep", "1000"])
            .ok();
    }
    engine.run(["run", "-d", "--name", "d", "--cidfile", &path, "busybox", "sleep", "1000"]).ok();
    engine.line("stop -t 0 --filter label=n=a").ok();
    assert_eq!(status(&engine, "a"), "exited");
    engine.line("stop -t 0 -f name=nobody").ok().assert_stdout("");
    engine.run(["stop", "-t", "0", "--cidfile", &path]).ok();
    assert_eq!(status(&engine, "d"), "exited");
    engine.line("start -f status=exited").ok();
    assert_eq!((status(&engine, "a"), status(&engine, "d")), ("running".to_owned(), "running".to_owned()));
    engine.run(["kill", "--cidfile", &path]).ok();
    assert_eq!(status(&engine, "d"), "exited");
    engine.line("pause -f label=n=b -f label=n=b").ok();
    assert_eq!(status(&engine, "b"), "paused");
    engine.line("unpause --filter status=paused").ok();
    assert_eq!(status(&engine, "b"), "running");

    engine.line("stop --filter name=a b").assert_exit(125).assert_stderr_has("--filter takes no arguments");
    engine.line("stop --cidfile /nope").assert_exit(125).assert_stderr_has("reading CIDFile: open /nope");
    engine.run(["rm", "--cidfile", &path, "-a"]).assert_exit(125);
    engine.line("rm --cidfile /nope -i").ok().assert_stdout("");
    engine.line("rm --filter foo=bar").assert_exit(125).assert_stderr_has("foo is an invalid filter");
    engine.line("rm -f -t 0 --filter label=n=c").ok();
    engine.run(["rm", "--cidfile", &path]).ok();
    fs::remove_file(file).expect("it was written");
    engine.line("ps -a --format {{.Names}}").ok().assert_stdout("a\nb");
}
