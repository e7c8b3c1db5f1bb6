//! What a container sees of the process that made it: nothing.

use std::process::{Command, Stdio};

use ketch_integration::{Bundle, Output, program};

use crate::{shell, start};

/// The runtime's command from a process that holds more open than it should.
fn from_a_leaky_caller(bundle: &Bundle, args: &[&str]) -> Output {
    let mut command = Command::new("sh");
    command.args(["-c", "exec 7< /etc/passwd 8< / 9<> /dev/null; exec \"$@\"", "sh"]);
    command.arg(program::runtime()).arg("--root").arg(bundle.path().join("state")).args(args);
    program::finish(command.current_dir("/").env("LEAK", "leak").stdin(Stdio::null()))
}

#[test]
fn no_descriptor_crosses() {
    let script =
        "for f in /proc/1/fd/*; do n=${f##*/}; [ $n -le 2 ] || readlink $f; done; ls /proc/1/fd; true";
    let bundle = shell(script);
    bundle.write();
    let path = bundle.path().to_str().expect("UTF-8");
    from_a_leaky_caller(&bundle, &["run", "--bundle", path, &bundle.id]).ok().assert_stdout("0\n1\n2");
}

#[test]
fn none_crosses_an_exec() {
    let bundle = Bundle::busybox().args(["sleep", "1000"]);
    start(&bundle);
    let script = "for f in /proc/self/fd/*; do n=${f##*/}; [ $n -le 2 ] || readlink /proc/$$/fd/$n; done; ls /proc/$$/fd; ls /proc/1/fd";
    from_a_leaky_caller(&bundle, &["exec", &bundle.id, "sh", "-c", script])
        .ok()
        .assert_stdout("0\n1\n2\n0\n1\n2");
}

#[test]
fn no_variable_crosses() {
    let script = "tr '\\0' '\\n' < /proc/1/environ | sed 's/=.*//' | sort | tr '\\n' ' '; env | grep LEAK";
    let bundle = shell(&format!("{script}; true"));
    bundle.write();
    let path = bundle.path().to_str().expect("UTF-8");
    let out = from_a_leaky_caller(&bundle, &["run", "--bundle", path, &bundle.id]).ok();
    let names: Vec<&str> = out.text().split(' ').filter(|name| *name != "HOME").collect();
    assert_eq!(names, ["PATH", "TERM"], "{out:?}");
}

#[test]
fn neither_directory_nor_mount_crosses() {
    let bundle = shell(
        "readlink /proc/1/cwd; readlink /proc/1/root; cut -d' ' -f5 /proc/self/mountinfo | grep -v '^/\\(dev\\|proc\\|sys\\)' ",
    );
    bundle.run().ok().assert_stdout("/\n/\n/");
}

/// Nor does the caller's session, signal mask or ignored signals.
#[test]
fn no_signal_setting_crosses() {
    let bundle = Bundle::busybox().args(["grep", "-h", "^SigIgn\\|^SigBlk\\|^NSsid", "/proc/self/status"]);
    bundle.write();
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' HUP INT QUIT PIPE USR1; exec \"$@\"", "sh"]);
    command.arg(program::runtime()).arg("--root").arg(bundle.path().join("state"));
    command.args(["run", "--bundle", bundle.path().to_str().expect("UTF-8"), &bundle.id]);
    let none = "0000000000000000";
    let shown = format!("NSsid:\t1\nSigBlk:\t{none}\nSigIgn:\t{none}");
    program::finish(command.stdin(Stdio::null())).ok().assert_stdout(&shown);
}
