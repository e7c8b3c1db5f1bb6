//! An ordinary user's containers, in scopes of his own systemd.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use ketch_integration::{Output, program};

/// The guest's user, with a systemd that runs without a login.
const USER: &str = "kim";
const RUNTIME_DIRECTORY: &str = "/run/user/1000";

/// Runs a script as the user, from a session that is not below his systemd.
fn as_user(script: &str, directory: &Path) -> Output {
    assert!(
        Path::new(RUNTIME_DIRECTORY).join("systemd/private").exists(),
        "no systemd of {USER}: see hack/vm.d/provision"
    );
    let mut command = Command::new("setpriv");
    command.args(["--reuid", USER, "--regid", USER, "--init-groups", "env", "-i", "PATH=/usr/bin:/bin"]);
    command
        .arg(format!("XDG_RUNTIME_DIR={RUNTIME_DIRECTORY}"))
        .arg(format!("RUNTIME={}", program::runtime().display()));
    program::finish(command.args(["sh", "-euc", script]).current_dir(directory).stdin(Stdio::null()))
}

#[test]
fn a_users_scope() {
    let directory =
        tempfile::Builder::new().prefix("ketch-user-").tempdir_in("/var/tmp").expect("/var/tmp is writable");
    let everybody = std::fs::Permissions::from_mode(0o777);
    std::fs::set_permissions(directory.path(), everybody).expect("a directory of ours");
    let id = format!("user-{}", std::process::id());
    let script = r#"
        mkdir -p b/rootfs/bin b/rootfs/proc b/rootfs/sys b/rootfs/dev
        cp /bin/busybox b/rootfs/bin
        ln -s busybox b/rootfs/bin/sh; ln -s busybox b/rootfs/bin/cat; ln -s busybox b/rootfs/bin/sleep
        "$RUNTIME" spec --rootless --bundle b
        sed -i 's/"terminal": true/"terminal": false/; s/"sh"/"sleep", "1000"/; s/"linux": {/&"resources": {"memory": {"limit": 67108864}},/' b/config.json
        ketchrun() { "$RUNTIME" --root state "$@"; }
        trap 'ketchrun delete --force ID; rm -rf b state' EXIT
        ketchrun --systemd-cgroup run --detach --bundle b ID >log 2>&1 || { cat log >&2; exit 1; }
        systemctl --user show --value -p ActiveState -p MemoryMax ketchrun-ID.scope
        ketchrun exec ID cat /proc/self/cgroup
        ketchrun pause ID
        ketchrun state ID | grep -o '"paused"'
        ketchrun resume ID
        ketchrun delete --force ID
        systemctl --user show --value -p LoadState ketchrun-ID.scope
    "#;
    let out = as_user(&script.replace("ID", &id), directory.path()).ok();
    let scope = format!("0::/user.slice/user-1000.slice/user@1000.service/user.slice/ketchrun-{id}.scope");
    let mut lines: Vec<&str> = out.text().lines().collect();
    lines[..2].sort_unstable();
    assert_eq!(lines, ["67108864", "active", &scope, "\"paused\"", "not-found"], "{out:#?}");
}
