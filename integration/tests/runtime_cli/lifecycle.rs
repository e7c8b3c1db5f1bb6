//! create, start, state, kill, delete, pause, resume.

use std::fs;
use std::os::fd::AsFd;

use nix::poll::{PollFd, PollFlags, poll};

use crate::subject::{Bundle, is_crun, is_ours, run, runtime};

#[test]
fn a_container_lives_and_dies() {
    let bundle = Bundle::new(&["sleep", "1000"]);
    let pid_file = bundle.path().join("pid");
    bundle.make("create", &["--pid-file", pid_file.to_str().expect("UTF-8")]).succeeds();
    let state = bundle.state();
    assert_eq!(state["status"], "created");
    assert_eq!(state["id"], bundle.id.as_str());
    assert_eq!(state["bundle"], bundle.path().to_str().expect("UTF-8"));
    assert_eq!(state["pid"].to_string(), fs::read_to_string(pid_file).expect("the pid file"));

    bundle.verb("start").succeeds();
    assert_eq!(bundle.status(), "running");
    assert!(!bundle.cgroups().is_empty());

    bundle.kill_and_wait();
    assert_eq!(bundle.status(), "stopped");
    assert_eq!(bundle.state()["pid"], 0);
    assert!(bundle.root().join(&bundle.id).exists());

    bundle.verb("delete").succeeds();
    bundle.verb("state").fails(1, "does not exist");
    assert_eq!(bundle.cgroups(), [""; 0].map(std::path::PathBuf::from));
    assert!(!bundle.root().join(&bundle.id).exists());
}

/// As runc: nobody else ends them with it. crun leaves them to `delete`.
#[test]
fn an_init_without_a_pid_namespace_is_killed_with_all_others() {
    if is_crun() {
        return;
    }
    let bundle = Bundle::new(&["sh", "-c", "sleep 1000 & sleep 1000 & wait"]);
    bundle.configure(|config| {
        config["linux"]["namespaces"].as_array_mut().expect("a list").retain(|one| one["type"] != "pid");
    });
    bundle.make("create", &[]).succeeds();
    bundle.verb("start").succeeds();
    // Both are there once the shell has nothing left to do but wait.
    let pids = loop {
        let out = bundle.call(&["ps", "--format", "json", &bundle.id]).succeeds();
        let pids: Vec<i32> = serde_json::from_str(&out.stdout).expect("a list of numbers");
        if pids.len() == 3 {
            break pids;
        }
    };
    let pidfds = pids.iter().map(|pid| ketch_sys::pidfd::open(*pid).expect("a process"));
    let pidfds: Vec<_> = pidfds.collect();
    bundle.call(&["kill", &bundle.id, "KILL"]).succeeds();
    for pidfd in &pidfds {
        let mut ended = [PollFd::new(pidfd.as_fd(), PollFlags::POLLIN)];
        assert_eq!(poll(&mut ended, 30_000u16), Ok(1), "one of {pids:?} lives");
    }
    bundle.verb("delete").succeeds();
}

/// `run` enters the bundle, and what the command line names stays where it was called from.
#[test]
fn relative_paths() {
    let bundle = Bundle::new(&["false"]);
    let from_here = |words: &[&str]| {
        let mut command = std::process::Command::new(runtime());
        command.current_dir(bundle.path().parent().expect("a directory above"));
        let name = bundle.path().file_name().and_then(|name| name.to_str()).expect("a UTF-8 name");
        command.arg("--root").arg(format!("{name}/state")).arg("--log").arg(format!("{name}/log"));
        command.args([words, &["--bundle", name, &bundle.id]].concat()).stdin(std::process::Stdio::null());
        run(command)
    };
    from_here(&["run"]).exits(1);
    assert!(!bundle.root().join(&bundle.id).exists(), "left behind");

    bundle.configure(|config| config["root"]["path"] = "nowhere".into());
    let out = from_here(&["run"]);
    assert_ne!(out.code, 0, "{out:?}");
    assert!(fs::read_to_string(bundle.path().join("log")).expect("a log").contains("nowhere"), "{out:?}");
}

/// As runc and crun do, whatever the specification says of containers that are not stopped.
#[test]
fn a_created_container_is_deleted_without_force() {
    let bundle = Bundle::new(&["sleep", "1000"]);
    bundle.make("create", &[]).succeeds();
    bundle.verb("delete").succeeds();
    bundle.verb("state").fails(1, "does not exist");
}

/// runc reads no flag after the id.
#[test]
fn flags_stand_on_either_side_of_the_id() {
    if !is_ours() {
        return;
    }
    let bundle = Bundle::new(&["sleep", "1000"]);
    bundle.call(&["create", &bundle.id, "--bundle", bundle.path().to_str().expect("UTF-8")]).succeeds();
    bundle.call(&["delete", &bundle.id, "--force"]).succeeds();
}

/// podman says some twice. The last one holds.
#[test]
fn flags_may_be_repeated() {
    let bundle = Bundle::new(&["sleep", "1000"]);
    let (first, last) = (bundle.path().join("first"), bundle.path().join("last"));
    let files = [&first, &last].map(|file| file.to_str().expect("UTF-8"));
    bundle.make("create", &["--pid-file", files[0], "--pid-file", files[1]]).succeeds();
    assert!(last.exists() && !first.exists());
    bundle.call(&["delete", "--force", "--force", &bundle.id]).succeeds();
}

#[test]
fn the_bundle_is_the_current_directory_by_default() {
    let bundle = Bundle::new(&["sleep", "1000"]);
    let mut command = bundle.command(&["create", &bundle.id]);
    command.current_dir(bundle.path());
    run(command).succeeds();
    assert_eq!(bundle.status(), "created");
}

/// crun has this too. The container stays in the caller's cgroups.
#[test]
fn without_cgroups() {
    if !is_ours() {
        return;
    }
    let bundle = Bundle::new(&["sleep", "1000"]);
    let path = bundle.path().to_str().expect("UTF-8");
    bundle.call(&["--cgroup-manager", "disabled", "run", "-d", "-b", path, &bundle.id]).succeeds();
    assert!(bundle.cgroups().is_empty());
    assert_eq!(bundle.status(), "running");
    bundle.call(&["exec", &bundle.id, "true"]).succeeds();
    bundle.call(&["kill", "--all", &bundle.id, "KILL"]).succeeds();
    bundle.call(&["delete", "--force", &bundle.id]).succeeds();
}

#[test]
fn pause_and_resume() {
    let bundle = Bundle::new(&["sleep", "1000"]);
    bundle.make("run", &["--detach"]).succeeds();
    if !is_crun() {
        bundle.verb("resume").fails(1, "container not paused");
    }
    bundle.verb("pause").succeeds();
    assert_eq!(bundle.status(), "paused");
    bundle.verb("resume").succeeds();
    assert_eq!(bundle.status(), "running");
    bundle.verb("pause").succeeds();
    bundle.call(&["delete", "--force", &bundle.id]).succeeds();
}

#[test]
fn a_paused_container_can_be_killed() {
    // On cgroup v1 crun's stays frozen with the signal pending.
    if is_crun() {
        return;
    }
    let bundle = Bundle::new(&["sleep", "1000"]);
    bundle.make("run", &["--detach"]).succeeds();
    bundle.verb("pause").succeeds();
    bundle.kill_and_wait();
    assert_eq!(bundle.status(), "stopped");
}

#[test]
fn signals_by_name_and_number() {
    for signal in ["KILL", "SIGKILL", "sigkill", "9"] {
        if signal == "sigkill" && is_crun() {
            continue;
        }
        let bundle = Bundle::new(&["sleep", "1000"]);
        bundle.make("run", &["--detach"]).succeeds();
        bundle.call(&["kill", &bundle.id, signal]).succeeds();
        bundle.call(&["delete", "--force", &bundle.id]).succeeds();
    }
}

/// Without a pid namespace of its own, the container's other processes outlive its init.
#[test]
fn processes_that_outlive_init_are_killed_by_all_and_by_delete() {
    for last in [&["kill", "--all"][..], &["delete"]] {
        let bundle = Bundle::new(&["sh", "-c", "sleep 1000 & sleep 1001 & exec sleep 1002"]);
        bundle.configure(|config| {
            let namespaces = config["linux"]["namespaces"].as_array_mut().expect("an array");
            namespaces.retain(|namespace| namespace["type"] != "pid");
        });
        bundle.make("run", &["--detach"]).succeeds();
        bundle.kill_and_wait();
        assert_eq!(bundle.status(), "stopped");
        match last {
            ["kill", all] => bundle.call(&["kill", all, &bundle.id, "KILL"]).succeeds(),
            _ => bundle.verb("delete").succeeds(),
        };
    }
}

#[test]
fn two_deletes_at_a_time_do_no_harm() {
    for _ in 0..10 {
        let bundle = Bundle::new(&["sleep", "1000"]);
        bundle.make("run", &["--detach"]).succeeds();
        let deletes: Vec<_> = (0..4)
            .map(|_| bundle.command(&["delete", "--force", &bundle.id]).spawn().expect("the runtime starts"))
            .collect();
        for mut delete in deletes {
            let status = delete.wait().expect("it ends");
            assert!(status.success() || !is_ours(), "{status}");
        }
        bundle.verb("state").fails(1, "does not exist");
    }
}

#[test]
fn what_a_killed_create_left_is_deleted_by_force() {
    let bundle = Bundle::new(&["sleep", "1000"]);
    let directory = bundle.root().join(&bundle.id);
    fs::create_dir_all(&directory).expect("mkdir");
    bundle.verb("state").exits(1);
    bundle.call(&["delete", "--force", &bundle.id]).succeeds();
    assert!(!directory.exists());
}

/// A pid file, a number in the state and a later process of that number: never the wrong one is killed.
#[test]
fn another_process_of_the_same_number_is_left_alone() {
    if !is_ours() {
        return;
    }
    let bundle = Bundle::new(&["sleep", "1000"]);
    bundle.make("run", &["--detach"]).succeeds();
    bundle.kill_and_wait();
    let path = bundle.root().join(&bundle.id).join("state.json");
    let text = fs::read_to_string(&path).expect("state");
    let (state, config) = text.split_once('\n').expect("two documents");
    let mut state: serde_json::Value = serde_json::from_str(state).expect("JSON");
    let mut bystander = std::process::Command::new("sleep").arg("1000").spawn().expect("sleep");
    state["pid"] = bystander.id().into();
    // Here both have started within a clock tick, perhaps; a number is not used again that fast.
    state["startTime"] = (state["startTime"].as_u64().expect("a start time") - 1).into();
    fs::write(&path, format!("{state}\n{config}")).expect("state");

    assert_eq!(bundle.status(), "stopped");
    bundle.call(&["kill", &bundle.id, "KILL"]).fails(1, "container not running");
    bundle.call(&["delete", "--force", &bundle.id]).succeeds();
    assert_eq!(bystander.try_wait().expect("wait"), None);
    bystander.kill().expect("kill");
    bystander.wait().expect("wait");
}
