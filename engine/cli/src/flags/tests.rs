use clap::Parser;
use ketch_engine::container::options::{Endpoint, MountKind, Network, Seccomp};

use super::*;

#[derive(Debug, Parser)]
struct Run {
    #[command(flatten)]
    container: ContainerFlags,
    #[command(flatten)]
    run: RunFlags,
}

fn parse(words: &str) -> anyhow::Result<(Options, Run)> {
    let words = words.split(' ').filter(|word| !word.is_empty());
    let run = Run::try_parse_from(std::iter::once("run").chain(words))?;
    Ok((into_options(&run.container)?, run))
}

fn options(words: &str) -> Options {
    parse(words).unwrap_or_else(|error| panic!("{words}: {error:#}")).0
}

#[test]
fn the_parser_is_sound() {
    use clap::CommandFactory;
    Run::command().debug_assert();
}

#[test]
fn nothing_but_an_image() {
    let (options, run) = parse("img").unwrap();
    let network = Network::Bridge(vec![Endpoint { network: "ketch".to_owned(), ..Endpoint::default() }]);
    // The caller may have proxies.
    let defaults = options.defaults.clone();
    assert_eq!(options, Options { image: "img".to_owned(), network, defaults, ..Options::default() });
    assert_eq!(
        (run.container.pull, run.container.quiet, run.container.replace),
        (Pull::Missing, false, false)
    );
    assert_eq!(
        (run.run.detach, run.run.sig_proxy, run.run.detach_keys.as_str()),
        (false, true, "ctrl-p,ctrl-q")
    );
    assert!(run.container.attach.is_empty());
}

/// Flags end at the image: all after it is the command's own.
#[test]
fn flags_end_at_the_image() {
    for (words, image, command) in [
        ("img sh -c true", "img", vec!["sh", "-c", "true"]),
        ("img -d", "img", vec!["-d"]),
        ("img --rm --bogus -it", "img", vec!["--rm", "--bogus", "-it"]),
        ("--rm -- img -x", "img", vec!["-x"]),
        ("img -- -x", "img", vec!["--", "-x"]),
        ("img sh -- --help", "img", vec!["sh", "--", "--help"]),
    ] {
        let options = options(words);
        assert_eq!(
            (options.image.as_str(), options.command),
            (image, command.iter().map(|w| (*w).to_owned()).collect()),
            "{words}"
        );
    }
}

#[test]
fn booleans() {
    for (words, remove, terminal, stdin) in [
        ("--rm -it img", true, true, true),
        ("-ti --rm=true img", true, true, true),
        ("--rm=false -t=false -i=1 img", false, false, true),
        ("--rm --rm=false img", false, false, false),
        ("--tty --interactive img", false, true, true),
    ] {
        let options = options(words);
        assert_eq!((options.remove, options.terminal, options.stdin), (remove, terminal, stdin), "{words}");
    }
    let (options, run) = parse("-itd --sig-proxy=false img").unwrap();
    assert!(options.terminal && options.stdin && run.run.detach && !run.run.sig_proxy);
}

#[test]
fn later_values_win() {
    let options = options("--name a --name b -u x -u y -h one --hostname two img");
    assert_eq!(options.name.as_deref(), Some("b"));
    assert_eq!(options.user.as_deref(), Some("y"));
    assert_eq!(options.hostname.as_deref(), Some("two"));
}

#[test]
fn every_flag_reaches_the_options() {
    let options = options(
        "--annotation x=y --cap-add NET_ADMIN,SYS_TIME --cap-add chown --cap-drop all --cgroup-parent p \
         --cidfile /c -c 512 --cpus 1.5 --cpuset-cpus 0-1 --cpuset-mems 0 --device /dev/fuse,/dev/null:r \
         --entrypoint /e -e A=1 --env B=2 --group-add audio,44 -h host --init -l a=b --label c \
         --log-driver json-file --log-opt max-size=1m --log-opt max-file=3 -m 64m --memory-reservation 32m \
         --memory-swap -1 --mount type=tmpfs,dst=/m --name n --network host --oom-score-adj -500 --pids-limit -1 \
         --privileged --read-only --read-only-tmpfs=false --security-opt seccomp=unconfined --shm-size 1m \
         --stop-signal QUIT --stop-timeout 3 --tmpfs /t --ulimit nofile=1:2 --ulimit host -u 1:2 -v /v -w /w img c d",
    );
    assert_eq!(options.annotations["x"], "y");
    assert_eq!(options.cap_add, ["NET_ADMIN", "SYS_TIME", "chown"]);
    assert_eq!(options.cap_drop, ["all"]);
    assert_eq!(options.cgroup_parent.as_deref(), Some("p"));
    assert_eq!(options.cid_file.as_deref(), Some("/c".as_ref()));
    assert_eq!(options.devices.len(), 2);
    assert_eq!(options.entrypoint, Some(vec!["/e".to_owned()]));
    assert_eq!(options.env, ["A=1", "B=2"]);
    assert_eq!(options.groups, ["audio", "44"]);
    assert_eq!(options.hostname.as_deref(), Some("host"));
    assert_eq!((options.labels["a"].as_str(), options.labels["c"].as_str()), ("b", ""));
    assert_eq!(
        options.log,
        Log { driver: Some("k8s-file".to_owned()), max_size: Some(1 << 20), max_files: Some(3) }
    );
    assert_eq!(options.name.as_deref(), Some("n"));
    assert_eq!(options.network, Network::Host);
    assert!(options.init && options.privileged && options.read_only && options.read_only_strict);
    assert_eq!(options.security.seccomp, Seccomp::Unconfined);
    assert_eq!((options.stop_signal, options.stop_timeout), (Some(3), Some(3)));
    assert_eq!((options.user.as_deref(), options.workdir.as_deref()), (Some("1:2"), Some("/w")));
    assert_eq!(
        (options.image.as_str(), &options.command[..]),
        ("img", &["c".to_owned(), "d".to_owned()][..])
    );

    let kinds: Vec<_> =
        options.mounts.iter().map(|mount| (&mount.kind, mount.destination.as_str())).collect();
    assert_eq!(kinds, [(&MountKind::Anonymous, "/v"), (&MountKind::Tmpfs, "/m"), (&MountKind::Tmpfs, "/t")]);

    let limits = &options.limits;
    assert_eq!(
        (limits.memory, limits.memory_swap, limits.memory_reservation),
        (Some(64 << 20), Some(-1), Some(32 << 20))
    );
    assert_eq!((limits.cpus, limits.cpu_shares), (Some(1.5), Some(512)));
    assert_eq!((limits.cpuset_cpus.as_deref(), limits.cpuset_mems.as_deref()), (Some("0-1"), Some("0")));
    assert_eq!((limits.pids, limits.shm_size, limits.oom_score_adj), (Some(-1), Some(1 << 20), Some(-500)));
    assert!(limits.ulimits_of_host && limits.ulimits.len() == 1);
}

#[test]
fn rarer_flags_reach_the_options() {
    use ketch_engine::container::options::{Accounts, Cgroups, HostsBase, ImageVolumes, Systemd, TimeZone};
    let options = options(
        "--blkio-weight 500 --blkio-weight-device /dev/x:300 --cgroup-conf memory.high=1,cpu.idle=1 --cgroups disabled \
         --chrootdirs /c --conmon-pidfile /m --cpu-period 50000 --cpu-quota -1 --device-read-iops /dev/x:9 --env-merge A=$B \
         --group-entry g --hosts-file none --hostuser kim,5 --image-volume ignore --init --init-path /i --memory-swappiness 0 \
         --no-hostname --oom-kill-disable --passwd-entry p --personality LINUX --pidfile /p --rdt-class r --requires a,b \
         --shm-size-systemd 1m --sysctl net.x=1 --systemd false --timeout 5 --tz local --umask 27 --unsetenv X \
         --unsetenv-all --no-healthcheck --disable-content-trust --seccomp-policy default img",
    );
    let limits = &options.limits;
    assert_eq!((limits.cpu_period, limits.cpu_quota), (Some(50_000), Some(-1)));
    assert_eq!((limits.memory_swappiness, limits.oom_kill_disable), (Some(0), true));
    assert_eq!((limits.rdt_class.as_deref(), limits.shm_size_systemd), (Some("r"), Some(1 << 20)));
    assert_eq!((limits.unified["memory.high"].as_str(), limits.unified["cpu.idle"].as_str()), ("1", "1"));
    let block = &limits.block;
    assert_eq!((block.weight, block.weights[0].value, block.read_iops[0].value), (Some(500), 300, 9));
    let accounts = Accounts {
        none: false,
        passwd_entry: Some("p".to_owned()),
        group_entry: Some("g".to_owned()),
        of_host: vec!["kim".to_owned(), "5".to_owned()],
    };
    assert_eq!(options.accounts, accounts);
    assert_eq!((options.cgroups, options.systemd), (Cgroups::Disabled, Systemd::Never));
    assert_eq!((options.image_volumes, options.hosts.base), (ImageVolumes::Ignore, HostsBase::None));
    assert_eq!((options.time_zone, options.umask), (Some(TimeZone::Local), Some(0o27)));
    assert_eq!(
        (options.chroot_dirs, options.requires),
        (vec!["/c".to_owned()], vec!["a".to_owned(), "b".to_owned()])
    );
    assert_eq!((options.timeout, options.no_hostname), (Some(5), true));
    assert_eq!(options.init_path.as_deref(), Some("/i".as_ref()));
    assert_eq!(options.pid_file.as_deref(), Some("/p".as_ref()));
    assert_eq!(options.monitor_pid_file.as_deref(), Some("/m".as_ref()));
    assert_eq!(options.sysctl["net.x"], "1");
    assert_eq!(options.personality.as_deref(), Some("LINUX"));
    assert_eq!(
        (options.defaults.merge, options.defaults.unset),
        (vec!["A=$B".to_owned()], vec!["X".to_owned()])
    );
    assert!(options.defaults.unset_all);
}

#[test]
fn what_run_has_besides() {
    let apply = |words: &str| {
        let (mut options, run) = parse(words).unwrap();
        run.run.apply(&mut options);
        (options.accounts.none, options.remove, options.remove_image)
    };
    assert_eq!(apply("img"), (false, false, false));
    assert_eq!(apply("--passwd=false --rm img"), (true, true, false));
    assert_eq!(apply("--rmi img"), (false, true, true));
}

#[test]
fn roots() {
    for (words, path, overlay) in [
        ("--rootfs /:O sh", "/", true),
        ("--rootfs /srv/root sh", "/srv/root", false),
        ("--rootfs=true / sh", "/", false),
    ] {
        let options = options(words);
        assert_eq!(options.rootfs, Some(Rootfs { path: path.into(), overlay, idmap: false }), "{words}");
        assert_eq!((options.image.as_str(), &options.command[..]), ("", &["sh".to_owned()][..]));
    }
}

#[test]
fn entrypoints() {
    for (text, expected) in
        [("", vec![]), ("/e", vec!["/e"]), (r#"["/e","x"]"#, vec!["/e", "x"]), (r#"["/e""#, vec![r#"["/e""#])]
    {
        assert_eq!(values::entrypoint(text), expected);
    }
}

#[test]
fn refusals() {
    for (words, expected) in [
        ("", "IMAGE"),
        ("--bogus img", "--bogus"),
        ("-p 80:99999 img", "parsing container port"),
        ("--network slirp4netns img", "slirp4netns is not available"),
        ("--network none --network host img", "multiple networks"),
        ("--network none --network foo img", "multiple networks"),
        ("--network foo,foo img", "duplicate network name foo"),
        ("--network foo:bar=1 img", "unknown network option"),
        ("--network host --ip 10.0.0.1 img", "--ip can only be set when the network mode is bridge"),
        ("--network a,b --ip 10.0.0.1 img", "--ip can only be set for a single network"),
        ("--mac-address zz img", "address zz: invalid MAC address"),
        ("--network host --network-alias x img", "--network-alias can only be set"),
        ("--no-hosts --add-host a:1.2.3.4 img", "cannot be set together"),
        ("--add-host a:x img", "invalid IP address in add-host"),
        ("--dns x img", "not an ip address"),
        ("--network ns:rel img", "an absolute path is expected"),
        ("--restart always:3 img", "can only be specified with on-failure"),
        ("--rm --restart always img", "the --rm option conflicts with --restart"),
        ("--restart bogus img", "not a valid restart policy"),
        ("--pull bogus img", "bogus"),
        ("--attach bogus img", "bogus"),
        ("--name=-x img", "names must match"),
        ("--name a/b img", "names must match"),
        ("--log-driver journald img", "log driver \"journald\" is not available"),
        ("--log-driver bogus img", "invalid log driver"),
        ("--log-opt foo=bar img", "--log-opt foo=bar"),
        ("--log-opt max-file=0 img", "1 or more"),
        ("--log-driver none --log-opt max-size=1m img", "no meaning"),
        ("--stop-signal BOGUS img", "invalid signal"),
        ("--stop-timeout=-1 img", "-1"),
        ("--memory bogus img", "invalid size: 'bogus'"),
        ("--memory=-1 img", "-1"),
        ("--memory-swap 32m img", "--memory-swap needs a memory limit"),
        ("--memory 64m --memory-swap 32m img", "must not be less than --memory"),
        ("--memory 1m --memory-reservation 2m img", "must not exceed --memory"),
        ("--cpus -1 img", "0.01 or more"),
        ("--cpu-shares x img", "invalid digit"),
        ("--oom-score-adj 2000 img", "2000"),
        ("--rm=maybe img", "true or false"),
        ("--env =x img", "invalid variable"),
        ("--env-file /nope img", "/nope"),
    ] {
        let error = parse(words).err().unwrap_or_else(|| panic!("{words}: is taken"));
        assert!(format!("{error:#}").contains(expected), "{words}: {error:#}");
    }
    let long = format!("--hostname {} img", "a".repeat(65));
    assert!(parse(&long).unwrap_err().to_string().contains("too long"));
}

#[test]
fn networks() {
    let named = |name: &str| Endpoint { network: name.to_owned(), ..Endpoint::default() };
    for (words, expected) in [
        ("--network bridge img", Network::Bridge(vec![named("ketch")])),
        ("--network a --network b img", Network::Bridge(vec![named("a"), named("b")])),
        ("--network a,b img", Network::Bridge(vec![named("a"), named("b")])),
        ("--network none img", Network::None),
        ("--network host img", Network::Host),
        ("--network container:web img", Network::Container("web".to_owned())),
        ("--network ns:/run/x img", Network::Path("/run/x".into())),
        ("--network pasta:-t,80 img", Network::Pasta(vec!["-t".to_owned(), "80".to_owned()])),
        (
            "--network a:ip=10.0.0.9,mac=02:AA:00:00:00:01,alias=x,alias=y,interface_name=net0 --network-alias z img",
            Network::Bridge(vec![Endpoint {
                aliases: vec!["x".to_owned(), "y".to_owned(), "z".to_owned()],
                ip: Some([10, 0, 0, 9].into()),
                mac: Some("02:aa:00:00:00:01".to_owned()),
                interface: Some("net0".to_owned()),
                ..named("a")
            }]),
        ),
        (
            "--ip 10.89.0.9 --ip6 fd00::9 img",
            Network::Bridge(vec![Endpoint {
                ip: Some([10, 89, 0, 9].into()),
                ip6: Some("fd00::9".parse().unwrap()),
                ..named("ketch")
            }]),
        ),
    ] {
        assert_eq!(options(words).network, expected, "{words}");
    }
    let options =
        options("-p 80:80 -p 81-82:81-82/udp -P --expose 9-10 --add-host a;b:::1 --dns 1.1.1.1 img");
    assert_eq!((options.ports.len(), options.expose.len(), options.publish_all), (2, 2, true));
    assert_eq!(options.hosts.add, [("a b".to_owned(), "::1".to_owned())]);
}
