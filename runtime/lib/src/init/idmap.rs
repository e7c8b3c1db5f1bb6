//! Writing the id maps of a new user namespace, from outside it: user_namespaces(7).

use std::process::{Command, Stdio};

use ketch_sys::Errno;
use nix::unistd::geteuid;

use crate::plan::ids::{Maps, Range, map_text};
use crate::step::{At, StepError};

/// Maps the ids of the process `pid`, which waits in a new user namespace.
///
/// Root writes the maps itself. Another user can map no more than its own ids so, and for that must give up setgroups(2)
/// first; more is the business of newuidmap(1) and newgidmap(1), which know what `/etc/subuid` allots.
pub(crate) fn write(pid: i32, maps: &Maps) -> Result<(), StepError> {
    let unprivileged = !geteuid().is_root();
    if unprivileged && maps.gids.len() == 1 && maps.gids[0].size == 1 {
        write_file(pid, "setgroups", "deny").at("write", &format!("/proc/{pid}/setgroups"))?;
    }
    for (file, program, ranges) in
        [("uid_map", "newuidmap", &maps.uids), ("gid_map", "newgidmap", &maps.gids)]
    {
        match write_file(pid, file, &map_text(ranges)) {
            Err(error) if unprivileged && error.raw_os_error() == Some(Errno::EPERM as i32) => {
                run(program, pid, ranges)?;
            }
            result => result.at("write the id map", &format!("/proc/{pid}/{file}"))?,
        }
    }
    Ok(())
}

fn write_file(pid: i32, file: &str, text: &str) -> std::io::Result<()> {
    std::fs::write(format!("/proc/{pid}/{file}"), text)
}

fn run(program: &str, pid: i32, ranges: &[Range]) -> Result<(), StepError> {
    let numbers = ranges.iter().flat_map(|r| [r.container, r.host, r.size]);
    let status = Command::new(program)
        .arg(pid.to_string())
        .args(numbers.map(|n| n.to_string()))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .at("run", program)?;
    // It has said why on standard error; as a number it is always the same: these ids are not allotted to the user.
    if status.success() { Ok(()) } else { Err(Errno::EPERM).at("map the container's ids with", program) }
}
