//! What a container is made of, shown on the real kernel.
//!
//! The subject is the `ketchrun` built beside this test, or what `KETCH_TEST_RUNTIME` names: runc and crun pass all but what
//! [`is_ours`] marks.

#![forbid(unsafe_code)]

mod annotations;
mod devices;
mod errors;
mod escapes;
mod hidden;
mod hooks;
mod host_mounts;
mod idmap;
mod leaks;
mod memory;
mod mounts;
mod names;
mod namespaces;
mod net_devices;
mod process;
mod propagation;
mod resources;
mod root;
mod scheduling;
mod seccomp;
mod seccomp_notify;
mod symlinks;
mod user_namespace;

use std::path::Path;
use std::process::{Command, Stdio};

use ketch_integration::{Bundle, Output, program};

/// A busybox container that runs `script`.
fn shell(script: &str) -> Bundle {
    Bundle::busybox().args(["sh", "-c", script])
}

/// For what ketchrun does better than its peers, and for the words it says it in.
fn is_ours() -> bool {
    program::runtime().file_name().is_some_and(|name| name == "ketchrun")
}

/// `run` on a host of its own: a mount namespace with this propagation, in which `script` has run. There `"$@"` is the
/// runtime's command.
fn run_on_host(bundle: &Bundle, propagation: &str, script: &str) -> Output {
    bundle.write();
    // Private first: where this host's mounts are shared, a copy would be of the same peer group (mount_namespaces(7)), and
    // what anybody mounts meanwhile would come here, as what is mounted here would get out.
    let script = format!("mount --make-r{propagation} /; {script}");
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-ec", &script, "sh"]);
    command.arg(program::runtime()).arg("--root").arg(bundle.path().join("state"));
    command.args([Path::new("run"), Path::new("--bundle"), bundle.path(), Path::new(&bundle.id)]);
    program::finish(command.stdin(Stdio::null()))
}

/// Starts it in the background; it runs until it is killed or ends by itself.
fn start(bundle: &Bundle) {
    bundle.create().ok();
    bundle.runtime(["start", &bundle.id]).ok();
}
