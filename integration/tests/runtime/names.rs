//! Host name, domain name, sysctl.

use serde_json::json;

use crate::shell;

fn without(config: &mut serde_json::Value, namespace: &str) {
    let namespaces = config["linux"]["namespaces"].as_array_mut().expect("a list");
    namespaces.retain(|entry| entry["type"] != namespace);
}

#[test]
fn hostname_and_domainname() {
    let bundle = shell("hostname; cat /proc/sys/kernel/domainname").edit(|config| {
        config["hostname"] = json!("boat");
        config["domainname"] = json!("harbour.example");
    });
    bundle.run().ok().assert_stdout("boat\nharbour.example");
}

#[test]
fn the_hosts_name_is_not_changed() {
    let bundle = shell("true").edit(|config| {
        config["hostname"] = json!("boat");
        without(config, "uts");
    });
    bundle.run().assert_exit(1).assert_stderr_has("UTS namespace");
    assert_ne!(nix::unistd::gethostname().expect("a name"), "boat");
}

#[test]
fn sysctl_of_its_own_namespaces() {
    let bundle = shell("cd /proc/sys; cat net/ipv4/ip_forward net/core/somaxconn kernel/msgmax fs/mqueue/msg_max").edit(
        |config| {
            config["linux"]["sysctl"] = json!({
                "net.ipv4.ip_forward": "1", "net.core.somaxconn": "77", "kernel.msgmax": "12345", "fs.mqueue.msg_max": "9",
            });
        },
    );
    bundle.run().ok().assert_stdout("1\n77\n12345\n9");
}

#[test]
fn sysctl_of_the_hosts_is_refused() {
    for (key, namespace) in [
        ("vm.swappiness", ""),
        ("kernel.panic", ""),
        ("net.ipv4.ip_forward", "network"),
        ("kernel.msgmax", "ipc"),
    ] {
        let bundle = shell("true").edit(|config| {
            config["linux"]["sysctl"] = json!({ key: "1" });
            without(config, namespace);
        });
        bundle.run().assert_exit(1).assert_stderr_has(key);
    }
}
