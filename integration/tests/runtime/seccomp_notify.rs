//! `linux.seccomp`, SCMP_ACT_NOTIFY: an agent answers for system calls.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use ketch_integration::Bundle;
use ketch_sys::seccomp::{Answer, answer, receive};
use ketch_sys::{Errno, socket};
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde_json::{Value, json};

use crate::{is_ours, shell, start};

/// Answers on a socket for all who come: mkdir fails, all else is let through. It ends with the test's process.
struct Agent {
    path: PathBuf,
    /// What came with each listener.
    states: Arc<Mutex<Vec<Value>>>,
    sendmsg: Arc<AtomicU32>,
}

impl Agent {
    fn listen(directory: &Path) -> Agent {
        let path = directory.join("agent.sock");
        let listener = UnixListener::bind(&path).expect("a socket");
        let agent = Agent { path, states: Arc::default(), sendmsg: Arc::default() };
        let (states, sendmsg) = (agent.states.clone(), agent.sendmsg.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut text = [0; 16384];
                let (n, mut fds) =
                    socket::receive(stream.expect("a connection"), &mut text).expect("a state");
                states.lock().expect("no panic").push(serde_json::from_slice(&text[..n]).expect("JSON"));
                let sendmsg = sendmsg.clone();
                std::thread::spawn(move || serve(&fds.pop().expect("a listener"), &sendmsg));
            }
        });
        agent
    }

    fn states(&self) -> Vec<Value> {
        self.states.lock().expect("no panic").clone()
    }
}

/// Until the last process of the filter has ended.
fn serve(listener: &OwnedFd, sendmsg: &AtomicU32) {
    loop {
        let mut fds = [PollFd::new(std::os::fd::AsFd::as_fd(listener), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::NONE).expect("poll");
        if !fds[0].revents().expect("known flags").contains(PollFlags::POLLIN) {
            return;
        }
        let call = match receive(listener) {
            Err(Errno::ENOENT) => continue,
            call => call.expect("a notification"),
        };
        let what = match libc::c_long::from(call.number) {
            libc::SYS_mkdirat => Answer::Fail(Errno::ENOSYS),
            #[cfg(target_arch = "x86_64")]
            libc::SYS_mkdir => Answer::Fail(Errno::ENOSYS),
            libc::SYS_sendmsg => {
                sendmsg.fetch_add(1, Ordering::Relaxed);
                Answer::Continue
            }
            _ => Answer::Continue,
        };
        match answer(listener, call.id, what) {
            Ok(()) | Err(Errno::ENOENT) => {}
            Err(errno) => panic!("{errno}"),
        }
    }
}

fn notifying(bundle: Bundle, names: &[&str], agent: &Agent) -> Bundle {
    bundle.edit(|config| {
        config["linux"]["seccomp"] = json!({
            "defaultAction": "SCMP_ACT_ALLOW", "listenerPath": agent.path, "listenerMetadata": "what is wanted",
            "syscalls": [{"names": names, "action": "SCMP_ACT_NOTIFY"}],
        });
    })
}

#[test]
fn an_agent_answers() {
    for (no_new_privileges, uid) in [(true, 0), (false, 0), (true, 1000)] {
        let directory = tempfile::tempdir().expect("a directory");
        let agent = Agent::listen(directory.path());
        let bundle = notifying(shell("mkdir /tmp/x"), &["mkdir", "mkdirat"], &agent).edit(|config| {
            config["process"]["noNewPrivileges"] = json!(no_new_privileges);
            config["process"]["user"] = json!({"uid": uid, "gid": uid});
        });
        bundle.run().assert_exit(1).assert_stderr_has("Function not implemented");

        let [state] = &agent.states()[..] else { panic!("{:?}", agent.states()) };
        assert_eq!(state["fds"], json!(["seccompFd"]));
        assert_eq!(state["metadata"], "what is wanted");
        assert_eq!(state["state"]["id"], json!(bundle.id));
        assert!(state["pid"].as_i64().is_some_and(|pid| pid > 1), "{state}");
        assert_eq!(state["pid"], state["state"]["pid"]);
    }
}

/// Calls by which the runtime and its init talk: the first of them cannot wait for an agent that does not know yet.
#[test]
fn the_calls_that_hand_over_the_listener() {
    let names = ["sendmsg", "recvmsg", "sendto", "recvfrom", "sendmmsg", "read", "close", "mkdir", "mkdirat"];
    let directory = tempfile::tempdir().expect("a directory");
    let agent = Agent::listen(directory.path());
    let bundle = notifying(shell("mkdir /tmp/x"), &names, &agent);
    bundle.run().assert_exit(1).assert_stderr_has("Function not implemented");
    if is_ours() {
        assert!(agent.sendmsg.load(Ordering::Relaxed) > 0, "init says that it is ready");
    }
}

#[test]
fn for_an_exec_too() {
    let directory = tempfile::tempdir().expect("a directory");
    let agent = Agent::listen(directory.path());
    let bundle =
        notifying(Bundle::busybox().args(["sleep", "1000"]), &["sendmsg", "mkdir", "mkdirat"], &agent);
    start(&bundle);
    let exec = bundle.runtime(["exec", &bundle.id, "mkdir", "/tmp/x"]);
    exec.assert_exit(1).assert_stderr_has("Function not implemented");
    let states = agent.states();
    assert_eq!(states.len(), 2, "{states:?}");
    assert_eq!(states[1]["state"]["status"], "running");
    assert_ne!(states[0]["pid"], states[1]["pid"]);
}

/// In a user namespace, whose root is nobody to trace others.
#[test]
fn in_a_user_namespace() {
    let directory = tempfile::tempdir().expect("a directory");
    let agent = Agent::listen(directory.path());
    let map = json!([{"containerID": 0, "hostID": 100_000, "size": 65536}]);
    let bundle =
        notifying(Bundle::busybox().args(["sleep", "1000"]), &["sendmsg", "mkdir", "mkdirat"], &agent).edit(
            |config| {
                config["linux"]["namespaces"].as_array_mut().expect("a list").push(json!({"type": "user"}));
                config["linux"]["uidMappings"] = map.clone();
                config["linux"]["gidMappings"] = map;
            },
        );
    std::fs::set_permissions(bundle.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .expect("chmod");
    std::os::unix::fs::chown(bundle.rootfs(), Some(100_000), Some(100_000)).expect("chown");
    start(&bundle);
    let exec = bundle.runtime(["exec", &bundle.id, "mkdir", "/tmp/x"]);
    exec.assert_exit(1).assert_stderr_has("Function not implemented");
}

/// crun's annotation names the agent where the profile does not.
#[test]
fn the_agent_of_an_annotation() {
    if !is_ours() {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let agent = Agent::listen(directory.path());
    let bundle = notifying(shell("mkdir /tmp/x"), &["mkdir", "mkdirat"], &agent).edit(|config| {
        let profile = config["linux"]["seccomp"].as_object_mut().expect("an object");
        profile.remove("listenerPath");
        profile.remove("listenerMetadata");
        config["annotations"] = json!({"run.oci.seccomp.receiver": agent.path});
    });
    bundle.run().assert_exit(1).assert_stderr_has("Function not implemented");
    assert_eq!(agent.states().len(), 1);
}

#[test]
fn without_an_agent() {
    let directory = tempfile::tempdir().expect("a directory");
    let agent =
        Agent { path: directory.path().join("nobody"), states: Arc::default(), sendmsg: Arc::default() };
    let out = notifying(shell("true"), &["mkdir"], &agent).run().assert_exit(1);
    if is_ours() {
        out.assert_one_error_line().assert_stderr_has("nobody");
    }
}
