//! `login`, `logout`, `search`, and the ways of `pull` that are no plain one.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use ketch_integration::registry::Registry;
use ketch_integration::{ImageBuilder, Output, program};
use serde_json::json;

use super::Store;
use super::registry::{Answer, Fake};

fn small(text: &[u8]) -> ImageBuilder {
    ImageBuilder::scratch().files(&[("hello", 0o644, text)]).name("localhost/app:1")
}

impl Store {
    /// With a runtime directory and a home of its own.
    fn at_home(&self) -> Command {
        let mut command = self.command();
        command.env("XDG_RUNTIME_DIR", self.path("runtime")).env("HOME", self.path("home"));
        for variable in ["REGISTRY_AUTH_FILE", "DOCKER_CONFIG", "XDG_CONFIG_HOME"] {
            command.env_remove(variable);
        }
        command
    }

    fn home_line(&self, line: &str) -> Output {
        program::finish(self.at_home().args(line.split_whitespace()))
    }
}

#[test]
fn in_and_out() {
    let registry = Registry::with_login();
    let store = Store::new();
    store.load(&small(b"1")).ok();
    let address = &registry.address;
    store
        .home_line(&format!("login -u kim -p wrong {address}"))
        .assert_exit(125)
        .assert_one_error_line()
        .assert_stderr_has(&format!("logging into {address:?}: invalid username/password"));
    store
        .home_line(&format!("login --get-login {address}"))
        .assert_exit(125)
        .assert_stderr_has(&format!("not logged into {address}"));
    store.home_line(&format!("login -u kim -p secret {address}")).ok().assert_stdout("Login Succeeded!");
    let file = store.path("runtime/containers/auth.json");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    store.home_line(&format!("login --get-login {address}")).ok().assert_stdout("kim");
    store.home_line(&format!("login {address}")).ok().assert_stdout(&format!(
        "Authenticating with existing credentials for {address}\nExisting credentials are valid. Already logged in to {address}"
    ));
    store.home_line(&format!("push -q app:1 {address}/app:1")).ok();
    store.home_line(&format!("pull -q {address}/app:1")).ok();
    store.home_line(&format!("search {address}/")).ok().assert_stdout_has(&format!("{address}/app"));
    // Another tool reads it.
    let raw = format!("docker://{address}/app:1");
    program::run(
        "skopeo",
        ["inspect", "--raw", "--tls-verify=false", "--authfile", file.to_str().unwrap(), &raw],
    )
    .ok();
    let removed = format!("Removed login credentials for {address}");
    store.home_line(&format!("logout {address}")).ok().assert_stdout(&removed);
    store
        .home_line(&format!("logout {address}"))
        .assert_exit(125)
        .assert_one_error_line()
        .assert_stderr_has(&format!("not logged into {address}"));
    store.home_line(&format!("pull -q {address}/app:1")).assert_exit(125);
}

#[test]
fn other_files_and_ways() {
    let registry = Registry::with_login();
    let store = Store::new();
    let address = &registry.address;
    let file = store.path("x.json");
    let mut child = store
        .at_home()
        .args(["login", "-v", "--authfile"])
        .arg(&file)
        .args(["-u", "kim", "--password-stdin", &format!("https://{address}/x")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"secret\n").unwrap();
    let out = child.wait_with_output().unwrap();
    let said = String::from_utf8(out.stdout).unwrap();
    assert_eq!(said, format!("Used:  {}\nLogin Succeeded!\n", file.display()));
    let kept = json!({"auths": {address: {"auth": "a2ltOnNlY3JldA=="}}});
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&fs::read(&file).unwrap()).unwrap(), kept);
    let shown = file.display();
    store.home_line(&format!("logout --all --authfile {shown}")).ok().assert_stdout_has("for all registries");
    store.home_line(&format!("login --compat-auth-file {shown} -u kim -p secret {address}")).ok();
    store
        .home_line(&format!("login --get-login --compat-auth-file {shown} {address}"))
        .ok()
        .assert_stdout("kim");

    // docker's login is found, and is docker's to end.
    fs::create_dir_all(store.path("home/.docker")).unwrap();
    fs::write(store.path("home/.docker/config.json"), kept.to_string()).unwrap();
    store.home_line(&format!("login --get-login {address}")).ok().assert_stdout("kim");
    store.home_line(&format!("logout {address}")).ok().assert_stdout_has("Not logged into");

    fs::write(store.path("helper.json"), r#"{"credsStore": "pass"}"#).unwrap();
    let helper = store.path("helper.json").display().to_string();
    for (line, part) in [
        (
            format!("login --authfile {helper} -u kim -p secret {address}"),
            "docker-credential-pass get: no such file or directory",
        ),
        (format!("login -u a -p b --password-stdin {address}"), "can't specify both"),
        (format!("login --password-stdin {address}"), "must provide --username"),
        ("login".to_owned(), "a registry must be provided"),
        ("logout".to_owned(), "a registry must be provided"),
        ("logout --all x.io".to_owned(), "--all takes no arguments"),
        (format!("login --secret s {address}"), "--secret is not available"),
        (format!("login -u kim {address}x"), "a password is needed"),
        (format!("login --authfile a --compat-auth-file b {address}"), "can not be set simultaneously"),
        ("login -u kim -p x 127.0.0.1:1".to_owned(), "cannot reach"),
    ] {
        store.home_line(&line).assert_exit(125).assert_one_error_line().assert_stderr_has(part);
    }
}

/// A registry with a certificate of its own authority, that wants one of its clients.
#[test]
fn certificates() {
    let registry = Registry::with_certificates();
    let store = Store::new();
    store.load(&small(b"1")).ok();
    let name = format!("{}/app:1", registry.address);
    store.line(&format!("push -q --tls-verify app:1 {name}")).assert_exit(125).assert_one_error_line();
    let certificates = registry.certificates();
    store.line(&format!("push -q --tls-verify --cert-dir {} app:1 {name}", certificates.display())).ok();
    let home = store.path("home/.config/containers/certs.d");
    fs::create_dir_all(&home).unwrap();
    std::os::unix::fs::symlink(&certificates, home.join(&registry.address)).unwrap();
    store.home_line(&format!("pull -q --tls-verify {name}")).ok();
    fs::write(store.path("home/alone.key"), "x").unwrap();
    for (directory, part) in [("home", "there is no"), ("none", "cannot read")] {
        store
            .line(&format!("pull -q --cert-dir {} {name}", store.path(directory).display()))
            .assert_exit(125)
            .assert_one_error_line()
            .assert_stderr_has(part);
    }
}

#[test]
fn all_tags_and_policies() {
    let registry = Registry::start();
    let store = Store::new();
    let address = &registry.address;
    for tag in ["a", "b"] {
        store.load(&small(tag.as_bytes())).ok();
        store.line(&format!("push -q app:1 {address}/app:{tag}")).ok();
    }
    let other = Store::new();
    let out = other.line(&format!("pull -q --all-tags {address}/app")).ok();
    assert_eq!(out.stdout.lines().count(), 2, "{out:#?}");
    let listed = other.line("images --format {{.Tag}}").ok();
    assert!(listed.stdout.contains('a') && listed.stdout.contains('b'), "{listed:#?}");
    other.line(&format!("pull -q -a {address}/none")).assert_exit(125).assert_one_error_line();
    other.line(&format!("search --list-tags {address}/app")).ok().assert_stdout_has("/app  a");
    let tags = other.line(&format!("search --list-tags --format json {address}/app")).ok().json();
    assert_eq!(tags[0]["Tags"].as_array().unwrap().len(), 2);
    let limited = other.line(&format!("search --list-tags --limit 1 {address}/app")).ok();
    assert_eq!(limited.stdout.lines().count(), 2, "{limited:#?}");

    // The tag moves on.
    let before = other.line(&format!("pull -q --policy missing {address}/app:a")).ok().stdout;
    store.line(&format!("push -q app:1 {address}/app:a")).ok();
    for (policy, moves) in [("never", false), ("missing", false), ("newer", true), ("always", true)] {
        let now = other.line(&format!("pull -q --policy {policy} {address}/app:a")).ok().stdout;
        assert_eq!(now != before, moves, "{policy}");
    }
    let several = other.line(&format!("pull -q {address}/none {address}/app:a {address}/app:nope"));
    let several = several.assert_exit(125);
    assert_eq!(several.stdout.lines().count(), 1, "{several:#?}");
    assert_eq!(several.stderr.matches("Error: ").count(), 2, "{several:#?}");
    for (line, part) in [
        (format!("pull --policy bad {address}/app:a"), "unsupported pull policy \"bad\""),
        (format!("pull --policy never {address}/app:c"), "image not known"),
        ("pull docker-daemon:x:1".to_owned(), "docker-daemon: is not available"),
    ] {
        other.line(&line).assert_exit(125).assert_one_error_line().assert_stderr_has(part);
    }
}

#[test]
fn pull_from_archives_and_directories() {
    let store = Store::new();
    for tag in ["1", "2"] {
        store.load(&small(tag.as_bytes())).ok();
        store.line(&format!("push -q app:1 oci:{}:v{tag}", store.path("layout").display())).ok();
        store.line(&format!("tag app:1 localhost/app:v{tag}")).ok();
    }
    store.line(&format!("save -q -m -o {} app:v1 app:v2", store.path("both.tar").display())).ok();
    store.line(&format!("push -q app:v1 oci-archive:{}:x", store.path("one.tar").display())).ok();
    store.line(&format!("push -q app:v1 dir:{}", store.path("dir").display())).ok();
    let id = |tag: &str| store.line(&format!("image inspect -f {{{{.Id}}}} app:{tag}")).ok().stdout;
    let (one, two) = (id("v1"), id("v2"));
    let both = format!("{one}{two}");
    for (place, expected, name) in [
        ("oci:PATH/layout:v2", &two, "docker.io/library/v2:latest"),
        ("oci-archive:PATH/one.tar", &one, "localhost/x:latest"),
        ("oci-archive:PATH/one.tar:x", &one, "localhost/x:latest"),
        ("docker-archive:PATH/both.tar", &both, "localhost/app:v2"),
        ("docker-archive:PATH/both.tar:localhost/app:v1", &one, "localhost/app:v1"),
        ("dir:PATH/dir", &one, "<none>"),
    ] {
        let other = Store::new();
        let place = place.replace("PATH", &store.dir.path().display().to_string());
        other.line(&format!("pull -q {place}")).ok().assert_stdout(expected.trim());
        other.line("images --format {{.Repository}}:{{.Tag}}").ok().assert_stdout_has(name);
    }
    for (place, part) in [
        ("oci:PATH/layout", "more than one image in oci, choose an image"),
        ("oci:PATH/layout:v3", "no image of the name v3"),
        ("docker-archive:PATH/both.tar:localhost/app:v3", "no image of the name localhost/app:v3"),
        ("dir:PATH/none", "none"),
        ("oci-archive:PATH/both.tar", "has no index.json"),
    ] {
        let other = Store::new();
        let place = place.replace("PATH", &store.dir.path().display().to_string());
        other
            .line(&format!("pull -q {place}"))
            .assert_exit(125)
            .assert_one_error_line()
            .assert_stderr_has(part);
        other.assert_empty();
    }
}

#[test]
fn search_as_docker_hub_answers() {
    let fake = Fake::start(|request| {
        if request.path.starts_with("/v1/search?q=app&n=") {
            return Answer::ok(
                json!({"results": [
                    {"name": "team/app", "description": "An application that has a very long description\nof two lines", "star_count": 12, "is_official": true},
                    {"name": "other/app", "description": null, "star_count": 2, "is_automated": true},
                ]})
                .to_string(),
            );
        }
        // A catalog of two pages.
        match request.path.as_str() {
            "/v2/" => Answer::ok("{}"),
            "/v2/_catalog" => Answer::ok(r#"{"repositories": ["first/lib", "x"]}"#)
                .header("Link", "</v2/_catalog?last=x>; rel=\"next\""),
            "/v2/_catalog?last=x" => Answer::ok(r#"{"repositories": ["second/lib"]}"#),
            _ => Answer::status(404),
        }
    });
    let store = Store::new();
    let address = &fake.address;
    let line = |flags: &str, term: &str| store.line(&format!("search {flags} {address}/{term}")).ok().stdout;
    let plain = line("", "app");
    assert!(
        plain.starts_with("NAME ") && plain.contains("An application that has a very long descript..."),
        "{plain}"
    );
    assert!(line("--no-trunc", "app").contains("description of two lines"));
    assert!(line("--compatible", "app").contains("[OK]"));
    let template = |filter: &str| line(&format!("--format {{{{.Name}}}} --filter {filter}"), "app");
    for filter in ["stars=3", "is-official=true", "is-automated=false"] {
        assert_eq!(template(filter), format!("{address}/team/app\n"), "{filter}");
    }
    let documents: serde_json::Value = serde_json::from_str(&line("--format json", "app")).unwrap();
    assert_eq!(documents[0]["Index"], *address);
    assert_eq!((&documents[0]["Stars"], &documents[1]["Automated"]), (&json!(12), &json!("[OK]")));
    assert_eq!(line("--format {{.Name}}", "lib"), format!("{address}/first/lib\n{address}/second/lib\n"));
    assert_eq!(line("--limit 1 --format {{.Name}}", "lib"), format!("{address}/first/lib\n"));
    assert_eq!(line("", "nothing"), "");
    for (flags, part) in [
        ("--filter foo=3", "invalid filter type \"foo=3\""),
        ("--filter stars=many", "stars takes a number"),
        ("--list-tags", "tags of"),
    ] {
        store
            .line(&format!("search {flags} {address}/app"))
            .assert_exit(125)
            .assert_one_error_line()
            .assert_stderr_has(part);
    }
}
