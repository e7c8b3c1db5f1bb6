//! When a container may run, for how long, what it depends on and what tells of it.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use ketch_engine::container::options::{Cgroups, Options};

use super::secret;

#[derive(Debug, clap::Args)]
pub(crate) struct LifeFlags {
    /// Whether it gets a cgroup of its own: enabled, no-conmon or disabled
    #[arg(long, value_name = "MODE", default_value = "enabled")]
    cgroups: String,
    /// Write the pid of its monitor to this file
    #[arg(long, value_name = "FILE")]
    conmon_pidfile: Option<PathBuf>,
    /// GPUs: not available
    #[arg(long, value_name = "GPU", value_delimiter = ',')]
    gpus: Vec<String>,
    /// Write its pid to this file
    #[arg(long, value_name = "FILE")]
    pidfile: Option<PathBuf>,
    /// Be a member of the pod whose id is in this file
    #[arg(long, value_name = "FILE")]
    pod_id_file: Option<PathBuf>,
    /// Start this container first
    #[arg(long, value_name = "CONTAINER", value_delimiter = ',')]
    requires: Vec<String>,
    /// Where the seccomp profile comes from: default
    #[arg(long, value_name = "POLICY", default_value = "default")]
    seccomp_policy: String,
    /// Give it a secret, at /run/secrets or in a variable (NAME[,type=mount|env][,target=…][,uid=…][,gid=…][,mode=…])
    #[arg(long, value_name = "SECRET")]
    secret: Vec<String>,
    /// Seconds that it may run; 0 for no limit
    #[arg(long, value_name = "SECONDS", default_value = "0", hide_default_value = true)]
    timeout: u32,
}

pub(super) fn apply(flags: &LifeFlags, options: &mut Options) -> anyhow::Result<()> {
    options.cgroups = cgroups(&flags.cgroups)?;
    // --no-healthcheck is what every container has so far.
    let absolute = |path: &Option<PathBuf>| {
        let absolute = |path: &PathBuf| {
            std::path::absolute(path).with_context(|| format!("cannot use {path:?} as a pid file"))
        };
        path.as_ref().filter(|path| **path != *Path::new("")).map(absolute).transpose()
    };
    options.monitor_pid_file = absolute(&flags.conmon_pidfile)?;
    options.pid_file = absolute(&flags.pidfile)?;
    options.requires = flags.requires.clone();
    options.timeout = Some(flags.timeout.into()).filter(|seconds| *seconds > 0);
    ensure!(
        flags.gpus.is_empty(),
        "--gpus is not available: GPUs come by CDI, which this version does not read; give the nodes with --device"
    );
    let secrets = flags.secret.iter().filter_map(|text| secret::parse(text).transpose());
    options.secrets = secrets.collect::<anyhow::Result<_>>()?;
    match flags.seccomp_policy.as_str() {
        "" | "default" => Ok(()),
        "image" => bail!(
            "--seccomp-policy=image is not available: an image does not choose its own confinement; use --security-opt seccomp=FILE"
        ),
        other => bail!(r#"invalid seccomp policy {other:?}: valid policies are ["default"]"#),
    }
}

fn cgroups(mode: &str) -> anyhow::Result<Cgroups> {
    match mode {
        "" | "enabled" => Ok(Cgroups::Enabled),
        "no-conmon" => Ok(Cgroups::NoConmon),
        "disabled" => Ok(Cgroups::Disabled),
        "split" => bail!(
            "--cgroups=split is not available: use --cgroup-parent to put the container below a unit's cgroup"
        ),
        _ => bail!("running container create option: invalid cgroup mode {mode:?}: invalid argument"),
    }
}

impl LifeFlags {
    /// The pod of `--pod-id-file`.
    pub(super) fn pod(&self) -> anyhow::Result<Option<String>> {
        let Some(path) = &self.pod_id_file else { return Ok(None) };
        let text = std::fs::read_to_string(path).with_context(|| format!("reading pod ID file {path:?}"))?;
        let id = text.lines().next().unwrap_or_default().trim();
        ensure!(!id.is_empty(), "reading pod ID file {path:?}: there is no id in it");
        Ok(Some(id.to_owned()))
    }
}
