//! What podman answers, seen on podman 5.8: filters, fields, transports in place of names.

use ketch_integration::ImageBuilder;

use super::Store;

fn store() -> Store {
    let store = Store::new();
    store.load(&ImageBuilder::busybox().name("one").config("Cmd", vec!["cmd"].into())).ok();
    store.load(&ImageBuilder::scratch().files(&[("b", 0o644, b"2")]).name("quay.io/team/two:2")).ok();
    store
}

#[test]
fn filters() {
    let store = store();
    let digest = store.run(["image", "inspect", "-f", "{{.Digest}}", "two:2"]).ok().text().to_owned();
    store.line("manifest create list").ok();
    store.line("create --network=none --name c one true").ok();
    let (all, one, two, list) = ("list one two", "one", "two", "list");
    for (filter, expected) in [
        ("until=2026-01-02T03:04:06Z", "one two"),
        ("until=2026-01-02", ""),
        ("intermediate=true", ""),
        ("readonly=false", all),
        ("readonly=T", ""),
        ("manifest=true", list),
        ("manifest!=true", "one two"),
        ("containers=true", one),
        ("containers=false", "list two"),
        (&format!("digest={}", &digest[..20]), two),
        ("digest=sha256:00", ""),
    ] {
        let out =
            store.run(["images", "--sort", "repository", "--format", "{{.Repository}}", "-f", filter]).ok();
        let found: Vec<&str> = out.stdout.lines().map(|name| name.rsplit('/').next().unwrap()).collect();
        let mut expected: Vec<&str> = expected.split_whitespace().collect();
        expected.sort_by_key(|name| ["one", "list", "two"].iter().position(|other| other == name));
        assert_eq!(found, expected, "{filter}");
    }
    for (filter, part) in [
        ("until=bogus", "failed to parse value as time or duration: \"bogus\""),
        ("readonly=x", "non-boolean value"),
        ("dangling=maybe", "non-boolean value"),
        ("digest=nope", "invalid value \"nope\" for digest filter"),
        ("containers=x", "unsupported value \"x\" for containers filter"),
    ] {
        store.run(["images", "-f", filter]).assert_exit(125).assert_one_error_line().assert_stderr_has(part);
    }
    store
        .line("images -f readonly=false one")
        .assert_exit(125)
        .assert_stderr_has("cannot specify an image and a filter");
}

#[test]
fn fields() {
    let store = store();
    let line = "{{.ReadOnly}} {{.Dangling}} {{.ParentId}}{{.Arch}}{{.Os}} {{.Labels}} {{.SharedSize}}";
    store.run(["images", "--format", line, "one"]).ok().assert_stdout("false false  map[] 0");
    let id = store.run(["image", "inspect", "-f", "{{.ID}}", "one"]).ok();
    store.run(["image", "inspect", "-f", "{{.Id}}", "one"]).ok().assert_stdout(id.text());
    let documents = store.line("images -q --format json").ok().json();
    assert_eq!(documents.as_array().unwrap().len(), 2);
    store
        .run(["save", "-o", "a:b.tar", "one"])
        .assert_exit(125)
        .assert_stderr_has("invalid filename (should not contain ':') \"a:b.tar\"");
}

/// What `commit` does with an entrypoint, and with what is docker's alone.
#[test]
fn changes() {
    let store = store();
    store.line("create --network=none --name c one /bin/true").ok();
    let config = |changes: &[&str]| {
        let changes = changes.iter().flat_map(|change| ["-c", change]);
        store.run(["commit", "-q", "-f", "docker"].into_iter().chain(changes).chain(["c", "new"])).ok();
        store.line("image inspect new").ok().json()[0].clone()
    };
    let made = config(&["ENTRYPOINT [\"/e\"]"]);
    assert_eq!(
        (&made["Config"]["Cmd"], &made["Config"]["Entrypoint"][0]),
        (&serde_json::Value::Null, &"/e".into())
    );
    let made = config(&["CMD [\"/c\"]", "ENTRYPOINT [\"/e\"]"]);
    assert_eq!(made["Config"]["Cmd"][0], "/c");
    let made = config(&["HEALTHCHECK CMD x", "SHELL [\"/bin/x\"]"]);
    assert_eq!(made["Healthcheck"]["Test"][1], "x");
    store.run(["commit", "-c", "SHELL [\"/x\"]", "c", "new"]).assert_exit(125).assert_one_error_line();
}

/// A file or directory is an image's name wherever one is needed, and no policy keeps it from being read.
#[test]
fn transports() {
    let store = store();
    let place = |kind: &str, name: &str| format!("{kind}:{}", store.path(name).display());
    for to in
        [place("oci", "layout") + ":app:1", place("dir", "dir"), place("oci-archive", "a.tar") + ":app:2"]
    {
        store.run(["push", "-q", "one", &to]).ok();
    }
    store.line("rmi one").ok();
    let layout = place("oci", "layout");
    for (name, shown) in [
        (format!("{layout}:app:1"), "docker.io/library/app:1"),
        (place("oci-archive", "a.tar"), "localhost/app:2"),
    ] {
        store.run(["create", "--pull=never", "--network=none", "--name", "c", &name, "true"]).ok();
        store.line("ps -a --format {{.Image}}").ok().assert_stdout(shown);
        store.line("rm c").ok();
        store.line("rmi -a").ok();
    }
    store.run(["create", "--network=none", &place("dir", "dir"), "true"]).ok();
    for (name, part) in [
        ("docker-daemon:x:1", "ketch speaks to no daemon"),
        ("oci:", "there is no path"),
        ("oci:/no/such", "cannot read /no/such"),
    ] {
        store.run(["create", name, "true"]).assert_exit(125).assert_one_error_line().assert_stderr_has(part);
    }
}
