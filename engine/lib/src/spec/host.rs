//! What a configuration depends on outside the container: read once, before [`build`](super::build).

use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use ketch_cgroups::Delegated;
use nix::errno::Errno;

use super::{SpecError, accounts, block, devices, limits, resolv};
use crate::container::options::{CgroupManager, Cgroups, HostsBase, MountKind, Network, Options, TimeZone};
use crate::userns::settle;

/// The host as far as `options` ask for it.
#[derive(Debug, Clone, Default)]
pub struct Host {
    pub hostname: String,
    /// Major and minor.
    pub kernel: (u32, u32),
    /// One hierarchy for all controllers: the container gets a cgroup namespace.
    pub cgroup_v2: bool,
    /// ketch is not in the first user namespace: it can do less than its capabilities say.
    pub user_namespace: bool,
    /// Whether group 5, tty, has a meaning here.
    pub tty_group: bool,
    /// Where the container's cgroup can be.
    pub cgroups: Delegated,
    /// ketch's own permitted capabilities, a bit a number of linux/capability.h.
    pub capabilities: u64,
    /// ketch's own hard limits, of the resources that are asked for.
    pub limits: Vec<limits::HostLimit>,
    /// `/etc/hosts`, or the file of `--hosts-file`; empty when there is none, or it is not asked for.
    pub hosts: String,
    /// `/etc/resolv.conf`, if the container gets one; if that asks systemd-resolved, whom that asks.
    pub resolv_conf: String,
    /// Nodes of `--device`, or, with `--privileged`, all below /dev.
    pub devices: Vec<devices::Node>,
    /// Those that have limits.
    pub block_devices: Vec<block::Numbers>,
    /// Those of `--hostuser`.
    pub users: Vec<accounts::HostUser>,
    /// What becomes /etc/localtime (tzfile(5)); empty: the image's stays.
    pub time_zone: Vec<u8>,
    pub apparmor: bool,
}

impl Host {
    /// Reads what `options` need. Bind sources and devices that are not there are refused here.
    pub fn read(options: &Options) -> Result<Host, SpecError> {
        for mount in &options.mounts {
            if let MountKind::Bind { source } = &mount.kind {
                std::fs::metadata(source).map_err(|source_error| SpecError::Host {
                    what: "cannot use the bind source",
                    path: source.clone(),
                    source: source_error,
                })?;
            }
        }
        if let Some(path) = &options.init_path {
            std::fs::metadata(path).map_err(failed("container-init binary not found on the host:", path))?;
        }
        let uname = nix::sys::utsname::uname().map_err(kernel("name"))?;
        let layout = ketch_cgroups::detect().map_err(SpecError::Cgroups)?;
        let user_namespace = !ketch_sys::ns::in_first_user().map_err(kernel("user namespace"))?;
        let cgroups = cgroups(options, &layout, user_namespace);
        limits::check(options, &cgroups)?;
        if !options.limits.unified.is_empty() && layout != ketch_cgroups::Layout::V2 {
            return Err(SpecError::NeedsCgroupV2);
        }
        let confined = options.security.apparmor.as_deref().is_some_and(|profile| profile != "unconfined");
        Ok(Host {
            hostname: uname.nodename().to_string_lossy().into_owned(),
            kernel: version(&uname.release().to_string_lossy()),
            cgroup_v2: layout == ketch_cgroups::Layout::V2,
            user_namespace,
            tty_group: !user_namespace || is_mapped(&text("/proc/self/gid_map")?, 5),
            cgroups,
            capabilities: ketch_sys::caps::get().map_err(kernel("capabilities"))?.permitted,
            limits: limits::of_host(&options.limits)?,
            hosts: match &options.hosts.base {
                HostsBase::Host => text("/etc/hosts")?,
                HostsBase::File(path) => std::fs::read_to_string(path)
                    .map_err(failed("failed to create new hosts file: cannot read", path))?,
                HostsBase::Image | HostsBase::None => String::new(),
            },
            block_devices: block::read(&options.limits.block)?,
            users: users(options)?,
            time_zone: time_zone(options.time_zone.as_ref())?,
            resolv_conf: resolv_conf(options)?,
            devices: devices::read(options)?,
            apparmor: confined && Path::new("/sys/module/apparmor/parameters/enabled").exists(),
        })
    }
}

/// Refuses limits that there is no cgroup for, and devices that are not there; what the devices' numbers are.
pub fn check_limits(options: &Options) -> Result<Vec<block::Numbers>, SpecError> {
    let layout = ketch_cgroups::detect().map_err(SpecError::Cgroups)?;
    let user_namespace = !ketch_sys::ns::in_first_user().map_err(kernel("user namespace"))?;
    limits::check(options, &cgroups(options, &layout, user_namespace))?;
    block::read(&options.limits.block)
}

fn cgroups(options: &Options, layout: &ketch_cgroups::Layout, user_namespace: bool) -> Delegated {
    // A user's own systemd has what the user may use, and says what it has not.
    let by_hand = options.cgroup_manager == CgroupManager::Cgroupfs;
    match options.cgroups {
        Cgroups::Disabled => Delegated::Nothing("--cgroups=disabled gives the container no cgroup".into()),
        _ if user_namespace && by_hand => ketch_cgroups::delegated(layout),
        _ => Delegated::Root,
    }
}

/// Those of `--hostuser`, and who `--userns keep-id` keeps.
fn users(options: &Options) -> Result<Vec<accounts::HostUser>, SpecError> {
    let kept = settle::kept_user(&options.userns.mode).map_err(Box::new)?;
    let wanted: Vec<String> = options.accounts.of_host.iter().cloned().chain(kept).collect();
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    accounts::find(&wanted, text("/etc/passwd")?.as_bytes())
}

fn failed<'a>(what: &'static str, path: &'a Path) -> impl FnOnce(std::io::Error) -> SpecError + use<'a> {
    move |source| SpecError::Host { what, path: path.to_owned(), source }
}

/// The zone's rules, from the host: an image may have none.
fn time_zone(zone: Option<&TimeZone>) -> Result<Vec<u8>, SpecError> {
    let path = match zone {
        None => return Ok(Vec::new()),
        Some(TimeZone::Local) => Path::new("/etc/localtime").to_owned(),
        Some(TimeZone::Named(name)) => Path::new("/usr/share/zoneinfo").join(name),
    };
    match (std::fs::read(&path), zone) {
        (Ok(rules), _) if rules.starts_with(b"TZif") => Ok(rules),
        (_, Some(TimeZone::Named(name))) => Err(SpecError::UnknownTimeZone(name.clone())),
        (Ok(_), _) => Err(SpecError::UnknownTimeZone("local".to_owned())),
        (Err(source), _) => Err(failed("cannot read", &path)(source)),
    }
}

/// Whether `id` is in a map of user_namespaces(7).
fn is_mapped(map: &str, id: u64) -> bool {
    map.lines().any(|line| {
        let mut numbers = line.split_whitespace().map(|number| number.parse().unwrap_or(0u64));
        let (inside, _outside, count) = (numbers.next(), numbers.next(), numbers.next());
        inside.zip(count).is_some_and(|(inside, count)| (inside..inside + count).contains(&id))
    })
}

fn kernel(what: &'static str) -> impl FnOnce(Errno) -> SpecError {
    move |source| SpecError::Kernel { what, source }
}

fn resolv_conf(options: &Options) -> Result<String, SpecError> {
    match options.network {
        Network::None | Network::Container(_) => Ok(String::new()),
        Network::Host => text("/etc/resolv.conf"),
        _ => {
            let own = text("/etc/resolv.conf")?;
            let behind =
                if resolv::is_stub(&own) { text("/run/systemd/resolve/resolv.conf")? } else { String::new() };
            Ok(if behind.is_empty() { own } else { behind })
        }
    }
}

/// A small file of the host; a missing one is empty.
fn text(path: &str) -> Result<String, SpecError> {
    let failed = |source| SpecError::Host { what: "cannot read", path: path.into(), source };
    let mut file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(String::new()),
        Err(error) => return Err(failed(error)),
    };
    let size = file.metadata().map_err(failed)?.size();
    let mut bytes = Vec::with_capacity(size as usize + 1);
    file.read_to_end(&mut bytes).map_err(failed)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// `6.1.0-18-amd64` → (6, 1); what is no number counts as 0.
fn version(release: &str) -> (u32, u32) {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    #[test]
    fn maps() {
        let map = "         0       1000          1\n         1     100000      65536\n";
        for (id, mapped) in [(0, true), (5, true), (65536, true), (65537, false)] {
            assert_eq!(super::is_mapped(map, id), mapped, "{id}");
        }
    }

    #[test]
    fn versions() {
        for (release, expected) in
            [("6.1.0-18-amd64", (6, 1)), ("6.18", (6, 18)), ("5.15-rc1", (5, 15)), ("x", (0, 0))]
        {
            assert_eq!(super::version(release), expected);
        }
    }
}
