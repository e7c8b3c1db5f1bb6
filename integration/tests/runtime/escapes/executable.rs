//! CVE-2019-5736: a container that has the runtime executed inside, through `/proc/self/exe`, gets hold of its file, and
//! writes to it once nobody executes it.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use ketch_integration::{Bundle, program};

use super::exchange::ATTEMPTS;
use super::sentinel;
use crate::start;

fn hash() -> String {
    sentinel::hash(&program::runtime())
}

#[test]
fn the_runtimes_own_file_is_out_of_reach() {
    let before = hash();
    let watcher = r#"
        try() { if { : >> "$1"; } 2> /dev/null; then echo written >> /log; fi; }
        echo ready > /ready
        while [ ! -e /stop ]; do
            for p in /proc/[0-9]*; do
                case $(readlink $p/exe) in "" | /bin/busybox) continue;; esac
                { echo held >> /log; try $p/exe; while [ -e $p ]; do :; done; try /proc/self/fd/4; } 4< $p/exe
            done 2> /dev/null
        done
        echo end >> /log"#;
    for script in [false, true] {
        let bundle = Bundle::busybox().args(["sh", "-c", watcher]);
        let trap = bundle.rootfs().join("bin/trap");
        fs::write(&trap, "#!/proc/self/exe\n").expect("a file");
        fs::set_permissions(&trap, fs::Permissions::from_mode(0o755)).expect("chmod");
        program::run("mkfifo", [bundle.rootfs().join("ready")]).ok();
        start(&bundle);
        fs::read(bundle.rootfs().join("ready")).expect("the container has begun");
        for _ in 0..ATTEMPTS / 2 {
            let entry = if script { "/bin/trap" } else { "/proc/self/exe" };
            bundle.runtime(["exec", &bundle.id, entry, "list"]);
        }
        fs::write(bundle.rootfs().join("stop"), "").expect("a file");
        bundle.runtime(["kill", &bundle.id, "KILL"]);
        let log = fs::read_to_string(bundle.rootfs().join("log")).unwrap_or_default();
        assert!(!log.contains("written"), "{log}");
        assert_eq!(hash(), before);
    }
}

/// The same as the container's first program.
#[test]
fn the_runtime_as_entry_point() {
    let before = hash();
    for args in [["/proc/self/exe", "--version"], ["/bin/trap", "x"]] {
        let bundle = Bundle::busybox().args(args);
        let trap = bundle.rootfs().join("bin/trap");
        fs::write(&trap, "#!/proc/self/exe\n").expect("a file");
        fs::set_permissions(&trap, fs::Permissions::from_mode(0o755)).expect("chmod");
        bundle.run();
        assert_eq!(hash(), before);
    }
}
