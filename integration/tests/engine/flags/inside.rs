//! What a container finds inside.

use std::fs;

use super::{engine, inside, inspect, refused};

#[test]
fn names_and_hosts() {
    let engine = engine();
    let base = engine.path("base");
    fs::write(&base, "192.0.2.9 base\n").unwrap();
    let base = base.to_str().unwrap();
    let script =
        "cat /etc/hostname; hostname; grep -c localhost /etc/hosts; grep -v localhost /etc/hosts | cut -f 1";
    let options = ["--no-hostname", "-h", "own", "--name", "n"];
    for (file, expected) in [
        ("image", "192.0.2.7 of-image\n127.0.0.1"),
        ("none", "127.0.0.1"),
        (base, "192.0.2.9 base\n127.0.0.1"),
    ] {
        let options = [&options[..], &["--hosts-file", file]].concat();
        assert_eq!(inside(&engine, &options, "special", script), format!("of-image\nown\n2\n{expected}"));
    }
    // A directory of its own to chroot into sees the same.
    let script = "cmp /etc/hosts /srv/jail/etc/hosts && test ! -e /srv/jail/etc/resolv.conf && echo same";
    assert_eq!(inside(&engine, &["--chrootdirs", "/srv/jail"], "special", script), "same");
    refused(
        &engine,
        &[
            ("--hosts-file /nope/hosts", "failed to create new hosts file"),
            ("--hosts-file image --no-hosts", "cannot be set together"),
            ("--chrootdirs srv", "an absolute path is expected"),
        ],
    );
}

#[test]
fn accounts() {
    let engine = engine();
    let of_host = "daemon";
    let last = "tail -n 1 /etc/passwd; tail -n 1 /etc/group";
    for (options, expected) in [
        (&[][..], "4242:*:4242:4343:container user:/:/bin/sh\n4343:x:4343:4242"),
        (
            &[
                "--passwd-entry",
                "u$UID:*:$UID:$GID:$NAME:$HOME:/bin/ash",
                "--group-entry",
                "g:z:$GID:$USERLIST",
            ],
            "u4242:*:4242:4343:container user:/:/bin/ash\ng:z:4343:4242",
        ),
        (&["--passwd=false"], "kim:x:1000:1000::/tmp:/bin/sh\ncrew:x:2000:kim"),
    ] {
        let options = [&["-u", "4242:4343"], options].concat();
        assert_eq!(inside(&engine, &options, "busybox", last), expected);
    }
    // One that the image knows is left alone; another one can be run as.
    assert_eq!(inside(&engine, &["--hostuser", of_host], "busybox", "grep -c daemon /etc/passwd"), "1");
    let line = fs::read_to_string("/etc/passwd").unwrap();
    let line = line.lines().find(|line| line.starts_with("bin:")).expect("Debian's bin").to_owned();
    let fields: Vec<&str> = line.split(':').collect();
    let script = "id -u; id -g; grep ^bin: /etc/passwd";
    assert_eq!(
        inside(&engine, &["--hostuser", "bin", "-u", "bin", "-w", "/tmp"], "busybox", script),
        format!(
            "{uid}\n{gid}\nbin:*:{uid}:{gid}:{}:/tmp:/bin/sh",
            fields[4],
            uid = fields[2],
            gid = fields[3]
        )
    );
    refused(&engine, &[("--hostuser nobody-here", "cannot add host user nobody-here")]);
}

#[test]
fn process_and_kernel() {
    let engine = engine();
    let options = [
        "--umask",
        "077",
        "--personality",
        "LINUX32",
        "--tz",
        "Asia/Tokyo",
        "--sysctl",
        "net.ipv4.ip_forward=1",
        "--sysctl",
        "kernel.msgmax=10000,fs.mqueue.msg_max=7",
        "--name",
        "k",
    ];
    let script = "umask; uname -m; date +%Z; cd /proc/sys; cat net/ipv4/ip_forward kernel/msgmax fs/mqueue/msg_max \
                  net/ipv4/ping_group_range";
    let machine = if cfg!(target_arch = "x86_64") { "i686" } else { "armv8l" };
    assert_eq!(
        inside(&engine, &options, "busybox", script),
        format!("0077\n{machine}\nJST\n1\n10000\n7\n0\t0")
    );
    engine.run([&["create", "--network", "none"], &options[..], &["busybox"]].concat()).ok();
    let config = inspect(&engine, "k")["Config"].clone();
    assert_eq!((config["Umask"].as_str(), config["Timezone"].as_str()), (Some("0077"), Some("Asia/Tokyo")));
    refused(
        &engine,
        &[
            ("--umask 9", "invalid umask string 9"),
            ("--tz Nowhere/No", "unknown time zone Nowhere/No"),
            ("--tz ../../passwd", "unknown time zone"),
            ("--personality BSD", "unknown personality"),
            ("--sysctl vm.swappiness=1", "sysctl 'vm.swappiness' is not allowed"),
            ("--sysctl net.x", "must be in the form of KEY=VALUE"),
            ("--ipc host --sysctl kernel.msgmax=1", "IPC Namespace set to host"),
        ],
    );
}

#[test]
fn volumes_of_the_image() {
    let engine = engine();
    let kind = "stat -f -c %T /vol 2>/dev/null || echo none";
    assert_eq!(inside(&engine, &["--image-volume", "tmpfs"], "special", kind), "tmpfs");
    assert_eq!(inside(&engine, &["--image-volume", "ignore"], "special", kind), "none");
    engine.line("create --name v --image-volume ignore special").ok();
    assert_eq!(inspect(&engine, "v")["Mounts"].as_array().unwrap().len(), 0);
    engine.line("volume ls -q").ok().assert_stdout("");
    refused(&engine, &[("--image-volume bind", "required value: anonymous, tmpfs, ignore")]);
}

/// systemd's container interface, whether it is systemd or not.
#[test]
fn systemd_mode() {
    let engine = engine();
    let script = "for dir in /run /run/lock /tmp /var/log/journal; do stat -f -c %T $dir; done; \
                  df -k /run | tail -n 1 | awk '{print $2}'; stat -c %a /tmp; expr length $container_uuid";
    let options = ["--systemd=always", "--shm-size-systemd", "1m"];
    assert_eq!(inside(&engine, &options, "busybox", script), "tmpfs\ntmpfs\ntmpfs\ntmpfs\n1024\n1777\n32");
    for (options, expected) in [
        ("--systemd=always busybox sh", (Some(true), "SIGRTMIN+3")),
        ("busybox /sbin/init", (Some(true), "SIGRTMIN+3")),
        ("--systemd=false busybox /sbin/init", (None, "SIGTERM")),
        ("busybox sh", (None, "SIGTERM")),
        ("--systemd=always --stop-signal QUIT busybox sh", (Some(true), "SIGQUIT")),
    ] {
        let id = engine.line(&format!("create --network none {options}")).ok();
        let config = inspect(&engine, id.text())["Config"].clone();
        let got = (config["SystemdMode"].as_bool(), config["StopSignal"].as_str().unwrap());
        assert_eq!(got, expected, "{options}");
    }
    refused(
        &engine,
        &[
            ("--systemd=maybe", "true, false, always"),
            ("--init --init-path /bin/true --systemd=always", "cannot use container-init binary"),
            ("--init --init-path /nope", "container-init binary not found"),
            ("--init-path /bin/true", "no meaning without --init"),
        ],
    );
}

#[test]
fn an_init_of_the_hosts() {
    let engine = engine();
    // Static, and it shows what it was called with.
    let busybox = ketch_integration::program::busybox();
    let init = engine.path("echo");
    fs::copy(busybox, &init).unwrap();
    let options = ["--init", "--init-path", init.to_str().unwrap()];
    let args = [&["run", "--rm", "--network", "none"], &options[..], &["busybox", "true"]].concat();
    // busybox does as its name says, and its name is /run/ketch-init here.
    engine.run(args).assert_exit(127).assert_stderr_has("ketch-init: applet not found");
}
