//! Calls that ketch has to have, and confinement that it can give.

use std::fs::File;
use std::path::Path;

use ketch_sys::{mount, openat2, pidfd};
use nix::fcntl::{AT_FDCWD, OFlag};
use nix::sched::CloneFlags;

use super::child::{separate, tried};
use super::{Capability, failed, line, no, tell, yes};

/// `CLONE_NEWTIME` (Linux 5.6), which shares a bit with clone(2)'s signal.
const TIME: CloneFlags = CloneFlags::from_bits_retain(0x80);

pub(super) fn explain() -> Vec<Capability> {
    const FILTER: Option<&str> =
        Some("a newer kernel, or a seccomp filter around ketch that lets it through");
    let open = || {
        let root = File::open("/").map_err(|error| crate::store::cause(&error))?;
        openat2::open_in_root(root, "proc", OFlag::O_PATH).map(drop).map_err(failed("openat2"))
    };
    let own = i32::try_from(std::process::id()).map_err(|error| error.to_string());
    let process = own.and_then(|own| pidfd::open(own).map(drop).map_err(failed("pidfd_open")));
    let mounts = || {
        separate(CloneFlags::CLONE_NEWNS)?;
        mount::clone_tree(AT_FDCWD, "/", true).map(drop).map_err(failed("open_tree"))
    };
    vec![
        tell("pidfd", process, "processes are held by descriptor", FILTER),
        tell("clone3", tried(|| Ok(())), "a process was made with it", FILTER),
        tell("openat2", open(), "paths are resolved below a container's root", FILTER),
        tell("mount API", tried(mounts), "mounts are made by descriptor", FILTER),
        tell(
            "time namespaces",
            tried(|| separate(TIME)),
            "one was made",
            Some("a kernel with CONFIG_TIME_NS"),
        ),
        seccomp(),
        notify(),
        apparmor(),
        selinux(),
    ]
}

fn actions() -> Option<String> {
    line("/proc/sys/kernel/seccomp/actions_avail")
}

fn seccomp() -> Capability {
    const CURE: Option<&str> = Some("a kernel with CONFIG_SECCOMP_FILTER");
    match actions() {
        Some(actions) if actions.split(' ').any(|action| action == "errno") => {
            yes("seccomp", format!("actions: {actions}"))
        }
        Some(actions) => no("seccomp", format!("no filters, of actions there are {actions}"), CURE),
        None => no("seccomp", "the kernel has none: /proc/sys/kernel/seccomp is not there", CURE),
    }
}

fn notify() -> Capability {
    match actions() {
        Some(actions) if actions.split(' ').any(|action| action == "user_notif") => {
            yes("seccomp notify", "a program outside can answer a container's system calls")
        }
        _ => no("seccomp notify", "user_notif is not among the kernel's actions", Some("a newer kernel")),
    }
}

fn apparmor() -> Capability {
    match line("/sys/module/apparmor/parameters/enabled").as_deref() {
        Some("Y") => yes("AppArmor", "profiles can be chosen with --security-opt apparmor="),
        Some(_) => no("AppArmor", "built in, but off", Some("boot with apparmor=1 security=apparmor")),
        None => no("AppArmor", "not in this kernel, and needed for --security-opt apparmor= alone", None),
    }
}

fn selinux() -> Capability {
    match Path::new("/sys/fs/selinux/enforce").exists() {
        true => yes("SELinux", "ketchrun sets labels; ketch gives none"),
        false => no("SELinux", "not on, and needed by nothing but configurations with labels", None),
    }
}
