//! crun's annotations, `run.oci.*`, and capabilities that nobody knows.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use ketch_integration::{Bundle, Output, program};
use serde_json::{Value, json};

use crate::{is_ours, shell};

fn annotated(bundle: Bundle, annotations: Value) -> Bundle {
    bundle.edit(|config| config["annotations"] = annotations)
}

/// `run` by a root that is in group 4242 too.
fn run_in_group(bundle: &Bundle) -> Output {
    bundle.write();
    let mut command = Command::new("setpriv");
    command.args(["--groups", "4242"]).arg(program::runtime());
    command.arg("--root").arg(bundle.path().join("state"));
    command.args([Path::new("run"), Path::new("--bundle"), bundle.path(), Path::new(&bundle.id)]);
    program::finish(command.stdin(Stdio::null()))
}

#[test]
fn groups_are_kept() {
    if !is_ours() {
        return;
    }
    let groups = "grep ^Groups: /proc/self/status | cut -f2";
    let kept = json!({"run.oci.keep_original_groups": "1"});
    run_in_group(&annotated(shell(groups), kept.clone())).ok().assert_stdout("4242");
    run_in_group(&shell(groups)).ok().assert_stdout("");
    // To another user's profit, and under a name of no meaning in a user namespace.
    let mapped = annotated(shell(groups), kept).edit(|config| {
        let map = json!([{"containerID": 0, "hostID": 100_000, "size": 65536}]);
        config["linux"]["namespaces"].as_array_mut().expect("a list").push(json!({"type": "user"}));
        config["linux"]["uidMappings"] = map.clone();
        config["linux"]["gidMappings"] = map;
    });
    fs::set_permissions(mapped.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("chmod");
    std::os::unix::fs::chown(mapped.rootfs(), Some(100_000), Some(100_000)).expect("chown");
    run_in_group(&mapped).ok().assert_stdout("65534");
}

/// What hooks say goes to files, inside and outside, after what is there.
#[test]
fn streams_of_hooks() {
    if !is_ours() {
        return;
    }
    let log = tempfile::tempdir().expect("a directory");
    let (out, err) = (log.path().join("out"), log.path().join("err"));
    fs::write(&out, "before\n").expect("a file");
    let bundle = annotated(shell("true"), json!({"run.oci.hooks.stdout": out, "run.oci.hooks.stderr": err}))
        .edit(|config| {
            for stage in ["createRuntime", "createContainer", "startContainer", "poststop"] {
                let script = format!("echo {stage}; echo not {stage} >&2");
                config["hooks"][stage] = json!([{"path": "/bin/sh", "args": ["sh", "-c", script]}]);
            }
        });
    bundle.run().ok();
    let read = |path| fs::read_to_string(path).expect("a file");
    assert_eq!(read(&out), "before\ncreateRuntime\ncreateContainer\nstartContainer\npoststop\n");
    assert_eq!(read(&err).lines().count(), 4);
}

#[test]
fn a_pidfd_for_a_socket() {
    if !is_ours() {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("socket");
    let listener = std::os::unix::net::UnixListener::bind(&path).expect("a socket");
    let bundle =
        annotated(Bundle::busybox().args(["sleep", "1000"]), json!({"run.oci.pidfd_receiver": path}));
    bundle.create().ok();
    let (stream, _) = listener.accept().expect("a connection");
    let (_, fds) = ketch_sys::socket::receive(stream, &mut [0; 64]).expect("a message");
    let [pidfd] = &fds[..] else { panic!("{fds:?}") };
    let number = std::os::fd::AsRawFd::as_raw_fd(pidfd);
    let info = fs::read_to_string(format!("/proc/self/fdinfo/{number}")).expect("fdinfo");
    let pid = bundle.state()["pid"].to_string();
    assert!(info.lines().any(|line| line == format!("Pid:\t{pid}")), "{info}");
}

#[test]
fn a_handler_that_is_not_there() {
    if !is_ours() {
        return;
    }
    let bundle = annotated(shell("true"), json!({"run.oci.handler": "krun"}));
    bundle.run().assert_exit(1).assert_one_error_line().assert_stderr_has("krun");
}

/// Names that nobody knows are passed over unless an annotation says otherwise.
#[test]
fn a_system_call_that_nobody_knows() {
    for (value, fails) in [(None, false), (Some("0"), false), (Some("1"), true)] {
        let bundle = annotated(shell("echo hello"), json!({})).edit(|config| {
            let entry = json!({"names": ["nonesuch", "getcpu"], "action": "SCMP_ACT_ERRNO"});
            config["linux"]["seccomp"] = json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [entry]});
            if let Some(value) = value {
                config["annotations"]["run.oci.seccomp_fail_unknown_syscall"] = json!(value);
            }
        });
        match fails && is_ours() {
            true => _ = bundle.run().assert_exit(1).assert_one_error_line().assert_stderr_has("\"nonesuch\""),
            false => _ = bundle.run().ok().assert_stdout("hello"),
        }
    }
}

/// runtime-spec, config, "Linux Process": a warning, and no error.
#[test]
fn a_capability_that_nobody_knows() {
    let bundle = shell("grep ^CapBnd /proc/self/status | tr -d '\\t' | sed 's/:0*/ /'").edit(|config| {
        config["process"]["capabilities"] = json!({"bounding": ["CAP_KILL", "CAP_NONESUCH"]});
    });
    let out = bundle.run().ok().assert_stdout("CapBnd 20");
    if is_ours() {
        out.assert_one_error_line().assert_stderr_has("CAP_NONESUCH");
    }
}
