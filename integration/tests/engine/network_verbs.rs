//! `ketch network …`, in podman's words.

use ketch_integration::Engine;

#[test]
fn a_network_s_life() {
    let engine = Engine::with_busybox();
    engine
        .line("network create --subnet 10.77.0.0/24 --label a=b --opt mtu=1400 front")
        .ok()
        .assert_stdout("front");
    engine
        .line("network create front")
        .assert_exit(125)
        .assert_stderr_has("Error: network name front already used: network already exists");
    engine.line("network create --ignore front").ok().assert_stdout("front");
    let document = engine.line("network inspect front").ok().json()[0].clone();
    assert_eq!(document["subnets"][0], serde_json::json!({"subnet": "10.77.0.0/24", "gateway": "10.77.0.1"}));
    assert_eq!((&document["driver"], &document["options"]["mtu"]), (&"bridge".into(), &"1400".into()));
    assert_eq!(document["containers"], serde_json::json!({}));
    engine.line("network ls -q --filter label=a=b").ok().assert_stdout("front");
    engine.line("network ls --format {{.Name}}:{{.Driver}}").ok().assert_stdout("front:bridge");
    engine.line("network exists front").ok();
    engine.line("network exists nope").assert_exit(1);
    engine
        .line("network inspect nope")
        .assert_exit(125)
        .assert_stderr_has("network nope: unable to find network with name or ID nope: network not found");
    engine
        .line("network rm nope")
        .assert_exit(1)
        .assert_stderr_has("unable to find network with name or ID nope");
    engine
        .line("network rm ketch")
        .assert_exit(125)
        .assert_stderr_has("default network ketch cannot be removed");

    engine.line("run -d --cap-add NET_RAW --name one --network front busybox sleep 1000").ok();
    engine
        .line("exec one ip addr show eth0")
        .ok()
        .assert_stdout_has("mtu 1400")
        .assert_stdout_has("10.77.0.2/24");
    let document = engine.line("network inspect front").ok().json()[0].clone();
    let members: Vec<_> = document["containers"].as_object().unwrap().values().collect();
    assert_eq!(members[0]["interfaces"]["eth0"]["subnets"][0]["ipnet"], "10.77.0.2/24");
    engine.line("ps -q --filter network=front --no-trunc").ok().assert_stdout(&engine.ids()[0]);
    engine.line("ps -q --filter network=ketch").ok().assert_stdout("");
    engine
        .line("network rm front")
        .assert_exit(2)
        .assert_stderr_has("\"front\" has associated containers with it. Use -f to forcibly delete containers and pods: network is being used");
    engine.line("network rm -f -t 0 front").ok().assert_stdout("front");
    assert_eq!(engine.ids(), Vec::<String>::new());
    assert_eq!(bridges(&engine), Vec::<String>::new());
}

fn bridges(engine: &Engine) -> Vec<String> {
    let out = engine.netns().command("ls").arg("/proc/sys/net/ipv4/conf").output().unwrap();
    let names = String::from_utf8(out.stdout).unwrap();
    names.split_whitespace().filter(|name| name.starts_with("ketch")).map(str::to_owned).collect()
}

#[test]
fn subnets_are_chosen_apart() {
    let engine = Engine::with_busybox();
    for (line, subnet) in [
        ("network create one", "10.89.0.0/24"),
        ("network create two", "10.89.1.0/24"),
        ("network create --subnet 10.89.2.0/23 three", "10.89.2.0/23"),
        ("network create four", "10.89.4.0/24"),
    ] {
        let name = engine.line(line).ok().text().to_owned();
        let shown = engine
            .run(["network", "inspect", "--format", "{{range .Subnets}}{{.Subnet}}{{end}}", &name])
            .ok();
        shown.assert_stdout(subnet);
    }
    for (line, part) in [
        (
            "network create --subnet 10.89.1.128/25 x",
            "subnet 10.89.1.128/25 is already used on the host or by another config",
        ),
        ("network create --subnet 127.0.0.0/24 x", "is already used on the host"),
        (
            "network create --subnet 10.1.0.0/24 --gateway 10.2.0.1 x",
            "gateway 10.2.0.1 not in subnet 10.1.0.0/24",
        ),
        ("network create --gateway 10.2.0.1 x", "cannot set gateway without subnet"),
        ("network create --subnet bogus x", "invalid CIDR address: bogus"),
        ("network create --opt bogus=1 x", "unsupported bridge network option bogus"),
        ("network create --opt mtu=x x", "mtu"),
        ("network create --driver macvlan x", "network driver \"macvlan\" is not available"),
        ("network create host", "reserved"),
        ("network create a/b", "names must match"),
    ] {
        engine.line(line).assert_exit(125).assert_one_error_line().assert_stderr_has(part);
    }
    engine.line("network create --ipv6 six").ok();
    let six = engine.line("network inspect six").ok().json()[0].clone();
    assert_eq!(six["ipv6_enabled"], true);
    assert!(six["subnets"][1]["subnet"].as_str().unwrap().starts_with("fd"));
    engine.line("network create --subnet 10.5.0.0/24 --ip-range 10.5.0.16-10.5.0.17 few").ok();
    for expected in ["10.5.0.16", "10.5.0.17"] {
        engine.line("run -d --network few busybox sleep 1000").ok();
        engine.line("inspect -l").ok().assert_stdout_has(expected);
    }
    engine
        .line("run -d --network few busybox sleep 1000")
        .assert_exit(126)
        .assert_stderr_has("no address of network few is free");
    engine.line("rm -f -a -t 0").ok();
    let pruned = engine.line("network prune -f").ok();
    assert_eq!(pruned.stdout.lines().count(), 6, "{pruned:#?}");
    assert_eq!(bridges(&engine), Vec::<String>::new());
}

/// In a network of the user's, containers know each other by name; in the default one they do not, as with podman.
#[test]
fn neighbours_are_known_by_name() {
    let engine = Engine::with_busybox();
    engine.line("network create --ipv6 shop").ok();
    engine.line("run -d --cap-add NET_RAW --name web --network shop busybox sleep 1000").ok();
    engine.line("run -d --cap-add NET_RAW --name db --network shop:alias=store --network ketch busybox sleep 1000").ok();
    let hosts = |name: &str| engine.run(["exec", name, "cat", "/etc/hosts"]).ok().stdout;
    assert!(hosts("web").contains("\tdb store "), "{}", hosts("web"));
    assert!(hosts("db").contains("\tweb "), "{}", hosts("db"));
    engine.line("exec web ping -c 1 -W 30 store").ok();
    engine.line("exec web ping6 -c 1 -W 30 db").ok();
    engine.line("run --rm busybox cat /etc/hosts").ok();
    engine.line("stop -t 0 db").ok();
    assert!(!hosts("web").contains("store"), "{}", hosts("web"));
    engine.line("start db").ok();
    engine.line("exec web ping -c 1 -W 30 db").ok();
    engine.line("run -d --name lone busybox sleep 1000").ok();
    assert!(!hosts("lone").contains("db"), "{}", hosts("lone"));
}

#[test]
fn connect_and_disconnect() {
    let engine = Engine::with_busybox();
    engine.line("network create back").ok();
    engine.line("run -d --cap-add NET_RAW --name one -p 8080:80 busybox sleep 1000").ok();
    engine.line("run -d --cap-add NET_RAW --name two --network back busybox sleep 1000").ok();
    engine.line("network connect --alias first back one").ok();
    engine
        .line("network connect back one")
        .assert_exit(125)
        .assert_stderr_has("already connected to network \"back\"");
    engine.line("exec one ip addr show eth1").ok();
    engine.line("exec two ping -c 1 -W 30 first").ok();
    engine.line("exec one ping -c 1 -W 30 two").ok();
    engine.line("network disconnect ketch one").ok();
    assert!(!engine.line("exec one ip addr").ok().stdout.contains("eth0"));
    engine
        .line("network disconnect ketch one")
        .assert_exit(125)
        .assert_stderr_has("not connected to network ketch");
    engine
        .line("network disconnect back nobody")
        .assert_exit(125)
        .assert_stderr_has("no container with name or ID \"nobody\"");
    // What it is on is what it is started on.
    engine.line("stop -t 0 one").ok();
    engine.line("start one").ok();
    let networks = engine.line("inspect one").ok().json()[0]["NetworkSettings"]["Networks"].clone();
    assert_eq!(networks.as_object().unwrap().keys().collect::<Vec<_>>(), ["back"]);
    engine.line("exec two ping -c 1 -W 30 first").ok();
}

/// A firewall that another program has flushed, and a bridge that somebody has deleted.
#[test]
fn reload_mends() {
    let engine = Engine::with_busybox();
    engine.line("run -d --cap-add NET_RAW --name one -p 8080:80 busybox sleep 1000").ok();
    assert!(!engine.netns().published().is_empty());
    let before = engine.netns().published();
    engine.netns().within(|| {
        use ketch_engine::network::{firewall, netlink};
        let firewall = firewall::Firewall::open().unwrap();
        let ports: Vec<_> =
            firewall::list(&firewall).unwrap().ports.into_iter().map(|(port, _)| port).collect();
        firewall::remove_ports(&firewall, &ports).unwrap();
        netlink::detach(&netlink::Socket::open().unwrap(), "ketch0").unwrap();
    });
    assert!(engine.netns().published().is_empty());
    let id = engine.ids()[0].clone();
    engine.line("network reload one").ok().assert_stdout(&id);
    assert_eq!(engine.netns().published(), before);
    engine.line("exec one ping -c 1 -W 30 10.89.0.1").ok();
}

/// No way to the world, but to each other.
#[test]
fn internal_networks() {
    let engine = Engine::with_busybox();
    engine.line("network create --internal inner").ok();
    engine.line("run -d --cap-add NET_RAW --name one --network inner busybox sleep 1000").ok();
    engine.line("run -d --cap-add NET_RAW --name two --network inner busybox sleep 1000").ok();
    engine.line("exec one ping -c 1 -W 30 two").ok();
    assert!(!engine.line("exec one ip route").ok().stdout.contains("default"));
}
