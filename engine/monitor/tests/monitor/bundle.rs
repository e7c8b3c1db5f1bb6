//! A container to test with: directories of its own, a busybox root, and its monitor.

use std::os::fd::AsFd;
use std::path::PathBuf;
use std::time::Duration;

use ketch_monitor::config::{Config, LogConfig, LogDriver};
use ketch_monitor::exit::{self, Exit};
use ketch_monitor::log::{self, Query};
use ketch_monitor::spawn::{Handed, HandedCounts, Monitor, StartError, spawn};
use ketch_monitor::{attach, lock};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde_json::json;
use tempfile::TempDir;

/// A test that waits longer hangs.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Bundle {
    _directory: TempDir,
    pub(crate) config: Config,
}

impl Bundle {
    /// `script` is for sh.
    pub(crate) fn new(script: &str) -> Bundle {
        Bundle::with(&["/bin/sh", "-c", script], false, &json!({}))
    }

    pub(crate) fn terminal(script: &str) -> Bundle {
        Bundle::with(&["/bin/sh", "-c", script], true, &json!({}))
    }

    pub(crate) fn with(args: &[&str], terminal: bool, resources: &serde_json::Value) -> Bundle {
        let directory = tempfile::tempdir().unwrap();
        let [root, dir, run_dir, runtime_root] = ["rootfs", "container", "run", "runtime"].map(|name| {
            let path = directory.path().join(name);
            std::fs::create_dir(&path).unwrap();
            path
        });
        make_root(&root);
        let id = format!(
            "monitor-test-{}",
            directory.path().file_name().unwrap().to_str().unwrap().replace('.', "")
        );
        let spec = json!({
            "ociVersion": "1.2.0",
            "root": { "path": root },
            "process": {
                "terminal": terminal,
                "user": { "uid": 0, "gid": 0 },
                "args": args,
                "env": ["PATH=/bin", "TERM=xterm"],
                "cwd": "/",
                "capabilities": { "bounding": ["CAP_KILL"], "effective": ["CAP_KILL"], "permitted": ["CAP_KILL"] },
            },
            "mounts": [
                { "destination": "/proc", "type": "proc", "source": "proc" },
                { "destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"] },
                { "destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": ["newinstance", "ptmxmode=0666", "mode=0620"] },
            ],
            "linux": {
                "cgroupsPath": format!("/{id}"),
                "resources": resources,
                "namespaces": [{ "type": "pid" }, { "type": "mount" }, { "type": "ipc" }, { "type": "uts" }],
            },
        });
        let config = Config {
            cgroups: true,
            members: None,
            name: "test".into(),
            image: String::new(),
            labels: Default::default(),
            pod: None,
            attached: false,
            id,
            run_dir,
            runtime_root,
            spec: serde_json::from_value(spec).unwrap(),
            systemd: None,
            handed: HandedCounts::default(),
            stdin: false,
            stdin_once: false,
            log: LogConfig {
                driver: LogDriver::K8sFile,
                path: dir.join("ctr.log"),
                max_size: None,
                max_files: 1,
            },
            remove: false,
            timeout: None,
            pid_file: None,
            monitor_pid_file: None,
            restarts: false,
            health: None,
            ready: None,
            gives_back: false,
            forwards: Vec::new(),
            notify: None,
            dir,
            restore: None,
            kept: false,
            account: None,
        };
        Bundle { _directory: directory, config }
    }

    pub(crate) fn stdin(mut self, once: bool) -> Bundle {
        self.config.stdin = true;
        self.config.stdin_once = once;
        self
    }

    pub(crate) fn rotate(mut self, size: u64, files: u32) -> Bundle {
        self.config.log.max_size = Some(size);
        self.config.log.max_files = files;
        self
    }

    /// Without a pid namespace of its own.
    pub(crate) fn host_pids(mut self) -> Bundle {
        let mut spec = serde_json::to_value(&self.config.spec).unwrap();
        spec["linux"]["namespaces"] = json!([{ "type": "mount" }]);
        self.config.spec = serde_json::from_value(spec).unwrap();
        self
    }

    pub(crate) fn spawn(&self) -> Result<Monitor, StartError> {
        let lock = lock::try_take(&self.config.run_dir).unwrap().expect("the lock is free");
        spawn(&self.config, lock, Handed::default())?.created()
    }

    /// Starts it; init's pid.
    pub(crate) fn start(&self) -> i32 {
        self.spawn().unwrap().start().unwrap()
    }

    /// Runs it to its end.
    pub(crate) fn run(&self) -> Exit {
        self.start();
        self.end()
    }

    /// Waits for its end.
    pub(crate) fn end(&self) -> Exit {
        lock::wait_free(&self.config.run_dir).unwrap();
        exit::load(&self.config.dir).unwrap().expect("the exit is recorded")
    }

    pub(crate) fn options() -> attach::Options {
        attach::Options {
            stdin: false,
            stdout: true,
            stderr: true,
            terminal: false,
            detach_keys: Vec::new(),
            sig_proxy: false,
        }
    }

    /// What `ketch logs` prints: stdout and stderr.
    pub(crate) fn logs(&self, query: &Query) -> (String, String) {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        log::read(&self.config.log.path, &self.config.run_dir, query, &mut out, &mut err).unwrap();
        (String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
    }

    /// The log file as it is.
    pub(crate) fn raw_log(&self) -> String {
        std::fs::read_to_string(&self.config.log.path).unwrap()
    }

    pub(crate) fn in_root(&self, name: &str) -> PathBuf {
        self._directory.path().join("rootfs").join(name)
    }

    /// What must not be there any more once a container has ended.
    pub(crate) fn assert_nothing_left(&self) {
        assert!(!lock::is_held(&self.config.run_dir).unwrap(), "the lock is held");
        assert!(!self.config.run_dir.join("attach").exists(), "the attach socket is there");
        assert_eq!(
            std::fs::read_dir(&self.config.runtime_root).unwrap().count(),
            0,
            "a runtime state is there"
        );
    }
}

/// Whether `fd` becomes readable in time (a pidfd: whether its process ends).
pub(crate) fn readable(fd: impl AsFd) -> bool {
    let mut fds = [PollFd::new(fd.as_fd(), PollFlags::POLLIN)];
    poll(&mut fds, PollTimeout::try_from(PATIENCE).unwrap()).unwrap() == 1
}

fn make_root(root: &std::path::Path) {
    let bin = root.join("bin");
    for name in ["bin", "dev", "proc", "tmp"] {
        std::fs::create_dir(root.join(name)).unwrap();
    }
    std::fs::copy("/bin/busybox", bin.join("busybox")).expect("package busybox-static is installed");
    for applet in
        "sh echo cat sleep printf seq dd tr head tail stty tty kill ls true false yes wc mkfifo".split(' ')
    {
        std::os::unix::fs::symlink("busybox", bin.join(applet)).unwrap();
    }
}
