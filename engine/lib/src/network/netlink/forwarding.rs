//! The sysctls without which a host leads nothing from one interface to another.

use std::fs;
use std::io::{ErrorKind, Write};
use std::path::Path;

use super::error::{At, Error};

const FORWARD: &str = "/proc/sys/net/ipv4/ip_forward";
const FORWARD6: &str = "/proc/sys/net/ipv6/conf/all/forwarding";
const DEVICES6: &str = "/proc/sys/net/ipv6/conf";

/// Has the host forward IPv4. Written only if it does not: writing resets other settings of all interfaces.
pub(super) fn enable() -> Result<(), Error> {
    if is(FORWARD, "1") { Ok(()) } else { set(FORWARD, "1") }
}

/// The same for IPv6. A router takes no router advertisements unless an interface says 2: those that take them now go
/// on doing so, or the host would lose its own default route.
pub(super) fn enable6() -> Result<(), Error> {
    if is(FORWARD6, "1") {
        return Ok(());
    }
    for device in fs::read_dir(DEVICES6).at("list", DEVICES6)?.flatten() {
        let accept = device.path().join("accept_ra");
        // `all` is read by nobody, and `default` is for interfaces to come.
        let is_device = device.file_name() != "all" && device.file_name() != "default";
        if is_device && read(&accept).as_deref() == Some("1") {
            // The interface may be gone by now.
            let _ = fs::write(&accept, "2");
        }
    }
    set(FORWARD6, "1")
}

/// Has an interface, or (`default`) those to come, take no router advertisements: any container on the bridge could
/// send one and become the way to everywhere (CVE-2020-10749). A kernel without IPv6 has nothing to take.
pub(super) fn refuse_advertisements(interface: &str) -> Result<(), Error> {
    let path = format!("{DEVICES6}/{interface}/accept_ra");
    match fs::OpenOptions::new().write(true).open(&path).and_then(|mut file| file.write_all(b"0")) {
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
        result => result.at("write", &path),
    }
}

fn is(path: &str, value: &str) -> bool {
    read(Path::new(path)).as_deref() == Some(value)
}

fn read(path: &Path) -> Option<String> {
    Some(fs::read_to_string(path).ok()?.trim_end().to_owned())
}

fn set(path: &str, value: &str) -> Result<(), Error> {
    fs::write(path, value).at("write", path)
}
