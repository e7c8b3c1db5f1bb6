//! How registries are found and reached: registries.conf, policy.json, credential helpers, tokens, broken connections.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use ketch_integration::image::digest;
use ketch_integration::registry::Registry;
use ketch_integration::{ImageBuilder, Output, program};

use super::Store;
use super::registry::{Answer, Content, Fake, gzip};
use super::tarball::Tarball;

fn small(name: &str) -> ImageBuilder {
    ImageBuilder::scratch().files(&[("hello", 0o644, b"1")]).name(name)
}

impl Store {
    /// With a home of its own, and the registries that `conf` describes.
    fn with(&self, conf: &str) -> Command {
        let file = self.path("registries.conf");
        fs::write(&file, conf).unwrap();
        let mut command = self.command();
        command.env("HOME", self.path("home")).env("CONTAINERS_REGISTRIES_CONF", file);
        command.env_remove("XDG_CONFIG_HOME").env_remove("REGISTRY_AUTH_FILE").env_remove("DOCKER_CONFIG");
        command
    }

    fn with_line(&self, conf: &str, line: &str) -> Output {
        program::finish(self.with(conf).args(line.split_whitespace()))
    }
}

#[test]
fn short_names_mirrors_and_blocks() {
    let registry = Registry::start();
    let address = &registry.address;
    let store = Store::new();
    store.load(&small("localhost/made:1")).ok();
    for name in ["app:1", "team/app:1"] {
        store.line(&format!("push -q made:1 {address}/{name}")).ok();
    }
    store.line("rmi -f made:1").ok();
    let conf = format!(
        r#"
        unqualified-search-registries = ["127.0.0.1:1", "{address}"]
        [[registry]]
        location = "blocked.invalid"
        blocked = true
        [[registry]]
        prefix = "virtual.invalid/x"
        location = "{address}/team"
        [[registry]]
        location = "mirrored.invalid"
        [[registry.mirror]]
        location = "127.0.0.1:1"
        [[registry.mirror]]
        location = "{address}"
        [aliases]
        other = "{address}/app"
        "#
    );
    let path = store.path("registries.conf").display().to_string();
    for (name, stored, said) in [
        ("other:1", format!("{address}/app:1"), format!("Resolved \"other:1\" as an alias ({path})")),
        (
            "team/app:1",
            format!("{address}/team/app:1"),
            format!("Resolving \"team/app:1\" using unqualified-search registries ({path})"),
        ),
        (
            "virtual.invalid/x/app:1",
            "virtual.invalid/x/app:1".to_owned(),
            "Trying to pull virtual.invalid/x/app:1...".to_owned(),
        ),
        ("mirrored.invalid/app:1", "mirrored.invalid/app:1".to_owned(), String::new()),
    ] {
        store.with_line(&conf, &format!("pull --retry 0 {name}")).ok().assert_stderr_has(&said);
        let names = store.run(["images", "--format", "{{.Repository}}:{{.Tag}}"]).ok();
        names.assert_stdout(&stored);
        store.line("rmi -af").ok();
    }
    for (line, part) in [
        ("pull blocked.invalid/x", format!("registry blocked.invalid is blocked in {path}")),
        (
            "pull --retry 0 nothing",
            "2 errors occurred while pulling:\n * cannot pull 127.0.0.1:1/nothing:latest".to_owned(),
        ),
    ] {
        store.with_line(&conf, line).assert_exit(125).assert_stderr_has(&part);
    }
    let error = "short-name \"nothing\" did not resolve to an alias and no unqualified-search registries are defined in";
    store.with_line("", "pull nothing").assert_exit(125).assert_one_error_line().assert_stderr_has(error);
    store.with_line("x", "pull nothing").assert_exit(125).assert_one_error_line().assert_stderr_has("line 1");
}

#[test]
fn policies() {
    let registry = Registry::start();
    let store = Store::new();
    store.load(&small("localhost/made:1")).ok();
    store.line(&format!("push -q made:1 {}/app:1", registry.address)).ok();
    store.line(&format!("push -q made:1 oci:{}", store.path("layout").display())).ok();
    let pull = format!("pull -q {}/app:1", registry.address);
    let local = format!("pull -q oci:{}", store.path("layout").display());
    let load = format!("load -q -i {}", store.path("image.tar").display());
    let policy = store.path("home/.config/containers/policy.json");
    fs::create_dir_all(policy.parent().unwrap()).unwrap();
    let of_docker = |kind: &str| {
        let address = &registry.address;
        format!(
            r#"{{"default": [{{"type": "reject"}}], "transports": {{"docker": {{"{address}": [{{"type": "{kind}"}}]}}}}}}"#
        )
    };
    for (text, line, part) in [
        (of_docker("insecureAcceptAnything"), &pull, ""),
        (of_docker("insecureAcceptAnything"), &local, "rejected by policy"),
        (of_docker("insecureAcceptAnything"), &load, "rejected by policy"),
        (of_docker("signedBy"), &pull, "asks for a signature"),
        (r#"{"default": [{"type": "reject"}]}"#.to_owned(), &pull, "rejected by policy"),
        ("{}".to_owned(), &pull, "invalid policy"),
        (r#"{"default": [{"type": "insecureAcceptAnything"}]}"#.to_owned(), &local, ""),
    ] {
        fs::write(&policy, &text).unwrap();
        let out = store.with_line("", line);
        match part {
            "" => drop(out.ok()),
            part => drop(out.assert_exit(125).assert_one_error_line().assert_stderr_has(part)),
        }
    }
    let policy = policy.display();
    store.line(&format!("pull -q --signature-policy {policy} {}/app:1", registry.address)).ok();
    store.line("load --signature-policy /no/such").assert_exit(125).assert_stderr_has("cannot read /no/such");
}

/// A helper keeps logins in a file of its own; it is asked by `login`, `pull` and `logout`.
#[test]
fn credential_helpers() {
    let registry = Registry::with_login();
    let address = &registry.address;
    let store = Store::new();
    store.load(&small("localhost/made:1")).ok();
    let helper = store.path("docker-credential-test");
    let kept = store.path("kept").display().to_string();
    let script = format!(
        "#!/bin/sh\ncase $1 in\nstore) cat >{kept} ;;\nerase) rm {kept} ;;\nget) [ -e {kept} ] || \
         {{ echo credentials not found in native keychain; exit 1; }}; cat {kept} ;;\nesac\n"
    );
    fs::write(&helper, script).unwrap();
    fs::set_permissions(&helper, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", store.path("").display(), std::env::var("PATH").unwrap());
    let file = store.path("auth.json");
    for conf in
        [format!(r#"{{"credHelpers": {{"{address}": "test"}}}}"#), r#"{"credsStore": "test"}"#.to_owned()]
    {
        fs::write(&file, &conf).unwrap();
        let run = |line: &str| {
            let mut command = store.with("");
            command.env("PATH", &path).env("REGISTRY_AUTH_FILE", &file);
            program::finish(command.args(line.split_whitespace()))
        };
        run(&format!("push -q made:1 {address}/app:1")).assert_exit(125).assert_one_error_line();
        run(&format!("login -u kim -p secret {address}")).ok();
        assert!(!fs::read_to_string(&file).unwrap().contains("auth\""));
        run(&format!("login --get-login {address}")).ok().assert_stdout("kim");
        run(&format!("push -q made:1 {address}/app:1")).ok();
        run(&format!("logout {address}")).ok();
        assert!(!fs::read_to_string(&file).unwrap().contains("null"));
        assert!(!fs::exists(&kept).unwrap());
        run(&format!("pull -q {address}/app:1")).assert_exit(125);
        fs::write(&kept, "no json").unwrap();
        run(&format!("pull -q {address}/app:1"))
            .assert_exit(125)
            .assert_one_error_line()
            .assert_stderr_has("docker-credential-test get");
        fs::remove_file(&kept).unwrap();
    }
}

fn content() -> Content {
    let tar = Tarball::new().file("hello", b"world").finish();
    Content::new(&tar, gzip(&tar))
}

/// An identity token is exchanged for a token, and is sent to nobody else.
#[test]
fn identity_tokens() {
    let content = content();
    let fake = Fake::start(move |request| {
        if request.path == "/token" {
            let form = String::from_utf8(request.body.clone()).unwrap();
            let is_good = form.contains("grant_type=refresh_token") && form.contains("refresh_token=ab%2Fc");
            return if is_good { Answer::ok(r#"{"access_token": "short"}"#) } else { Answer::status(401) };
        }
        match request.headers.get("authorization").map(String::as_str) {
            Some("Bearer short") => content.answer(request),
            _ => Answer::status(401).header(
                "WWW-Authenticate",
                format!("Bearer realm=\"http://{}/token\",service=\"s\"", request.headers["host"]),
            ),
        }
    });
    let store = Store::new();
    let file = store.path("auth.json");
    fs::write(&file, format!(r#"{{"auths": {{"{}": {{"identitytoken": "ab/c"}}}}}}"#, fake.address)).unwrap();
    store.line(&format!("pull -q --authfile {} {}/app:1", file.display(), fake.address)).ok();
    assert!(
        fake.requests()
            .iter()
            .all(|request| request.path == "/token" || !format!("{request:?}").contains("ab/c"))
    );
}

/// What a broken connection has brought is not asked for again.
#[test]
fn broken_downloads_go_on() {
    let content = content();
    let (layer, blob) = (content.layer.clone(), digest(&content.layer));
    let count = AtomicUsize::new(0);
    let fake = Fake::start(move |request| {
        if !request.path.ends_with(&blob) {
            return content.answer(request);
        }
        match (count.fetch_add(1, Ordering::Relaxed), request.headers.get("range")) {
            (0, None) => Answer { cut: Some(30), ..Answer::ok(layer.clone()) },
            // One that knows no ranges.
            (1, Some(range)) if range == "bytes=30-" => Answer { cut: Some(50), ..Answer::ok(layer.clone()) },
            (2, Some(range)) if range == "bytes=50-" => Answer { status: 206, ..Answer::ok(&layer[50..]) },
            _ => Answer::status(404),
        }
    });
    Store::new().line(&format!("pull -q {}/app:1", fake.address)).ok();
}
