//! `load`: archives that docker, skopeo and podman write, whole and damaged.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use ketch_integration::{ImageBuilder, Output, program};
use serde_json::json;

use super::Store;
use super::registry::gzip;
use super::tarball::Tarball;

impl Store {
    fn load_file(&self, path: &Path) -> Output {
        self.run(["load".as_ref(), "-q".as_ref(), "-i".as_ref(), path.as_os_str()])
    }

    fn archive(&self, bytes: &[u8]) -> Output {
        let path = self.path("archive");
        fs::write(&path, bytes).unwrap();
        self.load_file(&path)
    }
}

fn image() -> ImageBuilder {
    ImageBuilder::scratch()
        .files(&[("a", 0o644, b"1")])
        .files(&[("b", 0o644, b"2")])
        .config("Labels", json!({"x": "y"}))
}

#[test]
fn what_skopeo_writes() {
    let store = Store::new();
    let source = store.path("source.tar");
    image().name("docker.io/library/app:1").docker_archive(&source);
    store.load_file(&source).ok().assert_stdout("Loaded image: docker.io/library/app:1");
    for (to, name) in [
        ("docker-archive:NAME:foo/app:2", "docker.io/foo/app:2"),
        ("docker-archive:NAME", "sha256:"),
        ("oci-archive:NAME:app:3", "localhost/app:3"),
        ("oci-archive:NAME:quay.io/app:4", "quay.io/app:4"),
        ("oci-archive:NAME", "sha256:"),
    ] {
        let path = store.path("copy.tar");
        let _ = fs::remove_file(&path);
        let from = format!("docker-archive:{}", source.display());
        program::run("skopeo", ["copy", &from, &to.replace("NAME", path.to_str().unwrap())]).ok();
        store.load_file(&path).ok().assert_stdout_has(&format!("Loaded image: {name}"));
    }
    // skopeo writes another configuration for OCI: two images, and their layers once.
    assert_eq!(store.line("images -q").ok().stdout.lines().count(), 2);
    assert_eq!(super::names(&store.path("root/layers")).len(), 2);
    let document = store.line("image inspect quay.io/app:4").ok().json();
    assert_eq!(document[0]["Labels"], json!({"x": "y"}));
    assert_eq!(document[0]["RepoTags"].as_array().unwrap().len(), 2);
}

#[test]
fn from_a_pipe_and_compressed() {
    let store = Store::new();
    let path = store.path("app.tar");
    image().name("localhost/app:1").docker_archive(&path);
    let plain = fs::read(&path).unwrap();
    for bytes in [plain.clone(), gzip(&plain)] {
        let mut child =
            store.command().arg("load").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(&bytes).unwrap();
        let out = child.wait_with_output().unwrap();
        assert!(out.status.success());
        assert_eq!(out.stdout, b"Loaded image: localhost/app:1\n");
        store.line("rmi localhost/app:1").ok();
        store.archive(&bytes).ok();
        store.line("rmi localhost/app:1").ok();
        store.assert_empty();
    }
}

/// Older dockers write a layer once and link to it from the other places.
#[test]
fn layers_by_link() {
    let store = Store::new();
    let layer = Tarball::new().file("a", b"1").finish();
    let id = ketch_integration::image::digest(&layer);
    let config =
        json!({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [id, id]}});
    let manifest =
        json!([{"Config": "./c.json", "RepoTags": null, "Layers": ["one/layer.tar", "two/layer.tar"]}]);
    let archive = Tarball::new()
        .file("one/layer.tar", &layer)
        .symlink("two/layer.tar", "../one/layer.tar")
        .file("c.json", config.to_string().as_bytes())
        .file("manifest.json", manifest.to_string().as_bytes())
        .finish();
    store.archive(&archive).ok().assert_stdout_has("Loaded image: sha256:");
    assert_eq!(store.line("image inspect -f {{len(.RootFS.Layers)}} x").code, 125);
    let list = store.line("images -q").ok();
    let document = store.line(&format!("image inspect {}", list.text())).ok().json();
    assert_eq!(document[0]["RootFS"]["Layers"], json!([id, id]));
    assert_eq!(super::names(&store.path("root/layers")).len(), 1);
}

#[test]
fn damaged_archives() {
    let layer = Tarball::new().file("a", b"1").finish();
    let id = ketch_integration::image::digest(&layer);
    let config = |id: &str| {
        json!({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [id]}})
            .to_string()
    };
    let manifest = |text: &str| Tarball::new().file("manifest.json", text.as_bytes());
    let good = r#"[{"Config":"c","RepoTags":["localhost/app:1"],"Layers":["l"]}]"#;
    let wrong = format!("sha256:{}", "0".repeat(64));
    let whole = manifest(good).file("c", config(&id).as_bytes()).file("l", &layer);
    for (archive, part) in [
        (b"not an archive".repeat(100), "not a valid tar archive"),
        (Vec::new(), "neither an oci-archive"),
        (Tarball::new().file("x", b"").finish(), "neither an oci-archive"),
        (manifest("{}").finish(), "not valid JSON"),
        (manifest("[]").finish(), "holds no image"),
        (manifest(good).finish(), "has no c"),
        (manifest(good).file("c", config(&id).as_bytes()).finish(), "has no l"),
        (manifest(good).file("c", b"{}").file("l", &layer).finish(), "not valid JSON"),
        (manifest(good).file("c", config(&wrong).as_bytes()).file("l", &layer).finish(), "diff id mismatch"),
        (
            manifest(good).file("c", config("sha256:x/../..").as_bytes()).file("l", &layer).finish(),
            "not sha256",
        ),
        (
            manifest(good).file("c", config(&id).as_bytes()).file("l", &layer[..700]).finish(),
            "ends in the middle",
        ),
        (
            manifest(&good.replace("localhost", "Bad//"))
                .file("c", config(&id).as_bytes())
                .file("l", &layer)
                .finish(),
            "invalid reference",
        ),
        (whole.cut()[..3000].to_vec(), "ends in the middle"),
        (b"BZh91AY and so on".to_vec(), "bzip2"),
        (gzip(&layer)[..60].to_vec(), "cannot read the archive"),
    ] {
        let store = Store::new();
        let out = store.archive(&archive).assert_exit(125).assert_one_error_line();
        assert!(out.stderr.contains(part), "no {part:?} in {out:#?}");
        store.assert_empty();
    }
    let store = Store::new();
    store.line("load -i /").assert_exit(125).assert_stderr_has("neither an oci-archive or oci-dir");
    store.line("load -i /no/such/file").assert_exit(125).assert_stderr_has("/no/such/file");
}

/// Blobs of an image layout are what their names say, or they are refused.
#[test]
fn damaged_layouts() {
    let store = Store::new();
    let source = store.path("source.tar");
    image().docker_archive(&source);
    let layout = store.path("layout");
    let to = format!("oci:{}:localhost/app:1", layout.display());
    program::run("skopeo", ["copy", &format!("docker-archive:{}", source.display()), &to]).ok();
    let blobs = super::names(&layout.join("blobs/sha256"));
    assert_eq!(blobs.len(), 4);
    for blob in blobs {
        let path = layout.join("blobs/sha256").join(&blob);
        let good = fs::read(&path).unwrap();
        let mut bad = good.clone();
        let middle = bad.len() / 2;
        bad[middle] ^= 1;
        fs::write(&path, bad).unwrap();
        let archive = store.path("layout.tar");
        let args = ["-C", layout.to_str().unwrap(), "-cf", archive.to_str().unwrap(), "."];
        program::run("tar", args).ok();
        let store = Store::new();
        let out = store.load_file(&archive).assert_exit(125).assert_one_error_line();
        assert!(out.stderr.contains("digest mismatch"), "{out:#?}");
        store.assert_empty();
        fs::write(&path, good).unwrap();
    }
}
