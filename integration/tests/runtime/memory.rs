//! `linux.memoryPolicy` and `linux.intelRdt`: where memory comes from, and how fast.

use ketch_integration::Bundle;
use serde_json::{Value, json};

use crate::{is_ours, shell, start};

fn policy(bundle: Bundle, policy: &Value) -> Bundle {
    bundle.edit(|config| config["linux"]["memoryPolicy"] = policy.clone())
}

/// The policy of a program's memory, as numa(7) shows it.
const SHOWN: &str = "awk '{ print $2 }' /proc/self/numa_maps | sort -u";

#[test]
fn memory_policies() {
    for (fields, shown) in [
        (json!({"mode": "MPOL_BIND", "nodes": "0"}), "bind:0"),
        (json!({"mode": "MPOL_INTERLEAVE", "nodes": "0"}), "interleave:0"),
        (json!({"mode": "MPOL_PREFERRED", "nodes": "0"}), "prefer:0"),
        (json!({"mode": "MPOL_LOCAL"}), "local"),
        (json!({"mode": "MPOL_DEFAULT"}), "default"),
        (json!({"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_STATIC_NODES"]}), "bind=static:0"),
    ] {
        policy(shell(SHOWN), &fields).run().ok().assert_stdout(shown);
    }
}

#[test]
fn a_memory_policy_is_the_execs_too() {
    let bundle =
        policy(Bundle::busybox().args(["sleep", "1000"]), &json!({"mode": "MPOL_INTERLEAVE", "nodes": "0"}));
    start(&bundle);
    bundle.runtime(["exec", &bundle.id, "sh", "-c", SHOWN]).ok().assert_stdout("interleave:0");
}

#[test]
fn a_memory_policy_that_is_none() {
    for (fields, part) in [
        (json!({"mode": "MPOL_BIND"}), "linux.memoryPolicy"),
        (json!({"mode": "MPOL_NONESUCH"}), "MPOL_NONESUCH"),
        (json!({"mode": "MPOL_BIND", "nodes": "none"}), "linux.memoryPolicy"),
        // The machine has no such node.
        (json!({"mode": "MPOL_BIND", "nodes": "999"}), "set the memory policy"),
    ] {
        let out = policy(shell("true"), &fields).run().assert_exit(1);
        if is_ours() {
            out.assert_stderr_has(part);
        }
    }
}

/// A class that is not there, or no resctrl at all: refused, and not run without.
#[test]
fn a_class_of_service_that_is_not_there() {
    let bundle =
        shell("true").edit(|config| config["linux"]["intelRdt"] = json!({"closID": "ketch-nonesuch"}));
    let out = bundle.run().assert_exit(1);
    if is_ours() {
        out.assert_one_error_line().assert_stderr_has("resctrl");
    }
}
