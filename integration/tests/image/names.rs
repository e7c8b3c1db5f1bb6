//! Names: what a reference finds, `tag`, `untag`, `rmi`, `images` and its filters, side by side with podman's answers.

use ketch_integration::ImageBuilder;

use super::Store;

/// Two images: `docker.io/library/one:latest` and `quay.io/team/two:2`.
fn store() -> Store {
    let store = Store::new();
    store.load(&ImageBuilder::scratch().files(&[("a", 0o644, b"1")]).name("one")).ok();
    store.load(&ImageBuilder::scratch().files(&[("b", 0o644, b"2")]).name("quay.io/team/two:2")).ok();
    store
}

fn id(store: &Store, name: &str) -> String {
    store.run(["image", "inspect", "-f", "{{.Id}}", name]).ok().text().to_owned()
}

#[test]
fn short_names() {
    let store = store();
    for name in [
        "one",
        "one:latest",
        "library/one",
        "docker.io/one",
        "docker.io/library/one:latest",
        "two:2",
        "team/two:2",
    ] {
        store.line(&format!("image exists {name}")).ok();
    }
    for name in ["one:2", "two", "localhost/one", "wo:2", "quay.io/two:2", "On%e", "ONE", ""] {
        store.run(["image", "exists", name]).assert_exit(1);
    }
    // localhost goes before docker.io.
    let two = id(&store, "two:2");
    store.line("tag two:2 one").ok();
    assert_eq!(id(&store, "one"), two);
    for length in [64, 12, 6] {
        store.line(&format!("image exists {}", &two[..length])).ok();
    }
    store.line(&format!("image exists sha256:{two}")).ok();
}

#[test]
fn tag_and_untag() {
    let store = store();
    store.line("tag one a:1 localhost:5000/b quay.io/c").ok();
    let names = store.run(["image", "inspect", "-f", "{{.RepoTags}}", "one"]).ok();
    assert_eq!(
        names.text(),
        "[quay.io/c:latest localhost:5000/b:latest localhost/a:1 docker.io/library/one:latest]"
    );
    store.line("tag one Bad").assert_exit(125).assert_one_error_line().assert_stderr_has("lowercase");
    store.line("tag none x").assert_exit(125).assert_stderr_has("none: image not known");
    store.line("untag one a:1").ok();
    store.line("untag one quay.io/team/two:2").assert_exit(125).assert_stderr_has("tag not known");
    let one = id(&store, "one");
    store.line("untag one").ok();
    store.line("image exists one").assert_exit(1);
    store.line("images --filter dangling=true -q").ok().assert_stdout(&one[..12]);
    // A name moves from one image to the other.
    store.line(&format!("tag {one} quay.io/team/two:2")).ok();
    assert_eq!(id(&store, "two:2"), one);
}

#[test]
fn rmi() {
    let store = store();
    let one = id(&store, "one");
    store.line("rmi").assert_exit(125).assert_stderr_has("image name or ID must be specified");
    store.line("rmi -a one").assert_exit(125).assert_one_error_line();
    store.line("rmi none").assert_exit(1).assert_stderr_has("Error: none: image not known");
    store
        .line("rmi none nope")
        .assert_exit(1)
        .assert_stderr_has("Error: 2 errors occurred:\n\t* none: image not known\n\t* nope");
    store.line("rmi -f none").ok().assert_stdout("");
    store.line("rmi --ignore none").ok();
    store.line("tag one x:1").ok();
    let several = format!(
        "unable to delete image \"{one}\" by ID with more than one tag ([localhost/x:1 docker.io/library/one:latest]): please force removal"
    );
    store.line(&format!("rmi {one}")).assert_exit(125).assert_stderr_has(&several);
    store.line("rmi x:1").ok().assert_stdout("Untagged: localhost/x:1");
    assert_eq!(super::names(&store.path("root/layers")).len(), 2);
    store
        .line("rmi one")
        .ok()
        .assert_stdout(&format!("Untagged: docker.io/library/one:latest\nDeleted: {one}"));
    assert_eq!(super::names(&store.path("root/layers")).len(), 1);
    store.line("tag two:2 y:1 y:2").ok();
    store.line("rmi -a").ok().assert_stdout_has("Deleted: ");
    store.assert_empty();
}

#[test]
fn layers_live_as_long_as_an_image_uses_them() {
    let store = Store::new();
    let base = || ImageBuilder::scratch().files(&[("base", 0o644, b"1")]);
    store.load(&base().name("localhost/base:1")).ok();
    store.load(&base().files(&[("top", 0o644, b"2")]).name("localhost/top:1")).ok();
    assert_eq!(super::names(&store.path("root/layers")).len(), 2);
    store.line("rmi base:1").ok();
    assert_eq!(super::names(&store.path("root/layers")).len(), 2);
    store.line("rmi top:1").ok();
    store.assert_empty();
}

#[test]
fn images() {
    let store = store();
    let (one, two) = (id(&store, "one"), id(&store, "two:2"));
    store.line("tag one z").ok();
    let rows = |line: &str| store.line(line).ok().stdout.lines().map(str::to_owned).collect::<Vec<_>>();
    let heading = "REPOSITORY             TAG         IMAGE ID      CREATED       SIZE";
    let first = &rows("images")[0];
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(words(first), words(heading));
    assert_eq!(rows("images -n").len(), 3);
    assert_eq!(rows("images -q"), [&one[..12], &two[..12]]);
    assert_eq!(rows("images -q --no-trunc one"), [format!("sha256:{one}")]);
    assert_eq!(rows("images --filter reference=quay.io/*/two -q"), [&two[..12]]);
    assert_eq!(rows("images --filter reference!=one -q"), [&two[..12]]);
    assert_eq!(rows("images --filter since=one -q"), [&two[..12]]);
    assert_eq!(rows("images --filter before=two:2 -q"), [&one[..12]]);
    assert_eq!(rows("images -n docker.io/library/one:latest").len(), 1);
    assert_eq!(rows("images --format {{.Repository}}:{{.Tag}} two:2"), ["quay.io/team/two:2"]);
    let table = store.run(["images", "--format", "table {{.ID}}\\t{{.Size}}", "two:2"]).ok();
    assert!(table.stdout.starts_with("IMAGE ID      SIZE\n"), "{table:#?}");
    let document = store.line("images --format json two:2").ok().json();
    assert_eq!(document[0]["Id"], two);
    assert_eq!(document[0]["Names"], serde_json::json!(["quay.io/team/two:2"]));
    store.line("images --filter nonsense").assert_exit(125).assert_one_error_line();
    store.line("images --filter what=ever").assert_exit(125).assert_one_error_line();
    store.line("images --format {{.Nope}}").assert_exit(125).assert_one_error_line();
}

#[test]
fn inspect() {
    let store = store();
    let out = store.line("image inspect none").assert_exit(125).assert_stdout("[]");
    assert_eq!(out.stderr, "Error: none: image not known\n");
    let document = store.line("image inspect one none").assert_exit(125).json();
    for key in [
        "Id",
        "Digest",
        "RepoTags",
        "RepoDigests",
        "Created",
        "Config",
        "Architecture",
        "Os",
        "Size",
        "RootFS",
        "History",
    ] {
        assert!(!document[0][key].is_null(), "{key}");
    }
    store.line("image inspect").assert_exit(125).assert_stderr_has("no names or ids specified");
}

/// podman's words and exit codes around an image that a container was made from.
#[test]
fn images_in_use() {
    let store = store();
    let container = store.line("create --network none one /a").ok().text().to_owned();
    let in_use = format!(
        "image used by {container}: image is in use by a container: consider listing external containers and force-removing image"
    );
    store.line("tag one x").ok();
    store.line("rmi x").ok().assert_stdout("Untagged: localhost/x:latest");
    store.line("rmi one").assert_exit(2).assert_one_error_line().assert_stderr_has(&in_use);
    store.line("rmi one none").assert_exit(2).assert_stderr_has("Error: 2 errors occurred:");
    store.line("rmi -a").assert_exit(2).assert_stderr_has(&in_use);
    store.line("untag one").ok();
    store.line("images -q").ok();
    let ids = store.line("images -q --filter dangling=true").ok();
    store.line(&format!("rmi -f {}", ids.text())).ok().assert_stdout_has("Deleted: ");
    assert_eq!(store.line("ps -a -q").ok().text(), "");
    store.assert_empty();
}
