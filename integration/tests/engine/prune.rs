//! `system prune` and the other verbs that put things in order. podman 5.8's lines and exit codes.

use std::fs;

use ketch_integration::{Engine, kills};

#[test]
fn what_nobody_uses() {
    let engine = Engine::with_busybox();
    engine.line("system prune").assert_exit(125).assert_stderr_has("EOF");
    let asked = engine.line("system prune -a --volumes");
    assert!(
        asked.stdout.contains("\t- all volumes not used by at least one container\n\t- all images without"),
        "{asked:#?}"
    );
    engine.line("system prune -f").ok().assert_stdout("Total reclaimed space: 0B");

    let kept = engine.line("run -d --name kept --network none busybox sleep 1000").ok();
    let id = engine.line("create --name gone -v data:/d busybox true").ok().text().to_owned();
    engine.line("network create mesh").ok();
    engine.line("system prune -f").ok().assert_stdout(&format!(
        "Deleted Containers\n{id}\nDeleted Networks\nmesh\nTotal reclaimed space: 0B"
    ));
    engine.line("volume ls -q").ok().assert_stdout("data");
    engine.line("images -q").ok();
    engine.line("system prune -f --filter label=none").ok().assert_stdout("Total reclaimed space: 0B");
    engine
        .line("system prune -f --filter foo=bar")
        .assert_exit(125)
        .assert_stderr_has("foo is an invalid filter");
    engine
        .line("system prune -f --external")
        .assert_exit(125)
        .assert_stderr_has("cannot be combined with other options");
    engine.line("system prune --external").ok().assert_stdout("");
    engine.line("rm -f -t 0 kept").ok();
    drop(kept);
    let image = engine.line("images -q --no-trunc").ok();
    let image = image.text().trim_start_matches("sha256:").to_owned();
    let out = engine.line("system prune -a -f --volumes").ok();
    assert!(
        out.stdout
            .starts_with(&format!("Deleted Volumes\ndata\nDeleted Images\n{image}\nTotal reclaimed space: ")),
        "{out:#?}"
    );
    assert!(!out.stdout.contains(": 0B"), "{out:#?}");
}

#[test]
fn nothing_to_do() {
    let engine = Engine::new();
    engine.line("system migrate").ok().assert_stdout("");
    engine
        .line("system migrate --new-runtime foo")
        .assert_exit(125)
        .assert_stderr_has("change to runtime \"foo\" requested");
    engine
        .line("system migrate --migrate-db")
        .ok()
        .assert_stdout("No migration is necessary: backing database is already SQLite");
    engine.line("system renumber").ok().assert_stdout("");
    engine.line("volume reload").ok().assert_stdout("");
}

#[test]
fn what_a_killed_monitor_leaves() {
    let engine = Engine::with_busybox();
    engine.run(["run", "-d", "--name", "one", "-p", "8080:80", "busybox", "sleep", "1000"]).ok();
    let id = engine.run(["inspect", "-f", "{{.Id}}", "one"]).ok().text().to_owned();
    engine
        .line("container cleanup one")
        .assert_exit(125)
        .assert_stderr_has("is running or paused, refusing to clean up");
    let init: i32 = engine.run(["inspect", "-f", "{{.State.Pid}}", "one"]).ok().text().parse().unwrap();
    kills::monitors(engine.dir()).into_iter().for_each(kills::end);
    kills::end(init);
    ketch_integration::wait::wait_for("the end of the container", || {
        let status = engine.run(["inspect", "-f", "{{.State.Status}}", "one"]).ok();
        if status.text() == "exited" { Ok(()) } else { Err(status) }
    });
    engine.line("container cleanup one").ok().assert_stdout("one");
    assert!(engine.netns().published().iter().all(|port| !port.contains(&*id)));
    engine.line("container cleanup nobody").ok().assert_stdout("");
    engine.line("container cleanup --rm -a").ok();
    engine.line("ps -aq").ok().assert_stdout("");
}

#[test]
fn volumes_as_archives() {
    let engine = Engine::with_busybox();
    engine
        .run([
            "run",
            "--rm",
            "-v",
            "data:/d",
            "busybox",
            "sh",
            "-c",
            "echo x >/d/f; mkdir /d/sub; chown 7:8 /d/f; ln -s f /d/l",
        ])
        .ok();
    let archive = engine.path("data.tar");
    let path = archive.to_str().unwrap();
    engine.run(["volume", "export", "data", "-o", path]).ok().assert_stdout("");
    engine.line("volume create copy").ok();
    engine.run(["volume", "import", "copy", path]).ok().assert_stdout("");
    let look = "cat /d/l; stat -c '%u %g' /d/f; ls /d";
    engine
        .run(["run", "--rm", "-v", "copy:/d", "busybox", "sh", "-c", look])
        .ok()
        .assert_stdout("x\n7 8\nf\nl\nsub");
    let point = engine.line("volume mount copy").ok();
    assert_eq!(fs::read_to_string(format!("{}/f", point.text())).unwrap(), "x\n");
    engine.line("volume unmount copy").ok().assert_stdout("copy");
    for (line, part) in [
        ("volume export", "accepts 1 arg(s), received 0"),
        ("volume export none", "no volume with name \"none\" found: no such volume"),
        ("volume import copy", "accepts 2 arg(s), received 1"),
        ("volume import none /dev/null", "no volume with name \"none\" found: no such volume"),
        ("volume import copy /no/such/file", "unable open input file: open /no/such/file"),
        ("volume import copy /etc/hostname", "cannot read the archive"),
        ("volume mount none", "no such volume"),
    ] {
        engine.line(line).assert_exit(125).assert_stderr_has(part).assert_one_error_line();
    }
    engine.line("volume rm -a").ok();
}

/// What somebody has done to the store is found, by its content too, and removed on request.
#[test]
fn a_damaged_store() {
    let engine = Engine::with_busybox();
    engine.line("system check").ok().assert_stdout("");
    fs::create_dir(engine.path("root/layers/of-nobody")).unwrap();
    engine.line("system check").ok().assert_stdout("");
    let out = engine
        .line("system check --quick --max 0s")
        .assert_exit(125)
        .assert_stderr_has("damage detected in local storage");
    assert!(out.stdout.contains("/layers/of-nobody"), "{out:#?}");
    engine.line("system check -r --max 0s").ok();
    assert!(!engine.path("root/layers/of-nobody").exists());

    engine.line("create --name one busybox true").ok();
    let layer = fs::read_dir(engine.path("root/layers")).unwrap().next().unwrap().unwrap().path();
    fs::write(layer.join("bin/busybox"), "not what it was").unwrap();
    engine.line("system check --quick").ok();
    let out = engine.line("system check").assert_exit(125);
    assert!(out.stdout.starts_with("Damaged image "), "{out:#?}");
    engine.line("system check --repair").assert_exit(125);
    engine.line("container exists one").ok();
    engine.line("system check --force").ok();
    engine.line("container exists one").assert_exit(1);
    engine.line("images -q").ok().assert_stdout("");
    engine.line("system check").ok().assert_stdout("");
}
