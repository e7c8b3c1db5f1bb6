//! Health checks, timed by the monitor, and what is done with a container that is unhealthy.

use ketch_integration::wait::wait_for;
use ketch_integration::{Engine, Output};

fn state(engine: &Engine, name: &str, template: &str) -> String {
    engine.run(["inspect", "-f", template, name]).ok().text().to_owned()
}

fn becomes(engine: &Engine, name: &str, template: &str, expected: &str) {
    let look = || Some(state(engine, name, template)).filter(|now| now != expected).map_or(Ok(()), Err);
    wait_for(&format!("{expected:?} of {name}"), look);
}

/// A line in which words with blanks are in single quotes.
fn quoted(engine: &Engine, line: &str) -> Output {
    let parts = line.split('\'').enumerate();
    let words = parts.flat_map(|(number, part)| match number % 2 {
        0 => part.split_whitespace().map(str::to_owned).collect(),
        _ => vec![part.to_owned()],
    });
    engine.run(words.collect::<Vec<_>>())
}

#[test]
fn from_healthy_to_unhealthy_and_back() {
    let engine = Engine::with_busybox();
    let check = "--health-cmd 'cat /ok' --health-interval 100ms --health-retries 2";
    quoted(&engine, &format!("run -d --name web {check} busybox sh -c 'echo fine >/ok; sleep 1000'")).ok();
    let status = "{{.State.Health.Status}}";
    engine.line("wait --condition healthy web").ok().assert_stdout("-1");
    engine.run(["ps", "--filter", "health=healthy", "--format", "{{.Names}}"]).ok().assert_stdout("web");
    engine.run(["ps", "--filter", "health=none", "--format", "{{.Names}}"]).ok().assert_stdout("");
    let entry =
        engine.line("inspect web").ok().json().pointer("/0/State/Health/Log/0").cloned().expect("a result");
    assert_eq!((entry["ExitCode"].clone(), entry["Output"].clone()), (0.into(), "fine\n".into()));
    let listed = engine.run(["ps", "--format", "{{.Status}}"]).ok();
    assert!(listed.text().ends_with("(healthy)"), "{listed:?}");
    engine.line("healthcheck run web").ok().assert_stdout("");

    engine.line("exec web rm /ok").ok();
    becomes(&engine, "web", status, "unhealthy");
    engine.line("healthcheck run web").assert_exit(1).assert_stdout("unhealthy");
    engine.line("exec web touch /ok").ok();
    becomes(&engine, "web", status, "healthy");
    let log = "{{len .State.Health.Log}} {{.State.Health.FailingStreak}}";
    becomes(&engine, "web", log, "5 0");
    let events = engine
        .run(["events", "--stream=false", "--filter", "event=health_status", "--format", "{{.HealthStatus}}"])
        .ok();
    assert!(events.text().contains("unhealthy"), "{events:?}");
    // Nobody has commanded them.
    engine
        .line("events --stream=false --filter event=exec --format {{.Name}}")
        .ok()
        .assert_stdout("web\nweb");
    engine.line("rm -f -t 0 web").ok();
}

#[test]
fn on_failure() {
    let engine = Engine::with_busybox();
    for (action, restart, expected) in [
        ("kill", "no", "137 exited 0"),
        ("kill", "on-failure:1", "137 exited 1"),
        ("stop", "always", "137 exited 0"),
    ] {
        let flags = format!("--restart {restart} --stop-timeout 0 --health-on-failure {action}");
        let check = "--health-cmd false --health-interval 100ms --health-retries 1";
        engine.line(&format!("run -d --name web {flags} {check} busybox sleep 1000")).ok();
        becomes(&engine, "web", "{{.State.ExitCode}} {{.State.Status}} {{.RestartCount}}", expected);
        engine.line("rm -f -t 0 web").ok();
    }
    let pid = |name: &str| state(&engine, name, "{{.State.Pid}}");
    let flags = "--stop-timeout 0 --health-on-failure restart --health-interval 100ms --health-retries 1";
    quoted(&engine, &format!("run -d --name again {flags} --health-cmd 'test -e /ok' busybox sleep 1000"))
        .ok();
    let first = pid("again");
    wait_for("another init", || {
        let now = pid("again");
        if now != first && now != "0" { Ok(()) } else { Err(now) }
    });
    // Its file is kept.
    wait_for("a moment in which it runs", || match engine.line("exec again touch /ok") {
        done if done.code == 0 => Ok(()),
        done => Err(done),
    });
    becomes(&engine, "again", "{{.State.Health.Status}}", "healthy");
    engine.line("rm -f -t 0 again").ok();
}

#[test]
fn what_counts() {
    let engine = Engine::with_busybox();
    // Failures early in its life do not count; the check that takes too long has failed.
    let check = "--health-cmd 'sleep 100' --health-interval 100ms --health-timeout 1s --health-retries 1";
    quoted(&engine, &format!("run -d --name slow {check} busybox sleep 1000")).ok();
    becomes(&engine, "slow", "{{.State.Health.Status}}", "unhealthy");
    let output = state(
        &engine,
        "slow",
        "{{(index .State.Health.Log 0).ExitCode}} {{(index .State.Health.Log 0).Output}}",
    );
    assert_eq!(output, "-1 Health check exceeded timeout (1s)");
    engine.line("top slow").ok();

    let early = "--health-cmd false --health-interval 100ms --health-retries 1 --health-start-period 1h";
    engine.line(&format!("run -d --name early {early} busybox sleep 1000")).ok();
    becomes(&engine, "early", "{{len .State.Health.Log}} {{.State.Health.Status}}", "5 starting");
    engine.line("healthcheck run early").assert_exit(1).assert_stdout("starting");

    let startup = "--health-cmd false --health-retries 1 --health-interval 100ms --health-startup-cmd 'test -e /up' --health-startup-interval 100ms";
    quoted(&engine, &format!("run -d --name start {startup} busybox sleep 1000")).ok();
    becomes(&engine, "start", "{{len .State.Health.Log}} {{.State.Health.Status}}", "5 starting");
    engine.line("exec start touch /up").ok();
    becomes(&engine, "start", "{{.State.Health.Status}}", "unhealthy");

    engine.line("run -d --name none busybox sleep 1000").ok();
    engine.line("healthcheck run none").assert_exit(125).assert_stderr_has("has no defined healthcheck");
    engine.line("healthcheck run nobody").assert_exit(125).assert_stderr_has("no such container");
    engine.line("rm -f -t 0 -a").ok();
}
