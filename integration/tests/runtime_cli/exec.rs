//! exec: one more process.

use std::fs;

use serde_json::json;

use crate::subject::{Bundle, is_crun, is_ours, is_v2};

fn running() -> Bundle {
    let bundle = Bundle::new(&["sleep", "1000"]);
    bundle.make("run", &["--detach"]).succeeds();
    bundle
}

#[test]
fn the_exit_code_goes_through() {
    let bundle = running();
    for (script, code) in [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", 137), ("kill -15 $$", 143)] {
        bundle.call(&["exec", &bundle.id, "sh", "-c", script]).exits(code);
    }
}

#[test]
fn flags_change_the_process() {
    let bundle = running();
    let id = bundle.id.as_str();
    for (flags, command, expected) in [
        (&[][..], &["pwd"][..], "/\n"),
        (&["--cwd", "/tmp"], &["pwd"], "/tmp\n"),
        (&["--env", "A=1", "--env", "B=2"], &["sh", "-c", "echo $A$B"], "12\n"),
        (&["--user", "1000:100"], &["sh", "-c", "id -u; id -g"], "1000\n100\n"),
        (&["-u", "5"], &["id", "-u"], "5\n"),
        (&["-u", "5:5", "-g", "7", "-g", "8"], &["id", "-G"], "5 7 8\n"),
        (&[], &["echo", "-n", "--help"], "--help"),
        (
            &["--cap", "CAP_SYS_ADMIN"],
            &[
                "sh",
                "-c",
                "cat /proc/self/status | while read k v; do [ $k = CapBnd: ] && echo $v; done; true",
            ],
            "0000000020200420\n",
        ),
    ] {
        // crun has no -g, and gives an added capability alone.
        if (flags.contains(&"-g") || flags.contains(&"--cap")) && is_crun() {
            continue;
        }
        let out = bundle.call(&[&["exec"], flags, &[id], command].concat()).succeeds();
        assert_eq!(out.stdout, expected, "{flags:?} {command:?}");
    }
}

#[test]
fn a_process_from_a_file() {
    let bundle = running();
    let file = bundle.path().join("process.json");
    let process = json!({
        "user": { "uid": 3, "gid": 4 },
        "args": ["sh", "-c", "id -u; pwd; echo $X"],
        "env": ["PATH=/bin", "X=y"],
        "cwd": "/tmp",
    });
    fs::write(&file, process.to_string()).expect("a file");
    let out = bundle.call(&["exec", "--process", file.to_str().expect("UTF-8"), &bundle.id]).succeeds();
    assert_eq!(out.stdout, "3\n/tmp\ny\n");
}

#[test]
fn detached_with_a_pid_file() {
    let bundle = running();
    let file = bundle.path().join("pid");
    let path = file.to_str().expect("UTF-8");
    bundle.call(&["exec", "--detach", "--pid-file", path, &bundle.id, "sleep", "1000"]).succeeds();
    let pid = fs::read_to_string(file).expect("the pid file");
    let command = fs::read_to_string(format!("/proc/{pid}/cmdline")).expect("it runs");
    // crun returns before the program is executed.
    assert!(command == "sleep\x001000\0" || is_crun(), "{command:?}");
}

#[test]
fn what_cannot_start_is_255() {
    let bundle = running();
    let id = bundle.id.as_str();
    // crun's is 1.
    if !is_ours() {
        return;
    }
    bundle.call(&["exec", id, "nonesuch"]).fails(255, "nonesuch");
    bundle.call(&["exec", "nope", "true"]).fails(255, "does not exist");
    bundle.call(&["exec", id]).fails(255, "required");
    bundle.call(&["exec", "--cap", "FOO", id, "true"]).fails(255, "unknown capability");
    bundle.call(&["exec", "--user", "root", id, "true"]).fails(255, "invalid user");
    bundle.call(&["exec", "--cwd", "/nonesuch", id, "true"]).fails(255, "/nonesuch");
    bundle.call(&["exec", "--detach", "--tty", id, "true"]).fails(255, "--console-socket");
    bundle.kill_and_wait();
    bundle.call(&["exec", id, "true"]).fails(255, "running");
}

/// A cgroup of the container's own, in all hierarchies or in some.
#[test]
fn into_a_cgroup_below_the_containers() {
    let bundle = running();
    for directory in bundle.cgroups() {
        let below = directory.join("sub");
        fs::create_dir(&below).expect("mkdir");
        if directory.to_string_lossy().contains("/cpuset/") {
            for name in ["cpuset.cpus", "cpuset.mems"] {
                fs::write(below.join(name), fs::read(directory.join(name)).expect(name)).expect(name);
            }
        }
    }
    let seen = |flags: &[&str], end: &str| -> Vec<String> {
        let pid = bundle.path().join("pid");
        let pid_file = pid.to_str().expect("UTF-8");
        let words = [&["exec", "-d", "--pid-file", pid_file], flags, &[&bundle.id, "sleep", "1000"]].concat();
        bundle.call(&words).succeeds();
        let path = format!("/proc/{}/cgroup", fs::read_to_string(&pid).expect("the pid file"));
        let text = fs::read_to_string(path).expect("it runs");
        text.lines().filter(|line| line.ends_with(end)).map(str::to_owned).collect()
    };
    assert_eq!(seen(&[], "/sub"), [""; 0]);
    let all = seen(&["--cgroup", "sub"], "/sub");
    assert!(!all.is_empty());
    // crun makes what is missing, and takes the whole word as a path.
    if is_crun() {
        return;
    }
    bundle.call(&["exec", "--cgroup", "nonesuch", &bundle.id, "true"]).fails(255, "nonesuch");
    if is_v2() {
        return;
    }
    assert!(all.len() > 2, "{all:?}");
    let some = seen(&["--cgroup", "pids:sub", "--cgroup", "freezer,memory:sub"], "/sub");
    assert_eq!(some.len(), 3, "{some:?}");
    // As in crun, a cgroup that one hierarchy alone has is entered there; runc refuses it.
    let lone = bundle.cgroups().into_iter().find(|path| path.to_string_lossy().contains("/pids/"));
    fs::create_dir(lone.expect("pids").join("lone")).expect("mkdir");
    assert_eq!(seen(&["--cgroup", "lone"], "/lone").len(), 1);
    bundle.call(&["exec", "--cgroup", "../x", &bundle.id, "true"]).fails(255, "`..` components");
    bundle
        .call(&["exec", "--cgroup", "sub", "--cgroup", "sub", &bundle.id, "true"])
        .fails(255, "name its controllers");
    bundle
        .call(&["exec", "--cgroup", "pids:sub", "--cgroup", "pids:sub", &bundle.id, "true"])
        .fails(255, "twice");
}

#[test]
fn into_a_paused_container_only_when_asked_to() {
    if is_crun() {
        return;
    }
    let bundle = running();
    let file = bundle.path().join("pid");
    let pid_file = file.to_str().expect("UTF-8");
    bundle.verb("pause").succeeds();
    bundle.call(&["exec", &bundle.id, "true"]).fails(255, "paused");
    let words = ["exec", "-d", "--pid-file", pid_file, "--ignore-paused", &bundle.id, "sleep", "1000"];
    let mut exec = bundle.command(&words).spawn().expect("the runtime starts");
    bundle.verb("resume").succeeds();
    assert!(exec.wait().expect("it ends").success());
    let pid = fs::read_to_string(file).expect("the pid file");
    assert!(fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|words| words.starts_with("sleep")));
}

#[test]
fn privileges_and_descriptors() {
    let bundle = Bundle::new(&["sleep", "1000"]);
    bundle.configure(|config| config["process"]["noNewPrivileges"] = false.into());
    bundle.make("run", &["--detach"]).succeeds();
    let script = "while read k v; do [ $k = NoNewPrivs: ] && echo $v; done </proc/self/status; true";
    for (flags, expected) in [(&[][..], "0\n"), (&["--no-new-privs"], "1\n")] {
        let words = [&["exec"], flags, &[&bundle.id, "sh", "-c", script]].concat();
        assert_eq!(bundle.call(&words).succeeds().stdout, expected, "{flags:?}");
    }
    // There is no such security module here (`process.apparmorProfile`), or no such profile.
    if is_crun() {
        return;
    }
    bundle.call(&["exec", "--apparmor", "nonesuch", &bundle.id, "true"]).fails(255, "apparmor");
}
