//! Descriptors that cross the command line: socket activation's, and pidfds sent to a socket.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;

use anyhow::Context;
use ketch_runtime::spec::Process;
use ketch_sys::{inherit, socket};

/// The numbers of the caller's descriptors that the container's program keeps: those of `--preserve-fds COUNT`, and of socket
/// activation, of which the program is told. As in crun, fewer may be there: a number that nothing was handed down under may have
/// become this process's own since, which a container must not get.
pub(crate) fn preserved(count: u32, process: Option<&mut Process>) -> anyhow::Result<Vec<u32>> {
    match count.saturating_add(listen(process)) {
        0 => Ok(Vec::new()),
        count => inherit::numbers(3, count).context("cannot look through this process's descriptors"),
    }
}

/// How many descriptors systemd's socket activation has given to this process (sd_listen_fds(3)).
/// The container's program is told of them as if they had been given to it: it is pid 1 there.
fn listen(process: Option<&mut Process>) -> u32 {
    let number = |name: &str| std::env::var(name).ok()?.parse::<u32>().ok();
    let Some(count) = number("LISTEN_FDS").filter(|_| number("LISTEN_PID") == Some(std::process::id()))
    else {
        return 0;
    };
    if let Some(process) = process {
        let mut env = process.env().clone().unwrap_or_default();
        env.push(format!("LISTEN_FDS={count}"));
        env.push("LISTEN_PID=1".to_owned());
        if let Ok(names) = std::env::var("LISTEN_FDNAMES") {
            env.push(format!("LISTEN_FDNAMES={names}"));
        }
        process.set_env(Some(env));
    }
    count
}

/// Sends a pidfd to a listening unix socket. runc's message says what the process is: `standard` for a container's
/// first, `setns` for an exec's.
pub(crate) fn send_pidfd(path: &Path, pidfd: &OwnedFd, kind: &str) -> anyhow::Result<()> {
    let failed = || format!("cannot send the pidfd to {}", path.display());
    let stream = UnixStream::connect(path).with_context(failed)?;
    socket::send(&stream, kind.as_bytes(), &[pidfd.as_fd()]).with_context(failed)
}
