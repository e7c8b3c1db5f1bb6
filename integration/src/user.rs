//! The engine as an ordinary user: one that the tests make, or a number without a name.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::fs::{FileTypeExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use nix::unistd::User;
use tempfile::TempDir;

use crate::{ImageBuilder, Output, leftovers, program};

const NAME: &str = "ketchtest";

/// Without a line in /etc/passwd, and so without one in /etc/subuid.
const NOBODYS_NUMBER: u32 = 54_321;

/// A user's `ketch`, with directories of its own in XDG_DATA_HOME and XDG_RUNTIME_DIR.
///
/// On drop every container is removed by force, and anything left of them fails the test.
#[derive(Debug)]
pub struct UserEngine {
    dir: TempDir,
    uid: u32,
    gid: u32,
}

impl UserEngine {
    /// Of a user with subordinate ids.
    pub fn new() -> UserEngine {
        let user = user();
        UserEngine::of(user.uid.as_raw(), user.gid.as_raw())
    }

    /// Of a user who has no ids but one.
    pub fn without_ranges() -> UserEngine {
        UserEngine::of(NOBODYS_NUMBER, NOBODYS_NUMBER)
    }

    /// With the busybox image, named `busybox`, in its store.
    pub fn with_busybox() -> UserEngine {
        UserEngine::new().and_busybox()
    }

    pub fn and_busybox(self) -> UserEngine {
        self.load(&ImageBuilder::busybox().name("docker.io/library/busybox:latest"));
        self
    }

    fn of(uid: u32, gid: u32) -> UserEngine {
        let dir = tempfile::Builder::new()
            .prefix("ketch-user-")
            .tempdir_in("/var/tmp")
            .expect("/var/tmp is writable");
        let engine = UserEngine { dir, uid, gid };
        // The build's directory may be in a home that others cannot enter.
        let program = engine.path("ketch");
        fs::hard_link(program::engine(), &program)
            .or_else(|_| fs::copy(program::engine(), &program).map(drop))
            .expect("the program can be copied");
        for name in ["", "data", "run", "home"] {
            let path = engine.path(name);
            fs::create_dir_all(&path).expect("a directory can be made");
            fs::set_permissions(&path, Permissions::from_mode(0o700)).expect("its mode can be set");
            chown(&path, Some(uid), Some(gid)).expect("it can be given away");
        }
        engine
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// A new directory of the user's.
    pub fn directory(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir(&path).expect("a directory can be made");
        chown(&path, Some(self.uid), Some(self.gid)).expect("it can be given away");
        path
    }

    pub fn load(&self, image: &ImageBuilder) {
        let archive = self.path("image.tar");
        image.docker_archive(&archive);
        self.run(["load".as_ref(), "-q".as_ref(), "-i".as_ref(), archive.as_os_str()]).ok();
    }

    pub fn command(&self) -> Command {
        let mut command = Command::new(self.path("ketch"));
        command
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("HOME", self.path("home"))
            .env("XDG_DATA_HOME", self.path("data"))
            .env("XDG_RUNTIME_DIR", self.path("run"))
            .current_dir(self.dir())
            .stdin(Stdio::null())
            .gid(self.gid)
            .uid(self.uid);
        command
    }

    pub fn run<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Output {
        program::finish(self.command().args(args))
    }

    /// The same, from one line split at spaces.
    pub fn line(&self, line: &str) -> Output {
        self.run(line.split_whitespace())
    }

    /// Returns when the container has written `text`.
    #[track_caller]
    pub fn wait_for_log(&self, name: &str, text: &str) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !self.run(["logs", name]).stdout.contains(text) {
            assert!(
                Instant::now() < deadline,
                "{name} does not write {text:?}: {:#?}",
                self.run(["logs", name])
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Full ids of all containers.
    pub fn ids(&self) -> Vec<String> {
        self.line("ps -a -q --no-trunc").stdout.split_whitespace().map(str::to_owned).collect()
    }

    /// Removes all containers by force and lists what is left of them.
    pub fn wipe(&self) -> Vec<String> {
        let ids = self.ids();
        let mut left = Vec::new();
        let removal = self.line("rm -f -a -t 0");
        if removal.code != 0 {
            left.push(format!("{removal:#?}"));
        }
        left.extend(leftovers::find(self.dir(), &ids));
        left.extend(leftovers::named(&ids));
        for part in ["data/ketch/containers", "data/ketch/tmp", "run/ketch/containers", "run/ketch/runtime"] {
            let entries = fs::read_dir(self.path(part)).into_iter().flatten().flatten();
            left.extend(entries.map(|entry| format!("directory {}", entry.path().display())));
        }
        left
    }
}

impl Default for UserEngine {
    fn default() -> UserEngine {
        UserEngine::new()
    }
}

impl Drop for UserEngine {
    fn drop(&mut self) {
        let left = self.wipe();
        if !std::thread::panicking() {
            assert!(left.is_empty(), "left behind: {left:#?}");
        }
    }
}

/// The first host id of the user's range: it is 1 in the containers.
pub fn first_subordinate() -> u32 {
    user();
    let ranges = fs::read_to_string("/etc/subuid").expect("the user has a range");
    let own = ranges.lines().find_map(|line| line.strip_prefix(NAME)?.strip_prefix(':'));
    own.and_then(|range| range.split(':').next()?.parse().ok()).expect("the user has a range")
}

/// Made once, and left for the next time.
fn user() -> &'static User {
    static USER: OnceLock<User> = OnceLock::new();
    USER.get_or_init(|| {
        let find = || User::from_name(NAME).expect("/etc/passwd can be read");
        if find().is_none() {
            program::run("useradd", ["--create-home", "--shell", "/bin/sh", NAME]).ok();
        }
        for (file, flag) in [("/etc/subuid", "--add-subuids"), ("/etc/subgid", "--add-subgids")] {
            let ranges = fs::read_to_string(file).unwrap_or_default();
            if !ranges.lines().any(|line| line.starts_with(&format!("{NAME}:"))) {
                program::run("usermod", [flag, "1000000-1065535", NAME]).ok();
            }
        }
        assert!(Path::new("/usr/bin/newuidmap").exists(), "no newuidmap: apt-get install uidmap");
        open_tun();
        find().expect("the user was made")
    })
}

/// On a machine with udev everybody may open the node; each interface takes rights in its own network namespace.
fn open_tun() {
    let node = Path::new("/dev/net/tun");
    if !fs::metadata(node).is_ok_and(|node| node.file_type().is_char_device()) {
        fs::create_dir_all("/dev/net").expect("/dev is writable");
        mknod(node, SFlag::S_IFCHR, Mode::empty(), makedev(10, 200)).expect("a device can be made");
    }
    fs::set_permissions(node, Permissions::from_mode(0o666)).expect("its mode can be set");
}
