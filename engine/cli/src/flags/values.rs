//! Parsers of single values.

use anyhow::{bail, ensure};
use ketch_engine::container::options::Notify;
use ketch_engine::spec;

/// When an image is fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Pull {
    Missing,
    Always,
    Never,
    Newer,
}

/// A standard stream to attach to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Stream {
    Stdin,
    Stdout,
    Stderr,
}

/// Go's spellings, which podman's flags take.
pub(super) fn boolean(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err("true or false is expected".to_owned()),
    }
}

pub(super) fn signal(name: &str) -> Result<i32, String> {
    spec::signal(name).ok_or_else(|| "invalid signal".to_owned())
}

pub(super) fn check_name(name: &str) -> anyhow::Result<()> {
    let word = |byte: u8| byte.is_ascii_alphanumeric();
    let first = name.bytes().next().is_some_and(word);
    let rest = name.bytes().all(|byte| word(byte) || matches!(byte, b'_' | b'.' | b'-'));
    ensure!(first && rest, "{name:?}: names must match [a-zA-Z0-9][a-zA-Z0-9_.-]*");
    Ok(())
}

pub(super) fn check_restart(policy: &str) -> anyhow::Result<()> {
    match policy.split_once(':').map_or(policy, |(name, _)| name) {
        "" | "no" | "never" => Ok(()),
        "always" | "on-failure" | "unless-stopped" => {
            bail!("restart policy {policy:?} is not available: this version has no")
        }
        _ => bail!("{policy:?} is not a valid restart policy"),
    }
}

/// podman's names and words.
pub(super) fn notify(who: &str) -> anyhow::Result<Notify> {
    match who {
        "" | "container" => Ok(Notify::Container),
        "conmon" => Ok(Notify::Conmon),
        "ignore" => Ok(Notify::Ignore),
        "healthy" => bail!("--sdnotify=healthy is not available: this version has no health checks"),
        _ => bail!("invalid sdnotify value {who:?}: must be conmon, container, healthy or ignore"),
    }
}

/// A JSON array of words, or one word; empty for no entrypoint.
pub(super) fn entrypoint(text: &str) -> Vec<String> {
    if text.is_empty() {
        return Vec::new();
    }
    serde_json::from_str(text).unwrap_or_else(|_| vec![text.to_owned()])
}

/// sethostname(2) takes up to 64 bytes.
pub(super) fn hostname(name: &str) -> anyhow::Result<String> {
    ensure!(name.len() <= 64, "hostname {name:?} is too long: the kernel takes 64 bytes");
    Ok(name.to_owned())
}

/// The driver's name; podman takes json-file for k8s-file.
pub(super) fn log_driver(name: &str) -> anyhow::Result<&'static str> {
    match name {
        "" | "k8s-file" | "json-file" => Ok("k8s-file"),
        "none" => Ok("none"),
        "journald" | "passthrough" | "passthrough-tty" => {
            bail!("log driver {name:?} is not available: this version has k8s-file and none")
        }
        _ => bail!("invalid log driver {name:?}: k8s-file or none is expected"),
    }
}
