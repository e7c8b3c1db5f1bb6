//! CRIU, as it is installed.

use std::process::{Command, Stdio};

use super::{Caller, Capability, no, yes};

pub(super) fn explain(caller: &Caller) -> Vec<Capability> {
    const INSTALL: Option<&str> = Some("install CRIU 4.2 or newer (hack/criu)");
    let Some(path) = caller.program("criu") else {
        return vec![no("CRIU", "not found in PATH", INSTALL), no("checkpoint", "there is no CRIU", INSTALL)];
    };
    let said = |argument: &str| {
        let output = Command::new(&path).arg(argument).stdin(Stdio::null()).output();
        output.map_err(|error| format!("cannot run {}: {}", path.display(), crate::store::cause(&error)))
    };
    let criu = match said("--version") {
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            match text.lines().find_map(|line| line.strip_prefix("Version:")) {
                Some(version) => yes("CRIU", format!("{} {}", path.display(), version.trim())),
                None => no("CRIU", format!("{} does not tell its version", path.display()), INSTALL),
            }
        }
        Err(reason) => no("CRIU", reason, INSTALL),
    };
    let checkpoint = match caller.is_root() {
        false => {
            no("checkpoint", "only root can write processes to disk and restore them", Some("ask as root"))
        }
        true => match said("check") {
            Ok(output) if output.status.success() => {
                yes("checkpoint", "criu check has found all that it needs")
            }
            Ok(output) => {
                let text = String::from_utf8_lossy(&output.stderr).into_owned();
                let last =
                    text.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or("it has failed");
                no("checkpoint", format!("criu check: {last}"), INSTALL)
            }
            Err(reason) => no("checkpoint", reason, INSTALL),
        },
    };
    vec![criu, checkpoint]
}
