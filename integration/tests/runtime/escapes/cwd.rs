//! CVE-2024-21626: a working directory that is a descriptor of the runtime's, open on the host.

use ketch_integration::Bundle;
use serde_json::json;

use crate::start;

#[test]
fn a_working_directory_on_the_host() {
    let script = "[ \"$(stat -c %d:%i .)\" = \"$(stat -c %d:%i /)\" ] || echo outside; ls";
    for number in 3..16 {
        for prefix in ["/proc/self/fd", "/proc/thread-self/fd", "/dev/fd", "/link"] {
            let cwd = format!("{prefix}/{number}");
            let bundle = Bundle::busybox()
                .args(["sh", "-c", script])
                .edit(|config| config["process"]["cwd"] = json!(cwd));
            std::os::unix::fs::symlink("/proc/self/fd", bundle.rootfs().join("link")).expect("a symlink");
            let out = bundle.run();
            // `/link/N` may be made: then it is a directory of the container's.
            assert!(out.code != 0 || !out.stdout.contains("outside"), "{cwd}: {out:?}");
        }
    }
}

#[test]
fn a_working_directory_of_an_exec_on_the_host() {
    let bundle = Bundle::busybox().args(["sleep", "1000"]);
    start(&bundle);
    std::os::unix::fs::symlink("/proc/self/fd", bundle.rootfs().join("link")).expect("a symlink");
    for number in 3..16 {
        for prefix in ["/proc/self/fd", "/link"] {
            let cwd = format!("{prefix}/{number}");
            let out = bundle.runtime(["exec", "--cwd", &cwd, &bundle.id, "sh", "-c", "ls; ls .."]);
            assert_ne!(out.code, 0, "{cwd}: {out:?}");
        }
    }
}
