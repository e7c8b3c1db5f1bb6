//! container checkpoint and restore, in place and by an archive.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::Path;

use ketch_integration::wait::{PATIENCE, wait_for};
use ketch_integration::{Engine, Output};
use serde_json::{Value, json};

/// Writes 0, 1, 2 and so on; the number lives in its memory alone.
const COUNTER: &str = "i=0; while :; do echo $i; i=$((i+1)); sleep 0.02; done";

fn run_counter(engine: &Engine, name: &str, options: &[&str]) {
    let words =
        [&["run", "-d", "--name", name, "--network", "none"], options, &["busybox", "sh", "-c", COUNTER]];
    engine.run(words.concat()).ok();
    engine.wait_for_log(name, "\n3\n");
}

fn counted(engine: &Engine, name: &str) -> Vec<u64> {
    let text = engine.run(["logs", name]).ok().stdout;
    text.lines().map(|line| line.parse().unwrap_or_else(|_| panic!("no number: {line:?}"))).collect()
}

/// Returns when it has counted on from `last`, which it must not begin anew to do.
fn goes_on(engine: &Engine, name: &str, last: u64) {
    engine.wait_for_log(name, &format!("{}\n", last + 3));
    let numbers = counted(engine, name);
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{numbers:?}");
}

fn state(engine: &Engine, name: &str) -> Value {
    engine.line(&format!("inspect {name}")).ok().json()[0]["State"].clone()
}

fn checkpoint(engine: &Engine, words: &[&str]) -> Output {
    engine.run([&["container", "checkpoint"], words].concat())
}

fn restore(engine: &Engine, words: &[&str]) -> Output {
    engine.run([&["container", "restore"], words].concat())
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

#[test]
fn the_counter_goes_on() {
    let engine = Engine::with_busybox();
    run_counter(&engine, "c", &[]);
    restore(&engine, &["c"]).assert_exit(125).assert_stderr_has("is running or paused, cannot restore");
    checkpoint(&engine, &["c"]).ok().assert_stdout("c");

    let ended = state(&engine, "c");
    assert_eq!((&ended["Status"], &ended["ExitCode"]), (&json!("exited"), &json!(0)));
    assert_eq!(ended["Checkpointed"], true);
    assert!(Path::new(ended["CheckpointPath"].as_str().expect("a path")).join("inventory.img").exists());
    checkpoint(&engine, &["c"])
        .assert_exit(125)
        .assert_stderr_has("\"exited\" is not running, cannot checkpoint");

    let last = *counted(&engine, "c").last().expect("it has counted");
    restore(&engine, &["c"]).ok().assert_stdout("c");
    goes_on(&engine, "c", last);
    let running = state(&engine, "c");
    assert_eq!((&running["Status"], &running["Restored"]), (&json!("running"), &json!(true)));
    engine.line("exec c true").ok();

    // What was restored has a monitor like any other: its end is recorded.
    checkpoint(&engine, &["--latest", "--print-stats"]).ok().assert_stdout_has("pages_written");
    restore(&engine, &["--all", "--print-stats"]).ok().assert_stdout_has("pages_restored");
    engine.line("kill c").ok();
    engine.line("wait c").ok().assert_stdout("137");
    restore(&engine, &["c"]).assert_exit(125).assert_stderr_has("cannot be found, cannot restore");
}

#[test]
fn a_terminal_and_an_input_go_on() {
    let engine = Engine::with_busybox();
    let script = "stty -echo; echo ready; while :; do sleep 0.05; echo tick; done";
    engine.run(["run", "-dit", "--name", "t", "--network", "none", "busybox", "sh", "-c", script]).ok();
    engine.wait_for_log("t", "tick");
    checkpoint(&engine, &["t"]).ok();
    let before = engine.line("logs t").ok().stdout.matches("tick").count();
    restore(&engine, &["t"]).ok();
    wait_for("word from the terminal any more", || {
        let ticks = engine.line("logs t").ok().stdout.matches("tick").count();
        if ticks > before { Ok(()) } else { Err(ticks) }
    });
}

#[test]
fn a_container_may_go_on_beside_its_checkpoint() {
    let engine = Engine::with_busybox();
    run_counter(&engine, "c", &[]);
    checkpoint(&engine, &["--leave-running", "c"]).ok();
    let last = *counted(&engine, "c").last().expect("it has counted");
    assert_eq!(state(&engine, "c")["Status"], "running");
    goes_on(&engine, "c", last);
    engine.line("stop -t 0 c").ok();
    let back = restore(&engine, &["c"]);
    back.ok();
    assert_eq!(state(&engine, "c")["Status"], "running");
}

#[test]
fn what_cannot_be_is_said() {
    let engine = Engine::with_busybox();
    engine.line("run -d --rm --name r --network none busybox sleep 1000").ok();
    checkpoint(&engine, &["r"]).assert_exit(125).assert_stderr_has("'--rm' unless '--export' is used");
    engine.line("create --name n busybox true").ok();
    restore(&engine, &["n"]).assert_exit(125).assert_stderr_has("cannot restore");
    for (words, part) in [
        (&["checkpoint", "--compress", "gzip", "r"][..], "--compress can only be used with --export"),
        (&["checkpoint", "--create-image", "x", "r"], "--create-image is not supported"),
        (&["checkpoint"], "you must provide at least one name or id"),
        (&["restore", "--name", "x", "n"], "--name can only be used with image or --import"),
        (&["restore", "--import", "/nonesuch"], "failed to open checkpoint archive /nonesuch"),
        (&["restore", "--tcp-close", "--tcp-established", "n"], "exclude each other"),
    ] {
        engine.run([&["container"], words].concat()).assert_exit(125).assert_stderr_has(part);
    }
}

/// Root, volume, name and counter arrive in an engine that knows the image and nothing else.
#[test]
fn an_archive_moves_a_container() {
    let (here, there) = (Engine::with_busybox(), Engine::with_busybox());
    let archive = here.path("c.tar.zst");
    run_counter(&here, "c", &["-v", "data:/data", "--hostname", "inn", "-e", "A=b"]);
    here.run([
        "exec",
        "c",
        "sh",
        "-c",
        "echo x >/new; rm /etc/group; rm -r /usr; mkdir /usr; echo v >/data/file",
    ])
    .ok();
    checkpoint(&here, &["--export", text(&archive), "c"]).ok();
    let last = *counted(&here, "c").last().expect("it has counted");

    let id = restore(&there, &["--import", text(&archive)]).ok().text().to_owned();
    assert_eq!(id, here.line("inspect c").ok().json()[0]["Id"]);
    there.wait_for_log("c", &format!("{}\n", last + 3));
    let numbers = counted(&there, "c");
    assert!(numbers[0] > 3 && numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{numbers:?}");
    let seen = "cat /new /data/file; ls /etc/group /usr/bin; hostname; cat /proc/1/environ | tr '\\0' '\\n' | grep A=";
    let seen = there.run(["exec", "c", "sh", "-c", seen]).stdout;
    assert_eq!(seen, "x\nv\ninn\nA=b\n");

    // Once more: the name is taken, the volume too; another name and no volumes will do.
    restore(&there, &["--import", text(&archive)]).assert_exit(125).assert_one_error_line();
    restore(&there, &["--import", text(&archive), "--name", "d"])
        .assert_exit(125)
        .assert_stderr_has("volume with name data already exists");
    restore(&there, &["--import", text(&archive), "--name", "d", "--ignore-volumes"]).ok();
    there.line("exec d cat /new").ok().assert_stdout("x");
    there.line("volume ls -q").ok().assert_stdout("data");
    there.line("rm -f -t 0 c d").ok();
    there.line("volume rm data").ok();
    here.line("rm c").ok();
    here.line("volume rm data").ok();
}

/// A checkpoint with `--export` of a container that is removed when it ends; the archive is all that stays.
#[test]
fn a_temporary_container_lives_on_in_its_archive() {
    let engine = Engine::with_busybox();
    let archive = engine.path("c.tar");
    run_counter(&engine, "c", &["--rm"]);
    checkpoint(&engine, &["--export", text(&archive), "--compress", "none", "c"]).ok();
    assert_eq!(engine.ids(), [""; 0]);
    restore(&engine, &["--import", text(&archive)]).ok();
    engine.wait_for_log("c", "\n");
    engine.line("stop -t 0 c").ok();
    assert_eq!(engine.ids(), [""; 0]);
}

/// An archive's members, to be changed.
fn members(archive: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut tar = tar::Archive::new(File::open(archive).expect("the archive"));
    let entries = tar.entries().expect("a tar archive");
    let read = |entry: Result<tar::Entry<'_, File>, std::io::Error>| {
        let mut entry = entry.expect("an entry");
        let name = entry.path().expect("a name").to_string_lossy().into_owned();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).expect("content");
        (name, content)
    };
    entries.map(read).filter(|(name, _)| !name.ends_with('/')).collect()
}

fn write_archive(
    path: &Path,
    members: &BTreeMap<String, Vec<u8>>,
    more: impl FnOnce(&mut tar::Builder<File>),
) {
    let mut tar = tar::Builder::new(File::create(path).expect("a file"));
    for (name, content) in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o600);
        tar.append_data(&mut header, name, content.as_slice()).expect("an entry");
    }
    more(&mut tar);
    tar.finish().expect("an archive");
}

/// A member with a name or target that the library would not write.
fn raw(tar: &mut tar::Builder<File>, kind: tar::EntryType, name: &str, target: &str) {
    let mut header = tar::Header::new_gnu();
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.as_old_mut().linkname[..target.len()].copy_from_slice(target.as_bytes());
    header.set_entry_type(kind);
    header.set_size(0);
    header.set_mode(0o644);
    header.set_cksum();
    tar.append(&header, std::io::empty()).expect("an entry");
}

#[test]
fn a_hostile_archive_gets_nothing_of_the_host() {
    let engine = Engine::with_busybox();
    let archive = engine.path("good.tar");
    run_counter(&engine, "c", &[]);
    checkpoint(&engine, &["--export", text(&archive), "--compress", "none", "c"]).ok();
    engine.line("rm c").ok();
    let good = members(&archive);
    let config: Value = serde_json::from_slice(&good["config.dump"]).expect("JSON");
    let bad = engine.path("bad.tar");
    let refused = |part: &str| {
        restore(&engine, &["--import", text(&bad)])
            .assert_exit(125)
            .assert_one_error_line()
            .assert_stderr_has(part);
        assert_eq!(engine.ids(), [""; 0], "{part}");
    };

    type Change = fn(&mut Value);
    let changes: [(&str, Change); 8] = [
        ("/etc of this host on /host", |c| {
            c["ketch"]["options"]["mounts"] = json!([{
                "kind": {"Bind": {"source": "/etc"}}, "destination": "/host", "options": [],
            }]);
        }),
        ("the device /dev/vda", |c| {
            c["ketch"]["options"]["devices"] =
                json!([{"source": "/dev/vda", "destination": "/dev/vda", "access": "rwm"}]);
        }),
        ("all privileges", |c| c["ketch"]["options"]["privileged"] = true.into()),
        ("the network host", |c| c["ketch"]["options"]["network"] = "Host".into()),
        ("no valid id", |c| c["id"] = "../../../../etc".into()),
        ("names must match", |c| c["name"] = "../x".into()),
        ("which is not here", |c| c["rootfsImageID"] = "0".repeat(64).into()),
        ("made on riscv64", |c| c["ketch"]["fingerprint"]["machine"] = "riscv64".into()),
    ];
    for (part, change) in changes {
        let (mut changed, mut members) = (config.clone(), good.clone());
        change(&mut changed);
        members.insert("config.dump".to_owned(), changed.to_string().into_bytes());
        write_archive(&bad, &members, |_| {});
        refused(part);
    }

    // CRIU would follow it.
    let mut members = good.clone();
    members.remove("checkpoint/pages-1.img");
    write_archive(&bad, &members, |tar| {
        raw(tar, tar::EntryType::Symlink, "checkpoint/pages-1.img", "/etc/shadow");
    });
    refused("checkpoint/pages-1.img in the checkpoint archive");
    write_archive(&bad, &good, |tar| raw(tar, tar::EntryType::Regular, "../../escaped", ""));
    refused("leads out of");
    write_archive(&bad, &good, |tar| {
        raw(tar, tar::EntryType::Symlink, "out", "/var/tmp");
        raw(tar, tar::EntryType::Regular, "out/ketch-engine-escaped", "");
    });
    // Below the archive's own directory there is no such path, or it is made there.
    let _ = restore(&engine, &["--import", text(&bad)]);
    assert!(!Path::new("/var/tmp/ketch-engine-escaped").exists());
    let mut garbage = File::create(&bad).expect("a file");
    garbage.write_all(b"this is no archive").expect("write");
    refused("cannot unpack");
}

/// A connection from outside is taken along: same address, same sockets, on both sides.
#[test]
fn an_established_connection_goes_on() {
    let engine = Engine::with_busybox();
    let script = "nc -l -p 7 -e cat";
    engine.run(["run", "-d", "--name", "s", "busybox", "sh", "-c", script]).ok();
    let address = |engine: &Engine| {
        let text = engine.line("exec s hostname -i").ok().text().to_owned();
        text.split_whitespace().next().and_then(|ip| ip.parse::<IpAddr>().ok()).expect("an address")
    };
    let server = SocketAddr::new(address(&engine), 7);
    let mut client = engine.netns().within(|| wait_for("server", || TcpStream::connect(server)));
    client.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let mut echo = |word: &[u8; 4]| {
        client.write_all(word).expect("the connection is open");
        let mut answer = [0; 4];
        client.read_exact(&mut answer).expect("an answer");
        assert_eq!(&answer, word);
    };
    echo(b"one\n");

    checkpoint(&engine, &["s"]).assert_exit(125).assert_stderr_has("--tcp-established");
    assert_eq!(state(&engine, "s")["Status"], "running");
    echo(b"two\n");
    checkpoint(&engine, &["--tcp-established", "s"]).ok();
    restore(&engine, &["--tcp-established", "s"]).ok();
    assert_eq!(address(&engine), server.ip());
    echo(b"tri\n");
}
