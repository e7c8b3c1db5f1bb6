//! Options and an image's configuration become an OCI configuration.
//!
//! [`build`] is pure: what must be read from the image or the host is read beforehand, into [`Facts`] and [`Host`], and
//! what must be made before the container starts is listed in [`Build`]. The result is what podman's default container
//! is, with its mounts, masks, capabilities and limits; where they differ, the difference is noted beside the code.

mod accounts;
mod block;
mod capabilities;
mod devices;
mod env;
mod error;
mod files;
mod host;
mod hosts;
mod limits;
mod mounts;
mod paths;
mod process;
mod resolv;
mod seccomp;
mod systemd;
mod user;
mod userns;

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use ketch_cgroups::Delegated;
use ketch_monitor::spawn::USER_PATH;
use ketch_runtime::spec::{
    Linux, LinuxIntelRdt, LinuxNamespace, LinuxNamespaceType, LinuxPersonality, LinuxPersonalityDomain, Root,
    Spec,
};

use crate::container::options::{CgroupManager, Namespace, Network, Options, Seccomp};
use oci_spec::image::Config;

use crate::image::ImageConfiguration;

pub use accounts::Lines;
pub use capabilities::{
    BY_NUMBER as CAPABILITIES, DEFAULT as DEFAULT_CAPABILITIES, resolve as resolve_capabilities,
};
pub use error::SpecError;
pub use files::File;
pub use host::{Host, check_limits};
pub use limits::{changes as limit_changes, is_ulimit, shared as shared_resources};
pub use mounts::{Volume, bind_options, wanted as wanted_mounts};
pub use process::{Workdir, arguments, signal};
pub use seccomp::ProfileError;
pub use systemd::{STOP_SIGNAL as SYSTEMD_STOP_SIGNAL, is_wanted as is_systemd};
pub(crate) use user::ids as account_ids;
pub use user::{Identity, resolve as resolve_user};

/// What was read beforehand about this container.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// 64 hex digits.
    pub id: &'a str,
    pub name: &'a str,
    /// The container's directory: the files of [`Build`] are below it.
    pub dir: &'a Path,
    /// Where volumes are: see [`crate::Paths::volumes`].
    pub volumes: &'a Path,
    /// The image's `/etc/passwd` and `/etc/group`, looked up through the root's descriptor; empty when there is none.
    pub passwd: &'a [u8],
    pub group: &'a [u8],
    /// The image's `/etc/hosts`, if that is what the container's begins with.
    pub hosts: &'a [u8],
    pub host: &'a Host,
    pub joined: &'a Joined,
    pub network: &'a NetworkFacts,
    /// `NAME=VALUE` of secrets that are variables.
    pub secrets: &'a [String],
}

/// What its networks decide of a container's own files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NetworkFacts {
    /// Its addresses there.
    pub addresses: Vec<IpAddr>,
    /// Where it finds the host, if it can reach it.
    pub gateway: Option<IpAddr>,
    /// Those of the container whose network it shares.
    pub shared: Option<SharedFiles>,
}

/// Another container's files, as far as it has them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SharedFiles {
    pub hosts: Option<PathBuf>,
    pub resolv_conf: Option<PathBuf>,
}

/// Namespaces that exist already, by path; None: a new one, or the host's where the options say so.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Joined {
    pub pid: Option<PathBuf>,
    pub ipc: Option<PathBuf>,
    pub uts: Option<PathBuf>,
    pub cgroup: Option<PathBuf>,
    pub network: Option<PathBuf>,
    /// The name that a joined UTS namespace has.
    pub hostname: Option<String>,
}

/// A configuration, and what must be there before it is used.
#[derive(Debug)]
pub struct Build {
    pub spec: Spec,
    /// Files to write in the container's directory, at every start.
    pub files: Vec<File>,
    /// Volumes: those that are new are to be filled from the image, unless `copy` is false.
    pub volumes: Vec<Volume>,
    /// Bind sources to give to the container's user, with all below them (`-v …:U`).
    pub chown: Vec<PathBuf>,
    /// Lines for the image's own files, when the user or group is a number that they do not know: podman adds them, so
    /// that `whoami` and the like have an answer. To be appended through the root's descriptor to a writable root.
    pub accounts: Lines,
    pub user: Identity,
    pub workdir: Workdir,
    /// False: the container has no cgroup of its own.
    pub cgroups: bool,
    /// Number of the signal that `stop` sends first.
    pub stop_signal: i32,
}

/// Builds the configuration. Nothing is read and nothing is made.
pub fn build(
    options: &Options,
    image: Option<&ImageConfiguration>,
    facts: &Facts<'_>,
) -> Result<Build, SpecError> {
    let image = image.and_then(|image| image.config().as_ref());
    let workdir = process::workdir(options, image)?;
    let user = user::of(options, image, facts, &workdir)?;
    let hostname = hostname(options, facts);
    let stop_signal = process::stop_signal(options, image)?;
    let files = files::list(options, facts, hostname)?;
    let mounts = mounts::list(options, image, facts, &files)?;
    let process = process::build(options, image, facts, &user, &workdir, hostname)?;

    let mut linux = linux(options, facts)?;
    linux.set_rootfs_propagation(mounts.propagation());
    linux.set_seccomp(seccomp_of(options, &process, facts.host)?);

    let mut root = Root::default();
    root.set_path("rootfs".into());
    root.set_readonly(options.read_only.then_some(true));

    let mut spec = Spec::default();
    spec.set_version("1.2.1".to_owned());
    spec.set_root(Some(root));
    // The name of a UTS namespace is set by the container that it belongs to.
    spec.set_hostname((options.namespaces.uts == Namespace::Private).then(|| hostname.to_owned()));
    spec.set_process(Some(process));
    spec.set_mounts(Some(mounts.mounts));
    spec.set_annotations(Some(annotations(options, stop_signal)));
    spec.set_linux(Some(linux));

    Ok(Build {
        accounts: accounts::lines(options, facts, &user, &workdir),
        spec,
        files,
        volumes: mounts.volumes,
        chown: mounts.chown,
        user,
        workdir,
        stop_signal,
        cgroups: !matches!(facts.host.cgroups, Delegated::Nothing(_)),
    })
}

/// The environment as far as options and image decide it: HOME may come from the root's passwd at the start.
pub fn environment(options: &Options, image: Option<&Config>, hostname: &str) -> Vec<String> {
    let image = image.and_then(|image| image.env().as_deref()).unwrap_or_default();
    let sources = env::Sources {
        terminal: options.terminal,
        defaults: &options.defaults,
        image,
        options: &options.env,
        home: "",
        hostname,
    };
    let mut env = env::merge(&sources);
    env.retain(|variable| variable != "HOME=");
    env
}

/// `--hostname`; the name of a UTS namespace that is not its own; with the host's network the host's own name; otherwise the
/// id's first twelve digits.
fn hostname<'a>(options: &'a Options, facts: &Facts<'a>) -> &'a str {
    match (&options.hostname, &facts.joined.hostname) {
        (Some(name), _) | (None, Some(name)) => name,
        _ if options.namespaces.uts == Namespace::Host => &facts.host.hostname,
        _ if options.network == Network::Host => &facts.host.hostname,
        _ => &facts.id[..facts.id.len().min(12)],
    }
}

fn linux(options: &Options, facts: &Facts<'_>) -> Result<Linux, SpecError> {
    let mut linux = Linux::default();
    let mut resources = limits::resources(&options.limits, &facts.host.cgroups);
    let devices = devices::list(options, facts.host);
    if !matches!(facts.host.cgroups, Delegated::Nothing(_)) {
        resources.set_devices(Some(devices.rules));
        resources.set_block_io(block::limits(&options.limits.block, &facts.host.block_devices));
    }
    linux.set_devices(Some(devices.nodes).filter(|nodes| !nodes.is_empty()));
    linux.set_resources(Some(resources));
    linux.set_cgroups_path(Some(cgroup(options, facts.id, &facts.host.cgroups)));
    linux.set_namespaces(Some(namespaces(options, facts)));
    userns::map(&mut linux, options);
    let (masked, readonly) = paths::lists(options);
    linux.set_masked_paths(Some(masked)).set_readonly_paths(Some(readonly));
    let mut sysctl: std::collections::HashMap<String, String> = options.sysctl.clone().into_iter().collect();
    // One that exists is set up by whoever made it.
    if matches!(options.network, Network::None | Network::Bridge(_) | Network::Pasta(_)) {
        // Lets group 0 send ICMP echo without CAP_NET_RAW, which containers do not have; podman's default.
        sysctl.entry("net.ipv4.ping_group_range".to_owned()).or_insert_with(|| "0 0".to_owned());
    }
    linux.set_sysctl(Some(sysctl).filter(|list| !list.is_empty()));
    if let Some(domain) = &options.personality {
        let mut personality = LinuxPersonality::default();
        personality.set_domain(match domain.as_str() {
            "LINUX32" => LinuxPersonalityDomain::PerLinux32,
            _ => LinuxPersonalityDomain::PerLinux,
        });
        linux.set_personality(Some(personality));
    }
    if let Some(class) = &options.limits.rdt_class {
        let mut rdt = LinuxIntelRdt::default();
        rdt.set_clos_id(Some(class.clone()));
        linux.set_intel_rdt(Some(rdt));
    }
    Ok(linux)
}

fn namespaces(options: &Options, facts: &Facts<'_>) -> Vec<LinuxNamespace> {
    use LinuxNamespaceType::{Cgroup, Ipc, Mount, Network as Net, Pid, User, Uts};
    let (wanted, joined) = (&options.namespaces, facts.joined);
    let own = |namespace: &Namespace| *namespace != Namespace::Host;
    // ketch makes it, to mount the root with its ids.
    let user = Some(USER_PATH.into());
    // On v1 podman's containers see the host's cgroups, unless they ask for their own.
    let cgroup = wanted.cgroup.as_ref().map_or(facts.host.cgroup_v2, own);
    [
        (Pid, own(&wanted.pid), &joined.pid),
        (Net, options.network != Network::Host, &joined.network),
        (Ipc, own(&wanted.ipc), &joined.ipc),
        (Uts, own(&wanted.uts), &joined.uts),
        (Mount, true, &None),
        (User, options.userns.is_own(), &user),
        (Cgroup, cgroup, &joined.cgroup),
    ]
    .into_iter()
    .filter(|(_, wanted, _)| *wanted)
    .map(|(typ, _, path)| {
        let mut namespace = LinuxNamespace::default();
        namespace.set_typ(typ);
        namespace.set_path(path.clone());
        namespace
    })
    .collect()
}

/// `/ketch-<id>`, or below `--cgroup-parent`, or below what belongs to the user. For systemd `SLICE:ketch:<id>`, in
/// podman's slices.
pub fn cgroup(options: &Options, id: &str, cgroups: &Delegated) -> PathBuf {
    if let CgroupManager::Systemd { user } = options.cgroup_manager {
        let parent = options.cgroup_parent.as_deref().unwrap_or_default();
        let slice = match parent.rsplit('/').next().unwrap_or_default() {
            "" if user => "user.slice",
            "" => "machine.slice",
            slice => slice,
        };
        return format!("{slice}:ketch:{id}").into();
    }
    let parent = match (&options.cgroup_parent, cgroups) {
        (Some(parent), _) => Path::new(parent),
        (None, Delegated::Below { path, .. }) => path,
        (None, _) => Path::new("/"),
    };
    Path::new("/").join(parent.strip_prefix("/").unwrap_or(parent)).join(format!("ketch-{id}"))
}

fn seccomp_of(
    options: &Options,
    process: &ketch_runtime::spec::Process,
    host: &Host,
) -> Result<Option<ketch_runtime::spec::LinuxSeccomp>, SpecError> {
    let bounding = process.capabilities().as_ref().and_then(|sets| sets.bounding().as_ref());
    let capabilities: Vec<_> = bounding.into_iter().flatten().copied().collect();
    let context = seccomp::Context { arch: seccomp::ARCH, capabilities: &capabilities, kernel: host.kernel };
    Ok(match &options.security.seccomp {
        Seccomp::Default if options.privileged => None,
        Seccomp::Default => Some(seccomp::default(context)),
        Seccomp::Unconfined => None,
        Seccomp::Profile(text) => Some(seccomp::custom(text, context)?),
    })
}

/// The user's, and what ketch tells about itself.
pub fn annotations(options: &Options, stop_signal: i32) -> std::collections::HashMap<String, String> {
    let own = [
        ("io.container.manager".to_owned(), "ketch".to_owned()),
        ("org.opencontainers.image.stopSignal".to_owned(), stop_signal.to_string()),
    ];
    own.into_iter().chain(options.annotations.clone()).collect()
}

#[cfg(test)]
mod tests;
