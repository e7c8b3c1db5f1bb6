use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use nix::unistd::{getegid, geteuid};

use crate::globals::Globals;

/// Write a config.json to start from: sh on a terminal, in a read-only root
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    /// Where to write config.json [default: the current directory]
    #[arg(short, long, value_name = "DIR")]
    bundle: Option<PathBuf>,

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
    let path = args.bundle.clone().unwrap_or_default().join("config.json");
    let text = match args.rootless {
        true => rootless(geteuid().as_raw(), getegid().as_raw()),
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
}
