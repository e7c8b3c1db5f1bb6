//! What systemd wants to find when it is pid 1 of a container ("Container Interface", systemd.io).

use ketch_runtime::spec::Mount as OciMount;
use oci_spec::image::Config;

use super::mounts::{oci, owned};
use super::process;
use crate::container::options::{Options, Systemd};

/// Its own signal for an orderly end: SIGRTMIN+3.
pub const STOP_SIGNAL: i32 = 37;

/// podman's list of inits; what is called `systemd` is one wherever it is.
const INITS: [&str; 3] = ["/sbin/init", "/usr/sbin/init", "/usr/local/sbin/init"];

/// Whether the container runs in systemd's mode: asked for, or by what it runs.
pub fn is_wanted(options: &Options, image: Option<&Config>) -> bool {
    match options.systemd {
        Systemd::Always => true,
        Systemd::Never => false,
        Systemd::Auto => {
            process::arguments(options, image).ok().and_then(|words| words.into_iter().next()).is_some_and(
                |program| INITS.contains(&program.as_str()) || program.rsplit('/').next() == Some("systemd"),
            )
        }
    }
}

/// File systems in memory where systemd writes.
pub(super) fn mounts(options: &Options) -> Vec<OciMount> {
    let size = options.limits.shm_size_systemd.map(|bytes| format!("size={bytes}"));
    let tmpfs = |destination: &str, sized: bool| {
        let mut list = owned(&["rw", "rprivate", "nosuid", "nodev", "tmpcopyup", "mode=755"]);
        list.extend(size.clone().filter(|_| sized));
        oci(destination, "tmpfs", "tmpfs".as_ref(), list)
    };
    let sticky = oci(
        "/tmp",
        "tmpfs",
        "tmpfs".as_ref(),
        owned(&["rw", "rprivate", "nosuid", "nodev", "tmpcopyup", "mode=1777"]),
    );
    vec![tmpfs("/run", true), tmpfs("/run/lock", true), sticky, tmpfs("/var/log/journal", false)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inits() {
        for (mode, command, expected) in [
            (Systemd::Auto, "/sbin/init", true),
            (Systemd::Auto, "/lib/systemd/systemd", true),
            (Systemd::Auto, "systemd", true),
            (Systemd::Auto, "sh", false),
            (Systemd::Never, "/sbin/init", false),
            (Systemd::Always, "sh", true),
        ] {
            let options = Options { systemd: mode, command: vec![command.to_owned()], ..Options::default() };
            assert_eq!(is_wanted(&options, None), expected, "{command}");
        }
    }
}
