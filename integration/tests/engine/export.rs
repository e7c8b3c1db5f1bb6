//! `export`, `commit`, `import`, `diff`: a container's files become archives and images.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;

use ketch_integration::{Engine, ImageBuilder};
use serde_json::json;

/// An engine, and a container that has changed, added and deleted something of its image.
fn changed() -> Engine {
    let engine = Engine::new();
    engine.load(
        &ImageBuilder::busybox()
            .files(&[
                ("srv/kept", 0o644, b"kept\n"),
                ("srv/gone", 0o644, b""),
                ("srv/dir/hidden", 0o644, b""),
            ])
            .config("User", json!("root"))
            .name("docker.io/library/app:1"),
    );
    let script = "echo more >> /srv/kept; rm /srv/gone; rm -r /srv/dir; mkdir /srv/dir; echo new > /srv/dir/new; \
                  ln /srv/kept /srv/second; chmod 4711 /srv/second; ln -s kept /srv/link; mkfifo /srv/fifo; echo v > /data/v";
    engine.run(["run", "--name", "c", "-v", "vol:/data", "app:1", "sh", "-c", script]).ok();
    engine
}

const CHANGES: &str = "A /data\nC /etc\nC /srv\nC /srv/dir\nD /srv/dir/hidden\nA /srv/dir/new\nA /srv/fifo\nD /srv/gone\nC /srv/kept\nA \
                       /srv/link\nA /srv/second";

/// What a tar has: kind, mode and content of each name.
fn members(bytes: &[u8]) -> BTreeMap<String, (tar::EntryType, u32, Vec<u8>)> {
    let mut members = BTreeMap::new();
    for entry in tar::Archive::new(bytes).entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().display().to_string();
        let (kind, mode) = (entry.header().entry_type(), entry.header().mode().unwrap());
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        members.insert(path.trim_end_matches('/').to_owned(), (kind, mode, content));
    }
    members
}

fn exported(engine: &Engine, container: &str) -> Vec<u8> {
    let out = engine.command().args(["export", container]).output().unwrap();
    assert!(out.status.success(), "{out:?}");
    out.stdout
}

#[test]
fn differences() {
    let engine = changed();
    engine.line("diff c").ok().assert_stdout(CHANGES);
    let document = engine.line("diff --format json c").ok().json();
    assert_eq!(document["deleted"], json!(["/srv/dir/hidden", "/srv/gone"]));
    assert_eq!(document["changed"], json!(["/etc", "/srv", "/srv/dir", "/srv/kept"]));
    engine.line("create --name fresh app:1").ok();
    engine.line("diff -l").ok().assert_stdout("");
    engine.line("diff --format json fresh").ok().assert_stdout("{}");
    // Of an image: its topmost layer.
    engine
        .line("image diff app:1")
        .ok()
        .assert_stdout("A /srv\nA /srv/dir\nA /srv/dir/hidden\nA /srv/gone\nA /srv/kept");
    // Between two.
    let against = engine.line("diff c app:1").ok();
    assert_eq!(against.text().lines().filter(|line| line.starts_with('D')).count(), 2, "{against:?}");
    engine.line("diff app:1 app:1").ok().assert_stdout("");
    engine.line("diff nope").assert_exit(125).assert_stderr_has("nope not found");
    engine.line("diff --format yaml c").assert_exit(125).assert_stderr_has("only supported value");
    engine.line("diff").assert_exit(125).assert_stderr_has("requires a name");
    engine.line("rm fresh c").ok();
    engine.line("volume rm vol").ok();
}

#[test]
fn exports() {
    let engine = changed();
    let members = members(&exported(&engine, "c"));
    let (kind, _, content) = &members["srv/kept"];
    assert_eq!((*kind, content.as_slice()), (tar::EntryType::Regular, b"kept\nmore\n".as_slice()));
    // One of two names of a file has the content.
    assert_eq!(members["srv/second"].0, tar::EntryType::Link);
    assert_eq!(members["srv/second"].1, 0o4711);
    assert_eq!(members["srv/link"].0, tar::EntryType::Symlink);
    assert_eq!(members["srv/fifo"].0, tar::EntryType::Fifo);
    assert!(members.contains_key("bin/busybox") && members.contains_key("srv/dir/new"));
    for absent in ["srv/gone", "srv/dir/hidden", "data/v", "srv/.wh.gone"] {
        assert!(!members.contains_key(absent), "{absent}");
    }
    // A running one: without what is mounted in it.
    engine.line("run -d --name r app:1 sleep 1000").ok();
    engine.run(["exec", "r", "sh", "-c", "echo here > /srv/run; echo t > /dev/shm/t"]).ok();
    let file = engine.path("out.tar");
    engine.run(["export", "-o", file.to_str().unwrap(), "r"]).ok();
    let running = self::members(&fs::read(&file).unwrap());
    assert_eq!(running["srv/run"].2, b"here\n");
    assert!(
        running.keys().all(|name| !name.starts_with("proc/") && !name.starts_with("dev/")),
        "{:?}",
        running.keys()
    );
    engine.line("export nope").assert_exit(125).assert_stderr_has("no such container");
    engine.line("export -o a:b c").assert_exit(125).assert_stderr_has("invalid filename");
    engine.line("rm -f -t 0 r c").ok();
    engine.line("volume rm vol").ok();
}

/// What is committed is what was there: in a container of the new image nothing differs from the old one.
#[test]
fn commits() {
    let engine = changed();
    let file = engine.path("id");
    for (flags, image) in
        [("-q", "new:1"), ("-q --squash", "new:flat"), ("-q -f docker -m text", "new:docker")]
    {
        let id = engine.line(&format!("commit {flags} --iidfile {} c {image}", file.display())).ok();
        assert_eq!(fs::read_to_string(&file).unwrap(), id.text());
        engine.line(&format!("image exists {}", id.text())).ok();
        engine.line(&format!("create --name copy {image}")).ok();
        let before = members(&exported(&engine, "c"));
        assert_eq!(members(&exported(&engine, "copy")), before, "{image}");
        engine.line("rm copy").ok();
        engine.line(&format!("run --rm {image} cat /srv/dir/new")).ok().assert_stdout("new");
        engine.line(&format!("run --rm {image} cat /srv/gone")).assert_exit(1);
    }
    let layers = |image: &str| {
        engine.line(&format!("image inspect {image}")).ok().json()[0]["RootFS"]["Layers"].clone()
    };
    assert_eq!(layers("new:1").as_array().unwrap().len(), 3);
    assert_eq!(layers("new:flat").as_array().unwrap().len(), 1);
    let inspect = engine.line("image inspect new:docker").ok().json();
    assert_eq!(inspect[0]["Comment"], "text");
    assert_eq!(inspect[0]["ManifestType"], "application/vnd.docker.distribution.manifest.v2+json");
    engine
        .line("commit -m text c")
        .assert_exit(125)
        .assert_stderr_has("only compatible with the docker image format");
    engine.line("commit nope").assert_exit(125).assert_stderr_has("no such container");
    engine.line("commit c Bad").assert_exit(125).assert_stderr_has("invalid reference");
    // A chain: the committed image's own container, running and standing still meanwhile.
    engine.line("run -d --name r new:1 sleep 1000").ok();
    engine.run(["exec", "r", "sh", "-c", "rm /srv/dir/new; echo 2 > /srv/two"]).ok();
    engine.line("commit -q --pause r new:2").ok();
    engine.run(["inspect", "--format", "{{.State.Status}}", "r"]).ok().assert_stdout("running");
    engine.line("run --rm new:2 cat /srv/two").ok().assert_stdout("2");
    engine.line("run --rm new:2 ls -A /srv/dir").ok().assert_stdout("");
    engine.line("image diff new:2").ok().assert_stdout("C /srv\nC /srv/dir\nD /srv/dir/new\nA /srv/two");
    let history = engine.line("history --no-trunc --format {{.CreatedBy}}|{{.Comment}} new:2").ok();
    assert!(history.text().starts_with("/bin/sh|FROM localhost/new:1"), "{history:?}");
    engine.line("rm -f -t 0 r c").ok();
    engine.line("volume rm vol").ok();
    let events =
        engine.run(["events", "--stream=false", "--filter", "event=commit", "--format", "{{.Name}}"]).ok();
    assert_eq!(events.text().lines().collect::<Vec<_>>(), ["c", "c", "c", "r"]);
}

#[test]
fn what_a_commit_says_of_the_image() {
    let engine = Engine::with_busybox();
    engine
        .line("create --name c --user 1000 -v vol:/data -e B=2 --expose 99 --label q=r --entrypoint /bin/sh -w /tmp busybox -c true")
        .ok();
    engine.line("commit -q c img:0").ok();
    let config =
        |image: &str| engine.line(&format!("image inspect {image}")).ok().json()[0]["Config"].clone();
    let plain = config("img:0");
    assert_eq!(plain["User"], "1000");
    assert_eq!(plain["Entrypoint"], json!(["/bin/sh"]));
    assert_eq!(plain["Cmd"], json!(["-c", "true"]));
    assert_eq!(plain["ExposedPorts"], json!({"99/tcp": {}}));
    assert_eq!(plain["WorkingDir"], "/tmp");
    assert_eq!(plain["Labels"], json!({"q": "r"}));
    assert_eq!(plain["Volumes"], json!(null));
    let changes = [
        "CMD a b",
        r#"ENTRYPOINT ["x","y"]"#,
        r#"ENV A=b C="d e""#,
        "EXPOSE 80",
        "LABEL l=m",
        "STOPSIGNAL SIGINT",
        "USER 5",
        "VOLUME /v",
        "WORKDIR wd",
        "ONBUILD RUN x",
    ];
    let mut words = vec!["commit", "-q", "-f", "docker", "--include-volumes", "-a", "me"];
    words.extend(changes.iter().flat_map(|change| ["-c", change]));
    words.extend(["c", "img:1"]);
    engine.run(words).ok();
    let changed = config("img:1");
    assert_eq!(changed["Cmd"], json!(["/bin/sh", "-c", "a b"]));
    assert_eq!(changed["Entrypoint"], json!(["x", "y"]));
    let env = changed["Env"].as_array().unwrap();
    for variable in ["A=b", "B=2", "C=d e"] {
        assert!(env.contains(&json!(variable)), "{env:?}");
    }
    assert_eq!(changed["ExposedPorts"], json!({"80/tcp": {}, "99/tcp": {}}));
    assert_eq!(changed["Labels"], json!({"l": "m", "q": "r"}));
    assert_eq!(changed["Volumes"], json!({"/data": {}, "/v": {}}));
    assert_eq!((&changed["WorkingDir"], &changed["User"]), (&json!("/tmp/wd"), &json!("5")));
    assert_eq!((&changed["StopSignal"], &changed["OnBuild"]), (&json!("SIGINT"), &json!(["RUN x"])));
    let over = engine.path("config.json");
    fs::write(&over, r#"{"User": "7", "Env": ["B=3"], "Cmd": ["x"], "Hostname": "h"}"#).unwrap();
    let over = over.to_str().unwrap();
    engine.run(["commit", "-q", "--config", over, "-c", "USER 8", "c", "img:2"]).ok();
    let merged = config("img:2");
    assert_eq!((&merged["User"], &merged["Cmd"]), (&json!("8"), &json!(["x"])));
    assert_eq!((&merged["Entrypoint"], &merged["Labels"]), (&json!(null), &json!({"q": "r"})));
    assert!(merged["Env"].as_array().unwrap().contains(&json!("B=3")), "{merged}");
    engine
        .line("commit --config /none c")
        .assert_exit(125)
        .assert_one_error_line()
        .assert_stderr_has("/none");
    engine.run(["commit", "-c", "FROM x", "c"]).assert_exit(125).assert_stderr_has("did not understand");
    engine
        .run(["commit", "-c", "ONBUILD RUN x", "c"])
        .assert_exit(125)
        .assert_stderr_has("docker image format");
    engine.line("rm c").ok();
    engine.line("volume rm vol").ok();
}

#[test]
fn imports() {
    let engine = changed();
    let tar = engine.path("root.tar");
    fs::write(&tar, exported(&engine, "c")).unwrap();
    let out = engine
        .run([
            "import",
            "-q",
            "-c",
            "CMD cat /srv/kept",
            "-c",
            "ENV A=1",
            "-m",
            "hello",
            tar.to_str().unwrap(),
            "back:1",
        ])
        .ok();
    assert!(out.text().starts_with("sha256:"));
    engine.line("run --rm back:1").ok().assert_stdout("kept\nmore");
    engine.line("create --name copy back:1").ok();
    assert_eq!(members(&exported(&engine, "copy")), members(&exported(&engine, "c")));
    let history = engine.line("history --format {{.Comment}} back:1").ok();
    history.assert_stdout("hello");
    // From a pipe, compressed; without a name.
    let mut gzip = std::process::Command::new("gzip").arg("-k").arg(&tar).spawn().unwrap();
    assert!(gzip.wait().unwrap().success());
    let piped = File::open(engine.path("root.tar.gz")).unwrap();
    let out = engine.command().args(["import", "-q", "--arch", "arm64", "-"]).stdin(piped).output().unwrap();
    let id = String::from_utf8(out.stdout).unwrap();
    let inspect = engine.line(&format!("image inspect {}", id.trim())).ok().json();
    assert_eq!((&inspect[0]["Architecture"], &inspect[0]["RepoTags"]), (&json!("arm64"), &json!([])));
    engine.line("import /no/such/file").assert_exit(125).assert_stderr_has("no such file or directory");
    let bad = engine.path("bad");
    fs::write(&bad, "no tar".repeat(200)).unwrap();
    engine.run(["import", "-q", bad.to_str().unwrap()]).assert_exit(125).assert_one_error_line();
    // Only what has no name, or nobody uses, goes.
    engine.line("image prune -f").ok().assert_stdout(id.trim().trim_start_matches("sha256:"));
    engine.line("rm copy").ok();
    engine.line("image prune -f -a --filter label=x").ok().assert_stdout("");
    let pruned = engine.line("image prune -f -a").ok();
    assert_eq!(pruned.text().lines().count(), 1, "{pruned:?}");
    engine.line("image exists app:1").ok();
    engine.line("image exists back:1").assert_exit(1);
    engine.line("rm c").ok();
    engine.line("volume rm vol").ok();
}

#[test]
fn image_tree() {
    let engine = Engine::with_busybox();
    engine.line("create --name c busybox true").ok();
    engine.line("commit -q c top:1").ok();
    let tree = engine.line("image tree top:1").ok();
    let lines: Vec<&str> = tree.stdout.lines().collect();
    assert_eq!(lines[1], "Tags:     [localhost/top:1]");
    assert_eq!(lines[3], "Image Layers");
    assert!(
        lines[4].starts_with("├── ID: ")
            && lines[4].ends_with("Top Layer of: [docker.io/library/busybox:latest]"),
        "{lines:?}"
    );
    assert!(
        lines[5].starts_with("└── ID: ") && lines[5].ends_with("Top Layer of: [localhost/top:1]"),
        "{lines:?}"
    );
    let up = engine.line("image tree --whatrequires busybox").ok();
    assert_eq!(up.stdout.lines().filter(|line| line.contains("ID: ")).count(), 3, "{up:?}");
}
