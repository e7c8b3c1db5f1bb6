//! Ways out of a container that once worked in some runtime, each against something of the host's whose hash and metadata
//! must not change. docs/security.md has the table: attack, what shuts it, test, and who is open to it.

mod cwd;
mod dev;
mod exchange;
mod executable;
mod mask;
mod privileges;
mod proc;
mod race;
mod sentinel;

use std::os::unix::net::UnixListener;

use ketch_integration::{Bundle, Output, program};
use serde_json::json;

/// Without the mounts on `/dev` and in it: what is there is the image's.
fn without_dev(bundle: Bundle) -> Bundle {
    bundle.edit(|config| {
        let mounts = config["mounts"].as_array_mut().expect("a list");
        mounts.retain(|mount| !mount["destination"].as_str().is_some_and(|at| at.starts_with("/dev")));
    })
}

/// Gives the program a terminal, in a devpts on `/dev/pts`.
fn with_terminal(bundle: Bundle) -> Bundle {
    bundle.edit(|config| {
        config["process"]["terminal"] = json!(true);
        let options = ["newinstance", "ptmxmode=0666", "mode=0620"];
        let devpts =
            json!({"destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": options});
        config["mounts"].as_array_mut().expect("a list").push(devpts);
    })
}

/// `create` and `start` for a program with a terminal, which nobody reads.
fn start_with_terminal(bundle: &Bundle) -> Output {
    bundle.write();
    let socket = bundle.path().join("socket");
    let _ = std::fs::remove_file(&socket);
    // That it listens is enough for the terminal to be sent.
    let _listener = UnixListener::bind(&socket).expect("a socket");
    let mut command = bundle.command();
    command
        .arg("create")
        .arg("--console-socket")
        .arg(&socket)
        .arg("--bundle")
        .arg(bundle.path())
        .arg(&bundle.id);
    // An init that waits keeps whatever it inherits open.
    let errors = std::fs::File::create(bundle.path().join("create.stderr")).expect("the bundle is writable");
    let status =
        command.stdout(std::process::Stdio::null()).stderr(errors).status().expect("the runtime can be run");
    let output = std::process::Output { status, stdout: vec![], stderr: vec![] };
    let out = Output::new(format!("{command:?}"), &output);
    if out.code == 0 { program::finish(bundle.command().args(["start", &bundle.id])) } else { out }
}
