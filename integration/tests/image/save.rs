//! `save`: what was loaded goes out as it came in, byte for byte, in every format that other tools read.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use ketch_integration::{ImageBuilder, Output, program};
use serde_json::Value;

use super::Store;
use super::tarball::Tarball;

const NAME: &str = "docker.io/library/app:1";

/// Two layers with all that a tar can say in more than one way.
fn image() -> ImageBuilder {
    let sparse = Tarball::new()
        .pax(&[
            ("GNU.sparse.major", b"1"),
            ("GNU.sparse.minor", b"0"),
            ("GNU.sparse.name", b"sparse"),
            ("GNU.sparse.realsize", b"8192"),
        ])
        .file("GNUSparseFile.0/sparse", &[b"1\n4096\n5\n".as_slice(), &[0; 503], b"hello"].concat());
    let first = sparse
        .pax(&[("mtime", b"1600000000.123456789"), ("uid", b"3000000"), ("SCHILY.xattr.user.a", b"b")])
        .file("etc/file", &b"text ".repeat(5000))
        .hard_link("etc/other", "etc/file")
        .symlink("etc/link", "file")
        .dir("empty", 0o1777)
        .file(".wh.gone", b"a whiteout with content")
        .finish();
    // No end, no directories, a name with dots.
    let second = Tarball::new().file("./a/../etc/new", b"2").cut();
    ImageBuilder::scratch().layer(first).layer(second).name(NAME)
}

impl Store {
    fn save(&self, flags: &str) -> Output {
        let mut command = self.command();
        command.current_dir(self.dir.path()).arg("save").args(flags.split_whitespace());
        Output::new(format!("save {flags}"), &command.output().unwrap())
    }

    fn inspect(&self, image: &str) -> Value {
        self.line(&format!("image inspect {image}")).ok().json()[0].clone()
    }

    fn load_path(&self, path: &Path) -> Output {
        self.run(["load".as_ref(), "-q".as_ref(), "-i".as_ref(), path.as_os_str()])
    }
}

#[test]
fn every_format_there_and_back() {
    let store = Store::new();
    store.load(&image()).ok();
    let before = store.inspect("app:1");
    for (flags, path, is_named) in [
        ("-q -o a.tar app:1", "a.tar", true),
        ("-q --format oci-archive -o b.tar app:1", "b.tar", true),
        ("-q --format oci-archive --uncompressed -o c.tar app:1", "c.tar", true),
        ("-q --format oci-dir -o d app:1", "d", true),
        ("-q --format docker-dir -o e app:1", "e", false),
        ("-q --format docker-dir --compress -o f app:1", "f", false),
    ] {
        store.save(flags).ok().assert_stdout("");
        let other = Store::new();
        let loaded = other.load_path(&store.path(path)).ok();
        let id = before["Id"].as_str().unwrap();
        match is_named {
            true => loaded.assert_stdout(&format!("Loaded image: {NAME}")),
            false => loaded.assert_stdout(&format!("Loaded image: sha256:{id}")),
        };
        let after = other.inspect(id);
        for key in ["Id", "RootFS", "Created", "Config"] {
            assert_eq!(after[key], before[key], "{flags}: {key}");
        }
        assert_eq!(
            fs::read(other.path(&format!("root/layers/{}/sparse", layer(&before, 0)))).unwrap().len(),
            8192
        );
    }
    // Nothing but the images' own names is left behind.
    assert_eq!(super::names(&store.path("root/tmp")), Vec::<String>::new());
}

fn layer(inspect: &Value, index: usize) -> String {
    inspect["RootFS"]["Layers"][index].as_str().unwrap().trim_start_matches("sha256:").to_owned()
}

/// The same image gives the same archive, and another tool takes it for what it is.
#[test]
fn what_skopeo_reads() {
    let store = Store::new();
    store.load(&image()).ok();
    store.save("-q -o a.tar app:1").ok();
    let mut out = store.command();
    let piped = out.args(["save", "-q", "app:1"]).stdout(Stdio::piped()).output().unwrap();
    assert_eq!(fs::read(store.path("a.tar")).unwrap(), piped.stdout);
    store.save("-q --format oci-archive -o b.tar app:1").ok();
    store.save("-q --format docker-dir -o e app:1").ok();
    for (from, kind) in [("docker-archive:a.tar", "a"), ("oci-archive:b.tar", "b"), ("dir:e", "e")] {
        let (transport, path) = from.split_once(':').unwrap();
        let from = format!("{transport}:{}", store.path(path).display());
        let to = format!("oci:{}:x", store.path(&format!("copy-{kind}")).display());
        // Which checks every digest.
        program::run("skopeo", ["copy", "--quiet", &from, &to]).ok();
    }
}

#[test]
fn several_names_and_images() {
    let store = Store::new();
    store.load(&image()).ok();
    store.load(&ImageBuilder::scratch().files(&[("x", 0o644, b"x")]).name("localhost/other:2")).ok();
    store.save("-q -o names.tar app:1 second:name").ok();
    let other = Store::new();
    other.load_path(&store.path("names.tar")).ok();
    assert_eq!(other.inspect("app:1")["Id"], other.inspect("localhost/second:name")["Id"]);
    store.save("-q -m -o both.tar app:1 other:2 app:1").ok();
    let other = Store::new();
    other.load_path(&store.path("both.tar")).ok();
    for image in ["app:1", "other:2"] {
        assert_eq!(other.inspect(image)["Id"], store.inspect(image)["Id"]);
    }
    // By id: without a name.
    let id = store.inspect("app:1")["Id"].as_str().unwrap().to_owned();
    store.save(&format!("-q -o id.tar {}", &id[..12])).ok();
    Store::new().load_path(&store.path("id.tar")).ok().assert_stdout(&format!("Loaded image: sha256:{id}"));
}

/// An entry that a later one replaces is not kept, so such a layer cannot be written as it came: what it holds can.
#[test]
fn a_layer_without_its_tar() {
    let store = Store::new();
    let twice = Tarball::new().file("a", b"first").file("a", b"second").file("b", b"b").finish();
    store.load(&ImageBuilder::scratch().layer(twice).name(NAME)).ok();
    store.save("-q -o a.tar app:1").ok().assert_stderr_has("has no record of its tar");
    let other = Store::new();
    other.load_path(&store.path("a.tar")).ok();
    let dir = other.path(&format!("root/layers/{}", layer(&other.inspect("app:1"), 0)));
    assert_eq!(fs::read(dir.join("a")).unwrap(), b"second");
    assert_ne!(other.inspect("app:1")["Id"], store.inspect("app:1")["Id"]);
    // The copy's own layer has a record.
    other.save("-q -o again.tar app:1").ok();
    assert_eq!(fs::read(other.path("again.tar")).unwrap(), fs::read(store.path("a.tar")).unwrap());
}

/// What somebody has changed in the store does not go out under the old digest.
#[test]
fn a_changed_layer() {
    let store = Store::new();
    store.load(&image()).ok();
    let file = store.path(&format!("root/layers/{}/etc/file", layer(&store.inspect("app:1"), 0)));
    let mut content = fs::read(&file).unwrap();
    content[7] ^= 1;
    fs::write(&file, &content).unwrap();
    store
        .save("-q -o a.tar app:1")
        .assert_exit(125)
        .assert_one_error_line()
        .assert_stderr_has("has been changed");
    fs::write(&file, &content[..100]).unwrap();
    store
        .save("-q -o a.tar app:1")
        .assert_exit(125)
        .assert_one_error_line()
        .assert_stderr_has("not what was extracted");
    assert!(!store.path("a.tar").exists());
    // Nor half of it under another name.
    assert_eq!(super::names(store.dir.path()), ["image.tar", "root"]);
}

#[test]
fn removal_takes_the_records_along() {
    let store = Store::new();
    store.load(&image()).ok();
    assert_eq!(super::names(&store.path("root/splits")).len(), 2);
    store.line("rmi app:1").ok();
    assert_eq!(super::names(&store.path("root/splits")), Vec::<String>::new());
    store.assert_empty();
}

#[test]
fn refusals() {
    let store = Store::new();
    store.load(&image()).ok();
    fs::write(store.path("there.tar"), "x").unwrap();
    fs::create_dir_all(store.path("full/x")).unwrap();
    for (flags, part) in [
        ("", "need at least 1 argument"),
        ("nope", "nope: image not known"),
        ("-o x --format nope app:1", "must be one of oci-dir oci-archive docker-dir docker-archive"),
        ("-m --format oci-archive -o x app:1 app:1", "only docker-archive"),
        ("--compress -o x app:1", "--compress can only be set when --format is 'docker-dir'"),
        ("--uncompressed -o x app:1", "--uncompressed can only be set"),
        ("-o there.tar app:1", "doesn't support modifying existing images"),
        ("--format oci-dir app:1", "--output is required"),
        ("--format oci-dir -o full app:1", "not empty"),
        ("-o no/such/dir/x app:1", "no/such/dir/x"),
    ] {
        store.save(flags).assert_exit(125).assert_one_error_line().assert_stderr_has(part);
        assert!(!store.path("x").exists(), "{flags}");
    }
}
