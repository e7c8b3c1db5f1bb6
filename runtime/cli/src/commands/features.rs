use std::process::ExitCode;

use serde_json::{Value, json};

use crate::globals::Globals;
use crate::report;

/// Print as JSON what this runtime can do (runtime-spec, features.md)
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {}

/// The newest version of the specification whose fields are all carried out or refused.
pub(crate) const SPEC_VERSION: &str = "1.3.0";

pub(crate) fn run(_globals: &Globals, _args: &Args) -> anyhow::Result<ExitCode> {
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
            "cgroup": { "v1": true, "v2": true, "systemd": true, "systemdUser": true, "rdma": true },
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
            "memoryPolicy": { "modes": MEMORY_POLICY_MODES, "flags": MEMORY_POLICY_FLAGS },
            "intelRdt": { "enabled": true, "schemata": true, "monitoring": true },
            "mountExtensions": { "idmap": { "enabled": true } },
            "netDevices": { "enabled": true },
        },
        "annotations": {
            "io.ketch.version": env!("CARGO_PKG_VERSION"),
            // As runc says it: whether the commands are there. What they need of CRIU is known when they run.
            "org.opencontainers.runc.checkpoint.enabled": "true",
        },
        // A prefix where it ends with a dot: annotations that an engine must not take from an image.
        "potentiallyUnsafeConfigAnnotations": ["org.systemd.property."],
    })
}

const HOOKS: &[&str] =
    &["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"];

/// Words with a meaning of their own in ketch-runtime's plan::mount_option; any other is the file system's.
const MOUNT_OPTIONS: &[&str] = &[
    "async",
    "atime",
    "bind",
    "copy-symlink",
    "defaults",
    "dest-nofollow",
    "dev",
    "diratime",
    "dirsync",
    "exec",
    "idmap",
    "iversion",
    "lazytime",
    "loud",
    "mand",
    "noatime",
    "nodev",
    "nodiratime",
    "noexec",
    "noiversion",
    "nolazytime",
    "nomand",
    "norelatime",
    "nostrictatime",
    "nosuid",
    "nosymfollow",
    "private",
    "ratime",
    "rbind",
    "rdev",
    "rdiratime",
    "relatime",
    "remount",
    "rexec",
    "ridmap",
    "rnoatime",
    "rnodev",
    "rnodiratime",
    "rnoexec",
    "rnorelatime",
    "rnostrictatime",
    "rnosuid",
    "rnosymfollow",
    "ro",
    "rprivate",
    "rrelatime",
    "rro",
    "rrw",
    "rshared",
    "rslave",
    "rstrictatime",
    "rsuid",
    "rsymfollow",
    "runbindable",
    "rw",
    "shared",
    "silent",
    "slave",
    "src-nofollow",
    "strictatime",
    "suid",
    "symfollow",
    "sync",
    "tmpcopyup",
    "unbindable",
];

const NAMESPACES: &[&str] = &["cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts"];

const CAPABILITIES: &[&str] = &[
    "CAP_AUDIT_CONTROL",
    "CAP_AUDIT_READ",
    "CAP_AUDIT_WRITE",
    "CAP_BLOCK_SUSPEND",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_KILL",
    "CAP_LEASE",
    "CAP_LINUX_IMMUTABLE",
    "CAP_MAC_ADMIN",
    "CAP_MAC_OVERRIDE",
    "CAP_MKNOD",
    "CAP_NET_ADMIN",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_RAW",
    "CAP_PERFMON",
    "CAP_SETFCAP",
    "CAP_SETGID",
    "CAP_SETPCAP",
    "CAP_SETUID",
    "CAP_SYSLOG",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_CHROOT",
    "CAP_SYS_MODULE",
    "CAP_SYS_NICE",
    "CAP_SYS_PACCT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_WAKE_ALARM",
];

const SECCOMP_ACTIONS: &[&str] = &[
    "SCMP_ACT_ALLOW",
    "SCMP_ACT_ERRNO",
    "SCMP_ACT_KILL",
    "SCMP_ACT_KILL_PROCESS",
    "SCMP_ACT_KILL_THREAD",
    "SCMP_ACT_LOG",
    "SCMP_ACT_NOTIFY",
    "SCMP_ACT_TRACE",
    "SCMP_ACT_TRAP",
];

const SECCOMP_OPERATORS: &[&str] = &[
    "SCMP_CMP_EQ",
    "SCMP_CMP_GE",
    "SCMP_CMP_GT",
    "SCMP_CMP_LE",
    "SCMP_CMP_LT",
    "SCMP_CMP_MASKED_EQ",
    "SCMP_CMP_NE",
];

/// What programs can be made of on this machine; the others that a profile may name cannot be run on it.
#[cfg(target_arch = "x86_64")]
const SECCOMP_ARCHS: &[&str] = &["SCMP_ARCH_X32", "SCMP_ARCH_X86", "SCMP_ARCH_X86_64"];
#[cfg(target_arch = "aarch64")]
const SECCOMP_ARCHS: &[&str] = &["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"];

const SECCOMP_FLAGS: &[&str] = &[
    "SECCOMP_FILTER_FLAG_LOG",
    "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
    "SECCOMP_FILTER_FLAG_TSYNC",
    "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
];

const MEMORY_POLICY_MODES: &[&str] = &[
    "MPOL_BIND",
    "MPOL_DEFAULT",
    "MPOL_INTERLEAVE",
    "MPOL_LOCAL",
    "MPOL_PREFERRED",
    "MPOL_PREFERRED_MANY",
    "MPOL_WEIGHTED_INTERLEAVE",
];

const MEMORY_POLICY_FLAGS: &[&str] =
    &["MPOL_F_NUMA_BALANCING", "MPOL_F_RELATIVE_NODES", "MPOL_F_STATIC_NODES"];

#[cfg(test)]
mod tests {
    use std::fmt::Debug;
    use std::path::Path;

    use ketch_runtime::plan::mount::Source;
    use ketch_runtime::spec::{
        Arch, Capability, LinuxNamespaceType, LinuxSeccompAction, LinuxSeccompFilterFlag,
        LinuxSeccompOperator, MemoryPolicyFlagType, MemoryPolicyModeType, Spec,
    };
    use serde::de::DeserializeOwned;

    use super::*;

    fn all_are<T: DeserializeOwned + Debug>(words: &[&str]) {
        for word in words {
            serde_json::from_value::<T>(json!(word)).unwrap_or_else(|e| panic!("{word}: {e}"));
        }
    }

    #[test]
    fn every_word_is_one_that_a_configuration_may_hold() {
        all_are::<LinuxNamespaceType>(NAMESPACES);
        all_are::<Capability>(CAPABILITIES);
        all_are::<LinuxSeccompAction>(SECCOMP_ACTIONS);
        all_are::<LinuxSeccompOperator>(SECCOMP_OPERATORS);
        all_are::<Arch>(SECCOMP_ARCHS);
        all_are::<LinuxSeccompFilterFlag>(SECCOMP_FLAGS);
        all_are::<MemoryPolicyModeType>(MEMORY_POLICY_MODES);
        all_are::<MemoryPolicyFlagType>(MEMORY_POLICY_FLAGS);
    }

    /// None is handed on to the file system as something it might know, but those that all file systems know.
    #[test]
    fn every_mount_option_has_a_meaning() {
        const OF_ALL_FILE_SYSTEMS: [&str; 7] =
            ["async", "dirsync", "lazytime", "mand", "nolazytime", "nomand", "sync"];
        let mut config: Value = serde_json::from_str(super::super::spec::ROOT).expect("JSON");
        for word in MOUNT_OPTIONS.iter().chain(&["size=1m"]) {
            config["mounts"] =
                json!([{ "destination": "/x", "type": "tmpfs", "source": "/y", "options": [word] }]);
            if word.ends_with("idmap") {
                let map = json!([{ "containerID": 0, "hostID": 0, "size": 1 }]);
                config["mounts"][0]["options"] = json!(["bind", word]);
                config["mounts"][0]["uidMappings"] = map.clone();
                config["mounts"][0]["gidMappings"] = map;
            }
            if word.contains("symlink") || word.ends_with("nofollow") {
                config["mounts"][0]["options"] = json!(["bind", word]);
            }
            let spec: Spec = serde_json::from_value(config.clone()).expect("a configuration");
            let plan = ketch_runtime::plan::plan(&spec, "id", Path::new("/b")).expect(word);
            let handed_on = matches!(&plan.mounts[0].source, Source::New(fs) if !fs.parameters.is_empty());
            let expected = OF_ALL_FILE_SYSTEMS.contains(word) || *word == "size=1m";
            assert_eq!(handed_on, expected, "{word}");
        }
    }
}
