use std::path::Path;

use serde_json::{Value, json};

use super::*;
use crate::container::options::{Mount, MountKind};

const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const PASSWD: &[u8] = b"root:x:0:0:root:/root:/bin/sh\njoe:x:1000:1000::/home/joe:/bin/sh\n";

fn host() -> Host {
    Host {
        hostname: "metal".to_owned(),
        kernel: (6, 1),
        capabilities: (1 << 41) - 1,
        hosts: "127.0.0.1\tlocalhost\n".to_owned(),
        resolv_conf: "nameserver 192.0.2.1\n".to_owned(),
        ..Host::default()
    }
}

fn image(config: &Value) -> ImageConfiguration {
    let whole = json!({
        "architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}, "config": config,
    });
    serde_json::from_value(whole).unwrap()
}

fn build_with(options: &Options, config: &Value, host: &Host) -> Result<Build, SpecError> {
    let facts = Facts {
        id: ID,
        name: "boat",
        dir: Path::new("/var/lib/k"),
        volumes: Path::new("/var/lib/v"),
        passwd: PASSWD,
        group: b"",
        hosts: b"",
        host,
        joined: &Joined::default(),
        network: &NetworkFacts::default(),
        secrets: &[],
    };
    build(options, Some(&image(config)), &facts)
}

fn built(options: &Options) -> (Build, Value) {
    let build = build_with(options, &json!({"Cmd": ["sh"]}), &host()).unwrap();
    let value = serde_json::to_value(&build.spec).unwrap();
    (build, value)
}

fn destinations(value: &Value) -> Vec<&str> {
    value["mounts"].as_array().unwrap().iter().map(|mount| mount["destination"].as_str().unwrap()).collect()
}

fn options_at<'a>(value: &'a Value, destination: &str) -> Vec<&'a str> {
    let mounts = value["mounts"].as_array().unwrap();
    let mount = mounts.iter().find(|mount| mount["destination"] == destination);
    let mount = mount.unwrap_or_else(|| panic!("nothing is mounted at {destination}"));
    mount["options"].as_array().unwrap().iter().map(|option| option.as_str().unwrap()).collect()
}

#[test]
fn defaults() {
    let (build, value) = built(&Options::default());
    let process = &value["process"];
    assert_eq!(process["args"], json!(["sh"]));
    assert_eq!(process["cwd"], "/");
    assert_eq!(process["user"], json!({"uid": 0, "gid": 0, "umask": 18}));
    assert_eq!(
        process["env"],
        json!([
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "container=ketch",
            "HOME=/root",
            "HOSTNAME=0123456789ab",
        ])
    );
    assert_eq!(process["noNewPrivileges"], false);
    assert_eq!(value["hostname"], "0123456789ab");
    assert_eq!(value["linux"]["cgroupsPath"], format!("/ketch-{ID}"));
    assert_eq!(value["linux"]["resources"]["pids"]["limit"], 2048);
    assert_eq!(value["linux"]["resources"]["devices"], json!([{"allow": false, "access": "rwm"}]));
    assert_eq!(value["linux"]["sysctl"], json!({"net.ipv4.ping_group_range": "0 0"}));
    assert_eq!(value["linux"]["seccomp"]["defaultErrnoRet"], 38);
    let namespaces: Vec<_> =
        value["linux"]["namespaces"].as_array().unwrap().iter().map(|n| &n["type"]).collect();
    assert_eq!(namespaces, ["pid", "network", "ipc", "uts", "mount"]);
    assert_eq!(
        destinations(&value),
        [
            "/proc",
            "/dev",
            "/sys",
            "/dev/pts",
            "/dev/mqueue",
            "/dev/shm",
            "/etc/hostname",
            "/run/.containerenv",
            "/etc/hosts",
            "/sys/fs/cgroup",
        ]
    );
    assert_eq!((build.stop_signal, build.workdir.create), (15, true));
    assert_eq!(build.accounts, Lines::default());
    let hosts = build.files.iter().find(|file| file.destination == "/etc/hosts").unwrap();
    assert_eq!(hosts.content.as_deref().unwrap(), b"127.0.0.1\tlocalhost\n127.0.0.1\t0123456789ab boat\n");
    assert_eq!(hosts.path, Path::new("/var/lib/k/hosts"));
}

#[test]
fn cgroup_v2_gets_a_cgroup_namespace() {
    let host = Host { cgroup_v2: true, ..host() };
    let build = build_with(&Options::default(), &json!({"Cmd": ["sh"]}), &host).unwrap();
    let namespaces = build.spec.linux().as_ref().unwrap().namespaces().as_ref().unwrap();
    assert!(namespaces.iter().any(|namespace| namespace.typ() == LinuxNamespaceType::Cgroup));
}

#[test]
fn image_configuration() {
    let config = json!({
        "User": "joe", "Env": ["PATH=/bin", "A=1"], "Entrypoint": ["/e"], "Cmd": ["c"], "WorkingDir": "/srv",
        "StopSignal": "SIGQUIT", "Volumes": {"/b": {}, "/a": {}},
    });
    let mut options = Options::default();
    options.mounts = wanted_mounts(&options, image(&config).config().as_ref()).unwrap();
    for (mount, name) in options.mounts.iter_mut().zip(["one", "two"]) {
        assert_eq!(mount.kind, MountKind::Anonymous);
        mount.kind = MountKind::Named { name: name.to_owned(), anonymous: true };
    }
    let build = build_with(&options, &config, &host()).unwrap();
    let value = serde_json::to_value(&build.spec).unwrap();
    assert_eq!(value["process"]["args"], json!(["/e", "c"]));
    assert_eq!(value["process"]["user"]["uid"], 1000);
    assert_eq!(
        value["process"]["env"],
        json!(["PATH=/bin", "container=ketch", "A=1", "HOME=/home/joe", "HOSTNAME=0123456789ab"])
    );
    assert_eq!(build.workdir, Workdir { path: "/srv".into(), create: true });
    assert_eq!(build.stop_signal, 3);
    let volumes: Vec<_> =
        build.volumes.iter().map(|v| (v.destination.as_str(), v.name.as_str(), v.copy)).collect();
    assert_eq!(volumes, [("/a", "one", true), ("/b", "two", true)]);
    let sources: Vec<_> = value["mounts"].as_array().unwrap().iter().map(|mount| &mount["source"]).collect();
    assert!(sources.contains(&&json!("/var/lib/v/one/_data")), "{sources:?}");
    assert_eq!(options_at(&value, "/a"), ["rprivate", "rw", "nodev", "exec", "nosuid", "rbind"]);
}

fn mount(kind: MountKind, destination: &str, options: &[&str]) -> Mount {
    let options = options.iter().map(|option| (*option).to_owned()).collect();
    Mount { kind, destination: destination.to_owned(), options, chown: false, no_copy: false }
}

fn bind(destination: &str, options: &[&str]) -> Mount {
    mount(MountKind::Bind { source: "/src".into() }, destination, options)
}

/// podman 5.8's options for the same flags, seen in its config.json.
#[test]
fn user_mounts() {
    let cases = [
        (bind("/x", &[]), vec!["rprivate", "rbind"]),
        (bind("/x/", &["ro", "rslave"]), vec!["ro", "rslave", "rbind"]),
        (bind("//x", &["bind", "rshared"]), vec!["bind", "rshared"]),
        (mount(MountKind::Tmpfs, "/x", &[]), vec!["rprivate", "nosuid", "nodev", "tmpcopyup"]),
        (
            mount(MountKind::Tmpfs, "/y/../x", &["size=1m", "dev", "notmpcopyup"]),
            vec!["size=1m", "dev", "rprivate", "nosuid"],
        ),
        (
            mount(MountKind::Named { name: "v".into(), anonymous: false }, "/x", &[]),
            vec!["rprivate", "nosuid", "nodev", "rbind"],
        ),
    ];
    for (mount, expected) in cases {
        let label = format!("{mount:?}");
        let (_, value) = built(&Options { mounts: vec![mount], ..Options::default() });
        assert_eq!(options_at(&value, "/x"), expected, "{label}");
    }
}

#[test]
fn user_mounts_take_precedence() {
    let (build, value) = built(&Options { mounts: vec![bind("/etc/hosts", &[])], ..Options::default() });
    assert_eq!(options_at(&value, "/etc/hosts"), ["rprivate", "rbind"]);
    assert!(!build.files.iter().any(|file| file.destination == "/etc/hosts"));

    let (_, value) = built(&Options { mounts: vec![bind("/dev", &[])], ..Options::default() });
    assert!(!destinations(&value).iter().any(|path| path.starts_with("/dev/")));

    let again = Options { mounts: vec![bind("/x", &[]), bind("/x/.", &[])], ..Options::default() };
    let (_, value) = built(&again);
    assert_eq!(destinations(&value).iter().filter(|path| **path == "/x").count(), 1);

    let twice = Options { mounts: vec![bind("/x", &[]), bind("/x/.", &["ro"])], ..Options::default() };
    let error = build_with(&twice, &json!({"Cmd": ["sh"]}), &host()).unwrap_err();
    assert_eq!(error.to_string(), "/x: duplicate mount destination");
}

#[test]
fn propagation_of_the_root() {
    for (options, expected) in [
        (&[][..], Value::Null),
        (&["rshared"], json!("shared")),
        (&["slave"], json!("rslave")),
        (&["rprivate"], Value::Null),
    ] {
        let (_, value) = built(&Options { mounts: vec![bind("/x", options)], ..Options::default() });
        assert_eq!(value["linux"]["rootfsPropagation"], expected);
    }
}

#[test]
fn read_only() {
    let (_, value) = built(&Options { read_only: true, ..Options::default() });
    assert_eq!(value["root"]["readonly"], true);
    for path in ["/run", "/tmp", "/var/tmp"] {
        assert_eq!(options_at(&value, path), ["rw", "rprivate", "nosuid", "nodev", "tmpcopyup"]);
    }
    assert!(options_at(&value, "/etc/hosts").contains(&"ro"));
    assert!(!options_at(&value, "/dev").contains(&"ro"));

    let (_, value) = built(&Options { read_only: true, read_only_strict: true, ..Options::default() });
    assert!(!destinations(&value).contains(&"/tmp"));
    assert!(options_at(&value, "/dev").contains(&"ro") && options_at(&value, "/dev/shm").contains(&"ro"));
}

#[test]
fn host_network() {
    let (build, value) = built(&Options { network: Network::Host, ..Options::default() });
    assert_eq!(value["hostname"], "metal");
    assert!(value["linux"].get("sysctl").is_none());
    assert!(!value["linux"]["namespaces"].to_string().contains("network"));
    let content = |destination| {
        build.files.iter().find(|file| file.destination == destination).unwrap().content.clone().unwrap()
    };
    assert_eq!(&*content("/etc/resolv.conf"), b"nameserver 192.0.2.1\n");
    assert_eq!(&*content("/etc/hosts"), b"127.0.0.1\tlocalhost\n");
}

#[test]
fn privileged() {
    let (build, value) = built(&Options { privileged: true, image: "img".to_owned(), ..Options::default() });
    assert!(value["linux"].get("seccomp").is_none());
    assert_eq!(value["linux"]["maskedPaths"], json!([]));
    assert_eq!(value["linux"]["resources"]["devices"], json!([{"allow": true, "access": "rwm"}]));
    assert!(
        options_at(&value, "/sys").contains(&"rw") && options_at(&value, "/sys/fs/cgroup").contains(&"rw")
    );
    let file = build.files.iter().find(|file| file.destination == "/run/.containerenv").unwrap();
    assert!(String::from_utf8_lossy(file.content.as_deref().unwrap()).contains("name=\"boat\"\n"));
}

#[test]
fn init_and_terminal() {
    let (build, value) = built(&Options { init: true, terminal: true, ..Options::default() });
    assert_eq!(value["process"]["args"], json!(["/run/ketch-init", "--", "sh"]));
    assert_eq!(value["process"]["terminal"], true);
    assert!(value["process"]["env"].as_array().unwrap().contains(&json!("TERM=xterm")));
    assert_eq!(options_at(&value, "/run/ketch-init"), ["bind", "ro", "private"]);
    let file = build.files.iter().find(|file| file.destination == "/run/ketch-init").unwrap();
    assert_eq!((file.mode, &file.content.as_deref().unwrap()[..4]), (0o755, &b"\x7fELF"[..]));
}

#[test]
fn unknown_numbers_get_lines() {
    let options =
        Options { user: Some("1234:4321".to_owned()), workdir: Some("/w".to_owned()), ..Options::default() };
    let (build, value) = built(&options);
    assert_eq!(build.accounts.passwd, ["1234:*:1234:4321:container user:/w:/bin/sh"]);
    assert_eq!(build.accounts.group, ["4321:x:4321:1234"]);
    assert!(value["process"]["env"].as_array().unwrap().contains(&json!("HOME=/w")));
    assert!(!build.workdir.create);
}

#[test]
fn cgroup_parents() {
    for (parent, expected) in [("a/b", "/a/b"), ("/a", "/a"), ("/", "")] {
        let (_, value) = built(&Options { cgroup_parent: Some(parent.to_owned()), ..Options::default() });
        assert_eq!(value["linux"]["cgroupsPath"], format!("{expected}/ketch-{ID}"));
    }
}

#[test]
fn scopes() {
    for (parent, user, slice) in [
        ("", false, "machine.slice"),
        ("", true, "user.slice"),
        ("a-b.slice", false, "a-b.slice"),
        ("/a.slice/a-b.slice", true, "a-b.slice"),
    ] {
        let cgroup_manager = CgroupManager::Systemd { user };
        let (_, value) =
            built(&Options { cgroup_parent: Some(parent.to_owned()), cgroup_manager, ..Options::default() });
        assert_eq!(value["linux"]["cgroupsPath"], format!("{slice}:ketch:{ID}"));
    }
}

#[test]
fn refusals() {
    let user = |user: &str| Options { user: Some(user.to_owned()), ..Options::default() };
    let mut apparmor = Options::default();
    apparmor.security.apparmor = Some("strict".to_owned());
    let mut profile = Options::default();
    profile.security.seccomp = Seccomp::Profile("{}".to_owned());
    let cases = [
        (user("nobody"), 126, "unable to find user nobody"),
        (
            Options { workdir: Some("rel".to_owned()), ..Options::default() },
            126,
            "\"rel\" must be an absolute path",
        ),
        (apparmor, 125, "AppArmor is not enabled"),
        (profile, 125, "is not a seccomp profile"),
    ];
    for (options, code, expected) in cases {
        let error = build_with(&options, &json!({"Cmd": ["sh"]}), &host()).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert_eq!(error.exit_code(), code, "{error}");
    }
    let error = build_with(&Options::default(), &json!({}), &host()).unwrap_err();
    assert!(matches!(error, SpecError::NoCommand));
}
