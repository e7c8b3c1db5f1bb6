//! Parsers of single values.

use std::io::IsTerminal;

use anyhow::{Context, bail, ensure};
use ketch_engine::container::options::{Notify, RestartPolicy};
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
pub(crate) fn boolean(text: &str) -> Result<bool, String> {
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

/// `always`, `on-failure:3` and so on.
pub(crate) fn restart(text: &str) -> anyhow::Result<RestartPolicy> {
    let (name, retries) = text.split_once(':').map_or((text, None), |(name, retries)| (name, Some(retries)));
    let policy = match name {
        "" | "no" | "never" => RestartPolicy::No,
        "always" => RestartPolicy::Always,
        "on-failure" => RestartPolicy::OnFailure { retries: 0 },
        "unless-stopped" => RestartPolicy::UnlessStopped,
        _ => bail!("{text:?} is not a valid restart policy"),
    };
    match (policy, retries) {
        (policy, None) => Ok(policy),
        (RestartPolicy::OnFailure { .. }, Some(retries)) => {
            let retries =
                retries.parse().with_context(|| format!("parsing restart policy retry count {retries:?}"))?;
            Ok(RestartPolicy::OnFailure { retries })
        }
        _ => bail!(
            "restart policy retries can only be specified with on-failure restart policy: invalid argument"
        ),
    }
}

/// podman's names and words.
pub(super) fn notify(who: &str) -> anyhow::Result<Notify> {
    match who {
        "" | "container" => Ok(Notify::Container),
        "conmon" => Ok(Notify::Conmon),
        "ignore" => Ok(Notify::Ignore),
        "healthy" => Ok(Notify::Healthy),
        _ => bail!("invalid sdnotify value {who:?}: must be conmon, container, healthy or ignore"),
    }
}

/// A JSON array of words, or one word; empty for no entrypoint.
pub(crate) fn entrypoint(text: &str) -> Vec<String> {
    if text.is_empty() {
        return Vec::new();
    }
    serde_json::from_str(text).unwrap_or_else(|_| vec![text.to_owned()])
}

/// sethostname(2) takes up to 64 bytes.
pub(crate) fn hostname(name: &str) -> anyhow::Result<String> {
    ensure!(name.len() <= 64, "hostname {name:?} is too long: the kernel takes 64 bytes");
    Ok(name.to_owned())
}

fn is_terminal(number: i32) -> bool {
    match number {
        0 => std::io::stdin().is_terminal(),
        1 => std::io::stdout().is_terminal(),
        _ => std::io::stderr().is_terminal(),
    }
}

/// The driver's name; podman takes json-file for k8s-file.
pub(super) fn log_driver(name: &str) -> anyhow::Result<&'static str> {
    match name {
        "" | "k8s-file" | "json-file" => Ok("k8s-file"),
        "none" => Ok("none"),
        // podman's words. Whoever gives a terminal away gives away what is typed there.
        "passthrough" if [0, 1, 2].iter().any(|number| is_terminal(*number)) => {
            bail!("the '--log-driver passthrough' option cannot be used on a TTY")
        }
        "passthrough" | "passthrough-tty" => Ok("passthrough"),
        "journald" => {
            bail!("log driver {name:?} is not available: this version has k8s-file, none and passthrough")
        }
        _ => bail!("invalid log driver {name:?}: k8s-file, none or passthrough is expected"),
    }
}
