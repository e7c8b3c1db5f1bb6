//! The guest, and units in it.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use ketch_integration::{ImageBuilder, program};

/// For what is said to take a moment. The guest's processor is emulated, and the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(300);

/// The image, with the guest's own programs.
pub(crate) const BUSYBOX_AND_USR: &str =
    "--network none -v /usr:/usr:ro -v /usr/lib:/lib:ro -v /usr/lib64:/lib64:ro busybox";

/// Read by tests that share the guest, written by those that need all of it.
static TURN: RwLock<()> = RwLock::new(());

/// Who is in the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    Root,
    /// An ordinary user, with a systemd of his own.
    Kim,
}

/// The running guest, with the busybox image in the store of `who`. Other tests use it too.
pub(crate) fn shared(who: Who) -> Guest<RwLockReadGuard<'static, ()>> {
    let guest = Guest { who, _turn: TURN.read().unwrap_or_else(|poisoned| poisoned.into_inner()) };
    guest.load_busybox();
    guest
}

/// The guest for one test alone, which may reboot it, or remove all containers.
pub(crate) fn alone(who: Who) -> Guest<RwLockWriteGuard<'static, ()>> {
    Guest { who, _turn: TURN.write().unwrap_or_else(|poisoned| poisoned.into_inner()) }
}

/// What is done in it is done by `who`.
pub(crate) struct Guest<T> {
    pub(crate) who: Who,
    _turn: T,
}

impl<T> Guest<T> {
    pub(crate) fn load_busybox(&self) {
        let archive = tempfile::NamedTempFile::new().expect("/tmp is writable");
        ImageBuilder::busybox().name("docker.io/library/busybox:latest").docker_archive(archive.path());
        let mut command = self.who.enters();
        command.arg(program::engine()).args(["load", "-q"]);
        command.stdin(archive.reopen().expect("it was just made"));
        program::finish(&mut command).ok();
    }

    /// Runs a script and gives what it writes, trimmed. `ketch` is the engine under test there, `systemctl` and
    /// `journalctl` talk to the systemd that is the caller's own.
    #[track_caller]
    pub(crate) fn sh(&self, script: &str) -> String {
        let mut command = self.who.enters();
        command.args(["bash", "-euo", "pipefail", "-c", &self.who.script(script)]).stdin(Stdio::null());
        program::finish(&mut command).ok().text().to_owned()
    }

    /// Whether the script succeeds.
    fn holds(&self, script: &str) -> bool {
        let mut command = self.who.enters();
        command.args(["bash", "-euc", &self.who.script(script)]).stdin(Stdio::null());
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
            let state =
                self.sh("ketch ps -a; systemctl --no-pager --failed; journalctl --no-pager -n 40 || true");
            assert!(Instant::now() < deadline, "never: {script}\n{state}");
        }
    }

    /// Installs units, each a name and its text, in which `ketch` is the engine under test.
    #[track_caller]
    pub(crate) fn units(&self, units: &[(&str, String)]) {
        for (name, text) in units {
            let mut command = self.who.enters();
            command.args(["sh", "-c", &format!("mkdir -p {0}; cat >{0}/{name}", self.who.units())]);
            let mut cat = command.stdin(Stdio::piped()).spawn().expect("hack/vm runs");
            let text = text.replace("=ketch ", &format!("={} ", program::engine().display()));
            cat.stdin.take().expect("it is piped").write_all(text.as_bytes()).unwrap();
            assert!(cat.wait().unwrap().success());
        }
        self.sh("systemctl daemon-reload");
    }

    /// Stops and forgets units, and the container of the first one's name; also those that a failed run has left.
    #[track_caller]
    pub(crate) fn forget(&self, units: &[&str]) {
        let name = units[0].split('.').next().unwrap_or_default();
        let units = units.join(" ");
        let dir = self.who.units();
        self.sh(&format!(
            "mkdir -p {dir}; cd {dir}; if ls {units} >/dev/null 2>&1; then systemctl stop {units}; \
             systemctl --quiet disable {units} 2>/dev/null; rm {units}; systemctl daemon-reload; fi; \
             systemctl reset-failed {units} 2>/dev/null || true; ketch rm -f -i -t 0 {name}"
        ));
    }
}

impl Who {
    /// `hack/vm`, for a command in the guest.
    fn enters(self) -> Command {
        vm(match self {
            Who::Root => "root",
            Who::Kim => "user",
        })
    }

    /// Where his units are.
    fn units(self) -> &'static str {
        match self {
            Who::Root => "/etc/systemd/system",
            Who::Kim => "/home/kim/.config/systemd/user",
        }
    }

    fn script(self, script: &str) -> String {
        let own = match self {
            Who::Root => "",
            Who::Kim => {
                "systemctl() { command systemctl --user \"$@\"; }; journalctl() { command journalctl --user \"$@\"; };"
            }
        };
        format!("ketch() {{ {} \"$@\"; }}; {own} {script}", program::engine().display())
    }
}

/// `hack/vm VERB`.
pub(crate) fn vm(verb: &str) -> Command {
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../hack/vm");
    let mut command = Command::new(script);
    command.arg(verb).current_dir(env!("CARGO_MANIFEST_DIR"));
    command
}
