//! Device nodes for the container, and the cgroup rules that let it use them.
//!
//! The nodes that every container has (null, zero, tty and the like) are the runtime's business, and allowed by it.

use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use ketch_runtime::spec::{LinuxDevice, LinuxDeviceCgroup, LinuxDeviceType};

use super::{Host, SpecError};
use crate::container::options::{DeviceRule, Options};

/// A node of the host and the place it gets inside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    pub destination: PathBuf,
    pub block: bool,
    pub major: u64,
    pub minor: u64,
    /// Type and permissions, as in `st_mode`.
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub access: String,
}

#[derive(Debug)]
pub(super) struct Devices {
    pub(super) nodes: Vec<LinuxDevice>,
    pub(super) rules: Vec<LinuxDeviceCgroup>,
}

/// Nodes and rules. Privileged containers may use every device; others only what they were given.
pub(super) fn list(options: &Options, host: &Host) -> Devices {
    let mut rules = vec![rule(options.privileged, None, "rwm")];
    if !options.privileged {
        rules.extend(host.devices.iter().map(|node| rule(true, Some(node), &node.access)));
    }
    rules.extend(options.device_rules.iter().map(asked));
    Devices { nodes: host.devices.iter().map(device).collect(), rules }
}

/// Looks up `--device`'s nodes, and for `--privileged` all of /dev.
pub(super) fn read(options: &Options) -> Result<Vec<Node>, SpecError> {
    let mut nodes = Vec::new();
    if options.privileged {
        walk(Path::new("/dev"), Path::new("/dev"), "rwm", &mut nodes)?;
    }
    for device in &options.devices {
        let metadata = std::fs::metadata(&device.source)
            .map_err(|source| failed("cannot use the device", &device.source, source))?;
        let mut found = Vec::new();
        if metadata.is_dir() {
            walk(&device.source, &device.destination, &device.access, &mut found)?;
        } else {
            found.extend(node(&device.destination, &device.access, &metadata));
        }
        if found.is_empty() {
            return Err(SpecError::NotADevice(device.source.clone()));
        }
        nodes.retain(|have: &Node| !found.iter().any(|new| new.destination == have.destination));
        nodes.append(&mut found);
    }
    Ok(nodes)
}

/// All device nodes below `directory`, but for what a container has of its own: pts, shm, mqueue, the console.
fn walk(directory: &Path, destination: &Path, access: &str, nodes: &mut Vec<Node>) -> Result<(), SpecError> {
    const OWN: [&str; 6] = ["pts", "ptmx", "shm", "mqueue", "fd", "console"];
    let unreadable = |source| failed("cannot read", directory, source);
    let list = match std::fs::read_dir(directory) {
        // Not the user's to look into: then what is in it is not the user's to give either.
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => return Ok(()),
        list => list.map_err(unreadable)?,
    };
    for entry in list {
        let entry = entry.map_err(unreadable)?;
        let name = entry.file_name();
        if OWN.iter().any(|own| name == *own) {
            continue;
        }
        // Nodes come and go; one that is gone is no error.
        let Ok(metadata) = entry.metadata() else { continue };
        let destination = destination.join(&name);
        if metadata.is_dir() {
            walk(&entry.path(), &destination, access, nodes)?;
        } else {
            nodes.extend(node(&destination, access, &metadata));
        }
    }
    Ok(())
}

fn node(destination: &Path, access: &str, metadata: &std::fs::Metadata) -> Option<Node> {
    let kind = metadata.file_type();
    (kind.is_block_device() || kind.is_char_device()).then(|| Node {
        destination: destination.to_owned(),
        block: kind.is_block_device(),
        major: nix::sys::stat::major(metadata.rdev()),
        minor: nix::sys::stat::minor(metadata.rdev()),
        mode: metadata.mode(),
        uid: metadata.uid(),
        gid: metadata.gid(),
        access: access.to_owned(),
    })
}

fn device(node: &Node) -> LinuxDevice {
    let mut device = LinuxDevice::default();
    device.set_path(node.destination.clone());
    device.set_typ(kind(node));
    device.set_major(node.major as i64).set_minor(node.minor as i64);
    device.set_file_mode(Some(node.mode & 0o7777)).set_uid(Some(node.uid)).set_gid(Some(node.gid));
    device
}

fn rule(allow: bool, node: Option<&Node>, access: &str) -> LinuxDeviceCgroup {
    let mut rule = LinuxDeviceCgroup::default();
    rule.set_allow(allow);
    rule.set_access(Some(access.to_owned()));
    rule.set_typ(node.map(kind));
    rule.set_major(node.map(|node| node.major as i64));
    rule.set_minor(node.map(|node| node.minor as i64));
    rule
}

/// Of `--device-cgroup-rule`.
fn asked(wanted: &DeviceRule) -> LinuxDeviceCgroup {
    let mut rule = rule(true, None, &wanted.access);
    rule.set_typ(Some(match wanted.kind {
        'b' => LinuxDeviceType::B,
        'c' => LinuxDeviceType::C,
        _ => LinuxDeviceType::A,
    }));
    rule.set_major(wanted.major).set_minor(wanted.minor);
    rule
}

fn kind(node: &Node) -> LinuxDeviceType {
    if node.block { LinuxDeviceType::B } else { LinuxDeviceType::C }
}

fn failed(what: &'static str, path: &Path, source: std::io::Error) -> SpecError {
    SpecError::Host { what, path: path.to_owned(), source }
}
