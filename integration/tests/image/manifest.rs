//! `manifest`: indexes of images of the store and of registries.

use ketch_integration::image::digest;
use ketch_integration::registry::Registry;
use ketch_integration::{Engine, ImageBuilder, program};
use serde_json::{Value, json};

use super::Store;

fn image(name: &str) -> ImageBuilder {
    ImageBuilder::scratch().files(&[("name", 0o644, name.as_bytes())]).name(name)
}

impl Store {
    fn index(&self, name: &str) -> Value {
        self.line(&format!("manifest inspect {name}")).ok().json()
    }
}

/// What another tool sees there.
fn raw(name: &str) -> (Value, String) {
    let out =
        program::run("skopeo", ["inspect", "--raw", "--tls-verify=false", &format!("docker://{name}")]).ok();
    (serde_json::from_str(&out.stdout).unwrap(), digest(out.stdout.as_bytes()))
}

#[test]
fn made_changed_and_removed() {
    let store = Store::new();
    store.load(&image("localhost/app:1")).ok();
    store.load(&image("localhost/other:1")).ok();
    let id = store.line("manifest create --annotation k=v list:1").ok().stdout;
    assert_eq!(
        store.index("list:1"),
        json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [],
               "annotations": {"k": "v"}})
    );
    store
        .line("manifest create list:1")
        .assert_exit(125)
        .assert_one_error_line()
        .assert_stderr_has("that name is already in use");
    store.line("manifest create --amend list:1 app:1").ok().assert_stdout(id.trim());
    let add = "manifest add --arch arm64 --variant v8 --os-version 7 --features a,b --annotation x=y list:1 other:1";
    store.line(add).ok().assert_stdout(id.trim());
    // Twice is once.
    store.line(add).ok();
    let index = store.index("list:1");
    let manifests = index["manifests"].as_array().unwrap();
    assert_eq!(manifests.len(), 2);
    assert_eq!(manifests[0]["platform"], json!({"architecture": "amd64", "os": "linux"}));
    assert_eq!(
        manifests[1]["platform"],
        json!({"architecture": "arm64", "os": "linux", "variant": "v8", "os.version": "7", "features": ["a", "b"]})
    );
    assert_eq!(manifests[1]["annotations"], json!({"x": "y"}));
    let second = manifests[1]["digest"].as_str().unwrap();
    let inspected = store.line("image inspect -f {{.Digest}} other:1").ok();
    inspected.assert_stdout(second);

    store.line(&format!("manifest annotate --arch riscv64 list:1 {second}")).ok();
    store.line("manifest annotate --os plan9 list:1 app:1").ok();
    store.line("manifest annotate --index --annotation k=w list:1").ok();
    let index = store.index("list:1");
    assert_eq!(index["manifests"][1]["platform"]["architecture"], "riscv64");
    assert_eq!(index["manifests"][0]["platform"]["os"], "plan9");
    assert_eq!(index["annotations"], json!({"k": "w"}));

    store.line("manifest exists list:1").ok();
    store.line("manifest exists app:1").assert_exit(1);
    store.line("manifest exists nope").assert_exit(1);
    for (line, part) in [
        ("manifest add nope app:1", "nope: image not known"),
        ("manifest add app:1 other:1", "image is not a manifest list"),
        ("manifest add list:1 dir:/x", "pull it first"),
        ("manifest add --artifact list:1 x", "--artifact is not available"),
        ("manifest annotate list:1", "or --index"),
        ("manifest annotate --annotation x list:1 app:1", "no value given for annotation"),
        ("manifest remove list:1 sha256:0", "not sha256: and 64 hex digits"),
        ("manifest rm app:1", "image is not a manifest list"),
        ("manifest push list:1 oci:/x", "an index goes to registries alone"),
        ("manifest create a@b", "invalid reference format"),
    ] {
        store.line(line).assert_exit(125).assert_one_error_line().assert_stderr_has(part);
    }
    let gone = format!("manifest remove list:1 {second}");
    store.line(&gone).ok().assert_stdout(id.trim());
    store.line(&gone).assert_exit(125).assert_stderr_has("no such instance");
    assert_eq!(store.index("list:1")["manifests"].as_array().unwrap().len(), 1);

    // Its names are an image's.
    store.line("tag list:1 list:2").ok();
    store.line("images --format {{.Repository}}:{{.Tag}}").ok().assert_stdout_has("localhost/list:2");
    store.line("rmi list:2").ok().assert_stdout("Untagged: localhost/list:2");
    store
        .line("manifest rm list:1")
        .ok()
        .assert_stdout(&format!("Untagged: localhost/list:1\nDeleted: {}", id.trim()));
    store.line("manifest rm list:1").assert_exit(1).assert_one_error_line();
    store.line("manifest rm -i list:1").ok();
    store.line("rmi app:1 other:1").ok();
    store.assert_empty();
}

/// A name for several platforms runs the image for this one.
#[test]
fn runs_what_is_for_this_machine() {
    let engine = Engine::with_busybox();
    engine.load(&image("localhost/other:1"));
    engine.line("manifest create list:1").ok();
    engine.line("manifest add --arch s390x list:1 other:1").ok();
    engine.line("run --rm list:1 true").assert_exit(125).assert_stderr_has("no image for platform");
    engine.line("manifest add list:1 busybox").ok();
    engine.line("run --rm list:1 echo hello").ok().assert_stdout("hello");
    let id = |name: &str| engine.line(&format!("image inspect -f {{{{.Id}}}} {name}")).ok().stdout;
    assert_eq!(id("list:1"), id("busybox"));
}

#[test]
fn to_a_registry_and_back() {
    let registry = Registry::start();
    let store = Store::new();
    store.load(&image("localhost/app:1")).ok();
    store.load(&image("localhost/other:1")).ok();
    let address = &registry.address;
    // One that is only in the registry, and stays there.
    store.line(&format!("push -q --format oci other:1 {address}/arm:1")).ok();
    let (_, arm) = raw(&format!("{address}/arm:1"));
    store.line("rmi other:1").ok();
    store.line("manifest create list:1 app:1").ok();
    store.line(&format!("manifest add --arch arm64 list:1 docker://{address}/arm:1")).ok();
    assert_eq!(store.index("list:1")["manifests"][1]["digest"], arm);

    let file = store.path("digest");
    let push = format!("manifest push --digestfile {} list:1 {address}/list:1", file.display());
    let out = store.line(&push).ok();
    for part in ["(1/2)", "(2/2)", "Writing manifest list to image destination"] {
        assert!(out.stderr.contains(part), "{out:#?}");
    }
    let (index, index_digest) = raw(&format!("{address}/list:1"));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), index_digest);
    assert_eq!(index["manifests"][1]["digest"], arm, "a copied image is what it was");
    let copy = format!("oci:{}:x", store.path("copy").display());
    let from = format!("docker://{address}/list:1");
    program::run("skopeo", ["copy", "-q", "--all", "--src-tls-verify=false", &from, &copy]).ok();

    let id =
        |store: &Store, name: &str| store.line(&format!("image inspect -f {{{{.Id}}}} {name}")).ok().stdout;
    let other = Store::new();
    other.line(&format!("pull -q {address}/list:1")).ok().assert_stdout(id(&store, "app:1").trim());
    // An index of the registry, and all that is in it.
    assert_eq!(other.index(&format!("{address}/list:1")), index);
    other.line(&format!("manifest create one docker://{address}/list:1")).ok();
    assert_eq!(other.index("one")["manifests"].as_array().unwrap().len(), 1);
    other.line(&format!("manifest create --all both docker://{address}/list:1")).ok();
    assert_eq!(other.index("both")["manifests"], index["manifests"]);
    // To another repository, and to another registry, byte for byte.
    let elsewhere = Registry::start();
    for target in [format!("{address}/again:1"), format!("{}/list:1", elsewhere.address)] {
        other.line(&format!("manifest push -q both {target}")).ok();
        assert_eq!(raw(&target).0["manifests"], index["manifests"], "{target}");
        let from = format!("docker://{target}");
        let copy = format!("oci:{}:x", other.path(&target.replace('/', "-")).display());
        program::run("skopeo", ["copy", "-q", "--all", "--src-tls-verify=false", &from, &copy]).ok();
    }
    other
        .line(&format!("manifest push -q --all=false both {address}/none:1"))
        .assert_exit(125)
        .assert_one_error_line();
    other.line(&format!("manifest push -q --rm both {address}/again:2")).ok();
    other.line("manifest exists both").assert_exit(1);
    let single = other.line(&format!("manifest inspect {address}/arm:1")).ok();
    single.assert_stderr_has("is not a manifest list but a single image");
}
