//! User namespaces of choice: whose ids the container's are, out here and in there.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::thread;

use ketch_integration::user::first_of_containers;
use ketch_integration::{Engine, Output, program};

const MAPPED: [&str; 2] = ["--uidmap", "0:100000:65536"];

/// The words of a map's lines, one space between them.
fn map(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn mapped(engine: &Engine, words: &str, script: &str) -> Output {
    let words = ["run", "--rm"].into_iter().chain(MAPPED).chain(words.split_whitespace());
    engine.run(words.chain(["busybox", "sh", "-c", script]))
}

/// The image's files, ketch's own and new ones are the container's, whatever its ids are outside.
#[test]
fn ids_are_mapped() {
    let engine = Engine::with_busybox();
    let script = "cat /proc/self/uid_map; stat -c %u:%g / /bin/busybox /etc/hosts /etc/hostname /dev/null /dev/pts; \
                  touch /new; stat -c %u /new; echo ok >/dev/stdout";
    let out = mapped(&engine, "--network none", script).ok();
    assert_eq!(map(&out.stdout), "0 100000 65536 0:0 0:0 0:0 0:0 0:0 0:0 0 ok");
    let gid = "run --rm --network none --uidmap 0:100000:5000 --gidmap 0:200000:6000 -u kim busybox";
    let script = ["sh", "-c", "cat /proc/self/gid_map; id -u; id -g"];
    let out = engine.run(gid.split_whitespace().chain(script)).ok();
    assert_eq!(map(&out.stdout), "0 200000 6000 1000 1000");
    // The letters say whose ids they are; a map of users alone is one of groups too.
    let out =
        engine.line("run --rm --network none --uidmap g0:7:9 --uidmap u0:5:9 busybox cat /proc/self/gid_map");
    assert_eq!(map(&out.ok().stdout), "0 7 9");
    engine
        .line("run --rm --network none busybox cat /proc/self/uid_map")
        .ok()
        .assert_stdout_has("4294967295");
}

/// On disk a container's files have its own ids: another map shows the same owners.
#[test]
fn what_was_written_is_an_images() {
    let engine = Engine::with_busybox();
    let run = ["run", "-d", "--name", "c", "--network", "none"];
    engine.run(run.into_iter().chain(MAPPED).chain(["busybox", "sleep", "1000"])).ok();
    engine.run(["exec", "c", "sh", "-c", "rm /etc/group; mkdir /d; touch /d/kim; chown kim /d/kim"]).ok();
    engine.run(["exec", "-u", "kim", "c", "touch", "/tmp/by-kim"]).ok();
    engine.line("diff c").ok().assert_stdout_has("A /d/kim").assert_stdout_has("D /etc/group");
    engine.line("commit -q c snapshot").ok();
    let stat = ["stat", "-c", "%u:%g", "/d", "/d/kim", "/tmp/by-kim"];
    let plain = ["run", "--rm", "--network", "none", "snapshot"];
    engine.run(plain.into_iter().chain(stat)).ok().assert_stdout("0:0\n1000:0\n1000:1000");
    let other = ["run", "--rm", "--network", "none", "--uidmap", "0:300000:65536", "snapshot"];
    engine.run(other.into_iter().chain(stat)).ok().assert_stdout("0:0\n1000:0\n1000:1000");

    let archive = engine.path("c.tar");
    engine.run(["export".as_ref(), "-o".as_ref(), archive.as_os_str(), "c".as_ref()]).ok();
    let list = program::run("tar", ["--numeric-owner", "-tvf", archive.to_str().unwrap()]).ok().stdout;
    let line = |name: &str| list.lines().find(|line| line.ends_with(name)).unwrap_or_default().to_owned();
    assert!(line("d/kim").contains("1000/0") && line("bin/busybox").contains("0/0"), "{list}");
    engine.line("top c user huser uid").ok().assert_stdout_has("root        100000      0");
    let host = engine.line("inspect c").ok().json()[0]["HostConfig"].clone();
    assert_eq!(host["UsernsMode"], "private");
    assert_eq!(host["IDMappings"]["UidMap"][0], "0:100000:65536");

    // It starts again, and is mounted with the ids that it has out here.
    engine.line("restart -t 0 c").ok();
    engine.line("exec c stat -c %u /d/kim").ok().assert_stdout("1000");
    engine.line("stop -t 0 c").ok();
    let mounted = engine.line("mount c").ok().text().to_owned();
    assert_eq!(fs::metadata(format!("{mounted}/d/kim")).unwrap().uid(), 101_000);
    engine.line("start c").ok();
    engine.line("exec c stat -c %u /d/kim").ok().assert_stdout("1000");
    engine.line("umount c").ok();
}

#[test]
fn files_are_copied_with_their_owners() {
    let engine = Engine::with_busybox();
    let file = engine.path("file");
    fs::write(&file, "text").unwrap();
    chown(&file, Some(33), Some(44)).unwrap();
    let file = file.to_str().unwrap();
    let run = ["run", "-d", "--name", "c", "--network", "none", "-u", "kim"];
    engine.run(run.into_iter().chain(MAPPED).chain(["busybox", "sleep", "1000"])).ok();
    for (state, suffix) in [("running", "1"), ("stopped", "2")] {
        engine.run(["cp", file, &format!("c:/a{suffix}")]).ok();
        engine.run(["cp", "-a=false", file, &format!("c:/o{suffix}")]).ok();
        if state == "running" {
            engine.line("stop -t 0 c").ok();
        }
    }
    engine.line("start c").ok();
    let script = "stat -c %u:%g /a1 /o1 /a2 /o2";
    let expected = "1000:1000\n33:44\n1000:1000\n33:44";
    engine.run(["exec", "c", "sh", "-c", script]).ok().assert_stdout(expected);
    let out = engine.path("out");
    engine.run(["cp", "c:/a1", out.to_str().unwrap()]).ok();
    assert_eq!(fs::metadata(&out).unwrap().uid(), 0);
    // Between containers the owners stay who they are inside.
    let other = ["run", "-d", "--name", "d", "--network", "none", "--uidmap", "0:300000:65536"];
    engine.run(other.into_iter().chain(["busybox", "sleep", "1000"])).ok();
    engine.line("cp -a=false c:/o1 d:/o1").ok();
    engine.line("exec d stat -c %u:%g /o1").ok().assert_stdout("33:44");
}

#[test]
fn volumes() {
    let engine = Engine::with_busybox();
    let stat = "stat -c %u:%g /data; touch /data/x";
    mapped(&engine, "--network none -v new:/data", stat).ok().assert_stdout("0:0");
    let outside = "run --rm --network none -v new:/data busybox stat -c %u /data /data/x";
    engine.line(outside).ok().assert_stdout("100000\n100000");
    // From the image: with the owners that it has there.
    mapped(&engine, "--network none -v filled:/etc", "stat -c %u:%g /etc/passwd").ok().assert_stdout("0:0");

    let shared = engine.directory("shared");
    fs::write(shared.join("file"), "").unwrap();
    let volume = |options: &str| format!("--network none -u kim -v {}:/s{options}", shared.display());
    let owner = "stat -c %u /s/file";
    mapped(&engine, &volume(""), owner).ok().assert_stdout("65534");
    mapped(&engine, &volume(":idmap"), owner).ok().assert_stdout("0");
    mapped(&engine, &volume(":U"), owner).ok().assert_stdout("1000");
    assert_eq!(fs::metadata(shared.join("file")).unwrap().uid(), 101_000);
}

/// Its network namespace is its own root's to configure, and what tells about a namespace of the host's is the host's.
#[test]
fn other_namespaces() {
    let engine = Engine::with_busybox();
    let script =
        "ls /sys/class/net; cat /proc/sys/net/ipv4/ping_group_range; ip link set lo mtu 1400 && echo set";
    let out = mapped(&engine, "--cap-add net_admin", script).ok();
    assert_eq!(map(&out.stdout), "eth0 lo 0 0 set");
    mapped(&engine, "--network host", "ls /sys/class/net").ok().assert_stdout_has("lo");
    let pids = mapped(&engine, "--network none --pid host", "ls -d /proc/[0-9]* | wc -l").ok();
    assert!(pids.text().parse::<u32>().unwrap() > 3, "{pids:#?}");
    mapped(&engine, "--network none --init --read-only --tmpfs /t", "stat -c %u /t").ok().assert_stdout("0");
    mapped(&engine, "--network none -w /tmp/../var", "pwd").ok().assert_stdout("/var");
    mapped(&engine, "--network none --privileged", "grep CapEff /proc/self/status")
        .ok()
        .assert_stdout_has("1ff");
}

#[test]
fn that_of_another_container() {
    let engine = Engine::with_busybox();
    let run = ["run", "-d", "--name", "c", "--network", "none"];
    engine.run(run.into_iter().chain(MAPPED).chain(["busybox", "sleep", "1000"])).ok();
    let namespace = engine.line("exec c readlink /proc/self/ns/user").ok().text().to_owned();
    let join = "run --rm --network none --userns container:c busybox sh -c";
    let script = "readlink /proc/self/ns/user; stat -c %u /bin/busybox";
    let out = engine.run(join.split_whitespace().chain([script])).ok();
    assert_eq!(out.text(), format!("{namespace}\n0"));
    // With all that is in it.
    let all = "--userns container:c --network container:c --pid container:c --ipc container:c";
    engine.line(&format!("run --rm {all} busybox ps")).ok().assert_stdout_has("sleep 1000");
    let pid = engine.line("inspect --format {{.State.Pid}} c").ok().text().to_owned();
    let by_path = format!("run --rm --network none --userns ns:/proc/{pid}/ns/user busybox");
    let out = engine.line(&format!("{by_path} readlink /proc/self/ns/user")).ok();
    assert_eq!(out.text(), namespace);
    let inspected = engine.line("create --name d --network none --userns container:c busybox").ok();
    let host = engine.run(["inspect", inspected.text()]).ok().json()[0]["HostConfig"].clone();
    assert!(host["UsernsMode"].as_str().unwrap().starts_with("container:"), "{host}");
    // A dependency is started before.
    engine.line("stop -t 0 c").ok();
    engine.line("start d").ok();
    engine.line("inspect --format {{.State.Status}} c").ok().assert_stdout("running");
}

#[test]
fn automatic_ranges_are_each_containers_own() {
    let first = first_of_containers();
    let engine = Engine::with_busybox();
    let out = engine.line("run --rm --network none --userns auto busybox cat /proc/self/uid_map").ok();
    // The group crew is 2000.
    assert_eq!(map(&out.stdout), format!("0 {first} 2001"));
    let run = "run --rm --network none --userns auto -u 3000 busybox cat /proc/self/uid_map";
    assert_eq!(map(&engine.line(run).ok().stdout), format!("0 {first} 3001"));
    let given = "auto:size=2000,uidmapping=0:1:10,gidmapping=5:1:1";
    let run =
        format!("run --rm --network none --userns {given} busybox cat /proc/self/uid_map /proc/self/gid_map");
    let expected = format!("0 1 10 10 {first} 1990 0 {first} 5 5 1 1 6 {} 1994", first + 5);
    assert_eq!(map(&engine.line(&run).ok().stdout), expected);

    // Several at the same moment.
    thread::scope(|scope| {
        for number in 0..4 {
            let engine = &engine;
            scope.spawn(move || {
                engine.line(&format!("create --name c{number} --network none --userns auto busybox")).ok();
            });
        }
    });
    let starts: std::collections::BTreeSet<String> = (0..4)
        .map(|number| {
            let format = "{{index .HostConfig.IDMappings.UidMap 0}}";
            engine.run(["inspect", "--format", format, &format!("c{number}")]).ok().text().to_owned()
        })
        .collect();
    assert_eq!(starts.len(), 4, "{starts:?}");
    // What is removed is given back.
    engine.line("rm -a").ok();
    let out = engine.line("run --rm --network none --userns auto busybox cat /proc/self/uid_map").ok();
    assert_eq!(map(&out.stdout), format!("0 {first} 2001"));
}

#[test]
fn pods_share_theirs() {
    let engine = Engine::with_busybox();
    engine.line("pod create --name shop --uidmap 0:100000:65536").ok();
    engine.line("run -d --pod shop --name web busybox sleep 1000").ok();
    let run = "run --rm --pod shop busybox sh -c";
    let script = "cat /proc/self/uid_map; stat -c %u /bin/busybox; ip link show eth0 | grep -c UP";
    let out = engine.run(run.split_whitespace().chain([script])).ok();
    assert_eq!(map(&out.stdout), "0 100000 65536 0 1");
    let namespace = |container: &str| {
        let out = engine.line(&format!("exec {container} readlink /proc/self/ns/user")).ok();
        out.text().to_owned()
    };
    engine.line("run -d --pod shop --name app busybox sleep 1000").ok();
    assert_eq!(namespace("web"), namespace("app"));
    let shared = engine.line("pod inspect shop --format {{.SharedNamespaces}}").ok();
    shared.assert_stdout("[ipc net user uts]");
    engine.line("pod rm -f -t 0 shop").ok();
}

#[test]
fn kept_and_refused() {
    let engine = Engine::with_busybox();
    let keep = "run --rm --network none --userns keep-id:uid=200,gid=210 busybox sh -c";
    let out = engine.run(keep.split_whitespace().chain(["id -u; id -g; tail -n 1 /etc/passwd"])).ok();
    out.assert_stdout("200\n210\n200:*:200:210:container user:/:/bin/sh");
    for (words, expected) in [
        ("--userns nomap", "only supported in rootless mode"),
        ("--userns private", "at least one UID or GID mapping"),
        ("--userns bogus", "unrecognized namespace mode bogus passed"),
        ("--userns host --uidmap 0:1:10", "mutually exclusive"),
        ("--userns ns:/proc/self/ns/user", "ketch's own user namespace"),
        ("--userns ns:/nope", "cannot find specified user namespace path"),
        ("--userns container:nope", "looking up container to share user namespace with"),
        ("--uidmap 0:1:10 --uidmap 5:50:10", "two ranges overlap"),
        ("--uidmap 0:1:0", "above 0"),
        ("--subuidname nobody-here", "/etc/subuid has no range of user nobody-here"),
    ] {
        let out = engine.line(&format!("run --rm --network none {words} busybox true"));
        out.assert_exit(125).assert_stderr_has(expected);
    }
    engine.line("run -d --name c --network none --uidmap 0:100000:65536 busybox sleep 1000").ok();
    engine.line("container checkpoint c").assert_exit(125).assert_stderr_has("user namespace of its own");
}
