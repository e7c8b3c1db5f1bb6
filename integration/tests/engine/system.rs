//! `version`, `info` and `system`: what ketch says of itself and the host, and what takes place on the disk.

use std::fs;

use ketch_integration::Engine;
use serde_json::{Value, json};

#[test]
fn versions() {
    let engine = Engine::new();
    let version = engine.line("version -f {{.Client.Version}}").ok().text().to_owned();
    engine.line("--version").ok().assert_stdout(&format!("ketch version {version}"));
    let json = engine.line("version -f json").ok().json();
    assert_eq!(json["Client"]["Version"], json!(version));
    assert_eq!(json["Client"]["Os"], "linux");
    let text = engine.line("version").ok();
    assert!(text.stdout.contains(&format!("Version:      {version}\n")), "{text:?}");
}

/// Against what the kernel says, and under the names that podman's templates have.
#[test]
fn the_host_and_the_store() {
    let engine = Engine::with_busybox();
    engine.line("run -d --name one busybox sleep 1000").ok();
    engine.line("create --name two busybox true").ok();
    let info = engine.line("info -f json").ok().json();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    assert_eq!(info["host"]["kernel"], kernel.trim());
    assert_eq!(info["host"]["security"]["rootless"], false);
    assert!(info["host"]["memTotal"].as_u64() > info["host"]["memFree"].as_u64());
    assert_eq!(
        info["store"]["containerStore"],
        json!({"number": 2, "paused": 0, "running": 1, "stopped": 1})
    );
    assert_eq!(info["store"]["imageStore"]["number"], 1);
    let text = |pointer: &str| match info.pointer(pointer) {
        Some(Value::String(text)) => text.clone(),
        other => panic!("{pointer} is {other:?}"),
    };
    let template = "{{.Host.CgroupsVersion}} {{.Host.OCIRuntime.Name}} {{.Host.Hostname}} {{.Store.RunRoot}}";
    let expected = [
        text("/host/cgroupVersion"),
        text("/host/ociRuntime/name"),
        text("/host/hostname"),
        text("/store/runRoot"),
    ];
    engine.run(["info", "-f", template]).ok().assert_stdout(&expected.join(" "));
    let yaml = engine.line("system info").ok();
    assert!(yaml.stdout.contains(&format!("\n  kernel: {}\n", kernel.trim())), "{}", yaml.stdout);
}

#[test]
fn what_takes_place() {
    let engine = Engine::with_busybox();
    engine.line("volume create unused").ok();
    engine
        .run([
            "run",
            "--name",
            "one",
            "-v",
            "data:/d",
            "busybox",
            "sh",
            "-c",
            "echo 12345 >/d/f; echo 123 >/f",
        ])
        .ok();
    let rows = engine.line("system df --format json").ok().json();
    let counts =
        |row: usize| [&rows[row]["Total"], &rows[row]["Active"]].map(|number| number.as_u64().unwrap());
    assert_eq!([counts(0), counts(1), counts(2)], [[1, 1], [1, 0], [2, 1]]);
    assert_eq!(rows[1]["RawSize"], 4);
    assert_eq!(rows[1]["Reclaimable"], "4B (100%)");
    assert_eq!(rows[2]["RawSize"], 6);
    assert_eq!(rows[2]["RawReclaimable"], 0);
    engine
        .run(["system", "df", "--format", "{{.Type}}"])
        .ok()
        .assert_stdout("Images\nContainers\nLocal Volumes");
    let verbose = engine.line("system df -v").ok();
    let line = verbose.stdout.lines().find(|line| line.starts_with("data ")).expect("a line of the volume");
    assert_eq!(line.split_whitespace().collect::<Vec<_>>(), ["data", "1", "6B"]);
    engine.line("rm one").ok();
    let rows = engine.line("system df --format json").ok().json();
    assert_eq!(rows[0]["RawSize"], rows[0]["RawReclaimable"]);
}

#[test]
fn reset() {
    let engine = Engine::with_busybox();
    engine.line("network create mesh").ok();
    engine.line("run -d -v data:/d busybox sleep 1000").ok();
    engine.line("pod create --name shop").ok();
    engine.line("run -d --pod shop busybox sleep 1000").ok();
    engine.line("system reset").assert_exit(125).assert_stderr_has("EOF");
    engine.line("system reset -f").ok().assert_stdout("");
    for list in ["ps -aq", "pod ps -q", "images -q", "volume ls -q"] {
        engine.line(list).ok().assert_stdout("");
    }
    engine.line("network ls -q").ok().assert_stdout("ketch");
}
