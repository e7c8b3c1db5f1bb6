//! A container that systemd keeps up.

use ketch_integration::program;

use crate::guest::{Guest, Who, alone, shared, vm};

/// What one writes, after the tour. `start -a` ends by itself what runs on without a monitor: systemd calls ExecStop only
/// when `start -a` has not failed.
fn unit(name: &str, target: &str) -> String {
    format!(
        "[Service]\nExecStart=ketch start -a {name}\nExecStop=ketch stop -t 10 {name}\n\
         Restart=always\nRestartSec=0\n\
         [Install]\nWantedBy={target}\n"
    )
}

const SERVE: &str = "sh -c 'trap \"exit 0\" TERM; echo up; sleep infinity & wait'";

impl<T> Guest<T> {
    fn install(&self, name: &str) {
        self.sh(&format!("ketch create --name {name} --network none busybox {SERVE}"));
        let target = match self.who {
            Who::Root => "multi-user.target",
            Who::Kim => "default.target",
        };
        self.units(&[(&format!("{name}.service"), unit(name, target))]);
    }

    fn pid(&self, name: &str) -> String {
        self.sh(&format!("ketch inspect -f '{{{{.State.Pid}}}}' {name}"))
    }

    /// Returns once the container runs with another process than `before`, below an active unit.
    fn wait_for_another(&self, name: &str, before: &str) -> String {
        self.wait_until(&format!(
            "pid=$(ketch inspect -f '{{{{.State.Running}}}} {{{{.State.Pid}}}}' {name}) && [[ $pid = true* ]] && \
             [ \"$pid\" != 'true {before}' ] && systemctl -q is-active {name}"
        ));
        self.pid(name)
    }
}

#[test]
fn a_unit_survives_the_end_of_each_process() {
    survives(Who::Root);
}

#[test]
fn a_users_unit_survives_the_end_of_each_process() {
    survives(Who::Kim);
}

fn survives(who: Who) {
    let guest = shared(who);
    guest.forget(&["web.service"]);
    guest.install("web");
    guest.sh("systemctl start web");
    let mut pid = guest.wait_for_another("web", "0");

    let victims = [
        ("the container", "ketch inspect -f '{{.State.Pid}}' web"),
        ("its monitor", "pgrep -f '^ketch-monitor web$'"),
        ("start -a", "systemctl show --value -p MainPID web"),
    ];
    for (restarts, (victim, find)) in (1..).zip(victims) {
        guest.sh(&format!("kill -9 $({find})"));
        pid = guest.wait_for_another("web", &pid);
        let counted = guest.sh("systemctl show --value -p NRestarts web");
        assert_eq!(counted, restarts.to_string(), "after the end of {victim}");
    }

    guest.sh("systemctl stop web");
    let state = guest.sh("ketch inspect -f '{{.State.Status}} {{.State.ExitCode}}' web");
    assert_eq!(state, "exited 0", "the container has handled SIGTERM");
    assert_eq!(guest.sh("systemctl show --value -p ActiveState -p Result web"), "success\ninactive");
    assert_eq!(guest.sh("pgrep -f '^ketch-monitor web$' || true"), "");
    guest.forget(&["web.service"]);
}

/// `systemctl stop` of a unit without ExecStop: every process of the unit gets SIGTERM, and passes it on.
#[test]
fn a_unit_without_a_stop_command_stops() {
    stops(Who::Root);
}

#[test]
fn a_users_unit_without_a_stop_command_stops() {
    stops(Who::Kim);
}

fn stops(who: Who) {
    let guest = shared(who);
    guest.forget(&["plain.service"]);
    guest.sh(&format!("ketch create --name plain --network none busybox {SERVE}"));
    guest.units(&[("plain.service", "[Service]\nExecStart=ketch start -a plain\n".to_owned())]);
    guest.sh("systemctl start plain");
    guest.wait_for_another("plain", "0");
    guest.wait_until("ketch logs plain | grep -q up");
    guest.sh("systemctl stop plain");
    assert_eq!(guest.sh("ketch inspect -f '{{.State.Status}} {{.State.ExitCode}}' plain"), "exited 0");
    guest.forget(&["plain.service"]);
}

#[test]
fn units_are_there_again_after_a_reboot_and_a_power_cut() {
    let started = "ketch inspect -f '{{.State.StartedAt}}' steady";
    let mut guest = alone(Who::Root);
    let mut before = [Who::Root, Who::Kim].map(|who| {
        guest.who = who;
        guest.load_busybox();
        guest.forget(&["steady.service"]);
        guest.install("steady");
        guest.sh("systemctl -q enable --now steady");
        guest.wait_for_another("steady", "0");
        (who, guest.sh(started))
    });
    for verb in ["reboot", "crash"] {
        // A power cut loses what was not on the disk yet.
        guest.sh("sync");
        program::finish(&mut vm(verb)).ok();
        for (who, before) in &mut before {
            guest.who = *who;
            guest.wait_for_another("steady", "0");
            let now = guest.sh(started);
            assert_ne!(now, *before, "{who:?}'s after {verb}");
            *before = now;
        }
    }
    for (who, _) in before {
        guest.who = who;
        guest.forget(&["steady.service"]);
    }
}
