//! From spawn to the exit record.

use std::os::fd::AsFd;

use ketch_monitor::exit::{self, Exit};
use ketch_monitor::{attach, lock};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use crate::Test;
use crate::bundle::{Bundle, readable};

pub(crate) const TESTS: &[Test] = &[
    ("exit_codes_are_the_shells", exit_codes_are_the_shells),
    ("the_record_is_there_when_the_lock_is_free", the_record_is_there_when_the_lock_is_free),
    ("the_monitor_has_a_session_and_files_of_its_own", the_monitor_has_a_session_and_files_of_its_own),
    ("a_missing_command_is_127", a_missing_command_is_127),
    ("a_file_that_is_no_program_is_126", a_file_that_is_no_program_is_126),
    ("without_go_nothing_is_left", without_go_nothing_is_left),
    ("the_commands_death_changes_nothing", the_commands_death_changes_nothing),
    (
        "a_killed_monitor_leaves_the_container_and_no_record",
        a_killed_monitor_leaves_the_container_and_no_record,
    ),
    ("a_signal_to_the_monitor_is_the_containers", a_signal_to_the_monitor_is_the_containers),
    ("out_of_memory_is_recorded", out_of_memory_is_recorded),
    ("an_idle_monitor_is_small", an_idle_monitor_is_small),
    ("a_second_run_replaces_the_record", a_second_run_replaces_the_record),
];

fn exit_codes_are_the_shells() {
    for code in [0, 7, 255] {
        let bundle = Bundle::new(&format!("exit {code}"));
        assert_eq!(bundle.run().code, code);
        bundle.assert_nothing_left();
    }
    let bundle = Bundle::new("sleep 60");
    let pid = bundle.start();
    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    assert_eq!(bundle.end().code, 137);
    bundle.assert_nothing_left();

    // Real-time signals count too. The first process of a pid namespace would ignore them.
    let bundle = Bundle::new("exec sleep 60").host_pids();
    let init = ketch_sys::pidfd::open(bundle.start()).unwrap();
    ketch_sys::pidfd::send_signal(&init, 37).unwrap();
    assert_eq!(bundle.end().code, 128 + 37);
}

fn the_record_is_there_when_the_lock_is_free() {
    let bundle = Bundle::new("sleep 0.2; exit 3");
    let pid = bundle.start();
    assert!(lock::is_held(&bundle.config.run_dir).unwrap());
    assert!(lock::try_take(&bundle.config.run_dir).unwrap().is_none());
    let exit = bundle.end();
    assert_eq!((exit.code, exit.pid, exit.oom_killed, exit.error.as_str()), (3, pid, false, ""));
    assert!(exit.started < exit.finished, "{exit:?}");
    let seen: Exit =
        serde_json::from_slice(&std::fs::read(bundle.config.dir.join("cleanup.json")).unwrap()).unwrap();
    assert_eq!(seen, exit, "cleanup gets the record");
}

fn the_monitor_has_a_session_and_files_of_its_own() {
    // An inherited descriptor that the monitor must not keep.
    let (_reader, writer) = std::io::pipe().unwrap();
    let inherited = nix::unistd::dup(&writer).unwrap();
    let bundle = Bundle::new("sleep 60");
    let monitor = bundle.spawn().unwrap();
    let monitor_pid = pid_of(&monitor.pidfd);
    let pid = monitor.start().unwrap();

    let link = |name: &str| std::fs::read_link(format!("/proc/{monitor_pid}/{name}")).unwrap();
    assert_eq!(link("cwd").to_str(), Some("/"));
    for stream in ["fd/0", "fd/1", "fd/2"] {
        assert_eq!(link(stream).to_str(), Some("/dev/null"));
    }
    let pipe =
        std::fs::read_link(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&inherited))).unwrap();
    for entry in std::fs::read_dir(format!("/proc/{monitor_pid}/fd")).unwrap() {
        let target = std::fs::read_link(entry.unwrap().path()).unwrap();
        assert_ne!(target, pipe, "the monitor keeps a pipe of the command");
    }
    let session = nix::unistd::getsid(Some(Pid::from_raw(monitor_pid))).unwrap();
    assert_eq!(session.as_raw(), monitor_pid);
    let command_line = std::fs::read(format!("/proc/{monitor_pid}/cmdline")).unwrap();
    assert_eq!(command_line, b"ketch-monitor\0test\0");
    let own = std::fs::read_to_string(format!("/proc/{monitor_pid}/comm")).unwrap();
    assert_eq!(own, "ketch-monitor\n");
    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    assert_eq!(bundle.end().code, 137);
}

fn a_missing_command_is_127() {
    let bundle = Bundle::with(&["/bin/no-such"], false, &json!({}));
    fails_to_start(&bundle, 127, "/bin/no-such");
}

fn a_file_that_is_no_program_is_126() {
    let bundle = Bundle::with(&["/plain"], false, &json!({}));
    std::fs::write(bundle.in_root("plain"), "text").unwrap();
    fails_to_start(&bundle, 126, "/plain");
}

fn fails_to_start(bundle: &Bundle, code: i32, object: &str) {
    let error = bundle.spawn().and_then(|monitor| monitor.start()).unwrap_err();
    assert_eq!(error.code, code, "{error}");
    assert!(error.message.contains(object), "{error}");
    let exit = bundle.end();
    assert_eq!((exit.code, exit.error), (code, error.message));
    assert!(bundle.config.dir.join("cleanup.json").exists());
    bundle.assert_nothing_left();
}

fn without_go_nothing_is_left() {
    let bundle = Bundle::new("sleep 60");
    let monitor = bundle.spawn().unwrap();
    let pidfd = monitor.pidfd.try_clone().unwrap();
    drop(monitor);
    assert!(readable(&pidfd), "the monitor ends");
    bundle.assert_nothing_left();
    assert_eq!(exit::load(&bundle.config.dir).unwrap(), None);
    assert!(bundle.config.dir.join("cleanup.json").exists());
}

/// The command is a process of its own here, killed right after the start.
fn the_commands_death_changes_nothing() {
    let bundle = Bundle::new("sleep 0.3; echo still here; exit 5");
    let program = std::env::current_exe().unwrap();
    let config = serde_json::to_string(&bundle.config).unwrap();
    let mut command = std::process::Command::new(program);
    std::os::unix::process::CommandExt::arg0(&mut command, crate::client::PROGRAM);
    let mut child = command.args(["start-and-die", &config]).spawn().unwrap();
    assert!(!child.wait().unwrap().success());
    assert_eq!(bundle.end().code, 5);
    assert_eq!(bundle.logs(&Default::default()).0, "still here\n");
}

fn a_killed_monitor_leaves_the_container_and_no_record() {
    let bundle = Bundle::new("sleep 60");
    let monitor = bundle.spawn().unwrap();
    let monitor_pid = pid_of(&monitor.pidfd);
    let pidfd = monitor.pidfd.try_clone().unwrap();
    let session = attach::connect(&bundle.config.run_dir, Bundle::options()).unwrap();
    let pid = monitor.start().unwrap();
    kill(Pid::from_raw(monitor_pid), Signal::SIGKILL).unwrap();
    assert!(readable(&pidfd));

    lock::wait_free(&bundle.config.run_dir).unwrap();
    assert_eq!(exit::load(&bundle.config.dir).unwrap(), None);
    assert_eq!(session.run().unwrap(), attach::Outcome::Lost);
    kill(Pid::from_raw(pid), None).expect("init lives on");
    // What is left is the runtime's to delete.
    ketch_runtime::container::delete::delete(&bundle.config.runtime_root, &bundle.config.id, true).unwrap();
}

fn a_signal_to_the_monitor_is_the_containers() {
    let bundle = Bundle::new("trap 'exit 9' TERM; echo ready; while :; do sleep 0.05; done");
    let monitor = bundle.spawn().unwrap();
    let monitor_pid = Pid::from_raw(pid_of(&monitor.pidfd));
    let mut ready = std::io::BufReader::new(crate::client::output(&bundle));
    monitor.start().unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(&mut ready, &mut line).unwrap();
    kill(monitor_pid, Signal::SIGHUP).unwrap();
    kill(monitor_pid, Signal::SIGTERM).unwrap();
    assert_eq!(bundle.end().code, 9);
}

fn out_of_memory_is_recorded() {
    let limit = json!({ "memory": { "limit": 16 << 20 } });
    let bundle = Bundle::with(&["/bin/sh", "-c", "tail -c 90000000 /dev/zero"], false, &limit);
    let exit = bundle.run();
    assert_eq!((exit.code, exit.oom_killed), (137, true), "{exit:?}");
    bundle.assert_nothing_left();
}

fn an_idle_monitor_is_small() {
    let bundle = Bundle::new("head -c 300000 /dev/zero; echo ready >&2; sleep 60");
    let monitor = bundle.spawn().unwrap();
    let monitor_pid = pid_of(&monitor.pidfd);
    let mut out = crate::client::output(&bundle);
    let pid = monitor.start().unwrap();
    let mut seen = Vec::new();
    while !seen.ends_with(b"ready\n") {
        let mut buffer = [0; 4096];
        let length = std::io::Read::read(&mut out, &mut buffer).unwrap();
        seen.extend_from_slice(&buffer[..length]);
    }
    let rollup = std::fs::read_to_string(format!("/proc/{monitor_pid}/smaps_rollup")).unwrap();
    // Pages of the program's file are shared by all monitors.
    let anonymous: u64 = rollup
        .lines()
        .filter_map(|line| line.strip_prefix("Anonymous:"))
        .filter_map(|rest| rest.trim().strip_suffix(" kB")?.parse::<u64>().ok())
        .sum();
    assert!(anonymous <= 400, "{rollup}");

    // And asleep.
    let switches = || {
        let status = std::fs::read_to_string(format!("/proc/{monitor_pid}/status")).unwrap();
        status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:")).map(str::to_owned)
    };
    std::thread::sleep(std::time::Duration::from_millis(200));
    let before = switches();
    std::thread::sleep(std::time::Duration::from_secs(1));
    assert_eq!(switches(), before);
    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    bundle.end();
}

fn a_second_run_replaces_the_record() {
    let bundle = Bundle::new("[ -e /tmp/once ] && exit 2; echo >/tmp/once; echo first; exit 1");
    assert_eq!(bundle.run().code, 1);
    let monitor = bundle.spawn().unwrap();
    assert_eq!(exit::load(&bundle.config.dir).unwrap(), None, "the last run's record is not this one's");
    monitor.start().unwrap();
    assert_eq!(bundle.end().code, 2);
    assert_eq!(bundle.logs(&Default::default()).0, "first\n", "the log goes on");
}

/// The process behind a pidfd, from its fdinfo.
fn pid_of(pidfd: impl AsFd) -> i32 {
    let number = std::os::fd::AsRawFd::as_raw_fd(&pidfd.as_fd());
    let text = std::fs::read_to_string(format!("/proc/self/fdinfo/{number}")).unwrap();
    text.lines()
        .find_map(|line| line.strip_prefix("Pid:")?.trim().parse().ok())
        .expect("a pidfd names its process")
}
