//! The flags of `pod create`, podman's in name and meaning, and what they ask for.

use std::path::PathBuf;

use anyhow::{Context, bail, ensure};
use ketch_engine::container::options::{BlockIo, Limits, Namespaces, Options};
use ketch_engine::pod::options::{ExitPolicy, PodOptions, Shared};

use super::userns::UsernsFlags;
use super::{device, env, inside, limits, namespace, network, resources, security, values, volume};

#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true, args_override_self = true)]
pub(crate) struct PodFlags {
    /// Weight of the members' block I/O, 10 to 1000, relative to other cgroups'
    #[arg(long, value_name = "WEIGHT", value_parser = resources::weight)]
    blkio_weight: Option<u16>,
    /// The same for one device (DEVICE:WEIGHT)
    #[arg(long, value_name = "DEVICE:WEIGHT")]
    blkio_weight_device: Vec<String>,
    /// Cgroup below which the pod's own is made
    #[arg(long, value_name = "PATH")]
    cgroup_parent: Option<String>,
    /// CPU shares of all members together
    #[arg(long, short = 'c', value_name = "N")]
    cpu_shares: Option<u64>,
    /// Number of CPUs for all members together, such as 1.5
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = limits::cpus)]
    cpus: Option<f64>,
    /// CPUs that may be used, such as 0-2,4
    #[arg(long, value_name = "LIST")]
    cpuset_cpus: Option<String>,
    /// Memory nodes that may be used, such as 0,1
    #[arg(long, value_name = "LIST")]
    cpuset_mems: Option<String>,
    /// Give the members a device of the host (HOST[:CONTAINER][:rwm])
    #[arg(long, value_name = "DEVICE", value_delimiter = ',')]
    device: Vec<String>,
    /// Limit the members' reading from a device, in bytes a second (DEVICE:RATE)
    #[arg(long, value_name = "DEVICE:RATE")]
    device_read_bps: Vec<String>,
    /// Limit the members' writing to a device, in bytes a second (DEVICE:RATE)
    #[arg(long, value_name = "DEVICE:RATE")]
    device_write_bps: Vec<String>,
    /// When the last member has ended: continue (the pod runs on) or stop
    #[arg(long, value_name = "POLICY", default_value = "continue")]
    exit_policy: String,
    /// Show help
    #[arg(long, action = clap::ArgAction::Help)]
    help: Option<bool>,
    /// Name of the members on the network; otherwise the pod's
    #[arg(long, short = 'h', value_name = "NAME")]
    hostname: Option<String>,
    /// Make an infra container, whose namespaces the members share
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value = "true", default_missing_value = "true", value_parser = values::boolean)]
    infra: bool,
    /// What the infra container runs, in place of its image's own
    #[arg(long, value_name = "COMMAND")]
    infra_command: Option<String>,
    /// Write the pid of the infra container's monitor to this file
    #[arg(long, value_name = "FILE")]
    infra_conmon_pidfile: Option<PathBuf>,
    /// Image of the infra container, which must be there already
    #[arg(long, value_name = "IMAGE")]
    pub(crate) infra_image: Option<String>,
    /// Name of the infra container
    #[arg(long, value_name = "NAME")]
    infra_name: Option<String>,
    /// Add a label (KEY=VALUE)
    #[arg(long, short = 'l', value_name = "KEY=VALUE")]
    label: Vec<String>,
    /// Read labels from a file
    #[arg(long, value_name = "FILE")]
    label_file: Vec<PathBuf>,
    /// Memory limit of all members together (64m, 1g)
    #[arg(long, short = 'm', value_name = "SIZE", value_parser = limits::size)]
    memory: Option<i64>,
    /// Limit of memory and swap together; -1 for none
    #[arg(long, value_name = "SIZE", allow_hyphen_values = true, value_parser = limits::swap)]
    memory_swap: Option<i64>,
    /// Name of the pod
    #[arg(long, short, value_name = "NAME")]
    name: Option<String>,
    #[command(flatten)]
    network: network::NetworkFlags,
    /// Leave the members their images' /etc/hostname
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", hide_default_value = true, value_parser = values::boolean)]
    no_hostname: bool,
    /// PID namespace of the infra container: private, host, container:NAME or ns:PATH
    #[arg(long, value_name = "MODE")]
    pid: Option<String>,
    /// Write the pod's id to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) pod_id_file: Option<PathBuf>,
    /// Remove a pod of the same name first
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", hide_default_value = true, value_parser = values::boolean)]
    pub(crate) replace: bool,
    /// Restart policy of members that have none: no, always, on-failure[:TIMES] or unless-stopped
    #[arg(long, value_name = "POLICY")]
    restart: Option<String>,
    /// Confinement of the infra container: no-new-privileges, seccomp=, apparmor=, label=disable, mask=, unmask=
    #[arg(long, value_name = "OPTION")]
    security_opt: Vec<String>,
    /// Namespaces that the members share: cgroup, ipc, net, pid, uts, or none; +NAME for one more than by default
    #[arg(long, value_name = "LIST", default_value = "ipc,net,uts")]
    share: String,
    /// Make the members' cgroups below the pod's
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value = "true", default_missing_value = "true", value_parser = values::boolean)]
    share_parent: bool,
    /// Size of /dev/shm
    #[arg(long, value_name = "SIZE", value_parser = limits::size)]
    shm_size: Option<i64>,
    /// Size of /run and /run/lock in members in systemd's mode
    #[arg(long, value_name = "SIZE", value_parser = limits::size)]
    shm_size_systemd: Option<i64>,
    /// Parameter of the kernel's in the namespaces that the members share (NAME=VALUE)
    #[arg(long, value_name = "NAME=VALUE", value_delimiter = ',')]
    sysctl: Vec<String>,
    /// UTS namespace of the infra container: private, host, container:NAME or ns:PATH
    #[arg(long, value_name = "MODE")]
    uts: Option<String>,
    #[command(flatten)]
    userns: UsernsFlags,
    /// Bind a path of the host into the members (HOST:CONTAINER[:OPTIONS])
    #[arg(long, short = 'v', value_name = "VOLUME")]
    volume: Vec<String>,
    /// Mount in the members what another container has mounted (CONTAINER[:ro|rw|z])
    #[arg(long, value_name = "CONTAINER")]
    volumes_from: Vec<String>,
    /// Name of the pod, as --name
    #[arg(value_name = "NAME")]
    names: Vec<String>,
}

/// What the flags ask for: of the pod, and of its infra container, if it is to have one.
pub(crate) fn into_options(flags: &PodFlags) -> anyhow::Result<(PodOptions, Option<Options>)> {
    ensure!(flags.names.len() < 2, "accepts at most 1 arg(s), received {}", flags.names.len());
    let name = flags.name.as_ref().or(flags.names.first()).filter(|name| !name.is_empty()).cloned();
    let restart = flags.restart.as_deref().map(values::restart).transpose()?.unwrap_or_default();
    let exit_policy = match &*flags.exit_policy {
        "continue" => ExitPolicy::Continue,
        "stop" => ExitPolicy::Stop,
        other => bail!("running pod create option: invalid pod exit policy: {other:?}"),
    };
    let shared = Shared::parse(&flags.share)?;
    let hostname = flags.hostname.as_deref().filter(|name| !name.is_empty());
    let limits = Limits {
        memory: flags.memory,
        memory_swap: flags.memory_swap,
        cpus: flags.cpus,
        cpu_shares: flags.cpu_shares,
        cpuset_cpus: flags.cpuset_cpus.clone(),
        cpuset_mems: flags.cpuset_mems.clone(),
        block: BlockIo {
            weight: flags.blkio_weight.filter(|weight| *weight > 0),
            weights: flags
                .blkio_weight_device
                .iter()
                .map(|text| resources::device_weight(text))
                .collect::<Result<_, _>>()?,
            read_bps: resources::byte_rates(&flags.device_read_bps)?,
            write_bps: resources::byte_rates(&flags.device_write_bps)?,
            ..BlockIo::default()
        },
        ..Limits::default()
    };
    limits::check_memory(&limits)?;
    let pod = PodOptions {
        name,
        labels: env::labels(&flags.label_file, &flags.label)?,
        hostname: hostname.map(values::hostname).transpose()?,
        shared,
        share_parent: flags.share_parent,
        cgroup_parent: flags.cgroup_parent.clone(),
        limits,
        exit_policy,
        restart,
        create_command: Vec::new(),
        // The engine decides.
        ..PodOptions::default()
    };
    let infra = infra(flags, &pod)?;
    Ok((pod, infra))
}

fn infra(flags: &PodFlags, pod: &PodOptions) -> anyhow::Result<Option<Options>> {
    if !flags.infra {
        ensure!(!flags.network.is_chosen(), "NoInfra and network modes cannot be used together");
        ensure!(
            !flags.network.publishes(),
            "you must have an infra container to publish port bindings to the host"
        );
        ensure!(
            flags.infra_name.is_none(),
            "NoInfra and InfraName are mutually exclusive pod options: invalid pod spec"
        );
        ensure!(
            flags.infra_image.is_none(),
            "NoInfra and InfraImage are mutually exclusive pod options: invalid pod spec"
        );
        ensure!(
            flags.infra_command.is_none(),
            "NoInfra and InfraCommand are mutually exclusive pod options: invalid pod spec"
        );
        ensure!(
            flags.share == "ipc,net,uts" || pod.shared == Shared::default(),
            "cannot set share({}) namespaces without an infra container",
            flags.share
        );
        // What only an infra container could hand on.
        for (name, given) in [
            ("--device", !flags.device.is_empty()),
            ("--pid", flags.pid.is_some()),
            ("--security-opt", !flags.security_opt.is_empty()),
            ("--shm-size", flags.shm_size.is_some()),
            ("--uts", flags.uts.is_some()),
            ("--volume", !flags.volume.is_empty()),
            ("a flag of its user namespace", flags.userns.is_chosen()),
            ("--hostname", flags.hostname.is_some()),
            ("--infra-conmon-pidfile", flags.infra_conmon_pidfile.is_some()),
            ("--no-hostname", flags.no_hostname),
            ("--shm-size-systemd", flags.shm_size_systemd.is_some()),
            ("--sysctl", !flags.sysctl.is_empty()),
            ("--volumes-from", !flags.volumes_from.is_empty()),
            ("a flag of its network", flags.network != network::NetworkFlags::default()),
        ] {
            ensure!(!given, "{name} cannot be used without an infra container");
        }
    }
    // As with podman: where nothing is shared nobody is needed to hold it.
    if !flags.infra || pod.shared == Shared::default() {
        return Ok(None);
    }
    ensure!(
        !flags.network.publishes() || flags.network.takes_ports()?,
        "PortMappings can only be used with Bridge, slirp4netns, or pasta networking"
    );
    let networking = network::parse(&flags.network, false)?;
    let mode = |mode: &Option<String>| mode.as_deref().map(namespace::parse).transpose();
    let namespaces = Namespaces {
        pid: mode(&flags.pid)?.unwrap_or_default(),
        uts: mode(&flags.uts)?.unwrap_or_default(),
        ..Namespaces::default()
    };
    let pid_file = flags.infra_conmon_pidfile.as_deref().map(std::path::absolute).transpose();
    let mut infra = Options {
        name: flags.infra_name.clone().filter(|name| !name.is_empty()),
        entrypoint: flags.infra_command.as_deref().map(values::entrypoint),
        hostname: pod.hostname.clone(),
        network: networking.network,
        ports: networking.ports,
        dns: networking.dns,
        hosts: networking.hosts,
        namespaces,
        userns: flags.userns.parse()?,
        mounts: flags.volume.iter().map(|text| volume::parse(text)).collect::<Result<_, _>>()?,
        devices: flags.device.iter().map(|text| device::parse(text)).collect::<Result<_, _>>()?,
        security: security::parse(&flags.security_opt)?,
        volumes_from: flags.volumes_from.clone(),
        no_hostname: flags.no_hostname,
        monitor_pid_file: pid_file.context("cannot use the path of --infra-conmon-pidfile")?,
        limits: Limits {
            pids: Some(0),
            shm_size: flags.shm_size,
            shm_size_systemd: flags.shm_size_systemd,
            ..Limits::default()
        },
        ..Options::default()
    };
    infra.sysctl = inside::sysctls(&flags.sysctl, &infra)?;
    Ok(Some(infra))
}
