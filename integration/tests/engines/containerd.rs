//! containerd: `ctr run --runc-binary`, and the CRI plugin.

use std::fs;
use std::path::Path;
use std::process::Command;

use ketch_integration::daemon::Daemon;
use ketch_integration::{ImageBuilder, Output, program, wait::wait_for};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::{COUNT, Client, IMAGE, archive, directory};
use crate::cri::Cri;

/// What a pod's first container runs.
const PAUSE: &str = "localhost/pause:latest";

/// A daemon of a test's own. Both namespaces, ctr's and Kubernetes', hold [`IMAGE`].
struct Containerd {
    ctr: Client,
    cri: Cri,
    _daemon: Daemon,
    dir: TempDir,
}

impl Containerd {
    fn new() -> Containerd {
        let dir = directory();
        let at = |name: &str| dir.path().join(name).display().to_string();
        let socket = at("socket");
        fs::write(at("config.toml"), configuration(dir.path())).expect("the directory is ours");
        fs::create_dir(at("networks")).expect("the directory is ours");
        let network = json!({
            "cniVersion": "1.0.0",
            "name": "pods",
            "plugins": [{
                "type": "bridge",
                "bridge": "pods0",
                "isGateway": true,
                "ipam": {
                    "type": "host-local",
                    "dataDir": at("addresses"),
                    "ranges": [[{"subnet": "10.77.0.0/24"}]],
                },
            }],
        });
        fs::write(at("networks/pods.conflist"), network.to_string()).expect("the directory is ours");
        let mut command = Command::new("containerd");
        command.args(["--config", &at("config.toml")]);
        let ctr = Client::new(["ctr", "--address", &socket]);
        let daemon = Daemon::start(&mut command, Path::new(&at("log")), || ctr.line("version").code == 0);
        let image = archive(dir.path());
        let pause = dir.path().join("pause.tar");
        ImageBuilder::busybox().name(PAUSE).config("Cmd", json!(["sleep", "100000"])).docker_archive(&pause);
        for (namespace, archive) in [("default", &image), ("k8s.io", &image), ("k8s.io", &pause)] {
            ctr.line(&format!("-n {namespace} images import {}", archive.display())).ok();
        }
        Containerd { ctr, cri: Cri { socket: socket.into() }, _daemon: daemon, dir }
    }

    /// `ctr run` with the runtime under test: OPTIONS ID COMMAND.
    fn run(&self, options: &str, id: &str, command: &[&str]) -> Output {
        let runtime = program::runtime().display().to_string();
        let words = ["run", "--runc-binary", &runtime].into_iter();
        let words = words.chain(options.split_whitespace()).chain([IMAGE, id]);
        self.ctr.run(words.chain(command.iter().copied()))
    }

    fn status(&self, id: &str) -> String {
        let tasks = self.ctr.line("tasks list").ok();
        let line = tasks.stdout.lines().find(|line| line.starts_with(id)).unwrap_or_default();
        line.split_whitespace().last().unwrap_or_default().to_owned()
    }

    #[track_caller]
    fn wait_for_status(&self, id: &str, wanted: &str) {
        wait_for("such status", || Some(self.status(id)).filter(|status| status == wanted).ok_or("not yet"));
    }

    /// A sandbox's configuration.
    fn sandbox(&self, name: &str) -> Value {
        json!({
            "metadata": {"name": name, "uid": name, "namespace": "default", "attempt": 0},
            "hostname": name,
            "log_directory": self.dir.path().join("logs"),
            "linux": {"cgroup_parent": format!("/kubepods/{name}")},
        })
    }

    /// Starts a container in a sandbox; its id.
    fn start(&self, pod: &str, sandbox: &Value, name: &str, command: &[&str], more: &Value) -> String {
        let mut config = json!({
            "metadata": {"name": name, "attempt": 0},
            "image": {"image": IMAGE},
            "command": command,
            "log_path": format!("{name}.log"),
            "linux": {},
        });
        for (key, value) in more.as_object().expect("fields of ContainerConfig") {
            config[key] = value.clone();
        }
        let request = json!({"pod_sandbox_id": pod, "config": config, "sandbox_config": sandbox});
        let id = text(&self.cri.call("CreateContainer", &request)["container_id"]);
        self.cri.call("StartContainer", &json!({"container_id": id}));
        id
    }

    /// Exit code and output of a script.
    #[track_caller]
    fn exec(&self, id: &str, script: &str) -> (i64, String) {
        let request = json!({"container_id": id, "cmd": ["sh", "-c", script], "timeout": 60});
        let answer = self.cri.call("ExecSync", &request);
        (
            answer["exit_code"].as_i64().unwrap_or(0),
            decode(answer["stdout"].as_str().unwrap_or_default()).trim().to_owned(),
        )
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        for pod in self.cri.answer("ListPodSandbox", &json!({})).stdout.lines() {
            if let Some(id) = pod.trim().strip_prefix("\"id\": \"") {
                let request = json!({"pod_sandbox_id": id.trim_end_matches(['"', ','])});
                self.cri.answer("StopPodSandbox", &request);
                self.cri.answer("RemovePodSandbox", &request);
            }
        }
        for line in self.ctr.line("tasks list -q").stdout.lines() {
            self.ctr.line(&format!("tasks delete -f {line}"));
        }
        for line in self.ctr.line("containers list -q").stdout.lines() {
            self.ctr.line(&format!("containers delete {line}"));
        }
    }
}

fn configuration(dir: &Path) -> String {
    let (dir, runtime) = (dir.display(), program::runtime());
    format!(
        r#"version = 3
root = "{dir}/root"
state = "{dir}/state"
[grpc]
address = "{dir}/socket"
[ttrpc]
address = "{dir}/socket.ttrpc"
[plugins."io.containerd.cri.v1.images".pinned_images]
sandbox = "{PAUSE}"
[plugins."io.containerd.cri.v1.runtime"]
restrict_oom_score_adj = true
[plugins."io.containerd.cri.v1.runtime".cni]
bin_dirs = ["/usr/lib/cni"]
conf_dir = "{dir}/networks"
[plugins."io.containerd.cri.v1.runtime".containerd]
default_runtime_name = "subject"
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.subject]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.subject.options]
BinaryName = "{}"
[plugins."io.containerd.grpc.v1.cri"]
disable_tcp_service = true
"#,
        runtime.display()
    )
}

fn text(value: &Value) -> String {
    value.as_str().expect("a string").to_owned()
}

/// Base64, as JSON has bytes.
fn decode(text: &str) -> String {
    let value = |letter: u8| match letter {
        b'A'..=b'Z' => u32::from(letter - b'A'),
        b'a'..=b'z' => u32::from(letter - b'a') + 26,
        b'0'..=b'9' => u32::from(letter - b'0') + 52,
        b'+' => 62,
        _ => 63,
    };
    let mut bytes = Vec::new();
    for group in text.trim_end_matches('=').as_bytes().chunks(4) {
        let bits = group.iter().fold(0, |bits, letter| bits << 6 | value(*letter)) << (6 * (4 - group.len()));
        bytes.extend(&bits.to_be_bytes()[1..group.len()]);
    }
    String::from_utf8(bytes).expect("busybox writes text")
}

#[test]
fn ctr_runs_a_command() {
    let containerd = Containerd::new();
    containerd
        .run("--rm", "a", &["sh", "-c", "echo out; echo err >&2; exit 7"])
        .assert_exit(7)
        .assert_stdout("out")
        .assert_stderr_has("err");
    containerd
        .run("--rm --read-only --memory-limit 33554432 --cpus 0.5", "b", &["sh", "-c", "touch /x"])
        .assert_exit(1)
        .assert_stderr_has("Read-only");
    containerd
        .run(
            "--rm --privileged --user 1000:2000 --cwd /tmp --env X=1",
            "c",
            &["sh", "-c", "id -u; id -g; pwd; echo $X"],
        )
        .ok()
        .assert_stdout("1000\n2000\n/tmp\n1");
    containerd
        .run("--rm --seccomp", "d", &["grep", "Seccomp:", "/proc/self/status"])
        .ok()
        .assert_stdout("Seccomp:\t2");
    containerd
        .run("--rm --uidmap 0:100000:1000 --gidmap 0:100000:1000 --remap-labels", "e", &["id", "-u"])
        .ok()
        .assert_stdout("0");
    containerd.run("--rm", "f", &["nosuch"]).assert_exit(1).assert_stderr_has("nosuch");
    containerd.ctr.line("containers list -q").ok().assert_stdout("");
}

#[test]
fn ctr_leads_a_task() {
    let containerd = Containerd::new();
    let ctr = &containerd.ctr;
    containerd.run("-d --memory-limit 67108864", "c", &["sleep", "1000"]).ok();
    ctr.line("tasks exec --exec-id x --user 1000 --cwd /tmp c sh -c id").ok().assert_stdout_has("uid=1000");
    ctr.run(["tasks", "exec", "--exec-id", "y", "c", "sh", "-c", "exit 3"]).assert_exit(3);
    ctr.line("tasks ps c").ok();
    ctr.line("tasks pause c").ok();
    assert_eq!(containerd.status("c"), "PAUSED");
    ctr.line("tasks resume c").ok();
    let metrics = ctr.line("tasks metrics --format json c").ok();
    metrics.assert_stdout_has("67108864");
    ctr.line("tasks kill -s KILL c").ok();
    containerd.wait_for_status("c", "STOPPED");
    ctr.line("tasks delete c").ok().assert_stderr_has("exit code 137");
    ctr.line("containers delete c").ok();
}

#[test]
fn ctr_checkpoints_a_task() {
    let containerd = Containerd::new();
    let ctr = &containerd.ctr;
    containerd.run("-d --null-io", "c", &["sh", "-c", COUNT]).ok();
    let images = containerd.dir.path().join("images");
    ctr.line(&format!("tasks checkpoint --exit --image-path {} c", images.display())).ok();
    assert!(images.join("inventory.img").exists(), "CRIU's images");
    containerd.wait_for_status("c", "STOPPED");
}

#[test]
fn a_kubelet_leads_a_pod() {
    let containerd = Containerd::new();
    let cri = &containerd.cri;
    let sandbox = containerd.sandbox("pod");
    let pod = text(&cri.call("RunPodSandbox", &json!({"config": sandbox}))["pod_sandbox_id"]);
    let status = cri.call("PodSandboxStatus", &json!({"pod_sandbox_id": pod}));
    assert!(text(&status["status"]["network"]["ip"]).starts_with("10.77.0."), "{status:#}");

    let limits = json!({"linux": {"resources": {"memory_limit_in_bytes": 67_108_864, "cpu_quota": 50_000, "cpu_period": 100_000, "cpuset_cpus": "0"}}});
    let web = containerd.start(&pod, &sandbox, "web", &["sh", "-c", "echo hello; exec sleep 1000"], &limits);
    assert_eq!(containerd.exec(&web, "hostname; exit 3"), (3, "pod".to_owned()));
    let files = "cd /sys/fs/cgroup; cat memory/memory.limit_in_bytes cpu/cpu.cfs_quota_us cpuset/cpuset.cpus";
    assert_eq!(containerd.exec(&web, files).1, "67108864\n50000\n0");
    cri.call(
        "UpdateContainerResources",
        &json!({"container_id": web, "linux": {"memory_limit_in_bytes": 33_554_432, "cpu_quota": 25_000}}),
    );
    assert_eq!(containerd.exec(&web, files).1, "33554432\n25000\n0");

    // The pod's containers share what a pod shares: network, IPC and, here, not the processes.
    let side = containerd.start(&pod, &sandbox, "side", &["sleep", "1000"], &json!({}));
    let namespaces =
        |id: &str| containerd.exec(id, "readlink /proc/self/ns/net /proc/self/ns/ipc /proc/self/ns/uts").1;
    assert_eq!(namespaces(&web), namespaces(&side));
    assert!(containerd.exec(&side, "ps").1.contains("1000"));

    let log = containerd.dir.path().join("logs/web.log");
    wait_for("log", || {
        Some(fs::read_to_string(&log).unwrap_or_default())
            .filter(|log| log.ends_with("stdout F hello\n"))
            .ok_or("not yet")
    });
    let stats = wait_for("statistics", || {
        let stats = cri.call("ContainerStats", &json!({"container_id": web}));
        if stats["stats"]["memory"]["usage_bytes"]["value"].is_string() { Ok(stats) } else { Err(stats) }
    });
    assert!(stats["stats"]["cpu"]["usage_core_nano_seconds"]["value"].is_string(), "{stats:#}");
    let stats = cri.call("PodSandboxStats", &json!({"pod_sandbox_id": pod}));
    assert!(stats["stats"]["linux"]["memory"].is_object(), "{stats:#}");

    cri.call("StopContainer", &json!({"container_id": web, "timeout": 0}));
    let status = cri.call("ContainerStatus", &json!({"container_id": web}));
    assert_eq!(status["status"]["state"], "CONTAINER_EXITED", "{status:#}");
    assert_eq!(status["status"]["exit_code"], 137, "{status:#}");
    cri.call("RemoveContainer", &json!({"container_id": web}));
    cri.call("StopPodSandbox", &json!({"pod_sandbox_id": pod}));
    cri.call("RemovePodSandbox", &json!({"pod_sandbox_id": pod}));
    assert_eq!(cri.call("ListContainers", &json!({})), json!({}));
}

#[test]
fn a_security_context_holds() {
    let containerd = Containerd::new();
    let cri = &containerd.cri;
    let sandbox = containerd.sandbox("pod");
    let pod = text(&cri.call("RunPodSandbox", &json!({"config": sandbox}))["pod_sandbox_id"]);
    let context = json!({"linux": {"security_context": {
        "run_as_user": {"value": 1000},
        "run_as_group": {"value": 2000},
        "supplemental_groups": [3000],
        "readonly_rootfs": true,
        "no_new_privs": true,
        "capabilities": {"drop_capabilities": ["ALL"]},
        "seccomp": {"profile_type": "RuntimeDefault"},
        "namespace_options": {"pid": "CONTAINER"},
        "masked_paths": ["/proc/kcore"],
        "readonly_paths": ["/proc/sys"],
    }}});
    let id = containerd.start(&pod, &sandbox, "c", &["sleep", "1000"], &context);
    assert_eq!(
        containerd.exec(&id, "id -u; id -G; grep -E 'CapBnd|NoNewPrivs|Seccomp:' /proc/self/status").1,
        "1000\n2000 3000\nCapBnd:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2"
    );
    assert_eq!(containerd.exec(&id, "touch /x").0, 1);

    let config = json!({"metadata": {"name": "bad", "attempt": 0}, "image": {"image": IMAGE}, "command": ["/nosuch"], "log_path": "bad.log", "linux": {}});
    let bad = text(
        &cri.call(
            "CreateContainer",
            &json!({"pod_sandbox_id": pod, "config": config, "sandbox_config": sandbox}),
        )["container_id"],
    );
    cri.answer("StartContainer", &json!({"container_id": bad})).assert_exit(1).assert_stderr_has("/nosuch");
    // Kubernetes tells a command that is not there from one that failed by this.
    let status = cri.call("ContainerStatus", &json!({"container_id": bad}));
    assert_eq!(status["status"]["exit_code"], 128, "{status:#}");
    let request = json!({"container_id": id, "cmd": ["sleep", "100"], "timeout": 1});
    cri.answer("ExecSync", &request).assert_exit(1).assert_stderr_has("DEADLINE_EXCEEDED");
}

#[test]
fn a_pod_has_namespaces_of_the_host_or_of_its_own_users() {
    let containerd = Containerd::new();
    let cri = &containerd.cri;
    // Its hostname is the host's, as a kubelet has it.
    let mut sandbox = containerd.sandbox("host");
    sandbox["hostname"] = json!("");
    let host = json!({"namespace_options": {"network": "NODE", "pid": "NODE", "ipc": "NODE"}});
    sandbox["linux"]["security_context"] = host.clone();
    let pod = text(&cri.call("RunPodSandbox", &json!({"config": sandbox}))["pod_sandbox_id"]);
    let id = containerd.start(
        &pod,
        &sandbox,
        "c",
        &["sleep", "1000"],
        &json!({"linux": {"security_context": host}}),
    );
    assert!(containerd.exec(&id, "ps").1.contains("containerd"));

    let mut sandbox = containerd.sandbox("mapped");
    let ids = json!([{"host_id": 100_000, "container_id": 0, "length": 65_536}]);
    let users = json!({"namespace_options": {"userns_options": {"mode": "POD", "uids": ids, "gids": ids}}});
    sandbox["linux"]["security_context"] = users.clone();
    let pod = text(&cri.call("RunPodSandbox", &json!({"config": sandbox}))["pod_sandbox_id"]);
    let id = containerd.start(
        &pod,
        &sandbox,
        "c",
        &["sleep", "1000"],
        &json!({"linux": {"security_context": users}}),
    );
    assert_eq!(containerd.exec(&id, "id -u; awk '{print $2}' /proc/self/uid_map").1, "0\n100000");
}
