//! The container's mounts: the defaults, ketch's own files, the user's, and the image's volumes.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use ketch_monitor::spawn::SHM_PATH;
use ketch_runtime::spec::Mount as OciMount;

use super::files::{self, File};
use super::{Facts, Host, SpecError, systemd, userns};
use crate::container::options::{
    ImageVolumes, Mount, MountKind, Namespace, Network, Options, Secret, SecretPlace,
};
use oci_spec::image::Config;

/// podman's default size of /dev/shm, in bytes.
const SHM_SIZE: i64 = 65_536_000;
/// What `--chrootdirs` have of the container's.
const NAMES: [&str; 2] = ["/etc/hosts", "/etc/resolv.conf"];
/// What `--read-only` leaves writable, as podman's `--read-only-tmpfs` has it.
const SCRATCH: [&str; 3] = ["/run", "/tmp", "/var/tmp"];
/// Where secrets are that have no place of their own.
const SECRETS: &str = "/run/secrets";
const PROPAGATION: [&str; 8] =
    ["private", "rprivate", "shared", "rshared", "slave", "rslave", "unbindable", "runbindable"];

/// A volume that the container uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    pub name: String,
    pub destination: String,
    /// Filled with what the image has at `destination`, if it is new.
    pub copy: bool,
}

#[derive(Debug)]
pub(super) struct Mounts {
    pub(super) mounts: Vec<OciMount>,
    pub(super) volumes: Vec<Volume>,
    pub(super) chown: Vec<PathBuf>,
}

/// All mounts, parents before what is below them.
pub(super) fn list(
    options: &Options,
    image: Option<&Config>,
    facts: &Facts<'_>,
    files: &[File],
) -> Result<Mounts, SpecError> {
    let wanted = wanted(options, image)?;
    let taken = |destination: &str| {
        let below_dev =
            destination.starts_with("/dev/") && wanted.iter().any(|mount| mount.destination == "/dev");
        below_dev || wanted.iter().any(|mount| mount.destination == destination)
    };

    let systemd = systemd::is_wanted(options, image);
    let mut mounts = defaults(options, facts.host, systemd);
    if systemd {
        for mount in systemd::mounts(options) {
            mounts.retain(|have| have.destination() != mount.destination());
            mounts.push(mount);
        }
    }
    mounts.extend(files.iter().map(|file| bind_file(options, &file.path, file.destination)));
    mounts.extend(secrets(options, facts));
    mounts.extend(options.chroot_dirs.iter().flat_map(|dir| {
        let names = files.iter().filter(|file| NAMES.contains(&file.destination));
        names.map(move |file| bind_file(options, &file.path, &clean(&format!("{dir}/{}", file.destination))))
    }));
    mounts.retain(|mount| !mount.destination().to_str().is_some_and(&taken));

    let mut volumes = Vec::new();
    let mut chown = Vec::new();
    for mount in &wanted {
        let source = match &mount.kind {
            MountKind::Bind { source } => source.clone(),
            MountKind::Tmpfs => "tmpfs".into(),
            MountKind::Ramfs => "ramfs".into(),
            MountKind::Named { name, .. } => {
                let destination = mount.destination.clone();
                volumes.push(Volume { name: name.clone(), destination, copy: !mount.no_copy });
                facts.volumes.join(name).join("_data")
            }
            // A created container has none of these.
            MountKind::Anonymous => return Err(SpecError::Unnamed(mount.destination.clone())),
        };
        if mount.chown {
            chown.push(source.clone());
        }
        mounts.push(user_mount(mount, &source));
    }
    mounts.sort_by_key(|mount| mount.destination().components().count());
    Ok(Mounts { mounts, volumes, chown })
}

impl Mounts {
    /// The root's propagation must let through what a bind is to receive or send.
    pub(super) fn propagation(&self) -> Option<String> {
        let any = |names: [&str; 2]| {
            let mut options = self.mounts.iter().filter_map(|mount| mount.options().as_ref()).flatten();
            options.any(|option| names.contains(&option.as_str()))
        };
        if any(["shared", "rshared"]) {
            Some("shared".to_owned())
        } else {
            any(["slave", "rslave"]).then(|| "rslave".to_owned())
        }
    }
}

/// `path` without empty, `.` and `..` elements, from the root.
pub(super) fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// The user's mounts, and the image's volumes where the user has none; in the order of their destinations.
pub fn wanted(options: &Options, image: Option<&Config>) -> Result<Vec<Mount>, SpecError> {
    let mut seen = BTreeSet::new();
    let mut wanted = Vec::new();
    for mount in &options.mounts {
        let destination = clean(&mount.destination);
        let mount = Mount { destination: destination.clone(), ..mount.clone() };
        // The same again changes nothing.
        if wanted.contains(&mount) {
            continue;
        }
        if !seen.insert(destination.clone()) {
            return Err(SpecError::DuplicateMount(destination));
        }
        wanted.push(mount);
    }
    for volume in image.and_then(|image| image.volumes().as_ref()).into_iter().flatten() {
        if !volume.starts_with('/') {
            return Err(SpecError::RelativeVolume(volume.clone()));
        }
        let destination = clean(volume);
        let (kind, mount_options): (_, &[&str]) = match options.image_volumes {
            ImageVolumes::Anonymous => (MountKind::Anonymous, &["rprivate", "rw", "nodev", "exec", "nosuid"]),
            ImageVolumes::Tmpfs => (MountKind::Tmpfs, &["rprivate", "rw", "nodev", "exec"]),
            ImageVolumes::Ignore => continue,
        };
        if seen.insert(destination.clone()) {
            let options = owned(mount_options);
            wanted.push(Mount { kind, destination, options, chown: false, no_copy: false });
        }
    }
    wanted.sort_by(|a, b| a.destination.cmp(&b.destination));
    Ok(wanted)
}

/// The user's options and what goes without saying.
pub fn bind_options(mount: &Mount) -> Vec<String> {
    let source = Path::new("");
    user_mount(mount, source).options().clone().unwrap_or_default()
}

fn user_mount(mount: &Mount, source: &Path) -> OciMount {
    let mut options = mount.options.clone();
    let mut default = |name: &str, unless: &[&str]| {
        if !options.iter().any(|option| option == name || unless.contains(&option.as_str())) {
            options.push(name.to_owned());
        }
    };
    let kind = match mount.kind {
        MountKind::Ramfs => "ramfs",
        MountKind::Bind { .. } => {
            default("rprivate", &PROPAGATION);
            default("rbind", &["bind"]);
            "bind"
        }
        MountKind::Anonymous | MountKind::Named { .. } => {
            default("rprivate", &PROPAGATION);
            default("nosuid", &["suid"]);
            default("nodev", &["dev"]);
            default("rbind", &["bind"]);
            "bind"
        }
        MountKind::Tmpfs => {
            default("rprivate", &PROPAGATION);
            default("nosuid", &["suid"]);
            default("nodev", &["dev"]);
            default("tmpcopyup", &["notmpcopyup"]);
            options.retain(|option| option != "notmpcopyup");
            "tmpfs"
        }
    };
    oci(&mount.destination, kind, source, options)
}

fn defaults(options: &Options, host: &Host, systemd: bool) -> Vec<OciMount> {
    let access = if options.privileged { "rw" } else { "ro" };
    // systemd makes cgroups below its own, which on v1 it could not be kept to.
    let cgroup_access = if systemd && host.cgroup_v2 { "rw" } else { access };
    let strict = options.read_only && options.read_only_strict;
    let shm_size = format!("size={}", options.limits.shm_size.unwrap_or(SHM_SIZE));
    let mut dev = vec!["nosuid", "strictatime", "mode=755", "size=65536k"];
    let mut shm = vec!["nosuid", "noexec", "nodev", "mode=1777", &shm_size];
    if strict {
        dev.push("ro");
        shm.push("ro");
    }

    let entry = |destination, kind, source, options: &[&str]| {
        oci(destination, kind, Path::new(source), owned(options))
    };
    // Who does not own the namespace that they tell about may not mount these anew.
    let is_mapped = host.user_namespace || options.userns.is_own();
    let proc = match is_mapped && options.namespaces.pid == Namespace::Host {
        true => entry("/proc", "bind", "/proc", &["rbind", "rprivate", "nosuid", "noexec", "nodev"]),
        false => entry("/proc", "proc", "proc", &["nosuid", "noexec", "nodev"]),
    };
    let sys = match is_mapped && options.network == Network::Host {
        true => entry("/sys", "bind", "/sys", &["rbind", "rprivate", "nosuid", "noexec", "nodev", access]),
        false => entry("/sys", "sysfs", "sysfs", &["nosuid", "noexec", "nodev", access]),
    };
    let mut pts = vec!["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"];
    if !userns::has_group(options, 5, host.tty_group) {
        pts.pop();
    }
    let mut list = vec![
        proc,
        entry("/dev", "tmpfs", "tmpfs", &dev),
        sys,
        entry("/dev/pts", "devpts", "devpts", &pts),
        match is_mapped && options.namespaces.ipc == Namespace::Host {
            true => entry("/dev/mqueue", "bind", "/dev/mqueue", &["bind", "nosuid", "noexec", "nodev"]),
            false => entry("/dev/mqueue", "mqueue", "mqueue", &["nosuid", "noexec", "nodev"]),
        },
        match &options.namespaces.ipc {
            Namespace::Host => entry("/dev/shm", "bind", "/dev/shm", &["bind", "nosuid", "noexec", "nodev"]),
            // That of the container whose IPC namespace it is.
            Namespace::Container(_) => {
                entry("/dev/shm", "bind", SHM_PATH, &["bind", "nosuid", "noexec", "nodev"])
            }
            // podman binds a tmpfs that it mounts on the host; this one is gone with the container.
            Namespace::Private | Namespace::Path(_) => entry("/dev/shm", "tmpfs", "shm", &shm),
        },
        entry(
            "/sys/fs/cgroup",
            "cgroup",
            "cgroup",
            &["rprivate", "nosuid", "noexec", "nodev", "relatime", cgroup_access],
        ),
    ];
    if options.read_only && !strict {
        let scratch =
            |path| entry(path, "tmpfs", "tmpfs", &["rw", "rprivate", "nosuid", "nodev", "tmpcopyup"]);
        list.extend(SCRATCH.map(scratch));
    }
    list
}

/// Their files, and a directory for them that leaves no trace of their names in the root.
fn secrets(options: &Options, facts: &Facts<'_>) -> Vec<OciMount> {
    let mut mounts: Vec<OciMount> = Vec::new();
    for (number, secret) in options.secrets.iter().enumerate() {
        let SecretPlace::File { path, .. } = &secret.place else { continue };
        let path = clean(path);
        let has_directory = mounts.first().is_some_and(|mount| mount.destination() == Path::new(SECRETS));
        if !has_directory && Path::new(&path).starts_with(SECRETS) {
            let options = owned(&["rprivate", "nosuid", "nodev", "noexec", "mode=755"]);
            mounts.insert(0, oci(SECRETS, "tmpfs", Path::new("tmpfs"), options));
        }
        let source = facts.dir.join(Secret::DIRECTORY).join(number.to_string());
        mounts.push(oci(&path, "bind", &source, owned(&["bind", "rprivate", "nosuid", "nodev", "noexec"])));
    }
    mounts
}

fn bind_file(options: &Options, path: &Path, destination: &str) -> OciMount {
    let mount_options: &[&str] = match destination {
        files::INIT => &["bind", "ro", "private"],
        _ if options.read_only => &["bind", "rprivate", "ro", "nosuid", "noexec", "nodev"],
        _ => &["bind", "rprivate"],
    };
    oci(destination, "bind", path, owned(mount_options))
}

pub(super) fn oci(destination: &str, kind: &str, source: &Path, options: Vec<String>) -> OciMount {
    let mut mount = OciMount::default();
    mount.set_destination(destination.into());
    mount.set_typ(Some(kind.to_owned()));
    mount.set_source(Some(source.to_owned()));
    mount.set_options(Some(options).filter(|options| !options.is_empty()));
    mount
}

pub(super) fn owned(list: &[&str]) -> Vec<String> {
    list.iter().map(|item| (*item).to_owned()).collect()
}
