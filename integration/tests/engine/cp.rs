//! `cp`: by cp(1)'s rules, into and out of containers in every state, and never out of a container's root.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::PathBuf;
use std::process::Stdio;

use ketch_integration::{Engine, Output};

/// An engine, and a directory with things to copy.
fn engine() -> (Engine, PathBuf) {
    let engine = Engine::with_busybox();
    let here = engine.path("here");
    fs::create_dir_all(here.join("dir/sub")).unwrap();
    fs::write(here.join("file"), "one\n").unwrap();
    fs::write(here.join("dir/sub/x"), "two\n").unwrap();
    symlink("/etc/passwd", here.join("dir/link")).unwrap();
    (engine, here)
}

/// `cp`, in the directory with the things.
fn cp(engine: &Engine, line: &str) -> Output {
    let mut command = engine.command();
    command.current_dir(engine.path("here")).arg("cp").args(line.split_whitespace());
    Output::new(format!("cp {line}"), &command.output().unwrap())
}

fn list(engine: &Engine, container: &str, path: &str) -> String {
    let script = format!("cd {path} && find . | sort | xargs");
    engine.run(["exec", container, "sh", "-c", &script]).ok().text().to_owned()
}

/// The same rules whether it runs or not; what was copied into one at rest is there when it starts.
#[test]
fn files_and_directories() {
    let (engine, here) = engine();
    engine.line("create --name c -v vol:/data busybox sleep 1000").ok();
    for round in ["created", "running", "exited"] {
        let base = format!("c:/tmp/{round}");
        cp(&engine, &format!("dir {base}")).ok();
        cp(&engine, &format!("file {base}")).ok();
        cp(&engine, &format!("dir/. {base}/same")).ok();
        cp(&engine, &format!("dir/. {base}/same")).ok();
        cp(&engine, &format!("dir {base}/same")).ok();
        cp(&engine, &format!("file {base}/named")).ok();
        cp(&engine, &format!("dir {base}/file"))
            .assert_exit(125)
            .assert_stderr_has("destination must be a directory when copying a directory");
        cp(&engine, &format!("file {base}/nowhere/file"))
            .assert_exit(125)
            .assert_stderr_has("could not be found on container c: no such file or directory");
        cp(&engine, &format!("file {base}/nowhere/")).assert_exit(125).assert_one_error_line();
        cp(&engine, &format!("nothing {base}"))
            .assert_exit(125)
            .assert_stderr_has("\"nothing\" could not be found on the host: no such file or directory");
        cp(&engine, &format!("{base}/nothing ."))
            .assert_exit(125)
            .assert_stderr_has("could not be found on container c: no such file or directory");
        // A volume is seen.
        cp(&engine, &format!("file c:/data/{round}")).ok();
        // And the way back.
        let back = here.join(round);
        cp(&engine, &format!("c:/data/{round} back")).ok();
        assert_eq!(fs::read(here.join("back")).unwrap(), b"one\n");
        cp(&engine, &format!("{base} {round}")).ok();
        assert_eq!(fs::read(back.join("same/dir/sub/x")).unwrap(), b"two\n");
        assert_eq!(fs::read_link(back.join("link")).unwrap().to_str(), Some("/etc/passwd"));
        cp(&engine, &format!("{base}/same/. {round}/flat")).ok();
        assert!(back.join("flat/sub/x").exists());
        match round {
            "created" => drop(engine.line("start c").ok()),
            "running" => drop(engine.line("stop -t 0 c").ok()),
            _ => {}
        }
    }
    engine.line("start c").ok();
    let expected = ". ./file ./link ./named ./same ./same/dir ./same/dir/link ./same/dir/sub ./same/dir/sub/x ./same/link \
                    ./same/sub ./same/sub/x ./sub ./sub/x";
    for round in ["created", "running", "exited"] {
        assert_eq!(list(&engine, "c", &format!("/tmp/{round}")), expected, "{round}");
    }
    assert_eq!(list(&engine, "c", "/data"), ". ./created ./exited ./running");
    engine.line("rm -f -t 0 c").ok();
    engine.line("volume rm vol").ok();
}

#[test]
fn owners() {
    let (engine, here) = engine();
    std::os::unix::fs::chown(here.join("dir/sub/x"), Some(7), Some(8)).unwrap();
    fs::set_permissions(here.join("dir/sub/x"), fs::Permissions::from_mode(0o4755)).unwrap();
    engine.line("run -d --name c --user kim:crew busybox sleep 1000").ok();
    engine.line("create --name rest --user kim:crew busybox true").ok();
    for container in ["c", "rest"] {
        cp(&engine, &format!("dir {container}:/tmp/own")).ok();
        cp(&engine, &format!("-a=false dir {container}:/tmp/kept")).ok();
    }
    engine.line("rm rest").ok();
    let of = |path: &str| engine.run(["exec", "c", "stat", "-c", "%u:%g %a", path]).ok().text().to_owned();
    // Setuid to somebody is not setuid to somebody else.
    assert_eq!(of("/tmp/own/sub/x"), "1000:2000 755");
    assert_eq!(of("/tmp/own"), "1000:2000 755");
    assert_eq!(of("/tmp/kept/sub/x"), "7:8 4755");
    // What a container owns is the caller's on the host.
    cp(&engine, "-a=false c:/tmp/kept back").ok();
    let back = fs::metadata(here.join("back/sub/x")).unwrap();
    assert_eq!((back.uid(), back.gid(), back.mode() & 0o7777), (0, 0, 0o755));
}

#[test]
fn tar_streams() {
    let (engine, here) = engine();
    engine.line("run -d --name c busybox sleep 1000").ok();
    engine.line("create --name rest busybox true").ok();
    cp(&engine, "dir c:/root").ok();
    let tar = |path: &str| {
        let out = engine.command().args(["cp", path, "-"]).output().unwrap();
        assert!(out.status.success(), "{out:?}");
        out.stdout
    };
    let names = |bytes: &[u8]| {
        let mut archive = tar::Archive::new(bytes);
        let entries =
            archive.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().display().to_string());
        let mut names: Vec<String> = entries.collect();
        names.sort();
        names.join(" ")
    };
    let whole = tar("c:/root/dir");
    assert_eq!(names(&whole), "dir dir/link dir/sub dir/sub/x");
    assert_eq!(names(&tar("c:/root/dir/.")), "link sub sub/x");
    assert_eq!(names(&tar("c:/root/dir/sub/x")), "x");
    let feed = |bytes: &[u8], to: &str| {
        let mut command = engine.command();
        let mut child =
            command.args(["cp", "-", to]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // It may have ended already: then its exit code is what is looked at.
        let _ = child.stdin.take().unwrap().write_all(bytes);
        Output::new(format!("cp - {to}"), &child.wait_with_output().unwrap())
    };
    for container in ["c", "rest"] {
        feed(&whole, &format!("{container}:/var")).ok();
        assert_eq!(names(&tar(&format!("{container}:/var/dir"))), "dir dir/link dir/sub dir/sub/x");
        feed(&whole, &format!("{container}:/etc/passwd"))
            .assert_exit(125)
            .assert_stderr_has("destination must be a directory when copying from stdin");
        feed(b"no tar at all", &format!("{container}:/var"))
            .assert_exit(125)
            .assert_stderr_has("source must be a (compressed) tar archive when copying from stdin");
    }
    fs::write(here.join("whole.tar"), &whole).unwrap();
    engine.line("rm rest").ok();
}

/// Links of the container are its own affair: they lead where they lead for its processes.
#[test]
fn links_stay_inside() {
    let (engine, here) = engine();
    let outside = engine.path("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("secret"), "of the host").unwrap();
    engine.line("run -d --name c busybox sleep 1000").ok();
    let up = "../".repeat(20);
    let script = format!(
        "mkdir -p /real; ln -s {0} /abs; ln -s {up}{0} /rel; ln -s /real /inside; ln -s /proc/1/root /root1",
        outside.display()
    );
    engine.run(["exec", "c", "sh", "-c", &script]).ok();
    for round in ["running", "at rest"] {
        for link in ["abs", "rel"] {
            cp(&engine, &format!("c:/{link}/secret stolen"))
                .assert_exit(125)
                .assert_stderr_has("no such file");
            cp(&engine, &format!("file c:/{link}/planted"))
                .assert_exit(125)
                .assert_stderr_has("no such file");
            // The link's target is what would be made, inside; there is no directory for it.
            cp(&engine, &format!("dir c:/{link}")).assert_exit(125).assert_stderr_has("no such file");
        }
        assert!(!here.join("stolen").exists());
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
        cp(&engine, "file c:/inside/").ok();
        cp(&engine, "c:/real/file back").ok();
        assert_eq!(fs::read(here.join("back")).unwrap(), b"one\n");
        // What is itself a link in a directory is copied as one.
        cp(&engine, "c:/root1 link").assert_exit(125);
        if round == "running" {
            engine.line("stop -t 0 c").ok();
        }
    }
    // In a tar as well.
    let mut tar = tar::Builder::new(Vec::new());
    for name in ["abs/planted", "rel/planted", "../planted"] {
        let mut header = tar::Header::new_gnu();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(0);
        header.set_mode(0o644);
        header.set_cksum();
        tar.append(&header, std::io::empty()).unwrap();
        let mut command = engine.command();
        let mut child =
            command.args(["cp", "-", "c:/"]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let _ = child.stdin.take().unwrap().write_all(tar.get_ref());
        child.wait_with_output().unwrap();
    }
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
    assert!(!engine.path("planted").exists());
}

#[test]
fn mounts_stay_and_are_seen() {
    let (engine, here) = engine();
    let file = here.join("mounted");
    fs::write(&file, "before\n").unwrap();
    let line = format!(
        "run -d --name c -v {0}:/etc/mounted -v {1}:/ro:ro --tmpfs /mem busybox sleep 1000",
        file.display(),
        here.display()
    );
    engine.line(&line).ok();
    // A mounted file is written to, not replaced.
    cp(&engine, "file c:/etc/mounted").ok();
    assert_eq!(fs::read(&file).unwrap(), b"one\n");
    engine.line("exec c cat /etc/mounted").ok().assert_stdout("one");
    cp(&engine, "dir c:/mem").ok();
    engine.line("exec c cat /mem/dir/sub/x").ok().assert_stdout("two");
    cp(&engine, "dir c:/ro/new").assert_exit(125).assert_stderr_has("read-only file system");
    cp(&engine, "--overwrite file c:/mem").ok();
    // The same when it does not run: but memory is gone.
    engine.line("stop -t 0 c").ok();
    cp(&engine, "c:/ro/file c:/etc/mounted").ok();
    assert_eq!(fs::read(&file).unwrap(), b"one\n");
    cp(&engine, "dir c:/ro/new").assert_exit(125).assert_stderr_has("read-only file system");
    cp(&engine, "c:/mem/dir x").assert_exit(125).assert_stderr_has("no such file");
    // Nothing of all this is left on the host.
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    assert!(!mounts.contains(engine.dir().to_str().unwrap()), "{mounts}");
}

#[test]
fn between_containers() {
    let (engine, _here) = engine();
    engine.line("run -d --name a busybox sleep 1000").ok();
    engine.line("create --name b --user kim busybox true").ok();
    cp(&engine, "dir a:/root/").ok();
    cp(&engine, "a:/root/dir b:/var/").ok();
    cp(&engine, "b:/var/dir/sub/x a:/tmp/y").ok();
    engine.line("exec a cat /tmp/y").ok().assert_stdout("two");
    // The same container is both ends.
    cp(&engine, "b:/var/dir b:/tmp/").ok();
    cp(&engine, "a:/tmp/y a:/tmp/z").ok();
    engine.line("exec a cat /tmp/z").ok().assert_stdout("two");
    for container in ["a", "b"] {
        cp(&engine, &format!("{container}:/ {container}:/tmp/all"))
            .assert_exit(125)
            .assert_stderr_has("into itself");
    }
}

#[test]
fn refusals() {
    let (engine, _here) = engine();
    engine.line("create --name c busybox true").ok();
    for (line, part) in [
        ("a b", "CONTAINER:PATH"),
        ("c: /tmp", "you must specify paths"),
        ("nope:/etc x", "container \"nope\" does not exist"),
        ("/dev/null c:/tmp", "is a device or a socket"),
        ("dir c:/etc/passwd", "destination must be a directory"),
    ] {
        cp(&engine, line).assert_exit(125).assert_one_error_line().assert_stderr_has(part);
    }
    cp(&engine, "dir c:/tmp").ok();
    cp(&engine, "file c:/tmp/dir/sub/x").ok();
    let (from, over) = (engine.path("here/over"), engine.path("here/over/sub/x"));
    fs::create_dir_all(over).unwrap();
    assert!(from.exists());
    cp(&engine, "over/. c:/tmp/dir").assert_exit(125).assert_stderr_has("non-directory");
    cp(&engine, "--overwrite over/. c:/tmp/dir").ok();
    cp(&engine, "dir/. c:/tmp/dir").assert_exit(125).assert_stderr_has("is a directory");
    cp(&engine, "--overwrite dir/. c:/tmp/dir").ok();
}
