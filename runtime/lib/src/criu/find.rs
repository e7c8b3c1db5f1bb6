//! Which CRIU is run, and what it finds on the host.

use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use super::NetworkLock;

/// The CRIU that `path` (the caller's `$PATH`) leads to, or one where an administrator's programs are.
pub fn installed(path: &OsStr) -> PathBuf {
    program(path, "criu").unwrap_or_else(|| PathBuf::from("/usr/sbin/criu"))
}

/// The method to use where none was asked for: CRIU's own would be iptables, for which it needs a program that many hosts
/// no longer have. None: CRIU's own.
pub fn network_lock(path: &OsStr) -> Option<NetworkLock> {
    program(path, "iptables-restore").is_none().then_some(NetworkLock::Nftables)
}

fn program(path: &OsStr, name: &str) -> Option<PathBuf> {
    let administrators = ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from);
    let is_executable = |path: &PathBuf| {
        path.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
    };
    std::env::split_paths(path)
        .chain(administrators)
        .filter(|directory| directory.is_absolute())
        .map(|directory| directory.join(name))
        .find(is_executable)
}
