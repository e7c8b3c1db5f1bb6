//! What honest layers hold, down to the last attribute.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use super::Store;
use super::tarball::Tarball;

/// Extended attributes by name, as getfattr finds them.
pub(crate) fn xattrs(path: &Path) -> Vec<(String, Vec<u8>)> {
    let mut command = std::process::Command::new("python3");
    command.arg("-c").arg(
        "import os,sys\nfor n in sorted(os.listxattr(sys.argv[1], follow_symlinks=False)):\n print(n, os.getxattr(sys.argv[1], n, follow_symlinks=False).hex())",
    );
    let out = ketch_integration::program::finish(command.arg(path)).ok();
    let line = |line: &str| {
        let (name, hex) = line.split_once(' ').unwrap();
        let bytes = hex
            .as_bytes()
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap());
        (name.to_owned(), bytes.collect())
    };
    out.stdout.lines().map(line).collect()
}

#[test]
fn owner_mode_and_time() {
    let store = Store::new();
    let layer = Tarball::new()
        .dir("./", 0o711)
        .with(b'5', "dir/", "", 0o2555, b"", |header| header.set_gid(7))
        .pax(&[("mtime", b"1600000000.123456789"), ("uid", b"3000000"), ("gid", b"11")])
        .entry(b'0', "dir/setuid", "", 0o6755, b"x")
        .pax(&[("mtime", b"-1.5")])
        .file("dir/old", b"")
        .pax(&[("uid", b"5")])
        .symlink("dir/link", "nowhere")
        .finish();
    let dir = store.extract(layer);
    assert_eq!(fs::metadata(&dir).unwrap().mode() & 0o7777, 0o711);
    let sub = fs::metadata(dir.join("dir")).unwrap();
    // Made before what is in it, and still with its own time.
    assert_eq!((sub.mode() & 0o7777, sub.gid(), sub.mtime()), (0o2555, 7, 1_700_000_000));
    let file = fs::metadata(dir.join("dir/setuid")).unwrap();
    assert_eq!((file.mode() & 0o7777, file.uid(), file.gid()), (0o6755, 3_000_000, 11));
    assert_eq!((file.mtime(), file.mtime_nsec()), (1_600_000_000, 123_456_789));
    let old = fs::metadata(dir.join("dir/old")).unwrap();
    // The directory's setgid does not rub off.
    assert_eq!((old.mtime(), old.mtime_nsec(), old.gid()), (-2, 500_000_000, 0));
    assert_eq!(fs::symlink_metadata(dir.join("dir/link")).unwrap().uid(), 5);
}

#[test]
fn xattrs_and_capabilities() {
    // cap_net_raw+ep; a value with a line feed in it must not end its record.
    let capability = [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, b'\n', 0, 0, 0, 0, 0, 0, 0];
    let store = Store::new();
    let layer = Tarball::new()
        .pax(&[("SCHILY.xattr.security.capability", &capability), ("SCHILY.xattr.user.a", b"b=c\nd")])
        .with(b'0', "ping", "", 0o755, b"x", |header| header.set_uid(1))
        .finish();
    let found = xattrs(&store.extract(layer).join("ping"));
    assert_eq!(found[0].0, "security.capability");
    assert_eq!(found[0].1[4..8], [0, 0x20, 0, 0]);
    assert_eq!(found[1], ("user.a".to_owned(), b"b=c\nd".to_vec()));
}

#[test]
fn long_names() {
    let deep = format!("{}/{}", "d".repeat(200), "f".repeat(250));
    let (gnu, pax) = (format!("gnu/{deep}"), format!("pax/{deep}"));
    let target = "t".repeat(300);
    let nul = |text: &str| [text.as_bytes(), b"\0"].concat();
    let layer = Tarball::new()
        .entry(b'L', "././@LongLink", "", 0, &nul(&gnu))
        .file("cut", b"1")
        .pax(&[("path", pax.as_bytes())])
        .file("cut", b"2")
        .entry(b'K', "././@LongLink", "", 0, &nul(&target))
        .symlink("k", "cut")
        .pax(&[("linkpath", target.as_bytes())])
        .symlink("x", "cut")
        .finish();
    let store = Store::new();
    let dir = store.extract(layer);
    assert_eq!(fs::read(dir.join(gnu)).unwrap(), b"1");
    assert_eq!(fs::read(dir.join(pax)).unwrap(), b"2");
    assert_eq!(fs::read_link(dir.join("k")).unwrap(), Path::new(&target));
    assert_eq!(fs::read_link(dir.join("x")).unwrap(), Path::new(&target));
}

/// GNU tar's four ways to store a file of holes come out as one file, holes kept.
#[test]
fn sparse_formats() {
    let store = Store::new();
    let source = store.path("sparse");
    fs::create_dir(&source).unwrap();
    let original = source.join("file");
    let file = fs::File::create(&original).unwrap();
    file.set_len(64 << 20).unwrap();
    // Enough runs that the old format needs extension blocks.
    for run in 0..60 {
        std::os::unix::fs::FileExt::write_all_at(&file, format!("run {run}").as_bytes(), run << 20).unwrap();
    }
    drop(file);
    let expected = fs::read(&original).unwrap();
    for format in ["--format=gnu", "--sparse-version=0.0", "--sparse-version=0.1", "--sparse-version=1.0"] {
        let mut tar = std::process::Command::new("tar");
        tar.arg("-C").arg(&source).arg("-S");
        tar.args(if format.starts_with("--sparse") { vec!["--format=pax", format] } else { vec![format] });
        let out = tar.args(["-cf", "-", "file"]).output().unwrap();
        assert!(out.status.success() && out.stdout.len() < 1 << 20, "{out:?}");
        let dir = store.extract(out.stdout);
        assert!(fs::read(dir.join("file")).unwrap() == expected, "{format}");
        let blocks = fs::metadata(dir.join("file")).unwrap().blocks();
        assert!(blocks * 512 < 4 << 20, "{format}: {blocks} blocks");
    }
}

#[test]
fn later_entries_replace_earlier_ones() {
    let store = Store::new();
    let layer = Tarball::new()
        .file("file", b"1")
        .file("file", b"22")
        .file("to-dir", b"")
        .dir("to-dir/", 0o755)
        .file("to-dir/in", b"")
        .dir("to-file/", 0o755)
        .file("to-file/in", b"")
        .file("to-file", b"now a file")
        .dir("to-link/", 0o755)
        .file("to-link/in", b"")
        .symlink("to-link", "to-dir")
        .dir("kept/", 0o755)
        .file("kept/in", b"")
        .dir("kept/", 0o700)
        .file("to-link/through", b"")
        .finish();
    let dir = store.extract(layer);
    assert_eq!(fs::read(dir.join("file")).unwrap(), b"22");
    assert_eq!(super::names(&dir.join("to-dir")), ["in", "through"]);
    assert_eq!(fs::read(dir.join("to-file")).unwrap(), b"now a file");
    assert!(fs::symlink_metadata(dir.join("to-link")).unwrap().is_symlink());
    assert_eq!(super::names(&dir.join("kept")), ["in"]);
    assert_eq!(fs::metadata(dir.join("kept")).unwrap().mode() & 0o7777, 0o700);
}

#[test]
fn whiteouts() {
    let store = Store::new();
    let layer = Tarball::new()
        .dir("opaque/", 0o755)
        .file("opaque/own", b"1")
        .file("opaque/.wh..wh..opq", b"")
        .file(".wh.gone", b"")
        .file("sub/.wh.gone", b"")
        .file(".wh..wh.plnk", b"")
        .file("mine", b"kept")
        .file(".wh.mine", b"")
        .file(".wh.first", b"")
        .dir("first/", 0o755)
        .dir("both/", 0o755)
        .file(".wh.both", b"")
        .finish();
    let dir = store.extract(layer);
    let is_whiteout = |name: &str| {
        let meta = fs::symlink_metadata(dir.join(name)).unwrap();
        meta.file_type().is_char_device() && meta.rdev() == 0
    };
    assert!(is_whiteout("gone") && is_whiteout("sub/gone"));
    let opaque = [("trusted.overlay.opaque".to_owned(), b"y".to_vec())];
    for name in ["opaque", "first", "both"] {
        assert_eq!(xattrs(&dir.join(name)), opaque, "{name}");
    }
    assert_eq!(fs::read(dir.join("mine")).unwrap(), b"kept");
    assert_eq!(super::names(&dir), ["both", "first", "gone", "mine", "opaque", "sub"]);
}

/// Parents that a layer leaves out are made with the mode that other engines give them.
#[test]
fn missing_parents() {
    let store = Store::new();
    let dir = store.extract(Tarball::new().file("a/b/c/file", b"1").finish());
    assert_eq!(fs::metadata(dir.join("a/b")).unwrap().mode() & 0o7777, 0o755);
    assert_eq!(fs::metadata(&dir).unwrap().mode() & 0o7777, 0o755);
}
