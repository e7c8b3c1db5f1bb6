//! `pull` from registries that are well, that are ill, and that lie.

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ketch_integration::image::digest;
use ketch_integration::registry::Registry;
use ketch_integration::{ImageBuilder, program};
use serde_json::json;

use super::Store;
use super::registry::{Answer, Content, Fake, Request, gzip};
use super::tarball::Tarball;

fn layer() -> Vec<u8> {
    Tarball::new().file("hello", b"world").finish()
}

fn content() -> Content {
    Content::new(&layer(), gzip(&layer()))
}

/// A registry in which `change` replaces some of the good answers.
fn fake(change: impl Fn(&Request) -> Option<Answer> + Send + Sync + 'static) -> Fake {
    let content = content();
    Fake::start(move |request| change(request).unwrap_or_else(|| content.answer(request)))
}

impl Store {
    fn pull(&self, fake: &Fake) -> ketch_integration::Output {
        self.line(&format!("pull -q {}/app:1", fake.address))
    }

    #[track_caller]
    fn pull_fails(&self, fake: &Fake, part: &str) {
        self.pull(fake).assert_exit(125).assert_stdout("").assert_one_error_line().assert_stderr_has(part);
        self.assert_empty();
    }
}

#[test]
fn prints_what_podman_prints() {
    let store = Store::new();
    let fake = fake(|_| None);
    let id = &digest(&content().config)[7..];
    let out = store.line(&format!("pull {}/app:1", fake.address)).ok().assert_stdout(id);
    for part in [
        "Trying to pull 127.0.0.1",
        "Copying blob sha256:",
        "Copying config sha256:",
        "Writing manifest to image",
    ] {
        assert!(out.stderr.contains(part), "{out:#?}");
    }
    let dir = store.path("root/layers").join(&digest(&layer())[7..]);
    assert_eq!(fs::read(dir.join("hello")).unwrap(), b"world");

    // What is there is not fetched again.
    let before = fake.requests().len();
    store.pull(&fake).ok().assert_stdout(id);
    assert!(!fake.requests()[before..].iter().any(|r| r.path.ends_with(&digest(&content().layer))));
}

/// A real registry, real writers: gzip and zstd, OCI and docker.
#[test]
fn real_registry() {
    let registry = Registry::start();
    let store = Store::new();
    let archive = store.path("image.tar");
    ImageBuilder::busybox()
        .files(&[("etc/motd", 0o644, b"hi")])
        .name("localhost/x:1")
        .docker_archive(&archive);
    for (tag, options) in [
        ("gzip", &["--format", "oci"][..]),
        ("zstd", &["--format", "oci", "--dest-compress-format", "zstd"]),
        ("docker", &["--format", "v2s2"]),
    ] {
        let name = format!("{}/app:{tag}", registry.address);
        let from = format!("docker-archive:{}", archive.display());
        let to = format!("docker://{name}");
        let copy = ["copy", "--dest-tls-verify=false"].into_iter().chain(options.iter().copied());
        program::run("skopeo", copy.chain([from.as_str(), to.as_str()])).ok();
        store.line(&format!("pull -q {name}")).ok();
        store.line(&format!("rmi {name}")).ok();
        store.assert_empty();
    }
    store
        .line(&format!("pull -q {}/app:none", registry.address))
        .assert_exit(125)
        .assert_stderr_has("manifest unknown");
    store.line(&format!("pull -q {}/none", registry.address)).assert_exit(125).assert_one_error_line();
    store
        .line(&format!("pull -q --tls-verify {}/app:gzip", registry.address))
        .assert_exit(125)
        .assert_one_error_line();
}

#[test]
fn refusals_are_one_line() {
    for (status, part) in
        [(401, "access denied"), (403, "access denied"), (404, "not found"), (418, "unexpected answer")]
    {
        let fake = fake(move |request| request.path.contains("manifests").then(|| Answer::status(status)));
        Store::new().pull_fails(&fake, part);
    }
    let said = r#"{"errors":[{"code":"DENIED","message":"requested access to\nthe resource is denied"}]}"#;
    let fake = fake(move |request| {
        request.path.contains("blobs").then(|| Answer { body: said.into(), ..Answer::status(403) })
    });
    Store::new().pull_fails(&fake, "requested access to the resource is denied");
}

/// Busy and broken registries are asked four times, with pauses.
#[test]
fn busy_registries_are_asked_again() {
    for (status, part) in
        [(429, "too many requests"), (500, "the registry failed"), (503, "the registry failed")]
    {
        let fake = fake(move |request| request.path.contains("manifests").then(|| Answer::status(status)));
        Store::new().pull_fails(&fake, part);
        assert_eq!(fake.requests().iter().filter(|r| r.path.contains("manifests")).count(), 4);
    }
    let count = AtomicUsize::new(0);
    let recovers = fake(move |request| {
        let is_first = request.path.contains("blobs") && count.fetch_add(1, Ordering::Relaxed) == 0;
        is_first.then(|| Answer::status(503).header("Retry-After", "0"))
    });
    Store::new().pull(&recovers).ok();
}

#[test]
fn a_silent_registry_is_given_up() {
    let fake = fake(|request| {
        let blob = request.path.contains("blobs").then(|| content().answer(request))?;
        Some(Answer { cut: Some(10), hang: true, ..blob })
    });
    let start = Instant::now();
    Store::new().pull_fails(&fake, "has sent nothing for 30 seconds");
    assert!(start.elapsed() < Duration::from_secs(40), "{:?}", start.elapsed());
}

#[test]
fn nobody_there() {
    let store = Store::new();
    let out = store.line("pull -q 127.0.0.1:1/app").assert_exit(125).assert_one_error_line();
    out.assert_stderr_has("connection refused");
    store.line("pull -q no-such-host.invalid/app").assert_exit(125).assert_one_error_line();
    store.assert_empty();
}

#[test]
fn bytes_that_are_not_what_was_promised() {
    let layer_digest = digest(&content().layer);
    let layer_answer = |body: Vec<u8>, cut: Option<usize>| {
        let layer_digest = layer_digest.clone();
        fake(move |request| {
            let is_layer = request.path.ends_with(&layer_digest);
            is_layer.then(|| Answer { cut, ..Answer::ok(body.clone()) })
        })
    };
    let good = content().layer;
    let other = gzip(&Tarball::new().file("hello", b"w0rld").finish());
    let mut flipped = good.clone();
    flipped[40] ^= 1;
    for (body, cut, part) in [
        (other.clone(), None, "digest mismatch"),
        (flipped, None, "digest mismatch"),
        ([good.clone(), vec![0; 100]].concat(), None, "is longer than the"),
        (good[..good.len() - 20].to_vec(), None, "ends after"),
        (good.clone(), Some(20), "layer"),
        (b"<html>".to_vec(), None, "ends after"),
    ] {
        Store::new().pull_fails(&layer_answer(body, cut), part);
    }

    // The configuration's word counts as much as the manifest's.
    let lying = Content::new(&layer(), other);
    let lies = Fake::start(move |request| lying.answer(request));
    Store::new().pull_fails(&lies, "diff id mismatch");

    let config = digest(&content().config);
    let broken = fake(move |request| request.path.ends_with(&config).then(|| Answer::ok("{}")));
    Store::new().pull_fails(&broken, "digest mismatch");

    let pinned = format!("sha256:{}", "a".repeat(64));
    let fake = fake(|_| None);
    let store = Store::new();
    store
        .line(&format!("pull -q {}/app@{pinned}", fake.address))
        .assert_exit(125)
        .assert_stderr_has("digest mismatch");
}

#[test]
fn manifests_of_other_things() {
    let manifest = |change: fn(&mut serde_json::Value)| {
        let mut content = content();
        change(&mut content.manifest);
        Fake::start(move |request| content.answer(request))
    };
    type Change = fn(&mut serde_json::Value);
    let cases: [(Change, &str); 9] = [
        (
            |m| m["mediaType"] = json!("application/vnd.docker.distribution.manifest.v1+json"),
            "unsupported media type",
        ),
        (|m| m["mediaType"] = json!("text/html"), "unsupported media type"),
        (|m| m["config"]["mediaType"] = json!("application/vnd.cncf.helm.config.v1+json"), "artifact"),
        (|m| m["layers"][0]["mediaType"] = json!("application/vnd.wasm.layer"), "not supported"),
        (|m| m["layers"][0]["digest"] = json!("sha256:../../etc"), "not sha256"),
        (|m| m["layers"] = json!([]), "0 layers, but the configuration has 1 diff ids"),
        (|m| m["layers"] = json!("x"), "not valid JSON"),
        (|m| m["config"] = json!(null), "not valid JSON"),
        (
            |m| {
                *m = json!({"mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [
                {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": format!("sha256:{}", "a".repeat(64)), "size": 1,
                 "platform": {"os": "plan9", "architecture": "mips"}}]});
            },
            "no image for platform linux/",
        ),
    ];
    for (change, part) in cases {
        Store::new().pull_fails(&manifest(change), part);
    }
    let large = fake(|request| request.path.contains("manifests").then(|| Answer::ok(vec![b' '; 5 << 20])));
    Store::new().pull_fails(&large, "larger than 4 MiB");
}

#[test]
fn chooses_the_platform() {
    let arm = Content::new(&layer(), layer());
    let amd = content();
    let entry = |content: &Content, architecture: &str, variant: Option<&str>| {
        let bytes = content.manifest.to_string();
        json!({"mediaType": content.manifest["mediaType"], "digest": digest(bytes.as_bytes()), "size": bytes.len(),
               "platform": {"os": "linux", "architecture": architecture, "variant": variant}})
    };
    let index = json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [entry(&arm, "riscv64", Some("v9")), entry(&amd, "amd64", None), entry(&arm, "arm64", Some("v8"))]});
    let fake = Fake::start(move |request| {
        if request.path.ends_with("/manifests/1") {
            return Answer::ok(index.to_string())
                .header("Content-Type", "application/vnd.oci.image.index.v1+json");
        }
        let is_arm = |content: &Content| {
            request.path.ends_with(&digest(content.manifest.to_string().as_bytes()))
                || request.path.ends_with(&digest(&content.layer))
        };
        if is_arm(&arm) { arm.answer(request) } else { amd.answer(request) }
    });
    let store = Store::new();
    store.line(&format!("pull -q {}/app:1", fake.address)).ok();
    let out = store.line(&format!("pull -q --platform linux/riscv64 {}/app:1", fake.address)).ok();
    out.assert_stderr_has("does not match the expected platform (linux/riscv64)");
    store.line(&format!("pull -q --platform linux/s390x {}/app:1", fake.address)).assert_exit(125);
    store
        .line(&format!("pull -q --platform a/b/c/d {}/app:1", fake.address))
        .assert_exit(125)
        .assert_one_error_line();
}

/// Plain tar, several gzip members, and gzip that a manifest calls something else.
#[test]
fn compression_is_seen_from_the_bytes() {
    let tar = layer();
    let (first, second) = tar.split_at(700);
    for sent in [tar.clone(), [gzip(first), gzip(second)].concat()] {
        let content = Content::new(&tar, sent);
        let fake = Fake::start(move |request| content.answer(request));
        Store::new().pull(&fake).ok();
    }
    let content = Content::new(&tar, b"\xfd7zXZ\0 and so on".to_vec());
    let fake = Fake::start(move |request| content.answer(request));
    Store::new().pull_fails(&fake, "compressed with xz");
}

/// The token is fetched once, with the password, and goes to nobody but the registry.
#[test]
fn tokens() {
    let elsewhere = Fake::start(|_| Answer::ok(content().layer));
    let realm = Fake::start(|request| match request.headers.get("authorization").map(String::as_str) {
        // kim:secret
        Some("Basic a2ltOnNlY3JldA==") => Answer::ok(r#"{"token":"abc"}"#),
        _ => Answer::status(401),
    });
    let (realm_address, redirect) = (realm.address.clone(), elsewhere.address.clone());
    let fake = fake(move |request| {
        if request.path == "/v2/" {
            return None;
        }
        if request.headers.get("authorization").map(String::as_str) != Some("Bearer abc") {
            let challenge = format!(
                r#"Bearer realm="http://{realm_address}/token",service="s",scope="repository:app:pull""#
            );
            return Some(Answer::status(401).header("WWW-Authenticate", challenge));
        }
        let is_layer = request.path.ends_with(&digest(&content().layer));
        is_layer.then(|| Answer::status(307).header("Location", format!("http://{redirect}/blob?signed=1")))
    });
    let store = Store::new();
    store.pull_fails(&fake, "getting a token from");

    let auth = store.path("auth.json");
    fs::write(&auth, json!({"auths": {fake.address.clone(): {"auth": "a2ltOnNlY3JldA=="}}}).to_string())
        .unwrap();
    store.line(&format!("pull -q --authfile {} {}/app:1", auth.display(), fake.address)).ok();
    assert_eq!(elsewhere.requests().len(), 1);
    assert!(!elsewhere.requests()[0].headers.contains_key("authorization"), "the token leaked");
    let asked = realm.requests();
    assert_eq!(asked.len(), 2, "{asked:?}");
    assert!(
        asked[1].path.contains("service=s") && asked[1].path.contains("scope=repository%3Aapp%3Apull"),
        "{asked:?}"
    );

    let store = Store::new();
    store.line(&format!("pull -q --creds kim:secret {}/app:1", fake.address)).ok();
    store
        .line(&format!("pull -q --creds kim:wrong {}/app:1", fake.address))
        .assert_exit(125)
        .assert_one_error_line();
    store
        .line(&format!("pull -q --creds kim {}/app:1", fake.address))
        .assert_exit(125)
        .assert_one_error_line();
    store
        .line(&format!("pull -q --authfile /none {}/app:1", fake.address))
        .assert_exit(125)
        .assert_stderr_has("/none");
}

#[test]
fn basic_logins() {
    let fake = fake(|request| {
        let is_known =
            request.headers.get("authorization").map(String::as_str) == Some("Basic a2ltOnNlY3JldA==");
        (!is_known && request.path != "/v2/")
            .then(|| Answer::status(401).header("WWW-Authenticate", r#"Basic realm="x""#))
    });
    let store = Store::new();
    store.pull_fails(&fake, "the registry wants a login");
    store
        .line(&format!("pull -q --creds kim:wrong {}/app:1", fake.address))
        .assert_exit(125)
        .assert_stderr_has("access denied");
    store.line(&format!("pull -q --creds kim:secret {}/app:1", fake.address)).ok();
}

#[test]
fn by_digest() {
    let fake = fake(|_| None);
    let store = Store::new();
    let manifest = digest(content().manifest.to_string().as_bytes());
    let name = format!("{}/app@{manifest}", fake.address);
    store.line(&format!("pull -q {name}")).ok();
    store.line("images").ok().assert_stdout_has("<none>");
    let document = store.line(&format!("image inspect {name}")).ok().json();
    assert_eq!(document[0]["RepoDigests"], json!([name]));
    assert_eq!(document[0]["RepoTags"], json!([]));
    store.line(&format!("rmi {name}")).ok().assert_stdout_has("Deleted: ");
}
