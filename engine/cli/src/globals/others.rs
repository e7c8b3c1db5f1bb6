//! podman's options before the verb that ketch has nothing for: known, and refused with the reason.

use std::path::PathBuf;

use crate::flags::values::boolean;

#[derive(Debug, clap::Args)]
#[command(next_display_order = None)]
pub(super) struct Others {
    /// Directory of CDI specifications: not available
    #[arg(long, value_name = "DIR")]
    cdi_spec_dir: Vec<PathBuf>,
    /// Path of conmon: not available
    #[arg(long, value_name = "PATH")]
    conmon: Option<PathBuf>,
    /// A remote service: not available
    #[arg(long, short = 'c', value_name = "NAME")]
    connection: Option<String>,
    /// Key for a remote service: not available
    #[arg(long, value_name = "FILE")]
    identity: Option<PathBuf>,
    /// Directory for images alone: not available
    #[arg(long, value_name = "DIR")]
    imagestore: Option<PathBuf>,
    /// Module of containers.conf: not available
    #[arg(long, value_name = "MODULE")]
    module: Vec<String>,
    /// Path of slirp4netns or pasta: not available
    #[arg(long, value_name = "PATH")]
    network_cmd_path: Option<PathBuf>,
    /// Directory of networks: not available
    #[arg(long, value_name = "DIR")]
    network_config_dir: Option<PathBuf>,
    /// Use a remote service: not available
    #[arg(long, short, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", hide_default_value = true, value_parser = boolean)]
    remote: bool,
    /// Option for the OCI runtime: not available
    #[arg(long, value_name = "FLAG")]
    runtime_flag: Vec<String>,
    /// How a remote service is reached: not available
    #[arg(long, value_name = "MODE")]
    ssh: Option<String>,
    /// Option of the storage: not available
    #[arg(long, value_name = "KEY=VALUE")]
    storage_opt: Vec<String>,
    /// Write messages to the system's log too: not available
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", hide_default_value = true, value_parser = boolean)]
    syslog: bool,
    /// Certificate of a remote service: not available
    #[arg(long, value_name = "FILE")]
    tls_ca: Option<PathBuf>,
    /// Certificate for a remote service: not available
    #[arg(long, value_name = "FILE")]
    tls_cert: Option<PathBuf>,
    /// Key for a remote service: not available
    #[arg(long, value_name = "FILE")]
    tls_key: Option<PathBuf>,
    /// Forget containers at a reboot: not available
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", hide_default_value = true, value_parser = boolean)]
    transient_store: bool,
    /// Address of a remote service: not available
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Directory for volumes: not available
    #[arg(long, value_name = "DIR")]
    volumepath: Option<PathBuf>,
}

const NO_SERVICE: &str = "there is no service to talk to; run ketch on the other machine";

impl Others {
    /// One that was given is an error.
    pub(super) fn refuse(&self) -> anyhow::Result<()> {
        let given = [
            ("--cdi-spec-dir", !self.cdi_spec_dir.is_empty(), "CDI is not read; --device gives nodes"),
            ("--conmon", self.conmon.is_some(), "ketch is the container's monitor itself"),
            ("--connection", self.connection.is_some(), NO_SERVICE),
            ("--identity", self.identity.is_some(), NO_SERVICE),
            ("--imagestore", self.imagestore.is_some(), "images are kept below --root"),
            ("--module", !self.module.is_empty(), "containers.conf is not read; give options as flags"),
            ("--network-cmd-path", self.network_cmd_path.is_some(), "pasta is looked for in PATH"),
            ("--network-config-dir", self.network_config_dir.is_some(), "networks are kept below --root"),
            ("--remote", self.remote, NO_SERVICE),
            ("--runtime-flag", !self.runtime_flag.is_empty(), "ketch makes its containers itself"),
            ("--ssh", self.ssh.is_some(), NO_SERVICE),
            ("--storage-opt", !self.storage_opt.is_empty(), "the store has no options"),
            ("--syslog", self.syslog, "messages go to stderr alone"),
            ("--tls-ca", self.tls_ca.is_some(), NO_SERVICE),
            ("--tls-cert", self.tls_cert.is_some(), NO_SERVICE),
            ("--tls-key", self.tls_key.is_some(), NO_SERVICE),
            ("--transient-store", self.transient_store, "put --root on a tmpfs"),
            ("--url", self.url.is_some(), NO_SERVICE),
            ("--volumepath", self.volumepath.is_some(), "volumes are kept below --root"),
        ];
        match given.iter().find(|(_, given, _)| *given) {
            Some((flag, _, reason)) => anyhow::bail!("{flag} is not available: {reason}"),
            None => Ok(()),
        }
    }
}
