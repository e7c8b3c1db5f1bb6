//! What `/dev` holds: the devices every container has, and `linux.devices`.

use std::path::{Path, PathBuf};

use nix::libc;
use nix::sys::stat::{SFlag, dev_t, makedev};

use super::Invalid;
use super::mount::{Mount, Source};
use crate::spec::{LinuxDevice, LinuxDeviceType};

/// Device nodes, in the order they are made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Devices {
    pub nodes: Vec<Node>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Absolute, below the container's root.
    pub path: PathBuf,
    pub kind: SFlag,
    /// 0 for a FIFO.
    pub number: dev_t,
    pub mode: libc::mode_t,
    pub uid: u32,
    pub gid: u32,
}

/// runtime-spec, config-linux, "Default Devices".
const DEFAULTS: [(&str, u64, u64); 6] = [
    ("/dev/null", 1, 3),
    ("/dev/zero", 1, 5),
    ("/dev/full", 1, 7),
    ("/dev/random", 1, 8),
    ("/dev/urandom", 1, 9),
    ("/dev/tty", 5, 0),
];

pub(super) fn plan(devices: &[LinuxDevice], mounts: &[Mount]) -> Result<Option<Devices>, Invalid> {
    // runc: a `/dev` bound from elsewhere is complete as it is.
    let bound = |m: &Mount| m.destination == Path::new("/dev") && matches!(m.source, Source::Bind { .. });
    if mounts.iter().any(bound) {
        return Ok(None);
    }
    let mut nodes: Vec<Node> = devices.iter().map(node).collect::<Result<_, _>>()?;
    for (path, major, minor) in DEFAULTS {
        let path = PathBuf::from(path);
        if !nodes.iter().any(|node| node.path == path) {
            nodes.push(Node {
                path,
                kind: SFlag::S_IFCHR,
                number: makedev(major, minor),
                mode: 0o666,
                uid: 0,
                gid: 0,
            });
        }
    }
    Ok(Some(Devices { nodes }))
}

fn node(device: &LinuxDevice) -> Result<Node, Invalid> {
    let field = "linux.devices";
    let refuse = |reason: &str| Err(Invalid::new(field, format!("{} {reason}", device.path().display())));
    let path = match super::clean(device.path()) {
        Some(path) if device.path().is_absolute() && path != Path::new("/") => path,
        _ => return refuse("is not an absolute path"),
    };
    let kind = match device.typ() {
        LinuxDeviceType::C | LinuxDeviceType::U => SFlag::S_IFCHR,
        LinuxDeviceType::B => SFlag::S_IFBLK,
        LinuxDeviceType::P => SFlag::S_IFIFO,
        LinuxDeviceType::A => return refuse("has no type that a node can have"),
    };
    let number = match (kind, u32::try_from(device.major()), u32::try_from(device.minor())) {
        (SFlag::S_IFIFO, ..) => 0,
        (_, Ok(major), Ok(minor)) => makedev(major.into(), minor.into()),
        _ => return refuse("has no device number"),
    };
    let mode = device.file_mode().unwrap_or(0o666);
    if mode & !0o7777 & !libc::S_IFMT != 0 {
        return refuse("has a mode that is none");
    }
    let (uid, gid) = (device.uid().unwrap_or(0), device.gid().unwrap_or(0));
    Ok(Node { path, kind, number, mode: mode & 0o7777, uid, gid })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(device: &str) -> Result<Node, Invalid> {
        node(&serde_json::from_str(device).expect("valid JSON"))
    }

    #[test]
    fn nodes() {
        let fuse = read(
            r#"{"path": "/dev/fuse", "type": "c", "major": 10, "minor": 229, "fileMode": 432, "gid": 7}"#,
        )
        .expect("valid");
        assert_eq!((fuse.kind, fuse.number), (SFlag::S_IFCHR, makedev(10, 229)));
        assert_eq!((fuse.mode, fuse.uid, fuse.gid), (0o660, 0, 7));
        assert_eq!(read(r#"{"path": "/dev/p", "type": "p"}"#).expect("valid").number, 0);
    }

    #[test]
    fn refused() {
        for (device, reason) in [
            (r#"{"path": "dev/x", "type": "c", "major": 1, "minor": 1}"#, "not an absolute path"),
            (r#"{"path": "/dev/x", "type": "c", "major": -1, "minor": 1}"#, "no device number"),
            (r#"{"path": "/dev/x", "type": "a", "major": 1, "minor": 1}"#, "no type"),
        ] {
            let error = read(device).expect_err(device).to_string();
            assert!(error.contains(reason), "{error}");
        }
    }

    #[test]
    fn defaults_give_way() {
        let tty = r#"[{"path": "/dev/tty", "type": "c", "major": 5, "minor": 0, "fileMode": 384}]"#;
        let devices: Vec<LinuxDevice> = serde_json::from_str(tty).expect("valid JSON");
        let nodes = plan(&devices, &[]).expect("valid").expect("a /dev to fill").nodes;
        assert_eq!(nodes.len(), DEFAULTS.len());
        assert_eq!(nodes[0].mode, 0o600);
    }
}
