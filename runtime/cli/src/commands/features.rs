use std::process::ExitCode;

use serde_json::{Value, json};

use crate::globals::Globals;
use crate::report;

/// Print as JSON what this runtime can do (runtime-spec, features.md)
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {}

/// The newest version of the specification whose fields are all carried out or refused.
pub(crate) const SPEC_VERSION: &str = "1.2.1";

pub(crate) fn run(_globals: &Globals, _args: Args) -> anyhow::Result<ExitCode> {
    report::print(&(serde_json::to_string_pretty(&features())? + "\n"))?;
    Ok(ExitCode::SUCCESS)
}

fn features() -> Value {
    json!({
        "ociVersionMin": "1.0.0",
        "ociVersionMax": SPEC_VERSION,
        "hooks": HOOKS,
        "mountOptions": MOUNT_OPTIONS,
        "linux": {
            "namespaces": NAMESPACES,
            "capabilities": CAPABILITIES,
            "cgroup": { "v1": true, "v2": true, "systemd": false, "systemdUser": false, "rdma": true },
            "seccomp": {
                "enabled": true,
                "actions": SECCOMP_ACTIONS,
                "operators": SECCOMP_OPERATORS,
                "archs": SECCOMP_ARCHS,
                "knownFlags": SECCOMP_FLAGS,
                "supportedFlags": SECCOMP_FLAGS,
            },
            "apparmor": { "enabled": true },
            "selinux": { "enabled": true },
            "intelRdt": { "enabled": false },
            "mountExtensions": { "idmap": { "enabled": false } },
        },
        "annotations": {
            "io.ketch.version": env!("CARGO_PKG_VERSION"),
        },
    })
}
