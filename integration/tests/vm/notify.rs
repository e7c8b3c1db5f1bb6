//! Type=notify: the unit is active when the container says so.

use crate::guest::{BUSYBOX_AND_USR, Who, shared};

#[test]
fn the_container_says_when_it_is_ready() {
    says(Who::Root, "/run");
}

#[test]
fn so_does_a_users() {
    says(Who::Kim, "/run/user/1000");
}

/// `run`: where the gate is that the container waits at.
fn says(who: Who, run: &str) {
    let guest = shared(who);
    guest.forget(&["ready.service"]);
    let script = "cat /gate/gate; systemd-notify --ready; exec sleep infinity";
    guest.sh(&format!("mkdir -p {run}/gate; rm -f {run}/gate/gate; mkfifo {run}/gate/gate"));
    guest.units(&[(
        "ready.service",
        format!(
            "[Service]\nType=notify\nTimeoutStartSec=600\n\
             ExecStart=ketch run --rm --name ready -v {run}/gate:/gate {BUSYBOX_AND_USR} sh -c '{script}'\n\
             ExecStop=ketch stop -t 0 ready\n"
        ),
    )]);

    guest.sh("systemctl start --no-block ready");
    // The container waits at the gate by now: opening it to write is not possible before.
    guest.wait_until("ketch exec ready true 2>/dev/null");
    assert_eq!(guest.sh("systemctl show --value -p ActiveState ready"), "activating");
    guest.sh(&format!("echo >{run}/gate/gate; systemctl start ready"));
    assert_eq!(guest.sh("systemctl is-active ready"), "active");
    let main = guest.sh("tr '\\0' ' ' </proc/$(systemctl show --value -p MainPID ready)/cmdline");
    assert_eq!(main, "ketch-monitor ready", "as with podman");

    guest.sh("systemctl stop ready");
    assert_eq!(guest.sh("ketch ps -a -q -f name=ready"), "");
    guest.forget(&["ready.service"]);
}

#[test]
fn conmon_is_ready_when_the_container_runs_and_ends_as_it_does() {
    let guest = shared(Who::Root);
    guest.forget(&["conmon.service"]);
    guest.sh("mkdir -p /run/end; rm -f /run/end/end; mkfifo /run/end/end");
    guest.units(&[(
        "conmon.service",
        format!(
            "[Service]\nType=notify\nTimeoutStartSec=600\n\
             ExecStart=ketch run -d --rm --name conmon --sdnotify=conmon -v /run/end:/end {BUSYBOX_AND_USR} sh -c 'exit $$(cat /end/end)'\n"
        ),
    )]);
    guest.sh("systemctl start conmon");
    assert_eq!(guest.sh("systemctl is-active conmon; ketch ps -q -f name=conmon | wc -l"), "active\n1");
    guest.sh("echo 7 >/run/end/end");
    guest.wait_until("[ \"$(systemctl is-active conmon)\" = failed ]");
    assert_eq!(guest.sh("systemctl show --value -p ExecMainStatus conmon"), "7");
    guest.forget(&["conmon.service"]);
}
