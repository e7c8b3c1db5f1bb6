//! Roots of containers: overlays, with and without root, and mounts with other ids.

use std::fs;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use ketch_sys::{clone, mount, pidfd};
use nix::fcntl::AT_FDCWD;
use nix::mount::{MsFlags, mount as mount_path};
use nix::sched::{CloneFlags, unshare};

use super::child::{drop_root, separate, tried};
use super::{Caller, Capability, failed, no, tell};
use crate::store::{cause, overlay};

pub(super) fn explain(caller: &Caller) -> Vec<Capability> {
    const MODULE: Option<&str> = Some("modprobe overlay, or a kernel with CONFIG_OVERLAY_FS");
    let good = "layers were joined by the kernel's overlayfs";
    let rootless = || drop_root().and_then(|()| joined());
    let mut list = Vec::new();
    if caller.is_root() {
        list.push(tell("overlay", tried(joined), good, MODULE));
    }
    list.push(tell(
        "overlay without root",
        tried(rootless),
        good,
        Some("see user namespaces; else modprobe overlay"),
    ));
    list.push(match caller.is_root() {
        true => tell(
            "id-mapped mounts",
            tried(id_mapped),
            "the root's file system can be shown with other ids",
            Some("a file system that has them: ext4, xfs, btrfs, tmpfs"),
        ),
        false => no("id-mapped mounts", "root alone makes them", Some("ask as root")),
    });
    list
}

/// Makes an overlay, in a child, on a file system that goes with it.
fn joined() -> Result<(), String> {
    separate(CloneFlags::CLONE_NEWNS)?;
    let none = None::<&str>;
    mount_path(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)
        .map_err(failed("make mounts private"))?;
    // Any directory will do, and this one is there: nobody else sees what is on it.
    let place = Path::new("/sys");
    mount_path(Some("ketch"), place, Some("tmpfs"), MsFlags::empty(), none)
        .map_err(failed("mount a tmpfs"))?;
    let directory = |name: &str| -> Result<PathBuf, String> {
        let path = place.join(name);
        fs::create_dir(&path).map_err(|error| format!("make {}: {}", path.display(), cause(&error)))?;
        Ok(path)
    };
    let (lower, upper, work) = (directory("lower")?, directory("upper")?, directory("work")?);
    overlay(&[lower], Some((&upper, &work)), true).map(drop).map_err(failed("mount an overlay"))
}

/// In a child: gives a copy of the mount at `/` the ids of another process's user namespace.
fn id_mapped() -> Result<(), String> {
    let (mut ours, mut theirs) = UnixStream::pair().map_err(|error| cause(&error))?;
    let options = clone::Options { not_inherited: &[ours.as_fd()], ..clone::Options::default() };
    let other = clone::fork(options, || {
        // It does not wait for an end that waits for it.
        if unshare(CloneFlags::CLONE_NEWUSER).is_err() || theirs.write_all(b"x").is_err() {
            return 1;
        }
        // Until the trial is over: then the other end is closed.
        i32::from(theirs.read(&mut [0]).is_err())
    })
    .map_err(failed("clone3"))?;
    drop(theirs);
    let told = ours.read_exact(&mut [0]).map_err(|_| "unshare of a user namespace failed".to_owned());
    let mapped = told.and_then(|()| map(other.pid));
    drop(ours);
    pidfd::reap(&other.pidfd).map_err(failed("wait for the trial"))?;
    mapped
}

fn map(pid: i32) -> Result<(), String> {
    for file in ["uid_map", "gid_map"] {
        let path = format!("/proc/{pid}/{file}");
        fs::write(&path, "0 100000 65536").map_err(|error| format!("write {path}: {}", cause(&error)))?;
    }
    let user = fs::File::open(format!("/proc/{pid}/ns/user")).map_err(|error| cause(&error))?;
    let copy = mount::clone_tree(AT_FDCWD, "/", false).map_err(failed("open_tree"))?;
    mount::set_idmap(copy, false, user).map_err(failed("mount_setattr of /"))
}
