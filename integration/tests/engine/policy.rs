//! `--restart`: who ends by himself is started again, and who was ended by a command is not.

use ketch_integration::Engine;
use ketch_integration::wait::wait_for;

fn restarts(engine: &Engine, name: &str) -> String {
    engine.run(["inspect", "-f", "{{.RestartCount}} {{.State.Status}}", name]).ok().text().to_owned()
}

/// Until `RestartCount` and status are these.
fn becomes(engine: &Engine, name: &str, expected: &str) {
    let look = || Some(restarts(engine, name)).filter(|now| now != expected).map_or(Ok(()), Err);
    wait_for(&format!("{expected:?} of {name}"), look);
}

/// So often, and with the container's files kept from run to run.
#[test]
fn on_failure() {
    let engine = Engine::with_busybox();
    let script = "echo run >>/runs; wc -l </runs; exit 3";
    engine
        .run(["run", "-d", "--name", "bad", "--restart", "on-failure:2", "busybox", "sh", "-c", script])
        .ok();
    engine.wait_for_log("bad", "3");
    becomes(&engine, "bad", "2 exited");
    engine.line("logs bad").ok().assert_stdout("1\n2\n3");
    engine.run(["inspect", "-f", "{{.State.ExitCode}} {{.HostConfig.RestartPolicy.Name}} {{.HostConfig.RestartPolicy.MaximumRetryCount}}", "bad"])
        .ok()
        .assert_stdout("3 on-failure 2");
    engine
        .run(["ps", "-a", "--filter", "restart-policy=on-failure", "--format", "{{.Names}} {{.Restarts}}"])
        .ok()
        .assert_stdout("bad 2");
    // A command's start begins to count anew.
    engine.line("start bad").ok();
    engine.wait_for_log("bad", "6");
    becomes(&engine, "bad", "2 exited");
    engine.line("logs bad").ok().assert_stdout("1\n2\n3\n4\n5\n6");

    // An end without a failure is one.
    engine.line("run -d --name good --restart on-failure busybox true").ok();
    engine.line("wait good").ok().assert_stdout("0");
    assert_eq!(restarts(&engine, "good"), "0 exited");
}

#[test]
fn always_until_a_command_ends_it() {
    let engine = Engine::with_busybox();
    engine.line("network create mesh").ok();
    engine
        .run([
            "run",
            "-d",
            "--name",
            "web",
            "--network",
            "mesh",
            "--restart",
            "always",
            "busybox",
            "sleep",
            "1000",
        ])
        .ok();
    let pid = || engine.run(["inspect", "-f", "{{.State.Pid}}", "web"]).ok().text().to_owned();
    let first = pid();
    // It ends by itself, as far as ketch knows.
    ketch_integration::kills::end(first.parse().unwrap());
    becomes(&engine, "web", "1 running");
    assert_ne!(pid(), first);
    engine.line("exec web ip addr show eth0").ok();
    for end in ["stop -t 0 web", "kill web"] {
        engine.line(end).ok();
        engine.line("wait web").ok();
        assert_eq!(restarts(&engine, "web").split_whitespace().last(), Some("exited"), "{end}");
        engine.line("start web").ok();
        assert_eq!(restarts(&engine, "web"), "0 running", "{end}");
    }
    engine.line("restart -t 0 web").ok();
    assert_eq!(restarts(&engine, "web"), "0 running");
    engine.line("rm -f -t 0 web").ok();
    engine.line("ps -aq").ok().assert_stdout("");
    engine.line("network rm mesh").ok();
}

/// While it waits for its next turn it can be stopped and removed.
#[test]
fn between_two_runs() {
    let engine = Engine::with_busybox();
    for end in ["stop -t 0", "rm -f -t 0"] {
        engine.line("run -d --name restless --restart always busybox false").ok();
        wait_for("four restarts", || {
            let now = restarts(&engine, "restless");
            let count = now.split_whitespace().next().and_then(|count| count.parse::<u32>().ok());
            if count >= Some(4) { Ok(()) } else { Err(now) }
        });
        engine.line(&format!("{end} restless")).ok();
        if end.starts_with("stop") {
            assert_eq!(restarts(&engine, "restless").split_whitespace().last(), Some("exited"));
            engine.line("rm restless").ok();
        }
        engine.line("ps -aq").ok().assert_stdout("");
    }
}

#[test]
fn a_pods_policy_is_its_members() {
    let engine = Engine::with_busybox();
    engine.line("pod create --name shop --restart on-failure:1").ok();
    engine.line("run -d --pod shop --name one busybox false").ok();
    engine.line("run -d --pod shop --name two --restart no busybox false").ok();
    becomes(&engine, "one", "1 exited");
    engine.line("wait two").ok();
    assert_eq!(restarts(&engine, "two"), "0 exited");
    engine.line("pod rm -f -t 0 shop").ok();
}
