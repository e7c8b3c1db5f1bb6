//! `init`: all but the command. podman 5.8's states, words and exit codes.

use ketch_integration::{Engine, kills};

#[track_caller]
fn is(engine: &Engine, name: &str, expected: &str) {
    engine.run(["inspect", "-f", "{{.State.Status}}", name]).ok().assert_stdout(expected);
}

#[test]
fn made_and_then_started() {
    let engine = Engine::with_busybox();
    engine
        .run([
            "create",
            "--name",
            "one",
            "-p",
            "8080:80",
            "busybox",
            "sh",
            "-c",
            "ip -o addr show eth0; exec sleep 1000",
        ])
        .ok();
    engine.line("init one").ok().assert_stdout("one");
    engine
        .run(["ps", "-a", "--filter", "status=initialized", "--format", "{{.Names}} {{.Status}} {{.State}}"])
        .ok()
        .assert_stdout("one Initialized initialized");
    let state = "{{.State.Running}} {{gt .State.Pid 0}} {{.State.StartedAt}}";
    engine
        .run(["inspect", "-f", state, "one"])
        .ok()
        .assert_stdout("false true 0001-01-01 00:00:00 +0000 UTC");
    engine.line("ps -q").ok().assert_stdout("");
    engine.line("wait --condition initialized one").ok().assert_stdout("-1");

    engine
        .line("init one")
        .assert_exit(125)
        .assert_stderr_has("has already been created in runtime: container state improper");
    engine
        .line("kill one")
        .assert_exit(125)
        .assert_stderr_has("is in state initialized: container state improper");
    engine.line("attach one").assert_exit(125).assert_stderr_has("you can only attach to running containers");
    engine
        .line("exec one true")
        .assert_exit(255)
        .assert_stderr_has("can only create exec sessions on running containers");
    engine.line("pause one").assert_exit(125);
    engine.line("logs one").ok().assert_stdout("");

    engine.line("start one").ok().assert_stdout("one");
    is(&engine, "one", "running");
    engine.wait_for_log("one", "inet ");
    engine.line("init one").assert_exit(125);
    engine.line("stop -t 0 one").ok();

    // Again, and ended before it has begun.
    engine.line("init one").ok();
    engine.line("stop one").ok();
    is(&engine, "one", "exited");
    engine.run(["inspect", "-f", "{{.State.ExitCode}}", "one"]).ok().assert_stdout("137");
    engine.line("init one").ok();
    engine.line("rm one").ok();
    engine.line("init nobody").assert_exit(125).assert_stderr_has("no such container");
    engine.line("init").assert_exit(125).assert_stderr_has("you must provide at least one name or id");
}

#[test]
fn attached_from_the_first_byte() {
    let engine = Engine::with_busybox();
    engine.line("create --name hello busybox echo hello").ok();
    engine.line("init hello").ok();
    engine.line("start -a hello").ok().assert_stdout("hello");
    let events = engine.line("events --stream=false --filter container=hello --format {{.Status}}").ok();
    assert_eq!(
        events.stdout.split_whitespace().collect::<Vec<_>>(),
        ["create", "init", "start", "attach", "died", "cleanup"]
    );
    engine.line("create --name reads -i busybox cat").ok();
    engine.line("init --all").ok();
    is(&engine, "hello", "initialized");
    engine.line("start -ai reads").ok();
}

/// What the command would have been told by init's failure is told by start's.
#[test]
fn a_command_that_is_not_there() {
    let engine = Engine::with_busybox();
    engine.line("create --name bad busybox /no/such/command").ok();
    let made = engine.line("init bad");
    let out = if made.code == 0 { engine.line("start bad") } else { made };
    out.assert_exit(125).assert_stderr_has("/no/such/command").assert_one_error_line();
    is(&engine, "bad", "created");
    engine.line("create --rm --name gone busybox /no/such/command").ok();
    if engine.line("init gone").code == 0 {
        engine.line("start gone").assert_exit(125);
    }
    engine.line("container exists gone").assert_exit(1);
}

/// One whose monitor is killed ends with it, and can be made again.
#[test]
fn without_its_monitor() {
    let engine = Engine::with_busybox();
    engine
        .run([
            "create",
            "--name",
            "one",
            "--conmon-pidfile",
            engine.path("pid").to_str().unwrap(),
            "busybox",
            "sleep",
            "1000",
        ])
        .ok();
    engine.line("init one").ok();
    let pid = std::fs::read_to_string(engine.path("pid")).unwrap();
    kills::end(pid.trim().parse().unwrap());
    ketch_integration::wait::wait_for("the end of the container", || {
        let status = engine.run(["inspect", "-f", "{{.State.Status}}", "one"]).ok();
        if status.text() == "exited" { Ok(()) } else { Err(status) }
    });
    engine.line("init one").ok();
    engine.line("start one").ok();
    is(&engine, "one", "running");
}
