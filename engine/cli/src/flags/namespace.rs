//! `--pid`, `--ipc`, `--uts`, `--cgroupns`.

use anyhow::{bail, ensure};
use ketch_engine::container::options::{Namespace, Namespaces};

use super::ContainerFlags;

/// All of them; the names of containers are still names.
pub(super) fn collect(flags: &ContainerFlags) -> anyhow::Result<Namespaces> {
    let given = |mode: &Option<String>| mode.as_deref().map(parse).transpose();
    let ipc = match flags.ipc.as_deref() {
        Some("none") => bail!("--ipc none is not available: use private"),
        Some("shareable") => Namespace::Private,
        _ => given(&flags.ipc)?.unwrap_or_default(),
    };
    let uts = given(&flags.uts)?.unwrap_or_default();
    // As podman says it, whichever namespace it is.
    let names_other = flags.hostname.as_deref().is_some_and(|name| !name.is_empty());
    ensure!(
        !names_other || uts == Namespace::Private,
        "invalid config provided: cannot set hostname when running in the host UTS namespace: invalid configuration"
    );
    let cgroup = given(&flags.cgroupns)?;
    Ok(Namespaces { pid: given(&flags.pid)?.unwrap_or_default(), ipc, uts, cgroup })
}

/// podman's modes and refusal.
pub(crate) fn parse(mode: &str) -> anyhow::Result<Namespace> {
    match (mode, mode.split_once(':')) {
        ("" | "private", _) => Ok(Namespace::Private),
        ("host", _) => Ok(Namespace::Host),
        (_, Some(("container", name))) if !name.is_empty() => Ok(Namespace::Container(name.to_owned())),
        (_, Some(("ns", path))) if path.starts_with('/') => Ok(Namespace::Path(path.into())),
        _ => bail!("unrecognized namespace mode {mode} passed"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes() {
        for (mode, expected) in [
            ("", Some(Namespace::Private)),
            ("private", Some(Namespace::Private)),
            ("host", Some(Namespace::Host)),
            ("container:web", Some(Namespace::Container("web".into()))),
            ("ns:/proc/1/ns/pid", Some(Namespace::Path("/proc/1/ns/pid".into()))),
            ("ns:relative", None),
            ("container:", None),
            ("bogus", None),
        ] {
            assert_eq!(parse(mode).ok(), expected, "{mode}");
        }
    }
}
