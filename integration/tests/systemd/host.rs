//! The host's systemd, asked from outside.

use std::path::{Path, PathBuf};

use ketch_integration::{Bundle, Output, program};
use serde_json::json;

/// A property of a unit, as systemd has it.
pub(crate) fn property(unit: &str, name: &str) -> String {
    program::run("systemctl", ["show", "--value", "-p", name, unit]).ok().text().to_owned()
}

/// The unit's directory; it must be active.
pub(crate) fn directory(unit: &str) -> PathBuf {
    let group = property(unit, "ControlGroup");
    assert!(!group.is_empty(), "{unit} is not active");
    Path::new("/sys/fs/cgroup").join(&group[1..])
}

pub(crate) fn limit(unit: &str, file: &str) -> String {
    std::fs::read_to_string(directory(unit).join(file)).expect(file).trim().to_owned()
}

#[track_caller]
pub(crate) fn assert_unknown(unit: &str) {
    assert_eq!(property(unit, "LoadState"), "not-found", "{unit}");
}

/// A bundle of busybox for the systemd driver, in a slice of its own.
pub(crate) struct Scope {
    pub(crate) bundle: Bundle,
    pub(crate) unit: String,
    pub(crate) slice: String,
}

impl Scope {
    pub(crate) fn new(script: &str) -> Scope {
        let bundle = Bundle::busybox().args(["sh", "-c", script]);
        // A dash would make slices of slices.
        let slice = format!("{}.slice", bundle.id.replace('-', "_"));
        let unit = format!("sd-{}.scope", bundle.id);
        let path = format!("{slice}:sd:{}", bundle.id);
        let bundle = bundle.edit(|config| config["linux"]["cgroupsPath"] = json!(path));
        Scope { bundle, unit, slice }
    }

    pub(crate) fn edit(mut self, change: impl FnOnce(&mut serde_json::Value)) -> Scope {
        change(&mut self.bundle.config);
        self
    }

    /// A verb that makes the container, with the bundle as it stands. Its streams are nobody's.
    pub(crate) fn make(&self, words: &[&str]) -> Output {
        self.bundle.write();
        let log = self.bundle.path().join("stdout");
        let file = std::fs::File::create(&log).expect("the bundle is writable");
        let mut command = self.bundle.command();
        command.args(["--log"]).arg(self.bundle.path().join("log")).arg("--systemd-cgroup").args(words);
        command.arg("--bundle").arg(self.bundle.path()).arg(&self.bundle.id);
        let status = command.stdout(file.try_clone().expect("a descriptor")).stderr(file).status();
        let mut output = Output::new(
            format!("{command:?}"),
            &std::process::Output {
                status: status.expect("the runtime can be run"),
                stdout: vec![],
                stderr: vec![],
            },
        );
        output.stdout = std::fs::read_to_string(&log).expect("its streams");
        output.stderr.clone_from(&output.stdout);
        output
    }

    pub(crate) fn run(&self) -> Output {
        self.make(&["run"])
    }

    pub(crate) fn start(&self) {
        self.make(&["run", "--detach"]).ok();
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        // The container first: the slice is busy with it.
        self.bundle.runtime(["delete", "--force", &self.bundle.id]);
        program::run("systemctl", ["stop", &self.slice]);
    }
}
