//! An OCI bundle with a busybox root, and the runtime under test working on it.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{Output, leftovers, program};

/// A bundle directory, a state root beside it, and an id no other test has.
///
/// On drop the container is deleted by force, and anything left of it fails the test.
#[derive(Debug)]
pub struct Bundle {
    pub id: String,
    dir: TempDir,
    pub config: Value,
}

static COUNT: AtomicU32 = AtomicU32::new(0);

impl Bundle {
    /// A busybox root and the runtime's own default configuration, without a terminal.
    pub fn busybox() -> Bundle {
        let dir = tempfile::Builder::new()
            .prefix("ketch-bundle-")
            .tempdir_in("/var/tmp")
            .expect("/var/tmp is writable");
        let root = dir.path().join("rootfs");
        for name in ["bin", "dev", "etc", "proc", "sys", "tmp"] {
            fs::create_dir_all(root.join(name)).expect("a fresh directory takes directories");
        }
        // By another process: a descriptor of ours, open for writing, would be inherited by what other tests start at this
        // moment, and a file that is open for writing cannot be executed.
        program::run("cp", [program::busybox(), root.join("bin/busybox")]).ok();
        program::run(
            "chroot",
            [root.as_os_str(), "/bin/busybox".as_ref(), "--install".as_ref(), "-s".as_ref(), "/bin".as_ref()],
        )
        .ok();
        program::run(program::runtime(), ["spec".as_ref(), "--bundle".as_ref(), dir.path().as_os_str()]).ok();
        let text = fs::read(dir.path().join("config.json")).expect("`spec` writes config.json");
        let mut config: Value = serde_json::from_slice(&text).expect("`spec` writes JSON");
        config["process"]["terminal"] = json!(false);
        config["root"]["readonly"] = json!(false);
        let id = format!("ketch-test-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        Bundle { id, dir, config }
    }

    /// Sets the command.
    pub fn args<S: AsRef<str>>(mut self, args: impl IntoIterator<Item = S>) -> Bundle {
        self.config["process"]["args"] = args.into_iter().map(|word| word.as_ref().to_owned()).collect();
        self
    }

    /// Changes the configuration in place.
    pub fn edit(mut self, change: impl FnOnce(&mut Value)) -> Bundle {
        change(&mut self.config);
        self
    }

    /// Adds a bind mount with more options behind `bind`.
    pub fn bind(self, source: &Path, destination: &str, options: &str) -> Bundle {
        self.edit(|config| {
            let options: Vec<&str> =
                ["bind"].into_iter().chain(options.split(',').filter(|o| !o.is_empty())).collect();
            let mount =
                json!({"destination": destination, "type": "bind", "source": source, "options": options});
            config["mounts"].as_array_mut().expect("mounts is a list").push(mount);
        })
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn rootfs(&self) -> PathBuf {
        self.dir.path().join("rootfs")
    }

    /// The runtime under test with this bundle's state root, for more arguments.
    pub fn command(&self) -> Command {
        let mut command = Command::new(program::runtime());
        command.arg("--root").arg(self.dir.path().join("state")).stdin(std::process::Stdio::null());
        command
    }

    /// Runs a verb of the runtime: `bundle.runtime(["kill", &bundle.id, "TERM"])`.
    pub fn runtime<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Output {
        program::finish(self.command().args(args))
    }

    /// Writes `config.json` as it stands.
    pub fn write(&self) {
        let text = serde_json::to_vec_pretty(&self.config).expect("a JSON value prints");
        fs::write(self.dir.path().join("config.json"), text).expect("the bundle is writable");
    }

    /// `run` in the foreground.
    pub fn run(&self) -> Output {
        self.write();
        self.runtime(["run".as_ref(), "--bundle".as_ref(), self.dir.path().as_os_str(), self.id.as_ref()])
    }

    /// `create` with the streams at /dev/null: an init that waits keeps whatever it inherits open.
    pub fn create(&self) -> Output {
        self.write();
        let errors = self.dir.path().join("create.stderr");
        let file = fs::File::create(&errors).expect("the bundle is writable");
        let mut command = self.command();
        command.args([
            "create".as_ref(),
            "--bundle".as_ref(),
            self.dir.path().as_os_str(),
            OsStr::new(&self.id),
        ]);
        command.stdout(std::process::Stdio::null()).stderr(file);
        let status = command.status().expect("the runtime can be run");
        let mut output = Output::new(
            format!("{command:?}"),
            &std::process::Output { status, stdout: vec![], stderr: vec![] },
        );
        output.stderr = fs::read_to_string(&errors).unwrap_or_default();
        output
    }

    /// `state` as JSON.
    pub fn state(&self) -> Value {
        self.runtime(["state", &self.id]).ok().json()
    }
}

impl Drop for Bundle {
    fn drop(&mut self) {
        self.runtime(["delete", "--force", &self.id]);
        let left = leftovers::find(self.dir.path(), std::slice::from_ref(&self.id));
        let states = leftovers::files(&self.dir.path().join("state"));
        if !std::thread::panicking() {
            assert!(left.is_empty() && states.is_empty(), "left behind: {left:#?} {states:#?}");
        }
    }
}
