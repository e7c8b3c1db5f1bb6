//! Something of the host's that an attack is after.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use tempfile::TempDir;

/// What a file of the sentinel says.
pub(super) const SECRET: &str = "of the host\n";

/// A directory outside of any container, with files under the names that attacks aim at. Its hash covers names, contents
/// and all metadata but the times of access; the time of change gives away whatever was undone afterwards.
#[derive(Debug)]
pub(super) struct Sentinel {
    dir: TempDir,
    hash: String,
}

impl Sentinel {
    pub(super) fn new() -> Sentinel {
        let dir = tempfile::Builder::new().prefix("ketch-sentinel-").tempdir_in("/var/tmp");
        let dir = dir.expect("/var/tmp is writable");
        for name in [
            "console",
            "core",
            "fd",
            "null",
            "passwd",
            "ptmx",
            "pts/ptmx",
            "self/attr/apparmor/exec",
            "self/attr/exec",
            "sys/net/ipv4/ip_unprivileged_port_start",
            "sysrq-trigger",
            "zero",
        ] {
            let file = dir.path().join(name);
            fs::create_dir_all(file.parent().expect("a parent")).expect("directories");
            fs::write(&file, SECRET).expect("a file");
            fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("chmod");
        }
        let hash = hash(dir.path());
        Sentinel { dir, hash }
    }

    pub(super) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Fails when anything in it is not what it was, or is mounted on.
    #[track_caller]
    pub(super) fn assert_untouched(&self, attack: &str) {
        let now = hash(self.path());
        assert_eq!(now, self.hash, "{attack}: the host was reached, now it has {}", list(self.path()));
        let mounts = fs::read_to_string("/proc/self/mountinfo").expect("/proc is mounted");
        let path = self.path().to_str().expect("UTF-8");
        assert!(!mounts.contains(path), "{attack}: mounted on the host\n{mounts}");
    }
}

/// SHA-256 of a directory or file, in hexadecimal.
pub(super) fn hash(path: &Path) -> String {
    let mut hash = Sha256::new();
    for path in walk(path) {
        let meta = fs::symlink_metadata(&path).expect("it is there");
        hash.update(path.as_os_str().as_bytes());
        for number in
            [u64::from(meta.mode()), meta.uid().into(), meta.gid().into(), meta.nlink(), meta.rdev()]
        {
            hash.update(number.to_ne_bytes());
        }
        for number in [meta.mtime(), meta.mtime_nsec(), meta.ctime(), meta.ctime_nsec()] {
            hash.update(number.to_ne_bytes());
        }
        let kind = meta.file_type();
        if kind.is_file() {
            hash.update(fs::read(&path).expect("a readable file"));
        } else if kind.is_symlink() {
            hash.update(fs::read_link(&path).expect("a symlink").as_os_str().as_bytes());
        } else {
            assert!(kind.is_dir() || kind.is_fifo() || kind.is_char_device(), "{}", path.display());
        }
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `path` and all that is below it, in an order of its own.
fn walk(path: &Path) -> Vec<PathBuf> {
    let mut found = vec![path.to_owned()];
    let mut next = 0;
    while next < found.len() {
        if fs::symlink_metadata(&found[next]).is_ok_and(|meta| meta.is_dir()) {
            let mut entries: Vec<PathBuf> = fs::read_dir(&found[next])
                .expect("a directory")
                .flatten()
                .map(|entry| entry.path())
                .collect();
            entries.sort();
            found.extend(entries);
        }
        next += 1;
    }
    found
}

fn list(path: &Path) -> String {
    let line = |path: PathBuf| {
        let meta = fs::symlink_metadata(&path).expect("it is there");
        format!("\n{:o} {}:{} {} {}", meta.mode(), meta.uid(), meta.gid(), meta.size(), path.display())
    };
    walk(path).into_iter().map(line).collect()
}
