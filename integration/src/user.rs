//! Ordinary users: one that the tests make, and a number without a name.

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::{FileTypeExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use nix::unistd::User;

use crate::engine::Owner;
use crate::{Engine, program};

const NAME: &str = "ketchtest";

/// Without a line in /etc/passwd, and so without one in /etc/subuid.
const NOBODYS_NUMBER: u32 = 54_321;

impl Engine {
    /// Of a user with subordinate ids.
    pub fn of_user() -> Engine {
        let user = user();
        Engine::of_number(user.uid.as_raw(), user.gid.as_raw())
    }

    /// Of a user who has no ids but one.
    pub fn of_user_without_ranges() -> Engine {
        Engine::of_number(NOBODYS_NUMBER, NOBODYS_NUMBER)
    }

    fn of_number(uid: u32, gid: u32) -> Engine {
        let engine = Engine::of(Owner::User { uid, gid });
        // The build's directory may be in a home that others cannot enter.
        let program = engine.path("ketch");
        fs::hard_link(program::engine(), &program)
            .or_else(|_| fs::copy(program::engine(), &program).map(drop))
            .expect("the program can be copied");
        for name in ["", "data", "run", "home"] {
            let path = engine.directory(name);
            fs::set_permissions(&path, Permissions::from_mode(0o700)).expect("its mode can be set");
        }
        engine
    }

    /// A directory that is its user's.
    pub fn directory(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(&path).expect("a directory can be made");
        if let Owner::User { uid, gid } = self.owner {
            chown(&path, Some(uid), Some(gid)).expect("it can be given away");
        }
        path
    }
}

/// The user's own `ketch` in `dir`, with a user's environment.
pub(crate) fn command(dir: &Path, uid: u32, gid: u32) -> Command {
    let mut command = Command::new(dir.join("ketch"));
    command
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("HOME", dir.join("home"))
        .env("XDG_DATA_HOME", dir.join("data"))
        .env("XDG_RUNTIME_DIR", dir.join("run"))
        .current_dir(dir)
        .gid(gid)
        .uid(uid);
    command
}

/// The first host id of the user's range: it is 1 in the containers.
pub fn first_subordinate() -> u32 {
    user();
    let ranges = fs::read_to_string("/etc/subuid").expect("the user has a range");
    let own = ranges.lines().find_map(|line| line.strip_prefix(NAME)?.strip_prefix(':'));
    own.and_then(|range| range.split(':').next()?.parse().ok()).expect("the user has a range")
}

/// Ids for root's `--userns auto`; made once, and left for the next time. The first of them.
pub fn first_of_containers() -> u32 {
    static FIRST: OnceLock<u32> = OnceLock::new();
    const OWNER: &str = "containers:";
    *FIRST.get_or_init(|| {
        for file in ["/etc/subuid", "/etc/subgid"] {
            let ranges = fs::read_to_string(file).unwrap_or_default();
            if !ranges.lines().any(|line| line.starts_with(OWNER)) {
                let line = format!("{OWNER}2147483647:2147483648\n");
                let mut file =
                    fs::File::options().create(true).append(true).open(file).expect("it is root's");
                file.write_all(line.as_bytes()).expect("a line can be added");
            }
        }
        let ranges = fs::read_to_string("/etc/subuid").expect("there is a range");
        let own = ranges.lines().find_map(|line| line.strip_prefix(OWNER));
        own.and_then(|range| range.split(':').next()?.parse().ok()).expect("there is a range")
    })
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
