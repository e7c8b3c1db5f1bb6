use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use ketch_cgroups::Layout;
use nix::unistd::{getegid, geteuid};

use crate::globals::Globals;

/// Write a config.json to start from: sh on a terminal, in a read-only root
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    /// Directory to write to [default: the current one]
    #[arg(short, long, value_name = "DIR")]
    bundle: Option<PathBuf>,

    /// The file to write, below the bundle
    #[arg(short, long, value_name = "FILE", default_value = "config.json")]
    file: PathBuf,

    /// For a container that an ordinary user can make: root in it is the caller
    #[arg(long)]
    rootless: bool,
}

/// What `runc spec` writes, but for the host name.
pub(super) const ROOT: &str = include_str!("root.json");

/// Without device rules, which need a cgroup of root's; /sys is bound, since sysfs belongs to the network namespace, which
/// stays the host's; no gid for /dev/pts, since group 5 is not mapped.
const ROOTLESS: &str = include_str!("rootless.json.in");

pub(crate) fn run(_globals: &Globals, args: &Args) -> anyhow::Result<ExitCode> {
    let path = args.bundle.clone().unwrap_or_default().join(&args.file);
    let text = match args.rootless {
        true => rootless(geteuid().as_raw(), getegid().as_raw()),
        false if ketch_cgroups::detect().is_ok_and(|layout| layout == Layout::V2) => {
            in_cgroup_namespace(ROOT)
        }
        false => ROOT.to_owned(),
    };
    match File::create_new(&path) {
        Ok(mut file) => file.write_all(text.as_bytes()),
        Err(e) if e.kind() == ErrorKind::AlreadyExists => bail!("{} exists: remove it first", path.display()),
        Err(e) => Err(e),
    }
    .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(ExitCode::SUCCESS)
}

/// As runc, where cgroups are v2: without a cgroup namespace the container would see the host's whole tree.
fn in_cgroup_namespace(text: &str) -> String {
    let one = |name: &str| format!("\t\t\t{{\n\t\t\t\t\"type\": \"{name}\"\n\t\t\t}}");
    text.replace(&one("mount"), &format!("{},\n{}", one("mount"), one("cgroup")))
}

/// For a user who maps nobody but themselves.
fn rootless(uid: u32, gid: u32) -> String {
    let host = |id: u32| format!("\"hostID\": {id}");
    ROOTLESS.replace("\"hostID\": UID", &host(uid)).replace("\"hostID\": GID", &host(gid))
}

#[cfg(test)]
mod tests {
    use ketch_runtime::spec::Spec;
    use serde_json::Value;

    use super::*;

    #[test]
    fn rootless_differs_where_it_must() {
        let text = rootless(1000, 100);
        serde_json::from_str::<Spec>(&text).expect("a configuration");
        let root: Value = serde_json::from_str(ROOT).expect("JSON");
        let rootless: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(rootless["linux"]["uidMappings"][0]["hostID"], 1000);
        assert_eq!(rootless["linux"]["gidMappings"][0]["hostID"], 100);
        assert_eq!(rootless["linux"].get("resources"), None);
        for same in ["/process", "/root", "/hostname", "/linux/maskedPaths", "/linux/readonlyPaths"] {
            assert_eq!(rootless.pointer(same), root.pointer(same), "{same}");
        }
    }

    #[test]
    fn a_cgroup_namespace_is_the_last() {
        let spec: Value = serde_json::from_str(&in_cgroup_namespace(ROOT)).expect("JSON");
        let namespaces = spec["linux"]["namespaces"].as_array().expect("a list");
        assert_eq!((namespaces.len(), &namespaces[5]["type"]), (6, &Value::from("cgroup")));
    }
}
