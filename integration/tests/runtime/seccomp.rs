//! `linux.seccomp` as the kernel carries it out.

use ketch_integration::Bundle;
use serde_json::{Value, json};

use crate::shell;

fn filter(bundle: Bundle, syscalls: &Value) -> Bundle {
    bundle.edit(|config| {
        config["linux"]["seccomp"] = json!({
            "defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"], "syscalls": syscalls,
        });
    })
}

#[test]
fn errno() {
    for (errno, text) in [
        (None, "Operation not permitted"),
        (Some(38), "Function not implemented"),
        (Some(122), "Disk quota exceeded"),
    ] {
        let mut rule = json!({"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"});
        if let Some(errno) = errno {
            rule["errnoRet"] = json!(errno);
        }
        filter(shell("mkdir /tmp/x"), &json!([rule])).run().assert_exit(1).assert_stderr_has(text);
    }
}

/// With and without no_new_privs, as root and not: the filter is on when the program begins.
#[test]
fn installed_for_everyone() {
    for (no_new_privileges, uid) in [(true, 0), (true, 1000), (false, 0), (false, 1000)] {
        let rule = json!([{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38}]);
        let bundle =
            filter(shell("grep ^Seccomp: /proc/self/status | cut -f2; mkdir /tmp/x"), &rule).edit(|config| {
                config["process"]["noNewPrivileges"] = json!(no_new_privileges);
                config["process"]["user"] = json!({"uid": uid, "gid": uid});
            });
        bundle.run().assert_exit(1).assert_stdout("2").assert_stderr_has("Function not implemented");
    }
}

/// A profile is the program's: written before a system call was, or for a program that needs few of them, it does not hinder
/// what makes a process the container's.
#[test]
fn a_profile_need_not_allow_what_only_the_runtime_calls() {
    let rule = json!([{"action": "SCMP_ACT_ERRNO", "names": [
        "setgroups", "setresgid", "setresuid", "faccessat", "faccessat2", "access", "stat", "newfstatat", "statx",
    ]}]);
    for (no_new_privileges, uid) in [(true, 0), (true, 1000), (false, 0), (false, 1000)] {
        let bundle = filter(Bundle::busybox().args(["true"]), &rule).edit(|config| {
            config["process"]["noNewPrivileges"] = json!(no_new_privileges);
            config["process"]["user"] = json!({"uid": uid, "gid": uid, "additionalGids": [7]});
        });
        bundle.run().ok();
    }
}

/// The right to install a filter is none of the program's.
#[test]
fn the_capability_to_install_it_is_given_up() {
    for uid in [0, 1000] {
        let rule = json!([{"names": ["mkdir"], "action": "SCMP_ACT_ERRNO"}]);
        let bundle = filter(shell("grep ^Cap[PE] /proc/self/status | cut -f2"), &rule).edit(|config| {
            config["process"]["noNewPrivileges"] = json!(false);
            config["process"]["user"] = json!({"uid": uid, "gid": uid});
            config["process"]["capabilities"] = json!({
                "bounding": ["CAP_KILL", "CAP_SYS_ADMIN"], "permitted": ["CAP_KILL"], "effective": ["CAP_KILL"],
                "inheritable": ["CAP_KILL"], "ambient": ["CAP_KILL"],
            });
        });
        // Root gets what is in its bounding set by execve(2).
        let expected = if uid == 0 { "0000000000200020" } else { "0000000000000020" };
        bundle.run().ok().assert_stdout(&format!("{expected}\n{expected}"));
    }
}

/// signal(7): SIGSYS is 31.
#[test]
fn kill() {
    for action in ["SCMP_ACT_KILL", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_KILL_THREAD", "SCMP_ACT_TRAP"] {
        let rule = json!([{"names": ["mkdir", "mkdirat"], "action": action}]);
        let bundle = filter(shell("(mkdir /tmp/x); echo $?"), &rule);
        bundle.run().ok().assert_stdout("159");
    }
}

/// chmod(path, mode) and its younger relations: the mode decides.
#[test]
fn arguments() {
    let rules = |value: u64, mask: Option<u64>, op: &str| {
        let on = |names: &[&str], index: u32| {
            let arg = json!({"index": index, "value": mask.unwrap_or(value), "valueTwo": value, "op": op});
            json!({"names": names, "action": "SCMP_ACT_ERRNO", "errnoRet": 38, "args": [arg]})
        };
        json!([on(&["chmod", "fchmod"], 1), on(&["fchmodat", "fchmodat2"], 2)])
    };
    for (op, value, mask, refused, allowed) in [
        ("SCMP_CMP_EQ", 0o711, None, "711", "755"),
        ("SCMP_CMP_NE", 0o711, None, "755", "711"),
        ("SCMP_CMP_LT", 0o700, None, "644", "700"),
        ("SCMP_CMP_LE", 0o700, None, "700", "701"),
        ("SCMP_CMP_GT", 0o700, None, "701", "700"),
        ("SCMP_CMP_GE", 0o700, None, "700", "677"),
        ("SCMP_CMP_MASKED_EQ", 0o4000, Some(0o4000), "4755", "2755"),
    ] {
        let bundle = filter(
            shell(&format!(
                "touch /tmp/x; chmod {refused} /tmp/x 2> /dev/null && echo wrong; chmod {allowed} /tmp/x && echo right"
            )),
            &rules(value, mask, op),
        );
        bundle.run().ok().assert_stdout("right");
    }
}

#[test]
fn the_process_of_an_exec_has_it_too() {
    let rule = json!([{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38}]);
    let bundle = filter(Bundle::busybox().args(["sleep", "1000"]), &rule);
    crate::start(&bundle);
    bundle
        .runtime(["exec", &bundle.id, "mkdir", "/tmp/x"])
        .assert_exit(1)
        .assert_stderr_has("Function not implemented");
}

/// The profile that podman's package brings, for a container with the given capabilities.
fn podmans(capabilities: &[&str]) -> Value {
    let path = "/usr/share/containers/seccomp.json";
    let text = std::fs::read(path).expect("seccomp.json: apt-get install golang-github-containers-common");
    let profile: Value = serde_json::from_slice(&text).expect("JSON");
    let words = |value: &Value| -> Vec<String> {
        value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let here = |rule: &&Value| {
        let has = |list: &Value| {
            words(list).iter().all(|word| capabilities.contains(&word.as_str()) || word == "amd64")
        };
        let any = |list: &Value| {
            words(list).iter().any(|word| capabilities.contains(&word.as_str()) || word == "amd64")
        };
        let (includes, excludes) = (&rule["includes"], &rule["excludes"]);
        let included = has(&includes["caps"]) && (includes["arches"].is_null() || any(&includes["arches"]));
        included && !any(&excludes["caps"]) && !any(&excludes["arches"])
    };
    let syscalls: Vec<Value> = profile["syscalls"]
        .as_array()
        .expect("a list")
        .iter()
        .filter(here)
        .map(|rule| {
            let mut rule = rule.clone();
            let rule = rule.as_object_mut().expect("an object");
            rule.retain(|key, value| {
                matches!(key.as_str(), "names" | "action" | "args" | "errnoRet") && !value.is_null()
            });
            json!(rule)
        })
        .collect();
    json!({
        "defaultAction": profile["defaultAction"], "defaultErrnoRet": profile["defaultErrnoRet"],
        "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"], "syscalls": syscalls,
    })
}

#[test]
fn podmans_whole_profile() {
    let bundle = shell(
        "grep ^Seccomp: /proc/self/status | cut -f2; id -u; ls / | wc -l > /tmp/x; ps > /tmp/x; echo a | sed s/a/b/
         chroot / true 2> /dev/null || echo no chroot",
    );
    let bundle = bundle.edit(|config| {
        config["linux"]["seccomp"] =
            podmans(&["CAP_CHOWN", "CAP_KILL", "CAP_NET_BIND_SERVICE", "CAP_AUDIT_WRITE"]);
    });
    bundle.run().ok().assert_stdout("2\n0\nb\nno chroot");
}

#[test]
fn a_profile_that_is_none() {
    for (field, change) in [
        ("SCMP_ACT_NONESUCH", json!({"defaultAction": "SCMP_ACT_NONESUCH"})),
        (
            "SCMP_ARCH_NONESUCH",
            json!({"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_NONESUCH"]}),
        ),
    ] {
        let bundle = shell("true").edit(|config| config["linux"]["seccomp"] = change);
        bundle.run().assert_exit(1).assert_stderr_has(field);
    }
}
