//! The flags of `run` and `create`, podman's in name and meaning, and what they ask for.
//!
//! A flag that is not here is unknown, and refused: none is taken and then not acted upon.

mod access;
mod change;
mod device;
pub(crate) mod env;
pub(crate) mod health;
mod inside;
mod life;
pub(crate) mod limits;
mod mount;
mod namespace;
pub(crate) mod network;
mod pod;
pub(crate) mod ports;
mod preserve;
mod registry;
pub(crate) mod resources;
mod sandbox;
mod secret;
mod security;
mod userns;
pub(crate) mod values;
mod volume;

use std::path::PathBuf;

use anyhow::{Context, bail, ensure};
use ketch_engine::container::options::{Log, Options, RestartPolicy, Rootfs};
use ketch_engine::pod::member::Own;

pub(crate) use access::{Connection, Retry, own_auth_file, policy, set_docker_config};
pub(crate) use change::ChangeFlags;
pub(crate) use pod::{PodFlags, into_options as into_pod_options};
pub(crate) use preserve::PreserveFlags;
pub(crate) use registry::Registry;
pub(crate) use sandbox::{SandboxFlags, SummaryForm, as_sandbox, into_sandbox};
pub(crate) use values::{Pull, Stream};

/// What `run` and `create` have in common: to be flattened into a command's own arguments.
#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true, args_override_self = true, next_display_order = None)]
pub(crate) struct ContainerFlags {
    /// Add an annotation (KEY=VALUE)
    #[arg(long, value_name = "KEY=VALUE")]
    annotation: Vec<String>,
    /// Attach to stdin, stdout or stderr
    #[arg(long, short = 'a', value_name = "STREAM", value_delimiter = ',')]
    pub(crate) attach: Vec<Stream>,
    /// Add a capability, or ALL
    #[arg(long, value_name = "CAP", value_delimiter = ',')]
    cap_add: Vec<String>,
    /// Drop a capability, or ALL
    #[arg(long, value_name = "CAP", value_delimiter = ',')]
    cap_drop: Vec<String>,
    /// Cgroup below which the container's own is made
    #[arg(long, value_name = "PATH")]
    cgroup_parent: Option<String>,
    /// Cgroup namespace: private, host, container:NAME or ns:PATH
    #[arg(long, value_name = "MODE")]
    cgroupns: Option<String>,
    /// Write the container's id to this file
    #[arg(long, value_name = "FILE")]
    cidfile: Option<PathBuf>,
    /// CPU shares, relative to those of other containers
    #[arg(long, short = 'c', value_name = "N")]
    cpu_shares: Option<u64>,
    /// Number of CPUs, such as 1.5
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = limits::cpus)]
    cpus: Option<f64>,
    /// CPUs that may be used, such as 0-2,4
    #[arg(long, value_name = "LIST")]
    cpuset_cpus: Option<String>,
    /// Memory nodes that may be used, such as 0,1
    #[arg(long, value_name = "LIST")]
    cpuset_mems: Option<String>,
    /// Give a device of the host (HOST[:CONTAINER][:rwm])
    #[arg(long, value_name = "DEVICE", value_delimiter = ',')]
    device: Vec<String>,
    /// Replace the image's entrypoint (a word, or a JSON array of words; "" for none)
    #[arg(long, value_name = "COMMAND")]
    entrypoint: Option<String>,
    #[command(flatten)]
    env: env::EnvFlags,
    /// Say that a port is listened on (PORT[-PORT][/PROTOCOL])
    #[arg(long, value_name = "PORT", value_delimiter = ',')]
    expose: Vec<String>,
    /// Add a supplementary group
    #[arg(long, value_name = "GROUP", value_delimiter = ',')]
    group_add: Vec<String>,
    /// Show help
    #[arg(long, action = clap::ArgAction::Help)]
    help: Option<bool>,
    /// Name of the container on the network
    #[arg(long, short = 'h', value_name = "NAME")]
    hostname: Option<String>,
    /// Run an init as pid 1 that forwards signals and reaps
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", hide_default_value = true, value_parser = values::boolean)]
    init: bool,
    /// IPC namespace and /dev/shm: private, shareable, host, container:NAME or ns:PATH
    #[arg(long, value_name = "MODE")]
    ipc: Option<String>,
    /// Keep stdin open
    #[arg(long, short = 'i', value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", hide_default_value = true, value_parser = values::boolean)]
    interactive: bool,
    /// Add a label (KEY=VALUE)
    #[arg(long, short = 'l', value_name = "KEY=VALUE")]
    label: Vec<String>,
    /// Read labels from a file
    #[arg(long, value_name = "FILE")]
    label_file: Vec<PathBuf>,
    /// Where output is logged: k8s-file, none, or passthrough, where the container has the streams of this command
    #[arg(long, value_name = "DRIVER")]
    log_driver: Option<String>,
    /// Option of the log: max-size=SIZE, max-file=N
    #[arg(long, value_name = "KEY=VALUE", value_delimiter = ',')]
    log_opt: Vec<String>,
    /// Memory limit (64m, 1g)
    #[arg(long, short = 'm', value_name = "SIZE", value_parser = limits::size)]
    memory: Option<i64>,
    /// Memory that is kept when the host runs short
    #[arg(long, value_name = "SIZE", value_parser = limits::size)]
    memory_reservation: Option<i64>,
    /// Limit of memory and swap together; -1 for none
    #[arg(long, value_name = "SIZE", allow_hyphen_values = true, value_parser = limits::swap)]
    memory_swap: Option<i64>,
    /// Mount a file system (type=bind|tmpfs|ramfs|volume,src=…,dst=…,…)
    #[arg(long, value_name = "SPEC")]
    mount: Vec<String>,
    /// Name of the container
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Preference of the kernel's OOM killer, -1000 to 1000
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(i32).range(-1000..=1000))]
    oom_score_adj: Option<i32>,
    /// PID namespace: private, host, container:NAME or ns:PATH
    #[arg(long, value_name = "MODE")]
    pid: Option<String>,
    #[command(flatten)]
    network: network::NetworkFlags,
    #[command(flatten)]
    resources: resources::ResourceFlags,
    #[command(flatten)]
    inside: inside::InsideFlags,
    #[command(flatten)]
    life: life::LifeFlags,
    #[command(flatten)]
    userns: userns::UsernsFlags,
    #[command(flatten)]
    pub(crate) registry: Registry,
    /// Limit of processes; 0 or -1 for none
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pids_limit: Option<i64>,
    /// Pod to be a member of; new:NAME makes one
    #[arg(long, value_name = "POD")]
    pod: Option<String>,
    /// Give all capabilities and devices, and no confinement
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", hide_default_value = true, value_parser = values::boolean)]
    privileged: bool,
    /// Publish all exposed ports, on ports of the host that are free
    #[arg(long, short = 'P', value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", hide_default_value = true, value_parser = values::boolean)]
    publish_all: bool,
    /// When to pull the image: missing, always, never or newer
    #[arg(long, value_name = "POLICY", default_value = "missing", hide_possible_values = true)]
    pub(crate) pull: Pull,
    /// Say nothing while pulling
    #[arg(long, short = 'q', value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", hide_default_value = true, value_parser = values::boolean)]
    pub(crate) quiet: bool,
    /// Make the root read-only
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", hide_default_value = true, value_parser = values::boolean)]
    read_only: bool,
    /// With --read-only, keep /run, /tmp and /var/tmp writable
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value = "true", default_missing_value = "true", value_parser = values::boolean)]
    read_only_tmpfs: bool,
    /// Remove a container of the same name first
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", hide_default_value = true, value_parser = values::boolean)]
    pub(crate) replace: bool,
    /// Start it again when it has ended by itself: no, always, on-failure[:TIMES] or unless-stopped
    #[arg(long, value_name = "POLICY")]
    restart: Option<String>,
    #[command(flatten)]
    health: health::HealthFlags,
    /// Remove the container when it has ended
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", hide_default_value = true, value_parser = values::boolean)]
    rm: bool,
    /// IMAGE is a directory of the host (PATH, PATH:O to leave it unchanged, or PATH:idmap for --userns)
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", hide_default_value = true, value_parser = values::boolean)]
    rootfs: bool,
    /// Who tells the service manager that the container is ready: container, conmon (that it runs), healthy or ignore
    #[arg(long, value_name = "WHO")]
    sdnotify: Option<String>,
    /// Confinement: no-new-privileges, seccomp=, apparmor=, label=disable, mask=, unmask=
    #[arg(long, value_name = "OPTION")]
    security_opt: Vec<String>,
    /// Size of /dev/shm
    #[arg(long, value_name = "SIZE", value_parser = limits::size)]
    shm_size: Option<i64>,
    /// Signal that asks the container to end
    #[arg(long, value_name = "SIGNAL", value_parser = values::signal)]
    stop_signal: Option<i32>,
    /// Seconds from that signal to SIGKILL
    #[arg(long, value_name = "SECONDS")]
    stop_timeout: Option<u64>,
    /// Mount a tmpfs (PATH[:OPTIONS])
    #[arg(long, value_name = "PATH")]
    tmpfs: Vec<String>,
    /// Allocate a terminal
    #[arg(long, short = 't', value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", hide_default_value = true, value_parser = values::boolean)]
    tty: bool,
    /// Resource limit (NAME=SOFT[:HARD], or host)
    #[arg(long, value_name = "LIMIT", value_delimiter = ',')]
    ulimit: Vec<String>,
    /// User, by name or number (USER[:GROUP])
    #[arg(long, short = 'u', value_name = "USER")]
    user: Option<String>,
    /// UTS namespace: private, host, container:NAME or ns:PATH
    #[arg(long, value_name = "MODE")]
    uts: Option<String>,
    /// Mount a path of the host, or a volume by its name, or an anonymous one ([HOST|NAME:]CONTAINER[:OPTIONS])
    #[arg(long, short = 'v', value_name = "VOLUME")]
    volume: Vec<String>,
    /// Mount what another container has mounted (CONTAINER[:ro|rw|z])
    #[arg(long, value_name = "CONTAINER")]
    volumes_from: Vec<String>,
    /// Directory to start in
    #[arg(long, short = 'w', value_name = "DIR")]
    workdir: Option<String>,
    /// Image, or with --rootfs a directory; then the command and its arguments, if not the image's own
    // One argument for both: flags end where it begins, so that the command's own are left alone.
    #[arg(value_names = ["IMAGE", "COMMAND"], num_args = 1.., required = true, trailing_var_arg = true)]
    words: Vec<String>,
}

/// What `run` has besides.
#[derive(Debug, clap::Args)]
#[command(next_display_order = None)]
pub(crate) struct RunFlags {
    /// Add --user and --hostuser to the image's /etc/passwd and /etc/group
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value = "true", default_missing_value = "true", value_parser = values::boolean)]
    passwd: bool,
    #[command(flatten)]
    pub(crate) preserve: PreserveFlags,
    /// Remove the container when it has ended, and its image, unless others use it
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", hide_default_value = true, value_parser = values::boolean)]
    rmi: bool,
    /// Run in the background and print the container's id
    #[arg(long, short = 'd', value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", hide_default_value = true, value_parser = values::boolean)]
    pub(crate) detach: bool,
    /// Keys that detach from a terminal; "" for none
    #[arg(long, value_name = "KEYS", default_value = "ctrl-p,ctrl-q")]
    pub(crate) detach_keys: String,
    /// Pass signals on to the container
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value = "true", default_missing_value = "true", value_parser = values::boolean)]
    pub(crate) sig_proxy: bool,
}

impl RunFlags {
    /// Puts into `options` what they ask for.
    pub(crate) fn apply(&self, options: &mut Options) {
        options.accounts.none = !self.passwd;
        options.remove_image = self.rmi;
        options.remove |= self.rmi;
    }
}

/// What the flags ask for. Reads the files that they name (`--env-file`, a seccomp profile) and the caller's environment.
pub(crate) fn into_options(flags: &ContainerFlags) -> anyhow::Result<Options> {
    let name = flags.name.clone().filter(|name| !name.is_empty());
    if let Some(name) = &name {
        values::check_name(name)?;
    }
    let restart = flags.restart.as_deref().map(values::restart).transpose()?.unwrap_or_default();
    ensure!(
        !flags.rm || restart == RestartPolicy::No,
        "the --rm option conflicts with --restart, when the restartPolicy is not \"\" and \"no\""
    );
    let (first, command) = flags.words.split_first().context("an image is needed")?;
    let (image, rootfs) =
        if flags.rootfs { (String::new(), Some(rootfs(first)?)) } else { (first.clone(), None) };
    let networking = network::parse(&flags.network, flags.publish_all)?;
    let mut options = Options {
        name,
        image,
        rootfs,
        command: command.to_vec(),
        entrypoint: flags.entrypoint.as_deref().map(values::entrypoint),
        env: env::given(&flags.env)?,
        defaults: env::defaults(&flags.env)?,
        workdir: flags.workdir.clone(),
        user: flags.user.clone(),
        groups: flags.group_add.clone(),
        hostname: flags
            .hostname
            .as_deref()
            .filter(|name| !name.is_empty())
            .map(values::hostname)
            .transpose()?,
        labels: env::labels(&flags.label_file, &flags.label)?,
        annotations: env::annotations(&flags.annotation)?,
        terminal: flags.tty,
        stdin: flags.interactive,
        remove: flags.rm,
        init: flags.init,
        read_only: flags.read_only,
        read_only_strict: !flags.read_only_tmpfs,
        privileged: flags.privileged,
        network: networking.network,
        namespaces: namespace::collect(flags)?,
        userns: flags.userns.parse()?,
        ports: networking.ports,
        publish_all: networking.publish_all,
        expose: flags.expose.iter().map(|text| ports::exposed(text)).collect::<Result<Vec<_>, _>>()?.concat(),
        dns: networking.dns,
        hosts: networking.hosts,
        mounts: mounts(flags)?,
        volumes_from: flags.volumes_from.clone(),
        devices: flags.device.iter().map(|text| device::parse(text)).collect::<Result<_, _>>()?,
        cap_add: flags.cap_add.iter().filter(|name| !name.is_empty()).cloned().collect(),
        cap_drop: flags.cap_drop.iter().filter(|name| !name.is_empty()).cloned().collect(),
        security: security::parse(&flags.security_opt)?,
        limits: limits::collect(flags)?,
        cgroup_parent: flags.cgroup_parent.clone(),
        // Settled when it is created.
        cgroup_manager: Default::default(),
        stop_signal: flags.stop_signal,
        stop_timeout: flags.stop_timeout,
        log: log(flags)?,
        restart,
        health: health::parse(&flags.health)?,
        notify: flags.sdnotify.as_deref().map(values::notify).transpose()?.unwrap_or_default(),
        cid_file: flags.cidfile.clone(),
        device_rules: resources::device_rules(&flags.resources)?,
        ..Options::default()
    };
    inside::apply(&flags.inside, &mut options)?;
    life::apply(&flags.life, &mut options)?;
    Ok(options)
}

impl ContainerFlags {
    pub(crate) fn is_without_workdir(&self) -> bool {
        self.workdir.is_none()
    }

    /// `--pod`, or what is in `--pod-id-file`.
    pub(crate) fn pod(&self) -> anyhow::Result<Option<String>> {
        let by_name = self.pod.clone().filter(|pod| !pod.is_empty());
        let by_file = self.life.pod()?;
        ensure!(by_name.is_none() || by_file.is_none(), "cannot specify both --pod and --pod-id-file");
        Ok(by_name.or(by_file))
    }
}

/// What of a pod's a member does not share, for it was asked for something else.
pub(crate) fn own_namespaces(flags: &ContainerFlags) -> Own {
    Own {
        network: flags.network.is_chosen(),
        pid: flags.pid.is_some(),
        ipc: flags.ipc.is_some(),
        uts: flags.uts.is_some(),
        cgroup: flags.cgroupns.is_some(),
        userns: flags.userns.is_chosen(),
        restart: flags.restart.is_some(),
    }
}

fn rootfs(text: &str) -> anyhow::Result<Rootfs> {
    let (path, overlay, idmap) = match text.rsplit_once(':') {
        Some((path, "O")) => (path, true, false),
        Some((path, "idmap")) => (path, false, true),
        _ => (text, false, false),
    };
    let path = std::path::absolute(path).with_context(|| format!("cannot use {path:?} as a root"))?;
    Ok(Rootfs { path, overlay, idmap })
}

fn mounts(flags: &ContainerFlags) -> anyhow::Result<Vec<ketch_engine::container::options::Mount>> {
    let volumes = flags.volume.iter().map(|text| volume::parse(text));
    let mounts = flags.mount.iter().map(|text| mount::parse(text));
    let tmpfs = flags.tmpfs.iter().map(|text| mount::tmpfs(text));
    volumes.chain(mounts).chain(tmpfs).collect()
}

fn log(flags: &ContainerFlags) -> anyhow::Result<Log> {
    let mut log = Log {
        driver: flags.log_driver.as_deref().map(values::log_driver).transpose()?.map(str::to_owned),
        ..Log::default()
    };
    for option in &flags.log_opt {
        let (key, value) = option.split_once('=').unwrap_or((option, ""));
        match key {
            "max-size" => {
                let bytes = limits::size(value).map_err(anyhow::Error::msg);
                log.max_size = Some(bytes.with_context(|| format!("--log-opt {option}"))? as u64);
            }
            "max-file" => {
                log.max_files =
                    Some(value.parse().ok().filter(|count| *count > 0).with_context(|| {
                        format!("--log-opt {option}: the number of files must be 1 or more")
                    })?);
            }
            _ => bail!(
                "--log-opt {option}: not known to the k8s-file log driver, which has max-size and max-file"
            ),
        }
    }
    if let Some(driver @ ("none" | "passthrough")) = log.driver.as_deref() {
        ensure!(flags.log_opt.is_empty(), "--log-opt has no meaning with --log-driver {driver}");
        ensure!(driver == "none" || !flags.tty, "--log-driver passthrough and --tty cannot be used together");
    }
    Ok(log)
}

#[cfg(test)]
mod tests;
