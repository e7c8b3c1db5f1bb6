//! On a directory that looks like resctrl, of which this is no part: the kernel fills what is made in it.

use std::fs::{create_dir, create_dir_all, read_to_string, remove_file, write};

use tempfile::TempDir;

use super::*;

fn resctrl() -> TempDir {
    let root = tempfile::tempdir().expect("a directory");
    create_dir_all(root.path().join("info")).expect("a directory");
    create_dir_all(root.path().join("mon_groups")).expect("a directory");
    write(root.path().join("schemata"), "    MB:0=100\n    L3:0=7ff\n").expect("a file");
    root
}

fn rdt(json: &str) -> Rdt {
    plan(&serde_json::from_str(json).expect("valid JSON")).expect("a plan")
}

/// Locates and enters.
fn join(root: &TempDir, json: &str) -> Result<Group, StepError> {
    let rdt = rdt(json);
    let group = locate(root.path(), &rdt, "c1")?;
    enter(&group, &rdt, 4711)?;
    Ok(group)
}

fn text(path: &Path) -> String {
    read_to_string(path).expect("a file")
}

#[test]
fn a_class_of_its_own() {
    let root = resctrl();
    let group = join(&root, r#"{"l3CacheSchema": "L3:0=f", "memBwSchema": "MB:0=50"}"#).expect("made");
    let directory = root.path().join("c1");
    assert_eq!(group, Group { directory: directory.clone(), own: true, monitoring: None });
    // The last write: a file of the kernel's would have taken both.
    assert_eq!(text(&directory.join("schemata")), "MB:0=50\n");
    assert_eq!(text(&directory.join("tasks")), "4711");
    // Somebody else's by now.
    assert_eq!(join(&root, "{}").expect_err("exists").errno, Errno::EEXIST);

    for file in ["schemata", "tasks"] {
        remove_file(directory.join(file)).expect("a file");
    }
    remove(&group).expect("removed");
    assert!(!directory.exists());
    remove(&group).expect("gone is as good");
}

#[test]
fn schemata_come_last() {
    let root = resctrl();
    join(&root, r#"{"l3CacheSchema": "L3:0=f", "schemata": ["L3:0=1", "L2:0=3"]}"#).expect("made");
    assert_eq!(text(&root.path().join("c1/schemata")), "L3:0=1\nL2:0=3\n");
}

#[test]
fn a_class_that_is_shared() {
    let root = resctrl();
    let missing = join(&root, r#"{"closID": "gold"}"#).expect_err("not there").to_string();
    assert!(missing.contains("gold"), "{missing}");

    let made = join(&root, r#"{"closID": "gold", "l3CacheSchema": "L3:0=f"}"#).expect("made");
    assert!(!made.own, "others may be in it");
    // It has its shares now: the same are fine, others are not.
    join(&root, r#"{"closID": "gold", "l3CacheSchema": "L3:0=0f"}"#).expect("the same");
    let other = join(&root, r#"{"closID": "gold", "l3CacheSchema": "L3:0=1"}"#).expect_err("another");
    assert!(other.to_string().contains("L3:0=1"), "{other}");
    join(&root, r#"{"closID": "gold"}"#).expect("there");
    remove(&made).expect("nothing to remove");
    assert!(root.path().join("gold").is_dir());
}

#[test]
fn the_default_class_and_monitoring() {
    let root = resctrl();
    let group = join(&root, r#"{"closID": "/", "enableMonitoring": true}"#).expect("entered");
    let monitoring = root.path().join("mon_groups/c1");
    assert_eq!(group.monitoring.as_ref(), Some(&monitoring));
    assert_eq!(text(&root.path().join("tasks")), "4711");
    assert_eq!(text(&monitoring.join("tasks")), "4711");
    assert_eq!(text(&root.path().join("schemata")), "    MB:0=100\n    L3:0=7ff\n");
    remove_file(monitoring.join("tasks")).expect("a file");
    remove(&group).expect("removed");
    assert!(!monitoring.exists() && root.path().is_dir());
}

#[test]
fn the_kernels_reason_is_told() {
    let root = resctrl();
    write(root.path().join("info/last_cmd_status"), "Mask out of range\n").expect("a file");
    create_dir(root.path().join("gold")).expect("a directory");
    // Nothing can be written to a directory.
    create_dir(root.path().join("gold/schemata")).expect("a directory");
    let error =
        join(&root, r#"{"closID": "gold", "schemata": ["L3:0=0"]}"#).expect_err("refused").to_string();
    assert!(error.contains("(Mask out of range)") && error.contains("L3:0=0"), "{error}");
}

#[test]
fn where_it_is_mounted() {
    let table = "22 1 0:20 / /sys rw - sysfs sysfs rw\n30 22 0:30 / /sys/fs/resctrl rw,relatime - resctrl resctrl rw\n";
    assert_eq!(mounted(table), Some("/sys/fs/resctrl".into()));
    let only_a_part = table.replace(" / /sys/fs/resctrl", " /gold /sys/fs/resctrl");
    assert_eq!(mounted(&only_a_part), None);
    assert_eq!(mounted("22 1 0:20 / /sys rw - sysfs resctrl rw\n"), None);
}
