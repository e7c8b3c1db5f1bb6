//! The guest, and units in it.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use ketch_integration::{ImageBuilder, program};

/// For what is said to take a moment. The guest's processor is emulated, and the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(300);

/// Read by tests that share the guest, written by those that end its systemd.
static POWER: RwLock<()> = RwLock::new(());

/// The running guest, with the busybox image in its store. Other tests use it too.
pub(crate) fn shared() -> Guest<RwLockReadGuard<'static, ()>> {
    Guest::new(POWER.read().unwrap_or_else(|poisoned| poisoned.into_inner()))
}

/// The guest for one test alone, which may reboot it.
pub(crate) fn alone() -> Guest<RwLockWriteGuard<'static, ()>> {
    Guest::new(POWER.write().unwrap_or_else(|poisoned| poisoned.into_inner()))
}

pub(crate) struct Guest<T> {
    _turn: T,
}

impl<T> Guest<T> {
    fn new(turn: T) -> Guest<T> {
        let guest = Guest { _turn: turn };
        let archive = tempfile::NamedTempFile::new().expect("/tmp is writable");
        ImageBuilder::busybox().name("docker.io/library/busybox:latest").docker_archive(archive.path());
        let mut command = vm("root");
        command.arg(program::engine()).args(["load", "-q"]);
        command.stdin(archive.reopen().expect("it was just made"));
        program::finish(&mut command).ok();
        guest
    }

    /// Runs a script as root and gives what it writes, trimmed. `ketch` is the engine under test there.
    #[track_caller]
    pub(crate) fn sh(&self, script: &str) -> String {
        let mut command = vm("root");
        command.args(["bash", "-euo", "pipefail", "-c", &with_ketch(script)]).stdin(Stdio::null());
        program::finish(&mut command).ok().text().to_owned()
    }

    /// Whether the script succeeds.
    fn holds(&self, script: &str) -> bool {
        let mut command = vm("root");
        command.args(["bash", "-euc", &with_ketch(script)]).stdin(Stdio::null());
        program::finish(&mut command).code == 0
    }

    /// Returns once the script succeeds.
    #[track_caller]
    pub(crate) fn wait_until(&self, script: &str) {
        let deadline = Instant::now() + PATIENCE;
        // The guest asks itself; each command that enters it has a price.
        while !self
            .holds(&format!("for n in {{1..20}}; do if {script}; then exit 0; fi; sleep 0.2; done; exit 1"))
        {
            let state = self.sh("ketch ps -a; systemctl --no-pager --failed; journalctl --no-pager -n 40");
            assert!(Instant::now() < deadline, "never: {script}\n{state}");
        }
    }

    /// Installs units, each a name and its text, in which `ketch` is the engine under test.
    #[track_caller]
    pub(crate) fn units(&self, units: &[(&str, String)]) {
        for (name, text) in units {
            let mut command = vm("root");
            command.args(["tee", &format!("/etc/systemd/system/{name}")]);
            let mut tee = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("hack/vm runs");
            let text = text.replace("=ketch ", &format!("={} ", program::engine().display()));
            tee.stdin.take().expect("it is piped").write_all(text.as_bytes()).unwrap();
            assert!(tee.wait().unwrap().success());
        }
        self.sh("systemctl daemon-reload");
    }

    /// Stops and forgets units, and the container of the first one's name; also those that a failed run has left.
    #[track_caller]
    pub(crate) fn forget(&self, units: &[&str]) {
        let name = units[0].split('.').next().unwrap_or_default();
        let units = units.join(" ");
        self.sh(&format!(
            "cd /etc/systemd/system; if ls {units} >/dev/null 2>&1; then systemctl stop {units}; \
             systemctl --quiet disable {units} 2>/dev/null; rm {units}; systemctl daemon-reload; fi; \
             systemctl reset-failed {units} 2>/dev/null || true; ketch rm -f -i -t 0 {name}"
        ));
    }
}

/// `hack/vm VERB`.
pub(crate) fn vm(verb: &str) -> Command {
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../hack/vm");
    let mut command = Command::new(script);
    command.arg(verb).current_dir(env!("CARGO_MANIFEST_DIR"));
    command
}

fn with_ketch(script: &str) -> String {
    format!("ketch() {{ {} \"$@\"; }}; {script}", program::engine().display())
}
