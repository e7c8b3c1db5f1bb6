//! `linux.netDevices`: interfaces that move into the container's network namespace.

use std::fs;
use std::process::Stdio;

use ketch_integration::netns::Netns;
use ketch_integration::{Bundle, Output, program};
use serde_json::{Value, json};

use crate::{is_ours, shell};

/// A host with a device `dev0`: up, with an MTU and addresses of its own. Its other end is `peer0`.
fn host() -> Netns {
    let host = Netns::new();
    host.ip("link add dev0 type veth peer name peer0");
    host.ip("link set peer0 up");
    host.ip("link set dev0 mtu 1400 up");
    host.ip("address add 10.9.0.2/24 dev dev0");
    host.ip("address add 10.9.1.2/32 dev dev0");
    host.ip("address add fd09::2/64 dev dev0 nodad");
    host
}

fn with(bundle: Bundle, devices: &Value) -> Bundle {
    bundle.edit(|config| config["linux"]["netDevices"] = devices.clone())
}

/// `run`, on that host.
fn run(bundle: &Bundle, host: &Netns) -> Output {
    bundle.write();
    let mut command = host.command(program::runtime());
    command.arg("--root").arg(bundle.path().join("state")).args(["run", "--bundle"]);
    program::finish(command.arg(bundle.path()).arg(&bundle.id).stdin(Stdio::null()))
}

/// Of one interface: its name and MTU if it is up, and its addresses of global scope.
fn show(host: &Netns, name: &str) -> String {
    let out = program::finish(host.command("sh").args(["-c", &shown(name)]));
    out.ok().text().to_owned()
}

fn shown(name: &str) -> String {
    // As ip(8) and busybox's ip have it.
    format!(
        "ip addr show dev {name} | sed -n 's/^[0-9]*: \\([^:@]*\\).*[<,]UP[,>].* mtu \\([0-9]*\\).*/\\1 \\2/p'
         ip addr show dev {name} | sed -n 's/^ *inet6* \\([^ ]*\\) .*scope global.*/\\1/p' | sort"
    )
}

#[test]
fn a_device_keeps_its_addresses() {
    let expected = "1400\n10.9.0.2/24\n10.9.1.2/32\nfd09::2/64";
    for (devices, name) in [(json!({"dev0": {}}), "dev0"), (json!({"dev0": {"name": "eth0"}}), "eth0")] {
        let host = host();
        let bundle = with(shell(&shown(name)), &devices);
        run(&bundle, &host).ok().assert_stdout(&format!("{name} {expected}"));
    }
}

/// What a sysctl says of it, what routes go by it, and that it carries packets: all before the program begins.
#[test]
fn it_is_usable_at_once() {
    let host = host();
    host.ip("address add 10.9.0.1/24 dev peer0");
    host.ip("address add fd09::1/64 dev peer0 nodad");
    let bundle = with(
        shell("cat /proc/sys/net/ipv4/conf/eth0/forwarding; ping -c 1 -W 20 10.9.0.1 > /dev/null && ping -c 1 -W 20 fd09::1 > /dev/null && echo there"),
        &json!({"dev0": {"name": "eth0"}}),
    )
    .edit(|config| {
        config["linux"]["sysctl"] = json!({"net.ipv4.conf.eth0.forwarding": "1"});
        for set in ["bounding", "permitted", "effective"] {
            config["process"]["capabilities"][set].as_array_mut().expect("a list").push(json!("CAP_NET_RAW"));
        }
    });
    run(&bundle, &host).ok().assert_stdout("1\nthere");
}

#[test]
fn into_a_user_namespace() {
    let host = host();
    let map = json!([{"containerID": 0, "hostID": 100_000, "size": 65536}]);
    let bundle = with(shell(&shown("eth0")), &json!({"dev0": {"name": "eth0"}})).edit(|config| {
        config["linux"]["namespaces"].as_array_mut().expect("a list").push(json!({"type": "user"}));
        config["linux"]["uidMappings"] = map.clone();
        config["linux"]["gidMappings"] = map;
    });
    let open = |path| fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755));
    open(bundle.path()).expect("chmod");
    std::os::unix::fs::chown(bundle.rootfs(), Some(100_000), Some(100_000)).expect("chown");
    run(&bundle, &host).ok().assert_stdout("eth0 1400\n10.9.0.2/24\n10.9.1.2/32\nfd09::2/64");
}

fn joins(bundle: Bundle, network: &Netns) -> Bundle {
    let path = network.path();
    bundle.edit(|config| {
        let namespaces = config["linux"]["namespaces"].as_array_mut().expect("a list");
        namespaces.retain(|namespace| namespace["type"] != "network");
        namespaces.push(json!({"type": "network", "path": path}));
        // sysfs shows a network namespace, and is for its owner to mount.
        config["mounts"].as_array_mut().expect("a list").retain(|mount| mount["type"] != "sysfs");
    })
}

/// The name is taken there, and the number of the device too: a pattern gives another name.
#[test]
fn into_a_namespace_that_is_joined() {
    let (host, joined) = (host(), Netns::new());
    joined.ip("link add eth0 type veth peer name other0");
    let bundle = joins(with(shell(&shown("eth1")), &json!({"dev0": {"name": "eth%d"}})), &joined);
    run(&bundle, &host).ok().assert_stdout("eth1 1400\n10.9.0.2/24\n10.9.1.2/32\nfd09::2/64");
    // It stays where it is: the namespace is not the container's.
    assert_eq!(show(&joined, "eth1").lines().next(), Some("eth1 1400"));
}

/// The namespace has kept it when the container comes back; in another one it is moved in.
#[test]
fn a_device_is_there_after_a_restore() {
    if !is_ours() {
        return;
    }
    let (host, joined, other) = (host(), Netns::new(), Netns::new());
    let bundle = with(Bundle::busybox().args(["sleep", "1000"]), &json!({"dev0": {"name": "eth0"}}));
    let bundle = joins(bundle, &joined);
    let bundle_path = bundle.path().to_str().expect("UTF-8").to_owned();
    let images = format!("{bundle_path}/images");
    let errors = format!("{bundle_path}/stderr");
    // No pipes: the container would keep them open.
    let on_host = |bundle: &Bundle, words: &[&str]| {
        let mut command = host.command(program::runtime());
        command.arg("--root").arg(bundle.path().join("state")).args(words).arg(&bundle.id);
        let file = fs::File::create(&errors).expect("the bundle is writable");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(file);
        let status = command.status().expect("nsenter starts");
        assert!(status.success(), "{words:?}: {}", fs::read_to_string(&errors).unwrap_or_default());
    };
    let restore = ["restore", "--detach", "--image-path", &images, "--bundle", &bundle_path];
    let exec = |bundle: &Bundle| bundle.runtime(["exec", &bundle.id, "sh", "-c", &shown("eth0")]).ok();

    bundle.write();
    on_host(&bundle, &["run", "--detach", "--bundle", &bundle_path]);
    on_host(&bundle, &["checkpoint", "--image-path", &images]);
    let before = show(&joined, "eth0");
    on_host(&bundle, &restore);
    exec(&bundle).assert_stdout(&before);

    on_host(&bundle, &["checkpoint", "--image-path", &images]);
    joined.ip(&format!("link set eth0 netns {} name dev0", host.path().display()));
    host.ip("address add 10.9.0.3/24 dev dev0");
    let bundle = joins(bundle, &other);
    bundle.write();
    on_host(&bundle, &restore);
    exec(&bundle).assert_stdout("eth0 1400\n10.9.0.3/24");
}

/// Whatever fails, the device is back where it was.
#[test]
fn what_fails_takes_nothing_from_the_host() {
    let before = "dev0 1400\n10.9.0.2/24\n10.9.1.2/32\nfd09::2/64";
    let (host, joined) = (host(), Netns::new());
    joined.ip("link add eth0 type veth peer name other0");
    let taken = joins(with(shell("true"), &json!({"dev0": {"name": "eth0"}})), &joined);
    let taken = run(&taken, &host).assert_exit(1);
    assert_eq!(show(&host, "dev0"), before);

    let second = with(shell("true"), &json!({"dev0": {"name": "eth0"}, "nonesuch": {}}));
    let second = run(&second, &host).assert_exit(1);
    if is_ours() {
        taken.assert_one_error_line().assert_stderr_has("dev0 to eth0, which the container has already");
        second.assert_one_error_line().assert_stderr_has("nonesuch");
        assert_eq!(show(&host, "dev0"), before);
        let later =
            with(shell("true"), &json!({"dev0": {"name": "eth0"}})).bind("/nonesuch".as_ref(), "/data", "");
        run(&later, &host).assert_exit(1).assert_one_error_line().assert_stderr_has("/nonesuch");
        assert_eq!(show(&host, "dev0"), before);
    }
}

#[test]
fn refused() {
    let host = host();
    for (devices, part) in [
        (json!({"dev0": {"name": "a/b"}}), "a/b"),
        (json!({"dev0": {"name": "sixteen-bytes-xx"}}), "sixteen-bytes-xx"),
        (json!({"": {}}), "name"),
    ] {
        run(&with(shell("true"), &devices), &host).assert_exit(1).assert_stderr_has(part);
    }
    let hosts_own = with(shell("true"), &json!({"dev0": {}})).edit(|config| {
        let namespaces = config["linux"]["namespaces"].as_array_mut().expect("a list");
        namespaces.retain(|namespace| namespace["type"] != "network");
        config["mounts"].as_array_mut().expect("a list").retain(|mount| mount["type"] != "sysfs");
    });
    run(&hosts_own, &host).assert_exit(1).assert_stderr_has("network");
    if is_ours() {
        let by_path = joins(with(shell("true"), &json!({"dev0": {}})), &host);
        run(&by_path, &host).assert_exit(1).assert_stderr_has("the host's own network namespace");
        assert_eq!(show(&host, "dev0").lines().next(), Some("dev0 1400"));
    }
}
