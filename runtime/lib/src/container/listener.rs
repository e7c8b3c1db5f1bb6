//! `linux.seccomp.listenerPath`: who answers the system calls that a filter asks about.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use ketch_sys::{Errno, socket};
use serde::Serialize;

use super::state::{State, Status};
use crate::hooks::{About, Stage};
use crate::spec::LinuxSeccomp;
use crate::step::{At, StepError};

/// runtime-spec, "The Container Process State": what comes with the descriptor.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ContainerProcessState<'a> {
    oci_version: &'a str,
    fds: [&'static str; 1],
    pid: i32,
    #[serde(skip_serializing_if = "str::is_empty")]
    metadata: &'a str,
    state: About<'a>,
}

/// Hands the notification descriptor of the process `pid` (of the runtime's pid namespace) to the configured listener.
pub(crate) fn hand_over(
    seccomp: Option<&LinuxSeccomp>,
    state: &State,
    status: Status,
    pid: i32,
    listener: &OwnedFd,
) -> Result<(), StepError> {
    let path = seccomp.and_then(|seccomp| seccomp.listener_path().as_ref());
    let path = path.ok_or(Errno::EDESTADDRREQ).at("hand over", "seccomp's notifications")?;
    let metadata = seccomp.and_then(|seccomp| seccomp.listener_metadata().as_deref()).unwrap_or_default();
    let message = ContainerProcessState {
        oci_version: &state.oci_version,
        fds: [crate::spec::SECCOMP_FD_NAME],
        pid,
        metadata,
        state: About { status, ..About::new(state, Stage::CreateRuntime) },
    };
    let step = "hand over seccomp's notifications to";
    let text = serde_json::to_vec(&message).map_err(|_| Errno::EINVAL).at(step, path)?;
    let stream = UnixStream::connect(path).at(step, path)?;
    socket::send(&stream, &text, &[listener.as_fd()]).at(step, path)
}
