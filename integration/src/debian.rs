//! Debian roots and images, made from the host's own release and mirror, and kept for the next test.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::{ImageBuilder, program};

/// The worker behind the web server: it greets, and counts in memory and, when there is a /data, on disk.
const WORKER: &str = include_str!("debian/worker.py");
const NGINX: &str = include_str!("debian/nginx.conf");
const SERVE: &str = "#!/bin/sh\n\
    # The worker listens before the first request can come.\n\
    python3 /srv/worker.py --background && exec nginx\n";

/// An uncompressed tar of a minimal Debian with `packages`. Whoever asks first makes it, the others wait.
pub fn layer(packages: &[&str]) -> Vec<u8> {
    let tar = cache().join(format!("debian-{}.tar", packages.join("-")));
    let lock = lock(&tar);
    if lock.is_some() && !tar.exists() {
        make(packages, &tar);
    }
    fs::read(tar).expect("the layer was just made")
}

/// A docker-archive of the image `localhost/web`: nginx on ports 80 and 8080 before a Python worker on port 8000.
pub fn web_archive() -> PathBuf {
    let archive = cache().join("web.tar");
    let Some(_lock) = lock(&archive) else { return archive };
    let layer = layer(&["nginx-light", "python3"]);
    let whole = archive.with_extension("whole");
    ImageBuilder::scratch()
        .layer(layer)
        .files(&[
            ("srv/worker.py", 0o644, WORKER.as_bytes()),
            ("srv/serve", 0o755, SERVE.as_bytes()),
            ("etc/nginx/nginx.conf", 0o644, NGINX.as_bytes()),
        ])
        .name("localhost/web:latest")
        .config(
            "Env",
            json!(["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "GREETING=hello"]),
        )
        .config("Cmd", json!(["/srv/serve"]))
        .config("ExposedPorts", json!({"8080/tcp": {}}))
        .docker_archive(&whole);
    fs::rename(whole, &archive).expect("a rename in one directory");
    archive
}

/// The right to make `file`. None: it is there, and nothing can be made where it is, which is so in the guest of `hack/vm`.
fn lock(file: &Path) -> Option<File> {
    match File::create(file.with_extension("lock")) {
        Err(error) if error.kind() == ErrorKind::ReadOnlyFilesystem => {
            let missing = "is made by the same test outside of the guest: run it there first";
            assert!(file.exists(), "{} {missing}", file.display());
            None
        }
        lock => {
            let lock = lock.expect("the build directory is writable");
            lock.lock().expect("nobody breaks the lock");
            Some(lock)
        }
    }
}

/// Beside the binaries: it goes when they do.
fn cache() -> PathBuf {
    let test = std::env::current_exe().expect("a program has a path");
    let profile = test.ancestors().find(|dir| dir.join("ketch").is_file());
    let dir = profile.expect("tests lie below the programs").join("debian");
    fs::create_dir_all(&dir).expect("the build directory is writable");
    dir
}

fn make(packages: &[&str], tar: &Path) {
    let dir = tempfile::tempdir_in("/var/tmp").expect("/var/tmp is writable");
    let root = dir.path().join("root");
    let sources = fs::read_to_string("/etc/apt/sources.list.d/debian.sources").unwrap_or_default();
    let field = |name: &str| {
        sources.lines().find_map(|line| line.strip_prefix(name)).map(|text| text.trim().to_owned())
    };
    let suite = field("Suites:").and_then(|suites| suites.split(' ').next().map(str::to_owned));
    let mirror = field("URIs:").unwrap_or("http://deb.debian.org/debian".into());
    let include = format!("--include={}", packages.join(","));
    let mut words = vec!["--variant=minbase"];
    if !packages.is_empty() {
        words.push(&include);
    }
    let suite = suite.unwrap_or("bookworm".into());
    words.extend([suite.as_str(), root.to_str().expect("/var/tmp is UTF-8"), &mirror]);
    program::run("debootstrap", words).ok();
    // The host's way to its mirror, a proxy for instance.
    for entry in fs::read_dir("/etc/apt/apt.conf.d").into_iter().flatten().flatten() {
        let text = fs::read_to_string(entry.path()).unwrap_or_default();
        if text.contains("Proxy") {
            fs::write(root.join("etc/apt/apt.conf.d").join(entry.file_name()), text).expect("a fresh root");
        }
    }
    let _ = fs::remove_dir_all(root.join("var/cache/apt/archives"));
    let whole = tar.with_extension("whole");
    let (root, path) = (root.to_str().expect("UTF-8"), whole.to_str().expect("UTF-8"));
    // What no program reads: half of the bytes, which an emulated processor unpacks at two megabytes a second.
    let unread = ["dev", "var/lib/apt/lists", "usr/share/doc", "usr/share/man", "usr/share/locale"];
    let mut words = unread.map(|dir| format!("--exclude=./{dir}/*")).to_vec();
    words.extend(["-C", root, "-cf", path, "."].map(str::to_owned));
    program::run("tar", words).ok();
    fs::rename(&whole, tar).expect("a rename in one directory");
}
