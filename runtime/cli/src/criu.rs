//! What `checkpoint` and `restore` have in common: finding CRIU, and words of theirs.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::ValueEnum;
use ketch_runtime::criu;

/// `--manage-cgroups-mode`
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum CgroupMode {
    Soft,
    Full,
    Strict,
    Ignore,
}

impl From<CgroupMode> for criu::CgroupMode {
    fn from(mode: CgroupMode) -> criu::CgroupMode {
        match mode {
            CgroupMode::Soft => criu::CgroupMode::Soft,
            CgroupMode::Full => criu::CgroupMode::Full,
            CgroupMode::Strict => criu::CgroupMode::Strict,
            CgroupMode::Ignore => criu::CgroupMode::Ignore,
        }
    }
}

/// `--network-lock`
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum NetworkLock {
    Nftables,
    Iptables,
    Skip,
}

impl From<NetworkLock> for criu::NetworkLock {
    fn from(method: NetworkLock) -> criu::NetworkLock {
        match method {
            NetworkLock::Nftables => criu::NetworkLock::Nftables,
            NetworkLock::Iptables => criu::NetworkLock::Iptables,
            NetworkLock::Skip => criu::NetworkLock::Skip,
        }
    }
}

/// The method asked for, or the one that this host can.
pub(crate) fn network_lock(given: Option<NetworkLock>) -> Option<criu::NetworkLock> {
    given.map(Into::into).or_else(|| criu::network_lock(&path()))
}

/// `--empty-ns`
pub(crate) fn empty_network(kinds: &[String]) -> anyhow::Result<bool> {
    match kinds.iter().find(|kind| *kind != "network") {
        Some(kind) => bail!("--empty-ns takes network only, not {kind:?}"),
        None => Ok(!kinds.is_empty()),
    }
}

/// The file of options that CRIU is to read: the one that the container's annotation names, or crun's, or runc's.
pub(crate) fn config(annotations: Option<&HashMap<String, String>>) -> Option<PathBuf> {
    let named = annotations.and_then(|annotations| annotations.get("org.criu.config")).map(PathBuf::from);
    named.or_else(|| {
        ["/etc/criu/crun.conf", "/etc/criu/runc.conf"]
            .map(PathBuf::from)
            .into_iter()
            .find(|path| path.exists())
    })
}

/// The CRIU to run.
pub(crate) fn program() -> PathBuf {
    criu::installed(&path())
}

fn path() -> OsString {
    std::env::var_os("PATH").unwrap_or_default()
}

/// The directory of the images: `checkpoint` in the current one by default.
pub(crate) fn images(given: Option<&Path>) -> anyhow::Result<PathBuf> {
    std::path::absolute(given.unwrap_or(Path::new("checkpoint")))
        .context("cannot find out the current directory")
}
