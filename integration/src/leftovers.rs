//! What a run of ketch must not leave: processes, mounts, cgroups, sockets and files.

use std::fs;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use nix::poll::{PollFd, PollFlags, poll};

/// Everything on this machine that still belongs to an engine or runtime below `dir`, or to one of `ids`.
pub fn find(dir: &Path, ids: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    processes(dir, &mut found);
    mounts(dir, &mut found);
    cgroups(ids, &mut found);
    found
}

fn processes(dir: &Path, found: &mut Vec<String>) {
    let left = holders(dir).into_iter().filter(|(pid, _)| !ends_soon(*pid));
    found.extend(left.map(|(pid, name)| format!("process {pid} ({name})")));
}

/// None: it is no process's directory.
fn pid_of(entry: &fs::DirEntry) -> Option<i32> {
    entry.file_name().to_str().and_then(|name| name.parse().ok())
}

/// Every process but this one that holds a file below `dir` open, or lives in it: monitors, inits; by pid and name.
pub fn holders(dir: &Path) -> Vec<(i32, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").expect("/proc is mounted").flatten() {
        let process = entry.path();
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        if pid.cast_unsigned() == std::process::id() {
            continue;
        }
        // A process may end while it is looked at; then there is nothing to report.
        let links = fs::read_dir(process.join("fd")).into_iter().flatten().flatten().map(|fd| fd.path());
        let links = links.chain([process.join("cwd"), process.join("root")]);
        if links.filter_map(|link| fs::read_link(link).ok()).any(|target| target.starts_with(dir)) {
            let name = fs::read_to_string(process.join("comm")).unwrap_or_default();
            found.push((pid, name.trim().to_owned()));
        }
    }
    found
}

/// Processes with one of `ids` in their command lines.
pub fn named(ids: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").expect("/proc is mounted").flatten() {
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line);
        if ids.iter().any(|id| line.contains(id.as_str())) && !pid_of(&entry).is_none_or(ends_soon) {
            found.push(format!("process {} ({line})", entry.file_name().display()));
        }
    }
    found
}

/// A monitor ends a moment after the last trace of its container; it is given time, for the machine may be busy.
fn ends_soon(pid: i32) -> bool {
    // Gone already.
    let Ok(pidfd) = ketch_sys::pidfd::open(pid) else { return true };
    poll(&mut [PollFd::new(pidfd.as_fd(), PollFlags::POLLIN)], 30_000u16) == Ok(1)
}

fn mounts(dir: &Path, found: &mut Vec<String>) {
    let table = fs::read_to_string("/proc/self/mountinfo").expect("/proc is mounted");
    let dir = dir.to_str().expect("test directories are UTF-8");
    found.extend(table.lines().filter(|line| line.contains(dir)).map(|line| format!("mount {line}")));
}

fn cgroups(ids: &[String], found: &mut Vec<String>) {
    let mut pending = vec![PathBuf::from("/sys/fs/cgroup")];
    while let Some(group) = pending.pop() {
        let Ok(entries) = fs::read_dir(&group) else { continue };
        for entry in entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
            let name = entry.file_name();
            if ids.iter().any(|id| name.to_string_lossy().contains(id.as_str())) {
                found.push(format!("cgroup {}", entry.path().display()));
            }
            pending.push(entry.path());
        }
    }
}

/// Files below `dir`, directories themselves not counted.
pub fn files(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut pending = vec![dir.to_owned()];
    while let Some(dir) = pending.pop() {
        for entry in fs::read_dir(&dir).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                pending.push(entry.path());
            } else {
                files.push(entry.path());
            }
        }
    }
    files
}
