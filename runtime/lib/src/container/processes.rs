//! Who lives in a container.

use ketch_cgroups::{Cgroup, Error};
use nix::sys::stat::stat;

use super::state::State;

/// Its processes, by their numbers in the caller's pid namespace: those of its cgroup; without one those of its pid
/// namespace, or just init when it has none of those either.
pub fn processes<C>(state: &State<C>) -> Result<Vec<i32>, Error> {
    if !state.cgroup.paths.is_empty() {
        return Cgroup::open(state.cgroup.clone()).pids();
    }
    let namespace =
        |pid: &str| stat(format!("/proc/{pid}/ns/pid").as_str()).ok().map(|it| (it.st_dev, it.st_ino));
    let init = namespace(&state.pid.to_string());
    if init.is_none() || init == namespace("self") {
        return Ok(vec![state.pid]);
    }
    let listed = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = listed.filter_map(|entry| {
        let name = entry.file_name();
        let pid = name.to_str()?;
        let number = pid.parse().ok()?;
        (namespace(pid) == init).then_some(number)
    });
    Ok(pids.collect())
}
