//! An ordinary user's containers, in scopes of his own systemd.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use ketch_integration::{ImageBuilder, Output, program};
use tempfile::TempDir;

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
    command.args(["--reuid", USER, "--regid", USER, "--init-groups"]);
    command.args(["env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"]);
    command
        .arg(format!("XDG_RUNTIME_DIR={RUNTIME_DIRECTORY}"))
        .arg(format!("RUNTIME={}", program::runtime().display()))
        .arg(format!("ENGINE={}", program::engine().display()));
    program::finish(command.args(["sh", "-euc", script]).current_dir(directory).stdin(Stdio::null()))
}

fn directory() -> TempDir {
    let directory =
        tempfile::Builder::new().prefix("ketch-user-").tempdir_in("/var/tmp").expect("/var/tmp is writable");
    let everybody = std::fs::Permissions::from_mode(0o777);
    std::fs::set_permissions(directory.path(), everybody).expect("a directory of ours");
    directory
}

/// Runs a script with an engine of the user's, `ketch`, that has the busybox image; its containers are removed afterwards.
#[track_caller]
fn with_ketch(script: &str) -> Vec<String> {
    let directory = directory();
    let archive = directory.path().join("busybox.tar");
    ImageBuilder::busybox().name("docker.io/library/busybox:latest").docker_archive(&archive);
    let script = format!(
        r#"
        ketch() {{ "$ENGINE" --root data --runroot run "$@"; }}
        ketch load -q -i busybox.tar >loaded
        trap 'ketch pod rm -f -a -t 0 >removed; ketch rm -f -a -t 0 >removed; ketch unshare rm -rf data run' EXIT
        show() {{ unit=$1; shift; for name; do systemctl --user show --value -p $name $unit; done; }}
        {script}"#
    );
    let out = as_user(&script, directory.path()).ok();
    out.stdout.lines().map(str::to_owned).collect()
}

/// The limits are systemd's and the kernel's, and what asks the cgroup is answered.
#[test]
fn a_users_container_has_limits() {
    let lines = with_ketch(
        r#"
        id=$(ketch run -d --name web --network none -m 64m --memory-swap 64m --cpus 0.5 --pids-limit 50 busybox sleep 1000)
        scope=ketch-$id.scope
        show $scope ActiveState Slice MemoryMax CPUQuotaPerSecUSec TasksMax
        group=$(show $scope ControlGroup)
        echo ${group%/*}
        [ $group = $(ketch inspect -f '{{.State.CgroupPath}}' web) ] && echo inspected
        cd /sys/fs/cgroup$group; cat memory.max memory.swap.max cpu.max pids.max; cd - >/dev/null
        ketch exec web cat /sys/fs/cgroup/memory.max /proc/self/cgroup
        ketch stats --no-stream --format '{{.Name}} {{.MemUsage}} {{.PIDS}}' web | sed 's/ [^ ]* / N /'
        ketch pause web
        ketch ps -a --format '{{.Status}}'
        cat /sys/fs/cgroup$group/cgroup.freeze
        ketch unpause web
        ketch stop -t 0 web
        show $scope LoadState
        ketch start web
        show $scope MemoryMax
        ketch rm -f -t 0 web
        show $scope LoadState"#,
    );
    let expected = [
        "active",
        "user.slice",
        "67108864",
        "500ms",
        "50",
        "/user.slice/user-1000.slice/user@1000.service/user.slice",
        "inspected",
        "67108864",
        "0",
        "50000 100000",
        "50",
        "67108864",
        "0::/",
        "web N / 67.11MB 1",
        "web",
        "Paused",
        "1",
        "web",
        "web",
        "not-found",
        "web",
        "67108864",
        "web",
        "not-found",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn a_users_pod_is_a_slice() {
    let lines = with_ketch(
        r#"
        pod=$(ketch pod create --name shop -m 96m --network none)
        slice=user-ketch_pod_$pod.slice
        one=$(ketch run -d --pod shop --name one -m 32m busybox sleep 1000)
        show $slice ActiveState Slice MemoryMax
        cat /sys/fs/cgroup$(show $slice ControlGroup)/memory.max
        [ $(show ketch-$one.scope Slice) = $slice ] && echo below
        ketch pod stats --no-stream --format '{{.Name}} {{.PIDS}}' shop | grep one
        ketch pod rm -f -t 0 shop >removed
        show ketch-$one.scope LoadState
        # There is no slice that systemd does not know.
        show $slice ActiveState"#,
    );
    let expected =
        ["active", "user.slice", "100663296", "100663296", "below", "one 1", "not-found", "inactive"];
    assert_eq!(lines, expected);
}

/// Killed by the kernel for its memory, init takes the scope along.
#[test]
fn a_users_oom_kill_is_seen() {
    let lines = with_ketch(
        r#"
        ketch run --name oom --network none -m 16m --memory-swap 16m busybox tail -c 200m /dev/zero || echo $?
        ketch inspect -f '{{.State.OOMKilled}}' oom"#,
    );
    assert_eq!(lines, ["137", "true"]);
}

#[test]
fn a_users_scope() {
    let directory = directory();
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
