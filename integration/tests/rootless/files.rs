//! Files and images without root: copied, compared, committed, saved.

use std::fs;
use std::os::unix::fs::MetadataExt;

use ketch_integration::Engine;

#[test]
fn copied_and_committed() {
    let engine = Engine::of_user().load_busybox();
    let here = engine.directory("here");
    let file = here.join("file");
    fs::write(&file, "one\n").unwrap();
    let owner = fs::metadata(&here).unwrap();
    engine.line("create --name c --network none --user kim -v vol:/data busybox sleep 1000").ok();
    for _ in ["created", "running"] {
        for path in ["/tmp/f", "/data/f"] {
            engine.run(["cp", file.to_str().unwrap(), &format!("c:{path}")]).ok();
            let back = here.join("back");
            engine.run(["cp", &format!("c:{path}"), back.to_str().unwrap()]).ok();
            assert_eq!(fs::metadata(&back).unwrap().uid(), owner.uid());
            assert_eq!(fs::read(back).unwrap(), b"one\n");
        }
        engine.line("start c").ok();
    }
    engine.line("exec c stat -c %u /tmp/f /data/f").ok().assert_stdout("1000\n1000");
    // What the overlay of a user marks as deleted and hidden is so in the image.
    engine
        .run(["exec", "-u", "0", "c", "sh", "-c", "rm -r /usr /etc/group; mkdir /usr; echo 2 > /usr/two"])
        .ok();
    let diff = engine.line("diff c").ok();
    for line in ["C /usr", "A /usr/two", "D /usr/bin", "D /etc/group", "A /tmp/f"] {
        assert!(diff.stdout.lines().any(|have| have == line), "no {line:?} in {diff:?}");
    }
    engine.line("commit -q c new:1").ok();
    engine.line("run --rm --network none new:1 ls /usr").ok().assert_stdout("two");
    engine.line("run --rm --network none new:1 ls /etc/group").assert_exit(1);
    engine.line("rm -f -t 0 c").ok();
    engine.line("volume rm vol").ok();

    let archive = here.join("new.tar");
    engine.run(["save", "-q", "-o", archive.to_str().unwrap(), "new:1"]).ok();
    let id = engine.run(["image", "inspect", "-f", "{{.Id}}", "new:1"]).ok();
    engine.line("rmi new:1").ok();
    engine.run(["load", "-q", "-i", archive.to_str().unwrap()]).ok();
    engine.run(["image", "inspect", "-f", "{{.Id}}", "new:1"]).ok().assert_stdout(id.text());
    let root = here.join("root.tar");
    engine.line("create --name copy --network none new:1 true").ok();
    engine.run(["export", "-o", root.to_str().unwrap(), "copy"]).ok();
    engine.run(["import", "-q", root.to_str().unwrap(), "flat:1"]).ok();
    engine.line("run --rm --network none flat:1 ls /usr").ok().assert_stdout("two");
}
