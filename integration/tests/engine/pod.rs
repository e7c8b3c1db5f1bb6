//! Pods: what members share and how they live and end together; namespaces of other containers.

use std::fs;

use ketch_integration::{Engine, leftovers, program};
use serde_json::Value;

fn status(engine: &Engine, pod: &str) -> String {
    engine.run(["pod", "inspect", "--format", "{{.State}}", pod]).ok().text().to_owned()
}

fn state(engine: &Engine, container: &str) -> Value {
    engine.run(["inspect", container]).ok().json()[0]["State"].clone()
}

fn namespace(engine: &Engine, container: &str, kind: &str) -> String {
    engine.run(["exec", container, "readlink", &format!("/proc/self/ns/{kind}")]).ok().text().to_owned()
}

#[test]
fn members_share() {
    let engine = Engine::with_busybox();
    engine.line("pod create --name shop --network none --shm-size 3m").ok();
    let serve = "while :; do echo served | nc -l -p 8080; done";
    engine.run(["run", "-d", "--pod", "shop", "--name", "web", "busybox", "sh", "-c", serve]).ok();
    engine.line("run -d --pod shop --name app busybox sleep 1000").ok();
    for (kind, shared) in [("net", true), ("ipc", true), ("uts", true), ("pid", false), ("mnt", false)] {
        let same = namespace(&engine, "web", kind) == namespace(&engine, "app", kind);
        assert_eq!(same, shared, "{kind}");
    }
    engine.line("exec app hostname").ok().assert_stdout("shop");
    engine.line("exec app cat /etc/hostname").ok().assert_stdout("shop");
    engine.line("exec app cat /etc/hosts").ok().assert_stdout_has("127.0.0.1\tshop");
    // The server may not listen yet.
    let ask = "until nc 127.0.0.1 8080 </dev/null; do :; done";
    engine.run(["exec", "app", "timeout", "60", "sh", "-c", ask]).ok().assert_stdout_has("served");

    engine.run(["exec", "web", "sh", "-c", "echo shared > /dev/shm/file"]).ok();
    engine.line("exec app cat /dev/shm/file").ok().assert_stdout("shared");
    engine.line("exec app mount").ok().assert_stdout_has("size=3072k");
}

#[test]
fn a_shared_pid_namespace_is_reaped() {
    let engine = Engine::with_busybox();
    engine.line("pod create --name shop --network none --share +pid").ok();
    engine.line("run -d --pod shop --name app busybox sleep 1000").ok();
    engine.line("exec app ps").ok().assert_stdout_has("/pause").assert_stdout_has("sleep 1000");
    // An orphan goes to the infra container, which is pid 1 there.
    engine.run(["exec", "app", "sh", "-c", "yes > /dev/null & kill -9 $!"]).ok();
    let gone = "while ps -o comm | grep -q yes; do :; done; echo reaped";
    engine.run(["exec", "app", "timeout", "60", "sh", "-c", gone]).ok().assert_stdout("reaped");
    // What a member leaves behind ends with it, though pid 1 lives on.
    engine.run(["run", "--rm", "--pod", "shop", "busybox", "sh", "-c", "sleep 4711 & exit 3"]).assert_exit(3);
    let listed = engine.line("exec app ps").ok().stdout;
    assert!(!listed.contains("sleep 4711"), "{listed}");
}

#[test]
fn a_whole_life() {
    let engine = Engine::with_busybox();
    let id = engine.line("pod create --name shop --network none --label a=b").ok().text().to_owned();
    assert_eq!((id.len(), &*status(&engine, "shop")), (64, "Created"));
    engine.line("create --pod shop --name web busybox sleep 1000").ok();
    engine.line("pod start shop").ok().assert_stdout("shop");
    assert_eq!(status(&engine, &id[..8]), "Running");
    engine.line("stop -t 0 web").ok();
    assert_eq!(status(&engine, "shop"), "Degraded");
    engine.line("pod stop -t 0 shop").ok().assert_stdout("shop");
    assert_eq!(status(&engine, "shop"), "Exited");
    engine.line("pod restart shop").ok().assert_stdout(&id);
    assert_eq!(status(&engine, "shop"), "Running");
    engine.line("pod pause shop").ok().assert_stdout(&id);
    assert_eq!((&*status(&engine, "shop"), &state(&engine, "web")["Paused"]), ("Paused", &Value::Bool(true)));
    engine.line("pod unpause shop").ok().assert_stdout(&id);
    engine.line("pod top shop").ok().assert_stdout_has("/pause").assert_stdout_has("sleep 1000");
    engine.line("pod stats --no-stream shop").ok().assert_stdout_has("web");
    engine.line("pod rm shop").assert_exit(125).assert_stderr_has("cannot be removed without force");
    engine.line("pod kill shop").ok().assert_stdout(&id);
    assert_eq!(state(&engine, "web")["ExitCode"], 137);
    engine.line("pod start shop").ok();
    let events = engine.line("events --since 1h --stream=false --filter type=pod").ok().stdout;
    for event in ["pod create", "pod start", "pod stop", "pod pause", "pod unpause", "pod kill"] {
        assert!(events.contains(&format!("{event} {id}")), "{event} in {events}");
    }
    engine.line("pod rm -f -t 0 shop").ok().assert_stdout(&id);
    engine.line("pod exists shop").assert_exit(1);
    assert_eq!(leftovers::find(engine.dir(), &[id]), Vec::<String>::new());
    assert!(engine.ids().is_empty());
}

#[test]
fn shown_as_podman_shows_it() {
    let engine = Engine::with_busybox();
    let id = engine
        .line("pod create --name shop --network none --label a=b --share net,ipc")
        .ok()
        .text()
        .to_owned();
    let web = engine.line("create --pod shop --name web busybox true").ok().text().to_owned();
    let listed = engine.line("pod ps --format json").ok().json()[0].clone();
    let infra = listed["InfraId"].as_str().expect("an id").to_owned();
    assert_eq!(
        (&listed["Name"], &listed["Status"], &listed["Labels"]["a"]),
        (&"shop".into(), &"Created".into(), &"b".into())
    );
    let row = format!("{}  shop        Created", &id[..12]);
    engine.line("pod ps").ok().assert_stdout_has(&row).assert_stdout_has("# OF CONTAINERS");
    engine.line("pod ps -q").ok().assert_stdout(&id);
    engine.line("pod ps --filter name=other -q").ok().assert_stdout("");
    engine.line("pod ps --filter ctr-names=web -q").ok().assert_stdout(&id);
    let document = engine.line("pod inspect shop").ok().json()[0].clone();
    assert_eq!(
        (&document["InfraContainerID"], &document["NumContainers"]),
        (&infra.clone().into(), &2.into())
    );
    assert_eq!(document["SharedNamespaces"], serde_json::json!(["ipc", "net"]));
    assert_eq!(document["CgroupPath"], format!("/ketch_pod_{id}"));

    let of_web = engine.line("inspect web").ok().json()[0].clone();
    assert_eq!((&of_web["Pod"], &of_web["IsInfra"]), (&id.clone().into(), &false.into()));
    assert_eq!(of_web["HostConfig"]["NetworkMode"], format!("container:{infra}"));
    assert_eq!(of_web["HostConfig"]["UTSMode"], "private");
    assert_eq!(of_web["Dependencies"], serde_json::json!([infra]));
    engine.line("ps -a --pod --filter pod=shop").ok().assert_stdout_has("PODNAME").assert_stdout_has("shop");
    engine.line("ps -a -q --no-trunc --filter pod=other").ok().assert_stdout("");
    let both = engine.line("ps -a -q --no-trunc --filter pod=shop").ok();
    assert_eq!(both.text().lines().collect::<Vec<_>>(), [&infra, &web]);
    engine.line("inspect shop").ok().assert_stdout_has("InfraContainerID");
}

#[test]
fn what_ends_and_starts_with_what() {
    let engine = Engine::with_busybox();
    engine.line("pod create --name shop --network none --infra-name hold").ok();
    engine.line("create --pod shop --name web busybox sleep 1000").ok();
    // A member brings its infra container up, also after that was killed.
    engine.line("start web").ok();
    assert_eq!(state(&engine, "hold")["Status"], "running");
    engine.line("stop -t 0 web").ok();
    engine.line("kill hold").ok();
    engine.line("start web").ok();
    assert_eq!(state(&engine, "hold")["Status"], "running");
    for line in ["rm hold", "rm -f hold"] {
        engine.line(line).assert_exit(125).assert_stderr_has("is the infra container of pod");
    }
    engine.line("rm -f -t 0 web").ok();
    // An infra container that is alone keeps no pod.
    engine.line("pod rm shop").ok();
    assert!(engine.ids().is_empty());

    engine.line("pod create --name brief --network none --infra-name hold --exit-policy stop").ok();
    engine.line("run -d --pod brief --name one busybox true").ok();
    engine.line("wait hold").ok();
    assert_eq!(status(&engine, "brief"), "Exited");
    engine.line("pod prune -f").ok();
    engine.line("pod exists brief").assert_exit(1);

    engine
        .line("run --rm --pod new:fresh --network none --hostname inn busybox hostname")
        .ok()
        .assert_stdout("inn");
    assert_eq!(status(&engine, "fresh"), "Running");
    // As with podman, all containers are all pods with an infra container.
    engine.line("rm -f -a -t 0").ok();
    engine.line("pod exists fresh").assert_exit(1);
}

#[test]
fn without_an_infra_container() {
    let engine = Engine::with_busybox();
    engine.line("pod create --name loose --infra=false").ok();
    engine.line("create --pod loose --name a --network none busybox sleep 1000").ok();
    engine.line("pod start loose").ok();
    assert_eq!(status(&engine, "loose"), "Running");
    engine.line("pod stop -t 0 loose").ok();
    engine.line("rm a").ok();
    assert_eq!(status(&engine, "loose"), "Created");
    engine.line("pod rm loose").ok();
}

#[test]
fn limits_of_all_together() {
    let engine = Engine::with_busybox();
    let id =
        engine.line("pod create --name small --network none --memory 64m --cpus 0.5").ok().text().to_owned();
    engine.line("run -d --pod small busybox sleep 1000").ok();
    let document = engine.line("pod inspect small").ok().json()[0].clone();
    assert_eq!((&document["memory_limit"], &document["cpu_quota"]), (&67_108_864.into(), &50_000.into()));
    let files = [
        format!("/sys/fs/cgroup/memory/ketch_pod_{id}/memory.limit_in_bytes"),
        format!("/sys/fs/cgroup/ketch_pod_{id}/memory.max"),
    ];
    let limit = files.iter().find_map(|path| fs::read_to_string(path).ok()).expect("the pod has a cgroup");
    assert_eq!(limit.trim(), "67108864");
    // A member that starts later does not undo it, and the cgroup goes with the pod.
    engine.line("run --rm --pod small busybox true").ok();
    assert!(files.iter().any(|path| fs::read_to_string(path).is_ok_and(|limit| limit.trim() == "67108864")));
    engine.line("pod rm -f -t 0 small").ok();
    assert_eq!(leftovers::find(engine.dir(), &[id]), Vec::<String>::new());
}

#[test]
fn volumes_and_devices_are_the_members() {
    let engine = Engine::with_busybox();
    let dir = engine.path("shared");
    fs::create_dir(&dir).expect("a directory");
    fs::write(dir.join("file"), "of the pod").expect("a file");
    let volume = format!("{}:/mnt:ro", dir.display());
    engine
        .run([
            "pod",
            "create",
            "--name",
            "v",
            "--network",
            "none",
            "-v",
            &volume,
            "--device",
            "/dev/null:/dev/nil",
        ])
        .ok();
    engine.line("run --rm --pod v busybox cat /mnt/file").ok().assert_stdout("of the pod");
    engine.line("run --rm --pod v busybox test -c /dev/nil").ok();
    engine
        .run(["run", "--rm", "--pod", "v", "--tmpfs", "/mnt", "busybox", "ls", "/mnt"])
        .ok()
        .assert_stdout("");
}

#[test]
fn logs_of_all() {
    let engine = Engine::with_busybox();
    engine.line("pod create --name talk --network none").ok();
    for (name, script) in [("a", "echo one; echo two"), ("b", "echo three")] {
        engine.run(["run", "-d", "--pod", "talk", "--name", name, "busybox", "sh", "-c", script]).ok();
        engine.run(["wait", name]).ok();
    }
    engine.line("pod logs -n talk").ok().assert_stdout("a one\na two\nb three");
    engine.line("pod logs -n --tail 1 talk").ok().assert_stdout("a two\nb three");
    engine.line("pod logs -c b talk").ok().assert_stdout("three");
    engine
        .line("pod logs -c nobody talk")
        .assert_exit(125)
        .assert_stderr_has("container nobody is not in pod talk");
}

#[test]
fn refusals() {
    let engine = Engine::with_busybox();
    engine.line("pod create --name shop --network none").ok();
    engine.line("create --name base --network none busybox sleep 1000").ok();
    engine.line("create --name dependent --network none --uts container:base busybox true").ok();
    for (line, code, error) in [
        ("pod create --name shop", 125, "name \"shop\" is in use: pod already exists"),
        ("pod create --name a/b", 125, "names must match"),
        ("pod create --share foo", 125, "invalid kernel namespace to share: foo"),
        ("pod create --exit-policy foo", 125, "invalid pod exit policy: \"foo\""),
        ("pod create --infra=false --network none", 125, "NoInfra and network modes cannot be used together"),
        ("pod create --infra=false --share ipc", 125, "cannot set share(ipc) namespaces without"),
        ("pod create --infra-image nope", 125, "nope: image not known"),
        ("pod create --replace", 125, "cannot replace pod without --name being set"),
        ("pod rm nope", 1, "no pod with name or ID nope found: no such pod"),
        ("pod stop nope", 125, "no pod with name or ID nope found: no such pod"),
        ("pod inspect nope", 125, "no such pod nope"),
        ("pod start", 125, "you must provide at least one name or id"),
        ("pod ps --filter bogus=1", 125, "bogus is an invalid filter"),
        ("pod ps --sort bogus", 125, "invalid option for --sort"),
        ("run --pod nope busybox true", 125, "no pod with name or ID nope found: no such pod"),
        ("run --pod shop --hostname x busybox true", 125, "cannot set hostname when joining the pod UTS"),
        ("run --pod new: busybox true", 125, "new pod name must be at least one character"),
        ("run --pid container:nope busybox true", 125, "looking up container to share pid namespace with"),
        ("run --ipc bogus busybox true", 125, "unrecognized namespace mode bogus passed"),
        ("run --uts host --hostname x busybox true", 125, "cannot set hostname when running in the host UTS"),
        ("rm -f base", 125, "has dependent containers which must be removed before it"),
    ] {
        engine.line(line).assert_exit(code).assert_stderr_has(error);
    }
    engine.line("pod rm -i nope").ok();
    engine.line("pod ps -q --no-trunc --filter name=shop").ok();
}

#[test]
fn namespaces_of_others() {
    let engine = Engine::with_busybox();
    engine.line("run -d --name base --network none --hostname inn busybox sleep 1000").ok();
    let run = |flag: &str, command: &[&str]| {
        engine.run([&["run", "--rm", "--network", "none", flag, "busybox"][..], command].concat()).ok()
    };
    run("--pid=container:base", &["ps"]).assert_stdout_has("sleep 1000");
    run("--uts=container:base", &["hostname"]).assert_stdout("inn");
    engine.run(["exec", "base", "touch", "/dev/shm/seen"]).ok();
    run("--ipc=container:base", &["ls", "/dev/shm"]).assert_stdout("seen");
    for kind in ["pid", "ipc", "uts"] {
        let own = fs::read_link(format!("/proc/self/ns/{kind}")).expect("procfs");
        let own = own.to_str().expect("text");
        run(&format!("--{kind}=host"), &["readlink", &format!("/proc/self/ns/{kind}")]).assert_stdout(own);
        let path = format!("--{kind}=ns:/proc/self/ns/{kind}");
        run(&path, &["readlink", &format!("/proc/self/ns/{kind}")]).assert_stdout(own);
    }
    let own_cgroups = run("--cgroupns=private", &["readlink", "/proc/self/ns/cgroup"]);
    let hosts = run("--cgroupns=host", &["readlink", "/proc/self/ns/cgroup"]);
    assert_ne!(own_cgroups.text(), hosts.text());

    // It is started when another needs it.
    engine.line("create --name dependent --network none --uts container:base busybox hostname").ok();
    engine.line("stop -t 0 base").ok();
    engine.line("start -a dependent").ok().assert_stdout("inn");
    assert_eq!(state(&engine, "base")["Status"], "running");
}

/// Both members are behind the pod's one address, and its ports are the infra container's.
#[test]
fn on_a_bridge_with_a_port() {
    let engine = Engine::with_busybox();
    let id =
        engine.line("pod create --name shop -p 9090:80 --add-host else:192.0.2.7").ok().text().to_owned();
    let serve = "while :; do echo served | nc -l -p 80; done";
    engine.run(["run", "-d", "--pod", "shop", "--name", "web", "busybox", "sh", "-c", serve]).ok();
    engine.line("run -d --pod shop --name app busybox sleep 1000").ok();
    let ask = |port| format!("until nc 127.0.0.1 {port} </dev/null | grep served; do :; done");
    engine.run(["exec", "app", "timeout", "60", "sh", "-c", &ask(80)]).ok().assert_stdout("served");
    // From outside, by the published port.
    let mut client = engine.netns().command("busybox");
    program::finish(
        client
            .args(["timeout", "60", "busybox", "sh", "-c"])
            .arg(ask(9090).replace("nc ", "busybox nc ").replace("grep", "busybox grep")),
    )
    .ok()
    .assert_stdout("served");
    engine.line("exec app cat /etc/hosts").ok().assert_stdout_has("192.0.2.7\telse");
    let bindings = engine.line("pod inspect shop").ok().json()[0]["InfraConfig"]["PortBindings"].clone();
    assert_eq!(bindings["80/tcp"][0]["HostPort"], "9090");
    for (flag, error) in
        [("-p 80:80", "ports must be defined"), ("--add-host a:192.0.2.8", "extra host entries")]
    {
        engine.line(&format!("run --pod shop {flag} busybox true")).assert_exit(125).assert_stderr_has(error);
    }
    engine.line("pod rm -f -t 0 shop").ok();
    assert_eq!(leftovers::find(engine.dir(), &[id]), Vec::<String>::new());
    assert_eq!((engine.netns().left(), engine.netns().published()), (Vec::new(), Vec::new()));
}

/// What the infra container has of the pod's, seen from a member.
#[test]
fn what_members_have_of_the_pod() {
    let engine = Engine::with_busybox();
    engine.line("create --name source -v data:/of-source busybox true").ok();
    let pid = engine.path("infra.pid");
    engine
        .run([
            "pod",
            "create",
            "--name",
            "shop",
            "--sysctl",
            "net.ipv4.ip_default_ttl=77",
            "--volumes-from",
            "source",
            "--no-hostname",
            "--infra-conmon-pidfile",
            pid.to_str().unwrap(),
            "--shm-size-systemd",
            "10m",
        ])
        .ok();
    let look =
        "cat /proc/sys/net/ipv4/ip_default_ttl; ls -d /of-source; ls /etc/hostname 2>/dev/null || echo none";
    engine
        .run(["run", "--rm", "--pod", "shop", "busybox", "sh", "-c", look])
        .ok()
        .assert_stdout("77\n/of-source\nnone");
    let monitor: i32 = fs::read_to_string(&pid).unwrap().trim().parse().unwrap();
    assert!(ketch_integration::kills::monitors(engine.dir()).contains(&monitor));
    engine.line("pod rm -f -t 0 shop").ok();
    engine
        .line("pod create --infra=false --sysctl net.ipv4.ip_default_ttl=77")
        .assert_exit(125)
        .assert_stderr_has("--sysctl cannot be used without an infra container");
    engine.line("pod create --device-read-bps /dev/none:1m --name bad").ok();
    engine.line("run --rm --pod bad busybox true").assert_exit(125).assert_stderr_has("/dev/none");
    engine.line("pod rm -f -t 0 bad").ok();
    engine.line("rm -v source").ok();
    engine.line("volume rm -a").ok();
}

/// podman's order: each to its end, before the first of the others begins.
#[test]
fn init_containers() {
    let engine = Engine::with_busybox();
    engine.line("pod create --name shop").ok();
    let create = |name: &str, when: &str, script: &str| {
        let mut words = vec!["create", "--pod", "shop", "--name", name, "-v", "data:/d"];
        if !when.is_empty() {
            words.extend(["--init-ctr", when]);
        }
        engine.run([&words[..], &["busybox", "sh", "-c", script]].concat()).ok();
    };
    create("main", "", "echo main >>/d/log; exec sleep 1000");
    create("each", "always", "echo each >>/d/log");
    create("first", "once", "echo first >>/d/log");
    engine.line("pod start shop").ok();
    let log = || {
        let log = engine.line("exec main cat /d/log");
        log.stdout.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    ketch_integration::wait::wait_for("main's line", || {
        let log = log();
        if log == ["each", "first", "main"] { Ok(()) } else { Err(log) }
    });
    engine.line("container exists first").assert_exit(1);
    engine
        .line("create --pod shop --init-ctr once busybox true")
        .assert_exit(125)
        .assert_stderr_has("cannot add init-ctr to a running pod");
    engine.line("pod stop -t 0 shop").ok();
    engine.line("pod start shop").ok();
    ketch_integration::wait::wait_for("main's line again", || {
        let log = log();
        if log == ["each", "first", "main", "each", "main"] { Ok(()) } else { Err(log) }
    });
    engine.line("pod stop -t 0 shop").ok();
    create("bad", "always", "exit 3");
    engine.line("pod start shop").assert_exit(125).assert_stderr_has("init container exited with code 3");
    engine.run(["inspect", "-f", "{{.State.Status}}", "main"]).ok().assert_stdout("exited");
    engine.line("pod rm -f -t 0 shop").ok();
    engine
        .line("create --init-ctr once busybox true")
        .assert_exit(125)
        .assert_stderr_has("must specify pod value with init-ctr");
    engine
        .line("create --init-ctr foo busybox true")
        .assert_exit(125)
        .assert_stderr_has("init-ctr value must be 'always' or 'once'");
    engine.line("volume rm -a").ok();
}
