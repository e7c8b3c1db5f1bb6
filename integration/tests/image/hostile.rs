//! Layers that try to get out of their directory, to fill the disk, or to forge what is the overlay's own.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use super::Store;
use super::tarball::Tarball;

#[test]
fn dot_dot_is_refused() {
    for path in ["../evil", "a/../../evil", "/../evil", "..", "a/b/../../.."] {
        let store = Store::new();
        store.refuse(
            Tarball::new().file("first", b"1").file(path, b"evil").finish(),
            "leads out of the layer",
        );
        assert!(!store.path("evil").exists() && !store.path("root/evil").exists());
    }
}

/// As in podman, a leading slash means the root of the layer, and `..` inside it is taken as text.
#[test]
fn absolute_names_are_below_the_layer() {
    let store = Store::new();
    let layer = Tarball::new().file("/etc/x", b"in").file("//a/../b/./c", b"c").finish();
    let dir = store.extract(layer);
    assert_eq!(fs::read(dir.join("etc/x")).unwrap(), b"in");
    assert_eq!(fs::read(dir.join("b/c")).unwrap(), b"c");
    assert!(!Path::new("/etc/x").exists());
}

/// A parent that is a symbolic link is followed, with the layer as its root.
#[test]
fn symlinked_parents_stay_inside() {
    let store = Store::new();
    let outside = store.path("outside");
    fs::create_dir(&outside).unwrap();
    let outside = outside.to_str().unwrap();
    let layer = Tarball::new()
        .dir("real/", 0o755)
        .symlink("inside", "real")
        .symlink("up", "../../../../../../real")
        .symlink("absolute", "/real")
        .file("inside/1", b"1")
        .file("up/2", b"2")
        .file("absolute/3", b"3")
        .finish();
    let dir = store.extract(layer);
    assert_eq!(super::names(&dir.join("real")), ["1", "2", "3"]);

    let store = Store::new();
    store.refuse(Tarball::new().symlink("link", outside).file("link/evil", b"evil").finish(), "/link");
    store.refuse(
        Tarball::new().symlink("a", "/proc/self/root").file("a/tmp/evil", b"evil").finish(),
        "cannot follow /a",
    );
    assert_eq!(super::names(Path::new(outside)), Vec::<String>::new());
}

/// The last component is never followed: what a link points to is not written.
#[test]
fn links_are_replaced_not_followed() {
    let store = Store::new();
    let victim = store.path("victim");
    fs::write(&victim, "untouched").unwrap();
    let layer = Tarball::new()
        .symlink("link", victim.to_str().unwrap())
        .file("link", b"evil")
        .symlink("dir", store.dir.path().to_str().unwrap())
        .dir("dir/", 0o700)
        .file("dir/victim", b"evil")
        .finish();
    let dir = store.extract(layer);
    assert_eq!(fs::read_to_string(&victim).unwrap(), "untouched");
    assert!(fs::symlink_metadata(dir.join("link")).unwrap().is_file());
    assert!(fs::symlink_metadata(dir.join("dir")).unwrap().is_dir());
}

#[test]
fn hard_links_stay_inside() {
    for (path, target) in
        [("x", "/etc/passwd"), ("x", "etc/passwd"), ("x", "l/passwd"), ("x", "x"), ("x", "/")]
    {
        let store = Store::new();
        store.refuse(Tarball::new().symlink("l", "/etc").hard_link(path, target).finish(), "/x");
    }
    let store = Store::new();
    store.refuse(Tarball::new().hard_link("x", "../../etc/passwd").finish(), "leads out of the layer");

    let layer =
        Tarball::new().file("a", b"one").hard_link("b", "/a").symlink("s", "a").hard_link("t", "s").finish();
    let dir = Store::new().extract_and_keep(layer);
    assert_eq!(fs::metadata(dir.1.join("a")).unwrap().ino(), fs::metadata(dir.1.join("b")).unwrap().ino());
    assert_eq!(fs::read_link(dir.1.join("t")).unwrap(), Path::new("a"));
}

/// Devices are the image's right; that nothing on the host uses them is the container's mounts' and cgroup's part.
#[test]
fn devices() {
    let store = Store::new();
    let device = |header: &mut tar::Header| {
        header.set_device_major(1).unwrap();
        header.set_device_minor(3).unwrap();
    };
    let layer = Tarball::new()
        .with(b'3', "null", "", 0o666, b"", device)
        .with(b'4', "disk", "", 0o600, b"", device)
        .entry(b'6', "fifo", "", 0o640, b"")
        .finish();
    let dir = store.extract(layer);
    let null = fs::metadata(dir.join("null")).unwrap();
    assert!(null.file_type().is_char_device());
    assert_eq!((null.rdev(), null.mode() & 0o7777), (0x103, 0o666));
    assert!(fs::metadata(dir.join("disk")).unwrap().file_type().is_block_device());
    assert!(fs::metadata(dir.join("fifo")).unwrap().file_type().is_fifo());
}

/// A file of a terabyte of nothing takes no room; one that claims bytes that are not there is refused.
#[test]
fn huge_sparse_files() {
    let sparse = |header: &mut tar::Header| {
        let gnu = header.as_gnu_mut().unwrap();
        gnu.set_real_size(1 << 40);
        gnu.sparse[0].set_offset((1 << 40) - 4);
        gnu.sparse[0].set_length(4);
    };
    let store = Store::new();
    let dir = store.extract(Tarball::new().with(b'S', "hole", "", 0o644, b"tail", sparse).finish());
    let hole = fs::metadata(dir.join("hole")).unwrap();
    assert_eq!(hole.len(), 1 << 40);
    assert!(hole.blocks() * 512 < 1 << 20, "{} blocks", hole.blocks());

    for (offset, length, real) in
        [(0, 1 << 40, 1 << 40), (1 << 50, 4, 1 << 40), (0, 4, 1 << 62), (u64::MAX - 1, 4, 8)]
    {
        let lie = |header: &mut tar::Header| {
            let gnu = header.as_gnu_mut().unwrap();
            gnu.set_real_size(real);
            gnu.sparse[0].set_offset(offset);
            gnu.sparse[0].set_length(length);
        };
        Store::new().refuse(Tarball::new().with(b'S', "hole", "", 0o644, b"tail", lie).finish(), "");
    }
    Store::new().refuse(
        Tarball::new().with(b'0', "big", "", 0o644, b"", |header| header.set_size(1 << 60)).finish(),
        "ends in the middle",
    );
}

#[test]
fn the_overlays_own_attributes_are_not_the_images() {
    let store = Store::new();
    let layer = Tarball::new()
        .pax(&[
            ("SCHILY.xattr.trusted.overlay.opaque", b"y"),
            ("SCHILY.xattr.trusted.overlay.redirect", b"/etc"),
            ("SCHILY.xattr.user.overlay.opaque", b"y"),
            ("SCHILY.xattr.user.mine", b"yes"),
        ])
        .dir("dir/", 0o755)
        .finish();
    let dir = store.extract(layer).join("dir");
    assert_eq!(super::layer::xattrs(&dir), [("user.mine".to_owned(), b"yes".to_vec())]);
}

#[test]
fn whiteouts_of_no_name() {
    for path in [".wh.", ".wh..", ".wh...", "a/.wh..", "a/.wh..."] {
        let store = Store::new();
        fs::create_dir_all(store.path("root/layers")).unwrap();
        store.refuse(
            Tarball::new().dir("a/", 0o755).file("a/keep", b"1").file(path, b"").finish(),
            "not a valid whiteout",
        );
    }
}

#[test]
fn broken_archives() {
    let bad_sum = {
        let mut tar = Tarball::new().file("a", b"1").finish();
        tar[0] = b'b';
        tar
    };
    for (layer, part) in [
        (bad_sum, "checksum"),
        (Tarball::new().entry(b'Z', "a", "", 0, b"").finish(), "unknown entry type"),
        (Tarball::new().pax(&[("size", b"-1")]).file("a", b"").finish(), "bad size"),
        (Tarball::new().entry(b'x', "x", "", 0, b"5 a").file("a", b"").finish(), "bad pax record"),
        (Tarball::new().with(b'x', "x", "", 0, b"", |h| h.set_size(1 << 40)).finish(), "too large"),
        (Tarball::new().with(b'L', "x", "", 0, b"", |h| h.set_size(1 << 40)).finish(), "too large"),
        (Tarball::new().pax(&[("path", b"a")]).finish(), "without entry"),
        (Tarball::new().file("a", b"").cut().into_iter().take(300).collect(), "ends in the middle"),
        (Tarball::new().file("a/b", b"").file("a", b"").file("a/b/c", b"").finish(), "not a directory"),
        (
            Tarball::new()
                .file(&"n".repeat(99), b"")
                .pax(&[("path", "n".repeat(300).as_bytes())])
                .file("x", b"")
                .finish(),
            "name too long",
        ),
        (Tarball::new().file("/", b"").finish(), "is a directory"),
    ] {
        Store::new().refuse(layer, part);
    }
}

/// Control characters in a name do not reach the terminal.
#[test]
fn names_in_errors_are_printable() {
    let store = Store::new();
    store.refuse(Tarball::new().file("../\u{1b}[2J\nx", b"").finish(), "\\u{1b}[2J\\nx");
}

impl Store {
    fn extract_and_keep(self, layer: Vec<u8>) -> (Store, std::path::PathBuf) {
        let dir = self.extract(layer);
        (self, dir)
    }
}
