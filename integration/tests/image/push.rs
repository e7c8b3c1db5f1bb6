//! `push`: into real registries and archives, and into registries that are busy, that are narrow, and that lie.

use std::collections::HashMap;
use std::fs;
use std::sync::{Arc, Mutex};

use ketch_integration::image::digest;
use ketch_integration::registry::Registry;
use ketch_integration::{ImageBuilder, program};
use serde_json::{Value, json};

use super::Store;
use super::registry::{Answer, Fake, Request};
use super::tarball::Tarball;

/// Two layers, one of them more than a part of an upload and hard to compress.
fn image() -> ImageBuilder {
    let noise: Vec<u8> = (0u32..20 << 18).flat_map(|i| i.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    ImageBuilder::scratch()
        .layer(Tarball::new().file("hello", b"world").finish())
        .layer(Tarball::new().file("noise", &noise).finish())
        .name("localhost/app:1")
}

fn small() -> ImageBuilder {
    ImageBuilder::scratch().files(&[("hello", 0o644, b"world")]).name("localhost/app:1")
}

/// What another tool sees there.
fn raw(name: &str) -> (Value, String) {
    let out =
        program::run("skopeo", ["inspect", "--raw", "--tls-verify=false", &format!("docker://{name}")]).ok();
    (serde_json::from_str(&out.stdout).unwrap(), digest(out.stdout.as_bytes()))
}

impl Store {
    fn id(&self, image: &str) -> String {
        self.line(&format!("image inspect -f {{{{.Id}}}} {image}")).ok().stdout.trim().to_owned()
    }
}

#[test]
fn there_and_back() {
    let registry = Registry::start();
    let store = Store::new();
    store.load(&image()).ok();
    let id = store.id("app:1");
    let name = |tag: &str| format!("{}/team/app:{tag}", registry.address);
    for (tag, flags, layer_type) in [
        ("plain", "", "application/vnd.docker.image.rootfs.diff.tar.gzip"),
        ("oci", "--format oci", "application/vnd.oci.image.layer.v1.tar+gzip"),
        (
            "docker",
            "--format v2s2 --compression-level 9",
            "application/vnd.docker.image.rootfs.diff.tar.gzip",
        ),
        ("zstd", "--compression-format zstd", "application/vnd.oci.image.layer.v1.tar+zstd"),
    ] {
        let file = store.path("digest");
        let out = store
            .line(&format!("push {flags} --digestfile {} app:1 {}", file.display(), name(tag)))
            .ok()
            .assert_stdout("");
        for part in ["Copying blob sha256:", "Copying config sha256:", "Writing manifest to image"] {
            assert!(out.stderr.contains(part), "{out:#?}");
        }
        let (manifest, digest) = raw(&name(tag));
        assert_eq!(manifest["layers"][1]["mediaType"], layer_type, "{tag}");
        assert_eq!(fs::read_to_string(&file).unwrap(), digest, "{tag}");
        // Another tool takes it for what it is, checking every digest.
        let copy = format!("oci:{}:x", store.path(&format!("copy-{tag}")).display());
        program::run(
            "skopeo",
            ["copy", "-q", "--src-tls-verify=false", &format!("docker://{}", name(tag)), &copy],
        )
        .ok();

        let other = Store::new();
        other.line(&format!("pull -q {}", name(tag))).ok().assert_stdout(&id);
        // What is there is not sent again, and the manifest stays what it is.
        let again = other.line(&format!("push {} docker://{}", name(tag), name("again"))).ok();
        assert_eq!(again.stderr.matches("skipped: already exists").count(), 2, "{again:#?}");
        assert_eq!(raw(&name("again")).1, digest, "{tag}");
        // Nor to another repository.
        let moved = format!("{}/moved/{tag}:1", registry.address);
        let out = other.line(&format!("push {} {moved}", name(tag))).ok();
        assert_eq!(out.stderr.matches("skipped: already exists").count(), 2, "{out:#?}");
        assert_eq!(raw(&moved).1, digest, "{tag}");
    }
    assert_eq!(super::names(&store.path("root/tmp")), Vec::<String>::new());
    assert!(store.line("events --stream=false").ok().stdout.contains("image push"), "no event");
}

/// The blobs of a pull are its registry's; elsewhere layers are compressed anew, and what is the same keeps its digest.
#[test]
fn into_another_registry() {
    let (first, second) = (Registry::start(), Registry::start());
    let store = Store::new();
    store.load(&small()).ok();
    let (from, to) = (format!("{}/app:1", first.address), format!("{}/app:1", second.address));
    store.line(&format!("push -q app:1 {from}")).ok();
    let other = Store::new();
    other.line(&format!("pull -q {from}")).ok();
    other.line(&format!("push -q {from} {to}")).ok();
    assert_eq!(raw(&from).1, raw(&to).1);
    // skopeo's gzip is not ours.
    let dir = other.path("dir");
    fs::create_dir(&dir).unwrap();
    other.line(&format!("push -q {from} dir:{}", dir.display())).ok();
    let foreign = format!("docker://{}/app:foreign", first.address);
    let from_dir = format!("dir:{}", dir.display());
    program::run(
        "skopeo",
        ["copy", "-q", "--dest-tls-verify=false", "--dest-compress-level", "1", &from_dir, &foreign],
    )
    .ok();
    let third = Store::new();
    third.line(&format!("pull -q {}/app:foreign", first.address)).ok();
    third.line(&format!("push -q {}/app:foreign {to}", first.address)).ok();
    Store::new().line(&format!("pull -q {to}")).ok().assert_stdout(&store.id("app:1"));
}

#[test]
fn logins() {
    let registry = Registry::with_login();
    let store = Store::new();
    store.load(&small()).ok();
    let name = format!("{}/app:1", registry.address);
    store
        .line(&format!("push -q app:1 {name}"))
        .assert_exit(125)
        .assert_one_error_line()
        .assert_stderr_has("the registry wants a login");
    store
        .line(&format!("push -q --creds kim:wrong app:1 {name}"))
        .assert_exit(125)
        .assert_one_error_line()
        .assert_stderr_has("access denied");
    store.line(&format!("push -q --creds kim:secret app:1 {name}")).ok();
    store.line(&format!("pull -q --creds kim:secret {name}")).ok();
}

/// A registry in memory: uploads at once and in parts.
#[derive(Default)]
struct Memory {
    blobs: HashMap<String, Vec<u8>>,
    uploads: Vec<Vec<u8>>,
    manifests: HashMap<String, Vec<u8>>,
}

impl Memory {
    fn answer(&mut self, request: &Request) -> Answer {
        let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
        let last = path.rsplit('/').next().unwrap_or_default();
        let digest_of = query.split('&').find_map(|part| part.strip_prefix("digest=")).map(str::to_owned);
        let accepted = |number: usize, length: usize| {
            Answer::status(202)
                .header("Location", format!("/upload/{number}?state=x"))
                .header("Range", format!("0-{}", length.max(1) - 1))
        };
        match request.method.as_str() {
            "HEAD" if self.blobs.contains_key(last) => Answer::ok(""),
            "GET" if path == "/v2/" => Answer::ok("{}"),
            "POST" => {
                self.uploads.push(Vec::new());
                accepted(self.uploads.len() - 1, 0)
            }
            "GET" if path.starts_with("/upload/") => {
                let number: usize = last.parse().unwrap();
                Answer { status: 204, ..accepted(number, self.uploads[number].len()) }
            }
            "PATCH" => {
                let number: usize = last.parse().unwrap();
                let start = request.headers["content-range"].split('-').next().unwrap().parse::<usize>();
                if start != Ok(self.uploads[number].len()) {
                    return Answer::status(416);
                }
                self.uploads[number].extend_from_slice(&request.body);
                accepted(number, self.uploads[number].len())
            }
            "PUT" if path.starts_with("/upload/") => {
                let number: usize = last.parse().unwrap();
                let mut blob = std::mem::take(&mut self.uploads[number]);
                blob.extend_from_slice(&request.body);
                let digest_of = digest_of.unwrap();
                if digest(&blob) != digest_of {
                    return Answer::status(400);
                }
                self.blobs.insert(digest_of, blob);
                Answer::status(201)
            }
            "PUT" if path.contains("/manifests/") => {
                self.manifests.insert(last.to_owned(), request.body.clone());
                Answer::status(201)
            }
            _ => Answer::status(404),
        }
    }

    /// That it has all that its manifests name.
    fn check(&self) {
        assert!(!self.manifests.is_empty());
        for manifest in self.manifests.values() {
            let manifest: Value = serde_json::from_slice(manifest).unwrap();
            let layers = manifest["layers"].as_array().unwrap();
            for blob in layers.iter().chain([&manifest["config"]]) {
                let content = &self.blobs[blob["digest"].as_str().unwrap()];
                assert_eq!(blob["size"], content.len());
            }
        }
    }
}

/// A registry in memory in which `change` replaces some of the answers; it gets the memory's own.
fn memory(
    change: impl Fn(&Request, &mut Memory) -> Option<Answer> + Send + Sync + 'static,
) -> (Fake, Arc<Mutex<Memory>>) {
    let memory = Arc::new(Mutex::new(Memory::default()));
    let kept = memory.clone();
    let fake = Fake::start(move |request| {
        let mut memory = kept.lock().unwrap();
        change(request, &mut memory).unwrap_or_else(|| memory.answer(request))
    });
    (fake, memory)
}

/// What is too much at once goes in parts, of which one that got lost is sent again.
#[test]
fn in_parts() {
    let is_lost = Mutex::new(false);
    let (fake, memory) = memory(move |request, memory| {
        let mut is_lost = is_lost.lock().unwrap();
        if request.method == "PUT" && request.path.starts_with("/upload/") && request.body.len() > 1 << 20 {
            return Some(Answer::status(413));
        }
        if request.method == "PATCH" && !*is_lost && request.headers["content-range"].starts_with("8388608-")
        {
            *is_lost = true;
            // Half of it has come through.
            let number: usize = request.path[8..].split('?').next().unwrap().parse().unwrap();
            memory.uploads[number].extend_from_slice(&request.body[..1000]);
            return Some(Answer::status(416));
        }
        None
    });
    let store = Store::new();
    store.load(&image()).ok();
    store.line(&format!("push -q --retry-delay 1ms app:1 {}/app:1", fake.address)).ok();
    memory.lock().unwrap().check();
    let ranges: Vec<String> = fake
        .requests()
        .iter()
        .filter(|request| request.method == "PATCH")
        .map(|request| request.headers["content-range"].clone())
        .collect();
    assert_eq!(ranges[0], "0-8388607");
    assert!(ranges.iter().any(|range| range.starts_with("8389608-")), "{ranges:?}");
}

#[test]
fn what_a_registry_says() {
    let store = Store::new();
    store.load(&small()).ok();
    for (method, status, part) in [
        ("HEAD", 403, "access denied"),
        ("POST", 403, "access denied"),
        ("POST", 404, "not found"),
        ("PUT", 400, "unexpected answer"),
        ("PUT", 500, "the registry failed"),
    ] {
        let (fake, memory) =
            memory(move |request, _| (request.method == method).then(|| Answer::status(status)));
        store
            .line(&format!("push -q --retry-delay 1ms app:1 {}/app:1", fake.address))
            .assert_exit(125)
            .assert_one_error_line()
            .assert_stderr_has(part);
        assert!(memory.lock().unwrap().manifests.is_empty(), "{method} {status}");
    }
    // A name that a registry will not lead anywhere.
    let (fake, _) = memory(|request, _| (request.method == "POST").then(|| Answer::status(202)));
    store
        .line(&format!("push -q app:1 {}/app:1", fake.address))
        .assert_exit(125)
        .assert_stderr_has("does not say where to");
}

/// One token, good for writing and for the repository that is read from; no other host gets to see it.
#[test]
fn tokens() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = asked.clone();
    let realm = Fake::start(move |request| {
        log.lock().unwrap().push(request.path.clone());
        Answer::ok(r#"{"token":"abc"}"#)
    });
    let storage = Fake::start(|_| Answer::status(201));
    let (realm_address, storage_address) = (realm.address.clone(), storage.address.clone());
    let (fake, _) = memory(move |request, _| {
        let is_known = request.headers.get("authorization").map(String::as_str) == Some("Bearer abc");
        if request.path == "/v2/" {
            return None;
        }
        if !is_known {
            let challenge = format!(
                r#"Bearer realm="http://{realm_address}/token",service="s",scope="repository:app:pull""#
            );
            return Some(Answer::status(401).header("WWW-Authenticate", challenge));
        }
        (request.method == "POST").then(|| {
            Answer::status(202).header("Location", format!("http://{storage_address}/place?signed=1"))
        })
    });
    let store = Store::new();
    store.load(&small()).ok();
    store.line(&format!("push -q app:1 {}/app:1", fake.address)).ok();
    let asked = asked.lock().unwrap();
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert!(asked[0].contains("scope=repository%3Aapp%3Apull%2Cpush"), "{asked:?}");
    let stored = storage.requests();
    assert_eq!(stored.len(), 2, "a layer and a configuration");
    assert!(stored.iter().all(|request| !request.headers.contains_key("authorization")), "the token leaked");
}

#[test]
fn into_archives_and_directories() {
    let store = Store::new();
    store.load(&small()).ok();
    let id = store.id("app:1");
    for (destination, loaded) in [
        ("oci:LAYOUT:one", "localhost/one:latest"),
        ("oci:LAYOUT:localhost/two:2", "localhost/two:2"),
        ("oci-archive:a.tar:x.y/z:3", "x.y/z:3"),
        ("docker-archive:b.tar:foo/bar:1", "docker.io/foo/bar:1"),
        ("dir:DIR", ""),
        ("dir:DIR", ""),
    ] {
        let at = destination.split_once(':').unwrap();
        let destination = format!("{}:{}/{}", at.0, store.dir.path().display(), at.1);
        store.line(&format!("push -q app:1 {destination}")).ok().assert_stdout("");
        let path = destination.split(':').nth(1).unwrap().to_owned();
        let other = Store::new();
        let out = other.line(&format!("load -q -i {path}")).ok();
        assert!(out.stdout.contains(if loaded.is_empty() { &id } else { loaded }), "{destination}: {out:#?}");
        assert_eq!(other.id(&id), id);
        let source = if loaded.is_empty() {
            destination.clone()
        } else {
            destination.replace("foo/bar", "docker.io/foo/bar")
        };
        program::run("skopeo", ["inspect", "--raw", &source]).ok();
    }
    let index: Value = serde_json::from_slice(&fs::read(store.path("LAYOUT/index.json")).unwrap()).unwrap();
    assert_eq!(index["manifests"].as_array().unwrap().len(), 2);
    // A directory with something else in it is nobody's to clear.
    fs::write(store.path("DIR/mine"), "x").unwrap();
    for (flags, part) in [
        (format!("app:1 dir:{}", store.path("DIR").display()), "not empty"),
        (format!("app:1 docker-archive:{}", store.path("b.tar").display()), "doesn't support modifying"),
        ("app:1 docker-daemon:x:1".to_owned(), "docker-daemon: is not available"),
        ("app:1 oci:".to_owned(), "there is no path"),
        ("nope 127.0.0.1:1/x".to_owned(), "nope: image not known"),
        (id.clone(), "a destination is needed"),
        ("--sign-by me app:1 127.0.0.1:1/x".to_owned(), "--sign-by is not available"),
        ("--encryption-key k app:1 127.0.0.1:1/x".to_owned(), "encrypted layers are not supported"),
        ("--format v2s1 app:1 127.0.0.1:1/x".to_owned(), "v2s1 is not available"),
        ("--format nope app:1 127.0.0.1:1/x".to_owned(), "unknown format"),
        ("--compression-format xz app:1 127.0.0.1:1/x".to_owned(), "cannot find compressor for \"xz\""),
        ("--compression-level 10 app:1 127.0.0.1:1/x".to_owned(), "it is 1 to 9"),
        ("--format v2s2 --compression-format zstd app:1 127.0.0.1:1/x".to_owned(), "no layers in zstd"),
    ] {
        store
            .line(&format!("push -q {flags}"))
            .assert_exit(125)
            .assert_one_error_line()
            .assert_stderr_has(part);
    }
}

/// An entry that a later one replaces is not kept, so such a layer cannot be sent as it came: where it is, it need not be.
#[test]
fn a_layer_without_its_tar() {
    let (first, second) = (Registry::start(), Registry::start());
    let twice = Tarball::new().file("a", b"first").file("a", b"second").finish();
    let store = Store::new();
    let archive = store.path("image.tar");
    ImageBuilder::scratch().layer(twice).name("localhost/app:1").docker_archive(&archive);
    let name = format!("{}/app:1", first.address);
    let (from, to) = (format!("docker-archive:{}", archive.display()), format!("docker://{name}"));
    program::run("skopeo", ["copy", "-q", "--dest-tls-verify=false", &from, &to]).ok();
    store.line(&format!("pull -q {name}")).ok();
    let again = format!("{}/again:1", first.address);
    store.line(&format!("push -q {name} {again}")).ok();
    assert_eq!(raw(&again).1, raw(&name).1);
    let elsewhere = format!("{}/app:1", second.address);
    let out = store.line(&format!("push -q {name} {elsewhere}")).ok();
    out.assert_stderr_has("has no record of its tar");
    let other = Store::new();
    let id = other.line(&format!("pull -q {elsewhere}")).ok().stdout;
    assert_ne!(id.trim(), store.id(&name));
}

/// A manifest may say of a layer that is there what it likes: it is believed of its own image alone.
#[test]
fn a_lie_about_a_layer() {
    let (evil, good) = (b"evil".to_vec(), Tarball::new().file("hello", b"world").finish());
    let store = Store::new();
    store.load(&ImageBuilder::scratch().layer(good.clone()).name("localhost/good:1")).ok();
    // Its layer has the good diff id, and so is not fetched, and the bytes of another one.
    let content = super::registry::Content::new(&good, evil.clone());
    let liar = content.clone();
    let fake = Fake::start(move |request| liar.answer(request));
    store.line(&format!("pull -q {}/app:1", fake.address)).ok();
    let (target, memory) = memory(move |request, memory| {
        memory.blobs.insert(digest(&evil), evil.clone());
        let _ = request;
        None
    });
    store.line(&format!("push -q good:1 {}/good:1", target.address)).ok();
    let memory = memory.lock().unwrap();
    let manifest: Value = serde_json::from_slice(&memory.manifests["1"]).unwrap();
    assert_ne!(manifest["layers"][0]["digest"], json!(digest(&content.layer)));
}
