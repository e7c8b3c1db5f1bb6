//! `config.json` to plan: refused, or a plan that keeps to the container.

#![no_main]

use std::path::{Component, Path};

use ketch_runtime::plan::{self, Plan, mount::Source};
use ketch_runtime::spec::Spec;
use libfuzzer_sys::fuzz_target;

fn is_clean(path: &Path) -> bool {
    path.is_absolute() && path.components().skip(1).all(|part| matches!(part, Component::Normal(_)))
}

fn check(plan: &Plan) {
    assert!(plan.root.path.is_absolute());
    assert!(is_clean(&plan.cgroup) && plan.cgroup != Path::new("/"), "{:?}", plan.cgroup);
    for mount in &plan.mounts {
        assert!(is_clean(&mount.destination) && mount.destination != Path::new("/"), "{mount:?}");
        if let Source::Bind { path, .. } = &mount.source {
            assert!(path.is_absolute(), "{mount:?}");
        }
        let both = mount.change.set & mount.change.clear;
        assert_eq!(both & !ketch_sys::mount::attr::ATIME_FIELD, 0, "{mount:?}");
    }
    for path in plan.hidden.masked.iter().chain(&plan.hidden.read_only) {
        assert!(is_clean(path), "{path:?}");
    }
    for node in plan.dev.iter().flat_map(|devices| &devices.nodes) {
        assert!(is_clean(&node.path) && node.path != Path::new("/"), "{node:?}");
        assert_eq!(node.mode & !0o7777, 0, "{node:?}");
    }
    for sysctl in &plan.sysctl {
        let namespaced = ["net/", "kernel/", "fs/mqueue/", "user/"];
        assert!(namespaced.iter().any(|prefix| sysctl.path.starts_with(prefix)), "{sysctl:?}");
        assert!(sysctl.path.split('/').all(|part| !matches!(part, "" | "." | "..")), "{sysctl:?}");
    }
    assert!(!plan.process.args.is_empty());
}

fuzz_target!(|bytes: &[u8]| {
    let Ok(spec) = serde_json::from_slice::<Spec>(bytes) else { return };
    match plan::plan(&spec, "id", Path::new("/bundle")) {
        Ok(plan) => check(&plan),
        // One line, whatever the configuration has in it.
        Err(error) => assert!(!error.to_string().contains('\n'), "{error}"),
    }
});
