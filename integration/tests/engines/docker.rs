//! `dockerd --add-runtime`, with the containerd that it starts itself, and compose.

use std::fs;
use std::process::Command;

use ketch_integration::daemon::Daemon;
use ketch_integration::{Output, program, wait::wait_for};
use tempfile::TempDir;

use crate::client::{COUNT, Client, IMAGE, archive, directory};

/// A daemon of a test's own, whose default runtime is the one under test, with [`IMAGE`] loaded.
struct Docker {
    client: Client,
    _daemon: Daemon,
    dir: TempDir,
}

impl Docker {
    fn new() -> Docker {
        Docker::with(&[])
    }

    fn with(options: &[&str]) -> Docker {
        let dir = directory();
        let at = |name: &str| dir.path().join(name);
        let socket = format!("unix://{}", at("socket").display());
        let client =
            Client::new(["docker", "--config", &at("config").display().to_string(), "--host", &socket]);
        let mut command = Command::new("dockerd");
        command.arg("--host").arg(&socket).args(["--default-runtime", "subject", "--add-runtime"]);
        command.arg(format!("subject={}", program::runtime().display()));
        command.arg("--data-root").arg(at("data")).arg("--exec-root").arg(at("exec"));
        command.arg("--pidfile").arg(at("pid")).args(options);
        let daemon = Daemon::start(&mut command, &at("log"), || client.line("version").code == 0);
        client.line(&format!("load -q -i {}", archive(dir.path()).display())).ok();
        Docker { client, _daemon: daemon, dir }
    }

    fn line(&self, line: &str) -> Output {
        self.client.line(&line.replace("IMAGE", IMAGE))
    }

    fn sh(&self, line: &str, script: &str) -> Output {
        self.client.sh(&line.replace("IMAGE", IMAGE), script)
    }

    fn inspect(&self, format: &str, name: &str) -> String {
        self.line(&format!("inspect -f {{{{{format}}}}} {name}")).ok().text().to_owned()
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        let ids = self.line("ps -a -q").stdout;
        let ids: Vec<&str> = ids.split_whitespace().collect();
        if !ids.is_empty() {
            self.client.run(["rm", "-f", "-v"].into_iter().chain(ids));
        }
    }
}

#[test]
fn a_command_has_output_and_an_exit_code() {
    let docker = Docker::new();
    assert_eq!(docker.line("info -f {{.DefaultRuntime}}").ok().text(), "subject");
    docker
        .sh("run --rm IMAGE", "echo out; echo err >&2; exit 7")
        .assert_exit(7)
        .assert_stdout("out")
        .assert_stderr_has("err");
    docker.line("run --rm IMAGE nosuch").assert_exit(127).assert_stderr_has("nosuch");
    docker.line("run --rm IMAGE /etc/passwd").assert_exit(126).assert_stderr_has("permission denied");
    assert_eq!(docker.line("ps -a -q").ok().text(), "");
}

#[test]
fn a_terminal_is_had() {
    let docker = Docker::new();
    // script(1) gives the client one.
    let line =
        format!("{:?} run --rm -it {IMAGE} sh -c 'tty; stty size; echo $TERM'", docker.client.command());
    let seen = program::finish(Command::new("script").args([
        "-qec",
        &format!("stty rows 33 cols 77; {line}"),
        "/dev/null",
    ]))
    .ok();
    let seen = seen.stdout.replace('\r', "");
    assert!(seen.ends_with("/dev/pts/0\n33 77\nxterm\n"), "{seen:?}");
    docker.line("run -d --name box IMAGE sleep 1000").ok();
    docker.line("exec -t box tty").ok().assert_stdout("/dev/pts/0");
}

#[test]
fn a_container_lives() {
    let docker = Docker::new();
    docker.sh("run -d --name box IMAGE", "trap 'exit 5' TERM; echo hello; while :; do sleep 0.1; done").ok();
    wait_for("log", || Some(docker.line("logs box")).filter(|log| log.stdout == "hello\n").ok_or("none yet"));
    docker.sh("exec box", "echo in; exit 3").assert_exit(3).assert_stdout("in");
    docker.sh("exec -u kim -w /tmp -e X=1 box", "id -un; pwd; echo $X").ok().assert_stdout("kim\n/tmp\n1");
    docker.line("exec box nosuch").assert_exit(127);
    docker.sh("exec --privileged box", "grep CapEff /proc/self/status").ok().assert_stdout_has("ff");
    docker.line("exec -d box sleep 77").ok();
    wait_for("process", || {
        Some(docker.line("top box")).filter(|top| top.stdout.contains("sleep 77")).ok_or("none yet")
    });
    docker.line("pause box").ok();
    assert_eq!(docker.inspect(".State.Status", "box"), "paused");
    docker.line("exec box true").assert_exit(1).assert_stderr_has("paused");
    docker.line("unpause box").ok();
    docker.line("stop -t 100 box").ok();
    assert_eq!(docker.inspect(".State.ExitCode", "box"), "5");
    docker.line("start box").ok();
    docker.line("kill -s KILL box").ok();
    docker.line("wait box").ok().assert_stdout("137");
    docker.line("restart -t 0 box").ok();
    assert_eq!(docker.inspect(".State.Status", "box"), "running");
    docker.line("diff box").ok();
    docker.line("rm -f box").ok();
    docker.line("inspect box").assert_exit(1);
}

#[test]
fn limits_hold_are_measured_and_changed() {
    let docker = Docker::new();
    docker.line("run -d --name box --memory 64m --memory-swap 64m --pids-limit 50 --cpus 0.5 --cpuset-cpus 0 IMAGE sleep 1000").ok();
    let files = "cd /sys/fs/cgroup; cat memory/memory.limit_in_bytes pids/pids.max cpu/cpu.cfs_quota_us cpuset/cpuset.cpus";
    docker.sh("exec box", files).ok().assert_stdout("67108864\n50\n50000\n0");
    docker.line("update --memory 32m --memory-swap 32m --pids-limit 40 --cpus 0.25 box").ok();
    docker.sh("exec box", files).ok().assert_stdout("33554432\n40\n25000\n0");
    let stats = docker.line("stats --no-stream --format {{.MemUsage}}|{{.PIDs}} box").ok();
    assert!(stats.text().ends_with("/ 32MiB|1"), "{stats:#?}");
    // The kernel kills what takes more, and docker hears of it from the runtime's shim.
    docker.sh("run --name fat --memory 8m --memory-swap 8m IMAGE", "tail /dev/zero").assert_exit(137);
    assert_eq!(docker.inspect(".State.OOMKilled", "fat"), "true");
}

#[test]
fn options_reach_the_process() {
    let docker = Docker::new();
    let status = "grep -E 'CapEff|Seccomp:|NoNewPrivs' /proc/self/status";
    docker
        .sh("run --rm --cap-drop all --cap-add chown --security-opt no-new-privileges IMAGE", status)
        .ok()
        .assert_stdout("CapEff:\t0000000000000001\nNoNewPrivs:\t1\nSeccomp:\t2");
    docker
        .sh(
            "run --rm --security-opt seccomp=unconfined --security-opt systempaths=unconfined IMAGE",
            "grep Seccomp: /proc/self/status",
        )
        .ok()
        .assert_stdout("Seccomp:\t0");
    docker
        .sh(
            "run --rm --read-only --tmpfs /scratch:size=1m IMAGE",
            "touch /scratch/x && df /scratch | tail -n 1; touch /x",
        )
        .assert_exit(1)
        .assert_stdout_has(" 1024 ")
        .assert_stderr_has("Read-only");
    docker
        .sh(
            "run --rm --ulimit nofile=100:200 --sysctl net.ipv4.ip_forward=0 --oom-score-adj 500 IMAGE",
            "ulimit -n; cat /proc/sys/net/ipv4/ip_forward /proc/self/oom_score_adj",
        )
        .ok()
        .assert_stdout("100\n0\n500");
    docker
        .sh(
            "run --rm --device /dev/fuse:/dev/f:r IMAGE",
            "test -c /dev/f && head -c0 /dev/f && ! true >/dev/f",
        )
        .ok();
    docker.sh("run --rm --init IMAGE", "cat /proc/1/comm").ok().assert_stdout("docker-init");
    docker
        .sh("run --rm --privileged IMAGE", "mount -t tmpfs x /tmp && test -w /proc/sys/kernel/domainname")
        .ok();
    docker
        .sh("run --rm --hostname web --user 1000:2000 --group-add 3000 IMAGE", "hostname; id -u; id -G")
        .ok()
        .assert_stdout("web\n1000\n2000 3000");
    docker
        .sh("run --rm --pid host --ipc host --uts host --cgroupns host --network host IMAGE", "ps")
        .ok()
        .assert_stdout_has("dockerd");
    docker.sh("run --rm --cgroup-parent /other IMAGE", "true").ok();
}

#[test]
fn volumes_are_mounted() {
    let docker = Docker::new();
    let dir = docker.dir.path().join("bound");
    fs::create_dir(&dir).expect("the directory is ours");
    fs::write(dir.join("file"), "there").expect("the directory is ours");
    let bound = dir.display();
    docker
        .sh(
            &format!("run --rm -v {bound}:/b:ro -v data:/d IMAGE"),
            "cat /b/file; echo kept >/d/x; touch /b/x",
        )
        .assert_exit(1)
        .assert_stdout("there");
    docker.sh("run --rm -v data:/d IMAGE", "cat /d/x").ok().assert_stdout("kept");
    docker
        .sh(
            &format!("run --rm --mount type=bind,src={bound},dst=/b,bind-propagation=rslave IMAGE"),
            "touch /b/made",
        )
        .ok();
    assert!(dir.join("made").exists());
    docker.line("run --name box IMAGE touch /made").ok();
    docker.line(&format!("cp box:/made {bound}/copied")).ok();
    assert!(dir.join("copied").exists());
}

#[test]
fn restart_policies_are_kept() {
    let docker = Docker::new();
    docker.sh("run -d --name box --restart on-failure:2 IMAGE", "echo run; exit 1").ok();
    wait_for("two restarts", || {
        Some(docker.inspect(".RestartCount}}/{{.State.Status", "box"))
            .filter(|s| s == "2/exited")
            .ok_or("not yet")
    });
    docker.line("logs box").ok().assert_stdout("run\nrun\nrun");
    docker.line("run -d --name other --restart always IMAGE sleep 1000").ok();
    let pid = docker.inspect(".State.Pid", "other");
    program::run("kill", ["-9", &pid]).ok();
    wait_for("another init", || {
        Some(docker.inspect(".State.Pid", "other")).filter(|now| *now != pid && now != "0").ok_or("not yet")
    });
}

#[test]
fn health_is_checked() {
    let docker = Docker::new();
    let health = ["--health-cmd", "test -e /tmp/ok", "--health-interval", "200ms", "--health-retries", "1"];
    docker
        .client
        .run(["run", "-d", "--name", "box"].into_iter().chain(health).chain([IMAGE, "sleep", "1000"]))
        .ok();
    let is = |wanted: &str| {
        wait_for("such health", || {
            Some(docker.inspect(".State.Health.Status", "box")).filter(|s| s == wanted).ok_or("not yet")
        })
    };
    is("unhealthy");
    docker.line("exec box touch /tmp/ok").ok();
    is("healthy");
}

#[test]
fn containers_share_a_network() {
    let docker = Docker::new();
    docker.line("network create n").ok();
    docker
        .sh("run -d --name web --network n -p 8094:80 IMAGE", "echo page >/tmp/index.html; httpd -f -h /tmp")
        .ok();
    let page = |got: Output| if got.stdout == "page\n" { Ok(()) } else { Err(got) };
    wait_for("answer", || page(docker.line("run --rm --network n IMAGE wget -q -O - http://web/")));
    wait_for("answer", || page(program::run("busybox", ["wget", "-q", "-O", "-", "http://127.0.0.1:8094/"])));
    page(docker.line("run --rm --network container:web IMAGE wget -q -O - http://127.0.0.1/"))
        .expect("localhost is shared");
    docker.line("run --rm --network none IMAGE ip -o link show up").ok().assert_stdout_has("lo");
}

#[test]
fn compose_brings_services_up() {
    let docker = Docker::new();
    let file = docker.dir.path().join("compose.yaml");
    let yaml = format!(
        "name: shop\nservices:\n  web:\n    image: {IMAGE}\n    command: httpd -f -h /etc\n    read_only: true\n    healthcheck: {{test: 'wget -q -O /dev/null http://127.0.0.1/passwd', interval: 200ms}}\n  probe:\n    image: {IMAGE}\n    command: wget -q -O - http://web/hostname\n    depends_on: {{web: {{condition: service_healthy}}}}\n    mem_limit: 32m\n    networks: [default, back]\nnetworks: {{back: {{internal: true}}}}\n"
    );
    fs::write(&file, yaml).expect("the directory is ours");
    let compose = |words: &str| docker.line(&format!("compose -f {} {words}", file.display()));
    compose("up -d").ok();
    let web = docker.inspect(".Config.Hostname", "shop-web-1");
    docker.line("wait shop-probe-1").ok().assert_stdout("0");
    docker.line("logs shop-probe-1").ok().assert_stdout(&web);
    compose("exec -T web id -u").ok().assert_stdout("0");
    compose("up -d --scale web=3").ok();
    compose("ps -q web").ok();
    compose("down -t 0").ok();
    assert_eq!(docker.line("ps -a -q").ok().text(), "");
}

#[test]
fn an_image_is_built_and_committed() {
    let docker = Docker::new();
    let dir = docker.dir.path().join("context");
    fs::create_dir(&dir).expect("the directory is ours");
    fs::write(
        dir.join("Dockerfile"),
        format!("FROM {IMAGE}\nRUN echo built >/f\nUSER kim\nRUN id -un >/tmp/u\n"),
    )
    .expect("the directory is ours");
    let mut build = docker.client.command();
    build.env("DOCKER_BUILDKIT", "0").args(["build", "-q", "-t", "made"]).arg(&dir);
    program::finish(&mut build).ok();
    docker.sh("run --name box made", "cat /f /tmp/u; echo more >/tmp/m").ok().assert_stdout("built\nkim");
    docker.line("commit box more").ok();
    docker.line("run --rm more cat /tmp/m").ok().assert_stdout("more");
}

#[test]
fn user_namespaces_are_mapped() {
    let docker = Docker::with(&["--userns-remap", "containers:containers"]);
    docker
        .sh("run --rm IMAGE", "id -u; awk '{print $2}' /proc/self/uid_map; touch /x && stat -c %u /x")
        .ok()
        .assert_stdout("0\n2147483647\n0");
    docker.line("run -d --name box IMAGE sleep 1000").ok();
    docker.line("exec box id -u").ok().assert_stdout("0");
}

/// `start --checkpoint` fails in dockerd 28.5 before it calls its runtime: "bind-mount /proc/0/ns/net".
#[test]
fn a_container_is_checkpointed() {
    let docker = Docker::with(&["--experimental"]);
    docker.sh("run -d --name box --network none IMAGE", COUNT).ok();
    let number = || docker.line("exec box cat /tmp/n").text().parse::<u32>().ok();
    wait_for("count", || number().filter(|n| *n > 3).ok_or("none yet"));
    docker.line("checkpoint create box one").ok();
    assert_eq!(docker.inspect(".State.Status", "box"), "exited");
    docker.line("checkpoint ls box").ok().assert_stdout_has("one");
}
