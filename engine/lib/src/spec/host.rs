//! What a configuration depends on outside the container: read once, before [`build`](super::build).

use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::errno::Errno;

use super::{SpecError, devices, limits, resolv};
use crate::container::options::{MountKind, Network, Options};

/// The host as far as `options` ask for it.
#[derive(Debug, Clone, Default)]
pub struct Host {
    pub hostname: String,
    /// Major and minor.
    pub kernel: (u32, u32),
    /// One hierarchy for all controllers: the container gets a cgroup namespace.
    pub cgroup_v2: bool,
    /// ketch's own permitted capabilities, a bit a number of linux/capability.h.
    pub capabilities: u64,
    /// ketch's own hard limits, of the resources that are asked for.
    pub limits: Vec<limits::HostLimit>,
    /// `/etc/hosts`; empty when there is none.
    pub hosts: String,
    /// `/etc/resolv.conf`, if the container gets one; if that asks systemd-resolved, whom that asks.
    pub resolv_conf: String,
    /// Nodes of `--device`, or, with `--privileged`, all below /dev.
    pub devices: Vec<devices::Node>,
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
        let uname = nix::sys::utsname::uname().map_err(kernel("name"))?;
        let layout = ketch_cgroups::detect().map_err(SpecError::Cgroups)?;
        let confined = options.security.apparmor.as_deref().is_some_and(|profile| profile != "unconfined");
        Ok(Host {
            hostname: uname.nodename().to_string_lossy().into_owned(),
            kernel: version(&uname.release().to_string_lossy()),
            cgroup_v2: layout == ketch_cgroups::Layout::V2,
            capabilities: ketch_sys::caps::get().map_err(kernel("capabilities"))?.permitted,
            limits: limits::of_host(&options.limits)?,
            hosts: text("/etc/hosts")?,
            resolv_conf: resolv_conf(options)?,
            devices: devices::read(options)?,
            apparmor: confined && Path::new("/sys/module/apparmor/parameters/enabled").exists(),
        })
    }
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
    fn versions() {
        for (release, expected) in
            [("6.1.0-18-amd64", (6, 1)), ("6.18", (6, 18)), ("5.15-rc1", (5, 15)), ("x", (0, 0))]
        {
            assert_eq!(super::version(release), expected);
        }
    }
}
