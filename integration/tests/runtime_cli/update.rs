//! update: other limits for a container that runs.

use std::fs::{self, File};

use serde_json::{Value, json};

use crate::subject::{Bundle, Output, is_crun, is_ours, is_v2, run};

fn running() -> Bundle {
    let bundle = Bundle::new(&["sleep", "1000"]);
    bundle.make("run", &["--detach"]).succeeds();
    bundle
}

fn update(bundle: &Bundle, flags: &[&str]) -> Output {
    bundle.call(&[&["update"], flags, &[&bundle.id]].concat())
}

/// Flags, and the file in which each shows: in v1, in v2, and its values there.
#[test]
fn every_flag_reaches_its_file() {
    let bundle = running();
    let memory = ("memory/memory.limit_in_bytes", "memory.max");
    let swap = ("memory/memory.memsw.limit_in_bytes", "memory.swap.max");
    let quota = ("cpu/cpu.cfs_quota_us", "cpu.max");
    let pids = ("pids/pids.max", "pids.max");
    for (flags, (v1, v2), in_v1, in_v2) in [
        (&["--memory", "104857600"][..], memory, "104857600", "104857600"),
        (&["--memory-swap", "-1"], swap, "9223372036854771712", "max"),
        (&["--memory", "104857600", "--memory-swap", "209715200"], swap, "209715200", "104857600"),
        // Both larger than what was there, then both smaller: no order of the two writes is always right.
        (&["--memory", "314572800", "--memory-swap", "419430400"], memory, "314572800", "314572800"),
        (&["--memory", "52428800", "--memory-swap", "62914560"], swap, "62914560", "10485760"),
        (&["--memory", "-1"], memory, "9223372036854771712", "max"),
        (
            &["--memory-reservation", "10485760"],
            ("memory/memory.soft_limit_in_bytes", "memory.low"),
            "10485760",
            "10485760",
        ),
        (&["--cpu-quota", "50000", "--cpu-period", "100000"], quota, "50000", "50000 100000"),
        (&["--cpu-share", "512"], ("cpu/cpu.shares", "cpu.weight"), "512", "59"),
        (&["--cpuset-cpus", "0"], ("cpuset/cpuset.cpus", "cpuset.cpus"), "0", "0"),
        (&["--cpuset-mems", "0"], ("cpuset/cpuset.mems", "cpuset.mems"), "0", "0"),
        (&["--pids-limit", "20"], pids, "20", "20"),
        (&["--pids-limit", "-1"], pids, "max", "max"),
    ] {
        // crun on v1 writes what it was not asked for too, and that is refused.
        if is_crun() && flags[0].starts_with("--memory") {
            continue;
        }
        update(&bundle, flags).succeeds();
        assert_eq!(bundle.limit(v1, v2), if is_v2() { in_v2 } else { in_v1 }, "{flags:?}");
    }
    if is_crun() {
        return;
    }
    // runc and ketchrun have sizes with a unit, and these two.
    update(&bundle, &["--memory", "1.5g"]).succeeds();
    assert_eq!(bundle.limit(memory.0, memory.1), "1610612736");
    update(&bundle, &["--cpu-burst", "1000"]).succeeds();
    assert_eq!(bundle.limit("cpu/cpu.cfs_burst_us", "cpu.max.burst"), "1000");
    for idle in ["1", "0"] {
        update(&bundle, &["--cpu-idle", idle]).succeeds();
        assert_eq!(bundle.limit("cpu/cpu.idle", "cpu.idle"), idle);
    }
    update(&bundle, &["--kernel-memory", "10M"]).succeeds();
    update(&bundle, &["--l3-cache-schema", "L3:0=f"]).fails(1, "without linux.intelRdt");
}

/// The one of quota and period, or of memory and swap, that is not changed stays.
#[test]
fn half_of_a_pair() {
    let bundle = running();
    update(&bundle, &["--cpu-quota", "50000", "--cpu-period", "200000"]).succeeds();
    update(&bundle, &["--cpu-quota", "20000"]).succeeds();
    if !is_crun() {
        assert_eq!(pair(&bundle), "20000 200000");
    }
    update(&bundle, &["--cpu-period", "80000"]).succeeds();
    if !is_crun() {
        assert_eq!(pair(&bundle), "20000 80000");
    }
    if is_ours() {
        update(&bundle, &["--memory", "100M"]).succeeds();
        update(&bundle, &["--memory-swap", "150M"]).succeeds();
        let total = bundle.limit("memory/memory.memsw.limit_in_bytes", "memory.swap.max");
        assert_eq!(total, if is_v2() { "52428800" } else { "157286400" });
    }
}

fn pair(bundle: &Bundle) -> String {
    let quota = bundle.limit("cpu/cpu.cfs_quota_us", "cpu.max");
    if is_v2() { quota } else { format!("{quota} {}", bundle.limit("cpu/cpu.cfs_period_us", "")) }
}

#[test]
fn resources_from_a_file_and_from_stdin() {
    let bundle = running();
    let file = bundle.path().join("resources.json");
    fs::write(&file, json!({ "pids": { "limit": 33 } }).to_string()).expect("a file");
    let path = file.to_str().expect("UTF-8");
    update(&bundle, &["--resources", path]).succeeds();
    assert_eq!(bundle.limit("pids/pids.max", "pids.max"), "33");

    fs::write(&file, json!({ "pids": { "limit": 34 } }).to_string()).expect("a file");
    let mut command = bundle.command(&["update", "-r", "-", &bundle.id]);
    command.stdin(File::open(&file).expect("the file"));
    run(command).succeeds();
    assert_eq!(bundle.limit("pids/pids.max", "pids.max"), "34");

    if is_ours() {
        // runc and crun pass over the flags.
        update(&bundle, &["-r", path, "--pids-limit", "44"]).succeeds();
        assert_eq!(bundle.limit("pids/pids.max", "pids.max"), "44");
    }
    fs::write(&file, "{").expect("a file");
    update(&bundle, &["-r", path]).fails(1, "resources.json");
    update(&bundle, &["-r", "/nonesuch"]).fails(1, "/nonesuch");
}

/// What is written before another limit is refused is taken back, and the state says what is in force.
#[test]
fn all_or_nothing() {
    if !is_ours() {
        return;
    }
    let bundle = Bundle::new(&["sleep", "1000"]);
    bundle.configure(|config| config["linux"]["resources"]["pids"] = json!({ "limit": 50 }));
    bundle.make("run", &["--detach"]).succeeds();
    let noted = || -> Value {
        let state = fs::read_to_string(bundle.root().join(&bundle.id).join("state.json")).expect("the state");
        let (_, config) = state.rsplit_once('\n').expect("three documents");
        serde_json::from_str::<Value>(config).expect("JSON")["resources"].clone()
    };
    assert_eq!(noted(), json!({ "pids": { "limit": 50 } }));

    update(&bundle, &["--memory", "100M", "--pids-limit", "60"]).succeeds();
    let after = json!({ "memory": { "limit": 100 << 20 }, "pids": { "limit": 60 } });
    assert_eq!(noted(), after);

    update(&bundle, &["--memory", "200M", "--pids-limit", "70", "--cpuset-cpus", "8191"])
        .fails(1, "cpuset.cpus");
    assert_eq!(bundle.limit("pids/pids.max", "pids.max"), "60");
    assert_eq!(bundle.limit("memory/memory.limit_in_bytes", "memory.max"), (100 << 20).to_string());
    assert_eq!(noted(), after);
}

#[test]
fn refused() {
    let bundle = running();
    bundle.call(&["update", "--pids-limit", "10", "nonesuch"]).fails(1, "does not exist");
    if is_crun() {
        return;
    }
    update(&bundle, &["--memory", "abc"]).fails(1, "--memory");
    update(&bundle, &["--cpu-period", "x"]).fails(1, "--cpu-period");
    update(&bundle, &["--cpu-share", "1"]).exits(if is_v2() { 0 } else { 1 });
    update(&bundle, &["--cpu-idle", "7"]).fails(1, "cpu.idle");
    if !is_v2() {
        // What is in use cannot be taken back.
        update(&bundle, &["--memory", "4k"]).fails(1, "in use");
    }
    bundle.verb("pause").succeeds();
    update(&bundle, &["--pids-limit", "21"]).succeeds();
    assert_eq!(bundle.limit("pids/pids.max", "pids.max"), "21");
    bundle.kill_and_wait();
    update(&bundle, &["--pids-limit", "22"]).fails(1, "container not running");
}
