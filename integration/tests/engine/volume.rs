//! Volumes: named and anonymous, copy-up, and what `ketch volume` shows and removes.

use std::fs;
use std::os::unix::fs::MetadataExt;

use ketch_integration::{Engine, ImageBuilder};
use serde_json::json;

/// An engine with an image `vol` that has content, an owner and a mode at /data, which it declares a volume.
fn engine_with_data() -> Engine {
    let engine = Engine::with_busybox();
    let archive = engine.path("vol.tar");
    ImageBuilder::busybox()
        .files(&[("data/hello", 0o640, b"of the image\n"), ("data/run", 0o755, b"#!/bin/sh\n")])
        .config("Volumes", json!({"/data": {}}))
        .name("localhost/vol:latest")
        .docker_archive(&archive);
    engine.run(["load", "-q", "-i", archive.to_str().unwrap()]).ok();
    engine
}

fn shell(engine: &Engine, flags: &str, script: &str) -> ketch_integration::Output {
    let words = flags.split_whitespace().chain(["sh", "-c", script]);
    engine.run(words)
}

#[test]
fn a_named_volume_outlives_its_containers() {
    let engine = Engine::with_busybox();
    shell(&engine, "run --rm -v data:/d busybox", "echo kept > /d/file").ok();
    engine.line("run --rm -v data:/d:ro busybox cat /d/file").ok().assert_stdout("kept");
    engine
        .line("run --rm --mount type=volume,src=data,dst=/d busybox cat /d/file")
        .ok()
        .assert_stdout("kept");
    engine
        .line("run --rm -v data:/d:ro busybox touch /d/x")
        .assert_exit(1)
        .assert_stderr_has("Read-only file system");
    engine.line("volume ls -q").ok().assert_stdout("data");
    engine.line("volume rm data").ok().assert_stdout("data");
    engine.line("volume ls -q").ok().assert_stdout("");
    // Another one of the same name is a new one.
    engine.line("run --rm -v data:/d busybox ls -A /d").ok().assert_stdout("");
    engine.line("volume rm data").ok();
}

/// The first container fills a new volume, with modes and owners; a later one changes nothing.
#[test]
fn copy_up() {
    let engine = engine_with_data();
    let seen =
        shell(&engine, "run --rm -v new:/data vol", "cat /data/hello; stat -c %a /data/hello; rm /data/run")
            .ok();
    assert_eq!(seen.stdout, "of the image\n640\n");
    engine.line("run --rm -v new:/data vol ls /data").ok().assert_stdout("hello");
    engine.line("run --rm -v empty:/data:nocopy vol ls -A /data").ok().assert_stdout("");
    // What is in it already is not covered.
    engine.line("volume create full").ok();
    let point = engine.line("volume inspect -f {{.Mountpoint}} full").ok();
    fs::write(format!("{}/mine", point.text()), "").unwrap();
    engine.line("run --rm -v full:/data vol ls /data").ok().assert_stdout("mine");
    // The directory's own owner and mode come along.
    let out = shell(&engine, "run --rm -v tmp:/tmp busybox", "stat -c %a /tmp").ok();
    assert_eq!(out.text(), "1777");
    engine.line("volume rm -a").ok();
}

#[test]
fn anonymous_volumes() {
    let engine = engine_with_data();
    engine.line("run --rm vol cat /data/hello").ok().assert_stdout("of the image");
    engine.line("volume ls -q").ok().assert_stdout("");

    engine.line("run --name keeps vol true").ok();
    let name = engine.line("volume ls -q").ok();
    assert_eq!(name.text().len(), 64);
    let mount = engine.run(["inspect", "-f", "{{(index .Mounts 0).Name}}", "keeps"]).ok();
    assert_eq!(mount.text(), name.text());
    engine.line("rm keeps").ok();
    engine
        .line("volume ls -q --filter dangling=true --filter anonymous=true")
        .ok()
        .assert_stdout(name.text());
    engine.line("volume prune -f").ok().assert_stdout(name.text());

    engine.line("run --name goes -v /more vol true").ok();
    assert_eq!(engine.line("volume ls -q").ok().stdout.lines().count(), 2);
    engine.line("rm -v goes").ok();
    engine.line("volume ls -q").ok().assert_stdout("");
}

#[test]
fn volumes_from_another_container() {
    let engine = engine_with_data();
    engine.line("create --name first -v shared:/s vol true").ok();
    shell(&engine, "run --rm --volumes-from first busybox", "echo x > /s/x; ls /data").ok();
    shell(&engine, "run --rm --volumes-from first:ro busybox", "cat /s/x; touch /s/y")
        .assert_exit(1)
        .assert_stdout("x")
        .assert_stderr_has("Read-only");
    engine.line("run --rm --volumes-from nobody busybox true").assert_exit(125).assert_stderr_has("nobody");
    engine.line("rm -v first").ok();
    engine.line("volume ls -q").ok().assert_stdout("shared");
    engine.line("volume rm shared").ok();
}

/// podman 5.8's words and exit codes.
#[test]
fn verbs() {
    let engine = Engine::with_busybox();
    engine.line("volume create --label a=b --uid 7 --gid 8 one").ok().assert_stdout("one");
    engine
        .line("volume create one")
        .assert_exit(125)
        .assert_stderr_has("volume with name one already exists: volume already exists");
    engine.line("volume create --ignore one").ok().assert_stdout("one");
    engine.line("volume create a/b").assert_exit(125).assert_stderr_has("names must match");
    engine
        .line("volume create --driver nfs x")
        .assert_exit(125)
        .assert_stderr_has("\"nfs\" is not available");
    let inspected = engine.line("volume inspect one").ok().json();
    let (volume, point) = (&inspected[0], engine.path("root/volumes/one/_data"));
    assert_eq!(volume["Labels"], json!({"a": "b"}));
    assert_eq!(volume["Mountpoint"], json!(point));
    assert_eq!((volume["Driver"].as_str(), volume["NeedsCopyUp"].as_bool()), (Some("local"), Some(true)));
    let owner = fs::metadata(&point).unwrap();
    assert_eq!((owner.uid(), owner.gid()), (7, 8));

    engine.line("volume ls").ok().assert_stdout("DRIVER      VOLUME NAME\nlocal       one");
    engine.line("volume exists one").ok();
    engine.line("volume exists two").assert_exit(1);
    engine
        .line("volume inspect two")
        .assert_exit(125)
        .assert_stderr_has("no such volume two")
        .assert_stdout("[]");
    engine
        .line("volume rm two")
        .assert_exit(1)
        .assert_stderr_has("no volume with name \"two\" found: no such volume");
    engine.line("volume rm -f two").ok();
    engine
        .line("volume ls --filter x=y")
        .assert_exit(125)
        .assert_stderr_has("\"x\" is an invalid volume filter");
    engine.line("volume prune").assert_exit(125).assert_stderr_has("EOF");

    let user = engine.line("run -d -v one:/v busybox sleep 1000").ok();
    engine
        .line("volume rm one")
        .assert_exit(2)
        .assert_stderr_has(&format!("is being used by the following container(s): {}", user.text()));
    engine.line("volume prune -f").ok().assert_stdout("");
    engine.line("volume rm -f -t 0 one").ok().assert_stdout("one");
    engine.line("ps -aq").ok().assert_stdout("");
}

/// Clients that create containers over one volume, and clients that remove it: no answer but a clear one, and no
/// directory without a volume.
#[test]
fn contended_volume() {
    let engine = Engine::with_busybox();
    std::thread::scope(|scope| {
        for client in 0..6 {
            let engine = &engine;
            scope.spawn(move || {
                for _ in 0..8 {
                    let line = ["run --rm -v v:/v busybox true", "volume rm v"][client % 2];
                    let out = engine.line(line);
                    assert!(out.stderr.lines().count() <= 1 && !out.stderr.contains("panicked"), "{out:#?}");
                    assert!(client % 2 == 1 || out.code == 0, "{out:#?}");
                }
            });
        }
    });
    engine.line("volume rm -f v").ok();
    assert_eq!(fs::read_dir(engine.path("root/volumes")).unwrap().count(), 0);
}
