//! `mount`, `unmount` and their sisters for images: the only mounts of ketch's that the host sees.

use std::fs;
use std::path::PathBuf;

use ketch_integration::Engine;

fn mounts(engine: &Engine) -> usize {
    let dir = engine.dir().to_str().unwrap().to_owned();
    fs::read_to_string("/proc/self/mounts").unwrap().lines().filter(|line| line.contains(&dir)).count()
}

/// What is written on either side is seen on the other, whatever the container does meanwhile.
#[test]
fn containers() {
    let engine = Engine::with_busybox();
    let id = engine.line("create --name c --network none busybox sleep 1000").ok().text().to_owned();
    let point = PathBuf::from(engine.line("mount c").ok().text());
    assert!(point.join("bin/busybox").exists());
    engine.line("mount c").ok().assert_stdout(point.to_str().unwrap());
    assert_eq!(mounts(&engine), 1);
    engine.line("mount").ok().assert_stdout(&format!("{}  {}", &id[..12], point.display()));
    let document = engine.line("mount --format json").ok().json();
    assert_eq!(
        (document[0]["id"].as_str(), document[0]["mountpoint"].as_str()),
        (Some(&*id), point.to_str())
    );

    fs::write(point.join("before"), "1\n").unwrap();
    engine.line("start c").ok();
    fs::write(point.join("running"), "2\n").unwrap();
    engine.line("exec c cat /before /running").ok().assert_stdout("1\n2");
    engine.run(["exec", "c", "sh", "-c", "echo 3 > /inside"]).ok();
    assert_eq!(fs::read(point.join("inside")).unwrap(), b"3\n");
    // Without what is mounted in the container.
    assert_eq!(fs::read_dir(point.join("proc")).unwrap().count(), 0);
    engine.line("cp c:/inside c:/copied").ok();
    engine.line("stop -t 0 c").ok();
    engine.line("cp c:/inside c:/after").ok();
    assert_eq!(fs::read(point.join("after")).unwrap(), b"3\n");
    engine.line("unmount c").ok().assert_stdout("c");
    engine.line("umount c").ok().assert_stdout("c");
    assert_eq!(mounts(&engine), 0);
    assert!(!point.exists());

    // Of one that runs; and a mount goes with its container.
    engine.line("start c").ok();
    engine.line("mount c").ok();
    engine.line("exec c cat /copied").ok().assert_stdout("3");
    assert_eq!(fs::read(point.join("before")).unwrap(), b"1\n");
    engine.line("restart -t 0 c").ok();
    engine.run(["exec", "c", "sh", "-c", "echo 4 > /again"]).ok();
    assert_eq!(fs::read(point.join("again")).unwrap(), b"4\n");
    engine.line("rm -f -t 0 c").ok();
    assert_eq!(mounts(&engine), 0);
    engine.line("mount nope").assert_exit(125).assert_stderr_has("no such container");
    let events =
        engine.run(["events", "--stream=false", "--filter", "container=c", "--format", "{{.Status}}"]).ok();
    for event in ["mount", "unmount"] {
        assert!(events.text().lines().any(|line| line == event), "{events:?}");
    }
}

#[test]
fn removed_by_itself() {
    let engine = Engine::with_busybox();
    engine.line("run -d --rm --name c --network none busybox sleep 1000").ok();
    engine.line("mount -a").ok();
    assert_eq!(mounts(&engine), 1);
    engine.line("stop -t 0 c").ok();
    assert_eq!(engine.ids(), Vec::<String>::new());
    assert_eq!(mounts(&engine), 0);
}

#[test]
fn images() {
    let engine = Engine::with_busybox();
    let point = PathBuf::from(engine.line("image mount busybox").ok().text());
    assert!(point.join("bin/busybox").exists());
    assert!(fs::write(point.join("x"), "").is_err());
    let name = "docker.io/library/busybox:latest";
    engine.line("image mount").ok().assert_stdout(&format!("{name}  {}", point.display()));
    engine.line("rmi busybox").assert_exit(125).assert_stderr_has("is mounted");
    engine.line("image exists busybox").ok();
    let id = engine.line("image inspect -f {{.Id}} busybox").ok();
    engine.line("image unmount busybox").ok().assert_stdout(id.text());
    engine.line("image umount busybox").ok().assert_stdout("");
    engine.line("image mount -a").ok();
    assert_eq!(mounts(&engine), 1);
    engine.line("image unmount -a").ok().assert_stdout(id.text());
    assert_eq!(mounts(&engine), 0);
    engine.line("image mount").ok().assert_stdout("");
    engine.line("rmi busybox").ok();
    engine.line("image mount nope").assert_exit(125).assert_stderr_has("image not known");
}
