//! `descriptors.json`: where a checkpointed container's standard streams led, in runc's and crun's form, so that a restore
//! can put others in the places of those that lead outside.

use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use super::directory::write_atomically;
use crate::criu::protocol::InheritFd;
use crate::step::{At, StepError};

const FILE: &str = "descriptors.json";

/// Writes what the streams of the process `pid` are open on. Those that are files outside the container are written, and
/// returned, as what CRIU is to call them, and are then no part of the images.
pub(super) fn write(images: &Path, pid: i32) -> Result<Vec<String>, StepError> {
    let mounts = format!("/proc/{pid}/mountinfo");
    let mounts = std::fs::read_to_string(&mounts).at("read", &mounts)?;
    let mut links = Vec::new();
    let mut external = Vec::new();
    for number in 0..3 {
        let path = format!("/proc/{pid}/fd/{number}");
        // A stream that is closed is nothing to be put back.
        let Ok(link) = std::fs::read_link(&path) else {
            links.push(String::new());
            continue;
        };
        match outside(pid, number, &mounts) {
            Some(name) => {
                external.push(name.clone());
                links.push(name);
            }
            None => links.push(link.to_string_lossy().into_owned()),
        }
    }
    let path = images.join(FILE);
    let text = serde_json::to_vec(&links).map_err(std::io::Error::other).at("write", &path)?;
    write_atomically(&path, 0o600, &text)?;
    external.dedup();
    Ok(external)
}

/// CRIU's name for a file or device that is in none of the container's mounts: mount and inode in hexadecimal.
fn outside(pid: i32, number: i32, mounts: &str) -> Option<String> {
    let file = std::fs::metadata(format!("/proc/{pid}/fd/{number}")).ok()?;
    let kind = file.file_type();
    let is_null = kind.is_char_device() && file.rdev() == nix::sys::stat::makedev(1, 3);
    if !(kind.is_file() || is_null) {
        return None;
    }
    let info = std::fs::read_to_string(format!("/proc/{pid}/fdinfo/{number}")).ok()?;
    let mount: u32 = info.lines().find_map(|line| line.strip_prefix("mnt_id:"))?.trim().parse().ok()?;
    let is_inside = mounts.lines().any(|line| line.split(' ').next() == Some(&mount.to_string()));
    (!is_inside).then(|| format!("file[{mount:x}:{:x}]", file.ino()))
}

/// What the restored streams are to be in place of those in the images: CRIU's own 0, 1 and 2, for pipes whose other ends are
/// gone, and files outside.
///
/// The file comes with the images. Whatever it says, only those three go into the container, each once.
pub(super) fn inherited(images: &Path) -> Result<Vec<InheritFd>, StepError> {
    let path = images.join(FILE);
    let text = match std::fs::read(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        text => text.at("read", &path)?,
    };
    let links: Vec<String> =
        serde_json::from_slice(&text).map_err(std::io::Error::other).at("read", &path)?;
    let leads_outside = |link: &str| link.starts_with("pipe:[") || link.starts_with("file[");
    let outside = links.into_iter().zip(0..3).filter(|(link, _)| leads_outside(link));
    Ok(outside.map(|(key, fd)| InheritFd { key, fd }).collect())
}
