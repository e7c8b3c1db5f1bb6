//! `podman --runtime`.

use std::path::Path;
use std::process::Command;

use ketch_integration::{Output, program, wait::wait_for};
use tempfile::TempDir;

use crate::client::{COUNT, Client, IMAGE, archive, directory};

/// podman with a store of its own that holds [`IMAGE`]; its containers, pods and mounts are gone on drop.
struct Podman {
    client: Client,
    dir: TempDir,
}

impl Podman {
    fn new() -> Podman {
        let dir = directory();
        let at = |name: &str| dir.path().join(name).display().to_string();
        let runtime = program::runtime().display().to_string();
        let client = Client::new([
            "podman",
            "--root",
            &at("root"),
            "--runroot",
            &at("run"),
            "--tmpdir",
            &at("tmp"),
            "--network-config-dir",
            &at("networks"),
            "--storage-driver",
            "overlay",
            "--cgroup-manager",
            "cgroupfs",
            "--events-backend",
            "file",
            "--runtime",
            &runtime,
        ]);
        client.line(&format!("load -q -i {}", archive(dir.path()).display())).ok();
        Podman { client, dir }
    }

    fn line(&self, line: &str) -> Output {
        self.client.line(&line.replace("IMAGE", IMAGE))
    }

    fn sh(&self, line: &str, script: &str) -> Output {
        self.client.sh(&line.replace("IMAGE", IMAGE), script)
    }

    #[track_caller]
    fn wait_for_log(&self, name: &str, text: &str) {
        wait_for("such log", || {
            let log = self.line(&format!("logs {name}"));
            if log.stdout.contains(text) { Ok(()) } else { Err(log) }
        });
    }

    fn state(&self, name: &str) -> String {
        self.line(&format!("inspect -f {{{{.State.Status}}}} {name}")).ok().text().to_owned()
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        self.line("pod rm -f -a -t 0");
        let removed = self.line("rm -f -a -t 0");
        let _ = Command::new("umount").arg("-q").arg(self.dir.path().join("root/overlay")).status();
        if !std::thread::panicking() {
            removed.ok();
        }
    }
}

#[test]
fn podman_knows_the_runtime() {
    let podman = Podman::new();
    let info = podman.line("info --format json").ok().json();
    let path = info["host"]["ociRuntime"]["path"].as_str().expect("a path").to_owned();
    assert_eq!(Path::new(&path), program::runtime());
    let version = info["host"]["ociRuntime"]["version"].as_str().expect("a version");
    assert!(version.contains("spec: 1."), "{version}");
}

#[test]
fn a_command_has_output_and_an_exit_code() {
    let podman = Podman::new();
    let ended = podman.sh("run --rm IMAGE", "echo out; echo err >&2; exit 7").assert_exit(7);
    ended.assert_stdout("out").assert_stderr_has("err");
    podman.line("run --rm -t IMAGE tty").ok().assert_stdout("/dev/pts/0");
    podman.line("run --rm IMAGE nosuch").assert_exit(127);
    // runc does not name the errno that podman makes 126 of.
    let directory = podman.line("run --rm IMAGE /etc");
    assert!([125, 126].contains(&directory.code), "{directory:#?}");
    assert_eq!(podman.line("ps -a -q").ok().text(), "");
}

#[test]
fn a_container_lives() {
    let podman = Podman::new();
    podman.sh("run -d --name c IMAGE", "trap 'exit 5' TERM; echo hello; while :; do sleep 0.1; done").ok();
    podman.wait_for_log("c", "hello");
    podman.sh("exec c", "echo in; exit 3").assert_exit(3).assert_stdout("in");
    podman.sh("exec -u kim -w /tmp -e X=1 c", "id -un; pwd; echo $X").ok().assert_stdout("kim\n/tmp\n1");
    podman.line("exec -t c tty").ok().assert_stdout("/dev/pts/0");
    podman.line("exec c nosuch").assert_exit(127);
    podman.line("exec -d c sleep 77").ok();
    podman.line("top c pid args").ok().assert_stdout_has("sleep 77");
    podman.line("stop -t 100 c").ok();
    assert_eq!(podman.line("inspect -f {{.State.ExitCode}} c").ok().text(), "5");
    podman.line("start c").ok();
    podman.line("kill -s KILL c").ok();
    podman.line("wait c").ok().assert_stdout("137");
    podman.line("restart -t 0 c").ok();
    assert_eq!(podman.state("c"), "running");
    podman.line("rm -f -t 0 c").ok();
    podman.line("inspect c").assert_exit(125);
}

#[test]
fn a_container_is_paused() {
    let podman = Podman::new();
    podman.line("run -d --name c IMAGE sleep 1000").ok();
    podman.line("pause c").ok();
    assert_eq!(podman.state("c"), "paused");
    podman.line("exec c true").assert_exit(255).assert_stderr_has("running");
    podman.line("unpause c").ok();
    podman.line("exec c true").ok();
}

#[test]
fn limits_hold_are_measured_and_changed() {
    let podman = Podman::new();
    podman
        .line("run -d --name c --memory 64m --pids-limit 50 --cpus 0.5 --cpuset-cpus 0 IMAGE sleep 1000")
        .ok();
    let files = "cd /sys/fs/cgroup; cat memory/memory.limit_in_bytes pids/pids.max cpu/cpu.cfs_quota_us cpuset/cpuset.cpus";
    podman.sh("exec c", files).ok().assert_stdout("67108864\n50\n50000\n0");
    podman.line("update --memory 32m --pids-limit 40 --cpus 0.25 c").ok();
    podman.sh("exec c", files).ok().assert_stdout("33554432\n40\n25000\n0");
    let stats = podman.line("stats --no-stream --format json c").ok().json();
    assert!(stats[0]["mem_usage"].as_str().is_some_and(|usage| usage.ends_with("/ 33.55MB")), "{stats:#}");
    assert_eq!(stats[0]["pids"], "1", "{stats:#}");
    let fork =
        podman.sh("run --rm --pids-limit 3 IMAGE", "sleep 5 & sleep 5 & sleep 5 & sleep 5 & kill -9 -1");
    assert!(fork.stderr.contains("can't fork"), "{fork:#?}");
}

#[test]
fn options_reach_the_process() {
    let podman = Podman::new();
    let status = "grep -E 'CapEff|Seccomp:|NoNewPrivs' /proc/self/status";
    podman
        .sh("run --rm --cap-drop all --cap-add chown --security-opt no-new-privileges IMAGE", status)
        .ok()
        .assert_stdout("CapEff:\t0000000000000001\nNoNewPrivs:\t1\nSeccomp:\t2");
    podman
        .sh("run --rm --read-only --tmpfs /scratch:size=1m IMAGE", "touch /scratch/x && touch /x")
        .assert_exit(1);
    podman
        .sh(
            "run --rm --ulimit nofile=100:200 --sysctl net.ipv4.ip_forward=1 IMAGE",
            "ulimit -n; cat /proc/sys/net/ipv4/ip_forward",
        )
        .ok()
        .assert_stdout("100\n1");
    podman.sh("run --rm --device /dev/fuse IMAGE", "test -c /dev/fuse && echo <>/dev/fuse").ok();
    podman.sh("run --rm --init IMAGE", "cat /proc/1/comm").ok().assert_stdout("podman-init");
    podman
        .sh("run --rm --privileged IMAGE", "grep Seccomp: /proc/self/status")
        .ok()
        .assert_stdout("Seccomp:\t0");
    podman
        .sh("run --rm --hostname web --user 1000:2000 IMAGE", "hostname; id -u; id -g")
        .ok()
        .assert_stdout("web\n1000\n2000");
    podman.sh("run --rm --shm-size 1m IMAGE", "df /dev/shm | tail -n 1").ok().assert_stdout_has(" 1024 ");
    podman
        .sh("run --rm --uts host --pid host --ipc host --cgroupns host --network host IMAGE", "ps")
        .ok()
        .assert_stdout_has("podman");
}

#[test]
fn volumes_are_mounted() {
    let podman = Podman::new();
    let dir = podman.dir.path().join("bound");
    std::fs::create_dir(&dir).expect("the directory is ours");
    std::fs::write(dir.join("file"), "there").expect("the directory is ours");
    let bound = dir.display();
    podman
        .sh(
            &format!("run --rm -v {bound}:/b:ro -v data:/d IMAGE"),
            "cat /b/file; echo kept >/d/x; touch /b/x",
        )
        .assert_exit(1)
        .assert_stdout("there");
    podman.sh("run --rm -v data:/d IMAGE", "cat /d/x").ok().assert_stdout("kept");
    podman
        .sh(
            &format!("run --rm --mount type=bind,src={bound},dst=/b,bind-propagation=rslave IMAGE"),
            "touch /b/made",
        )
        .ok();
    assert!(dir.join("made").exists());
}

#[test]
fn user_namespaces_are_mapped() {
    let podman = Podman::new();
    podman
        .sh(
            "run --rm --uidmap 0:100000:2000 --gidmap 0:200000:2000 IMAGE",
            "id -u; awk '{print $2}' /proc/self/uid_map /proc/self/gid_map",
        )
        .ok()
        .assert_stdout("0\n100000\n200000");
    let first = podman.line("run -d --name a --userns auto IMAGE sleep 1000").ok();
    assert!(!first.text().is_empty());
    let map = |name: &str| {
        podman.line(&format!("exec {name} awk {{print$2,$3}} /proc/self/uid_map")).ok().text().to_owned()
    };
    podman.line("run -d --name b --userns auto:size=3000 IMAGE sleep 1000").ok();
    let (a, b) = (map("a"), map("b"));
    assert!(a.starts_with("2147483647 "), "{a}");
    assert!(b.ends_with(" 3000") && !b.starts_with("2147483647 "), "{b}");
    podman.sh("exec a", "test -w /root && touch /root/x && stat -c %u /root/x").ok().assert_stdout("0");
}

#[test]
fn containers_share_a_network() {
    let podman = Podman::new();
    podman.line("network create n").ok();
    podman.sh("run -d --name web --network n IMAGE", "echo page >/tmp/index.html; httpd -f -h /tmp").ok();
    wait_for("answer", || {
        let got = podman.line("run --rm --network n IMAGE wget -q -O - http://web/");
        if got.stdout == "page\n" { Ok(()) } else { Err(got) }
    });
    podman
        .line("run --rm --network container:web IMAGE wget -q -O - http://127.0.0.1/")
        .ok()
        .assert_stdout("page");
    podman.line("run -d --name out -p 8093:80 IMAGE httpd -f -h /etc").ok();
    wait_for("answer", || {
        let got = program::run("busybox", ["wget", "-q", "-O", "-", "http://127.0.0.1:8093/hostname"]);
        if got.code == 0 { Ok(()) } else { Err(got) }
    });
    podman.line("rm -f -a -t 0").ok();
    podman.line("network rm n").ok();
}

#[test]
fn health_is_checked() {
    let podman = Podman::new();
    let health = ["--health-cmd", "test -e /tmp/ok", "--health-interval", "disable", "--health-retries", "1"];
    podman
        .client
        .run(["run", "-d", "--name", "c"].into_iter().chain(health).chain([IMAGE, "sleep", "1000"]))
        .ok();
    podman.line("healthcheck run c").assert_exit(1);
    podman.line("inspect -f {{.State.Health.Status}} c").ok().assert_stdout("unhealthy");
    podman.line("exec c touch /tmp/ok").ok();
    podman.line("healthcheck run c").ok();
    podman.line("inspect -f {{.State.Health.Status}} c").ok().assert_stdout("healthy");
}

#[test]
fn pods_share_namespaces() {
    let podman = Podman::new();
    podman.line("pod create --name p --memory 64m").ok();
    podman.line("run -d --pod p --name c IMAGE sleep 1000").ok();
    podman
        .sh("run --rm --pod p IMAGE", "hostname; readlink /proc/self/ns/net >/tmp/x; ip -4 address show eth0")
        .ok()
        .assert_stdout_has("inet 10.");
    let net =
        |name: &str| podman.line(&format!("exec {name} readlink /proc/self/ns/net")).ok().text().to_owned();
    podman.line("run -d --pod p --name d IMAGE sleep 1000").ok();
    assert_eq!(net("c"), net("d"));
    podman.line("pod ps --format {{.Status}}/{{.NumberOfContainers}}").ok().assert_stdout("Running/3");
    podman.line("pod stats --no-stream p").ok().assert_stdout_has(" c ");
    podman.line("pod top p pid args").ok().assert_stdout_has("sleep 1000");
    podman.line("pod pause p").ok();
    assert_eq!(podman.state("c"), "paused");
    podman.line("pod unpause p").ok();
    podman.line("pod restart p").ok();
    podman.line("pod stop -t 0 p").ok();
    assert_eq!(podman.state("c"), "exited");
    podman.line("pod rm p").ok();
}

#[test]
fn a_pod_is_played_from_yaml() {
    let podman = Podman::new();
    let file = podman.dir.path().join("pod.yaml");
    let yaml = format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: shop}}\nspec:\n  containers:\n  - name: web\n    image: {IMAGE}\n    command: [sleep, '1000']\n    resources: {{limits: {{memory: 32Mi}}}}\n    securityContext: {{readOnlyRootFilesystem: true}}\n"
    );
    std::fs::write(&file, yaml).expect("the directory is ours");
    podman.line(&format!("kube play {}", file.display())).ok();
    podman
        .sh("exec shop-web", "cat /sys/fs/cgroup/memory/memory.limit_in_bytes; touch /x")
        .assert_exit(1)
        .assert_stdout("33554432");
    podman.line(&format!("kube down {}", file.display())).ok();
    podman.line("ps -a -q").ok().assert_stdout("");
}

#[test]
fn an_image_is_built() {
    let podman = Podman::new();
    let file = podman.dir.path().join("Containerfile");
    std::fs::write(
        &file,
        format!("FROM {IMAGE}\nRUN echo built >/f && test $(id -u) = 0\nUSER kim\nRUN id -un >/tmp/u\n"),
    )
    .expect("the directory is ours");
    // buildah would raise the limits otherwise, which takes CAP_SYS_RESOURCE.
    podman
        .line(&format!(
            "build -q --ulimit nofile=1000:1000 --ulimit nproc=1000:1000 --network none -t localhost/made -f {0} {1}",
            file.display(),
            podman.dir.path().display()
        ))
        .ok();
    podman.sh("run --rm localhost/made", "cat /f /tmp/u").ok().assert_stdout("built\nkim");
}

#[test]
fn a_container_is_checkpointed_and_restored() {
    let podman = Podman::new();
    podman.sh("run -d --name c --network none IMAGE", COUNT).ok();
    let number = || podman.line("exec c cat /tmp/n").text().parse::<u32>().ok();
    let before = wait_for("count", || number().filter(|n| *n > 3).ok_or("none yet"));
    podman.line("container checkpoint c").ok();
    assert_eq!(
        podman.line("inspect -f {{.State.Checkpointed}}/{{.State.Running}} c").ok().text(),
        "true/false"
    );
    podman.line("container restore c").ok();
    wait_for("a count that goes on", || number().filter(|n| *n > before).ok_or("none yet"));
    podman.line("container checkpoint --leave-running --keep c").ok();
    assert_eq!(podman.state("c"), "running");

    let file = podman.dir.path().join("c.tar.gz").display().to_string();
    let reached = number().expect("a count");
    podman.line(&format!("container checkpoint -e {file} c")).ok();
    podman.line("rm -f c").ok();
    podman.line(&format!("container restore -i {file} --name c")).ok();
    wait_for("a count that goes on", || number().filter(|n| *n > reached).ok_or("none yet"));
}
