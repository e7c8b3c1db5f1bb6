//! A cgroup's life on this host's kernel, whichever version it has, and on the v2 mount of a hybrid host.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use ketch_cgroups::{Cgroup, Error, Location, create, detect, enter};
use oci_spec::runtime::LinuxResources;

/// A cgroup path of this test's own, and a check that none of it is left.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Scratch {
        Scratch(format!("/ketch-scg-test-{}-{name}", std::process::id()).into())
    }

    fn make(&self, resources: &str) -> Result<Cgroup, Error> {
        let resources: LinuxResources = serde_json::from_str(resources).unwrap();
        create(&detect()?, &self.0, Some(&resources))
    }

    fn assert_gone(&self) {
        for hierarchy in fs::read_dir("/sys/fs/cgroup").unwrap() {
            let path = hierarchy.unwrap().path().join(self.0.strip_prefix("/").unwrap());
            assert!(!path.exists(), "{} is left", path.display());
        }
    }
}

fn sleeper() -> Child {
    Command::new("sleep").arg("1000").spawn().unwrap()
}

/// A shell that runs `script` when its input is closed, which is when it has been put where it belongs.
fn waiting(script: &str) -> Child {
    let script = format!("read x; {script}");
    Command::new("sh").args(["-c", &script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
}

fn pid(child: &Child) -> i32 {
    child.id().cast_signed()
}

fn directory(cgroup: &Cgroup, controller: &str) -> PathBuf {
    let paths = &cgroup.location().paths;
    paths.iter().find(|p| p.starts_with(Path::new("/sys/fs/cgroup").join(controller))).unwrap().clone()
}

#[test]
fn made_entered_killed_removed() {
    let scratch = Scratch::new("life");
    let cgroup = scratch.make(r#"{"devices":[{"allow":false,"access":"rwm"}]}"#).unwrap();
    let mut child = sleeper();
    cgroup.add(pid(&child)).unwrap();
    assert_eq!(cgroup.pids().unwrap(), [pid(&child)]);

    let again = scratch.make("{}").unwrap_err();
    assert!(matches!(again, Error::NotEmpty { .. }), "{again}");

    cgroup.freeze(true).unwrap();
    assert!(cgroup.is_frozen());
    cgroup.freeze(false).unwrap();
    assert!(!cgroup.is_frozen());

    assert!(cgroup.remove().unwrap_err().to_string().contains("remove"), "a process is in it");
    cgroup.freeze(true).unwrap();
    cgroup.kill().unwrap();
    assert!(cgroup.pids().unwrap().is_empty() && !cgroup.is_frozen());
    child.wait().unwrap();
    cgroup.remove().unwrap();
    cgroup.remove().unwrap();
    scratch.assert_gone();
}

#[test]
fn kill_outruns_forks() {
    let scratch = Scratch::new("forks");
    let cgroup = scratch.make(r#"{"pids":{"limit":300}}"#).unwrap();
    let script = "for i in 1 2 3 4; do (while :; do sleep 0.01 & sleep 0.01; done) & done; wait";
    let mut child = waiting(script);
    cgroup.add(pid(&child)).unwrap();
    drop(child.stdin.take());
    std::thread::sleep(Duration::from_millis(100));
    assert!(cgroup.pids().unwrap().len() > 1);
    cgroup.kill().unwrap();
    child.wait().unwrap();
    cgroup.remove().unwrap();
    scratch.assert_gone();
}

#[test]
fn sub_cgroups_belong_to_it() {
    let scratch = Scratch::new("sub");
    let cgroup = scratch.make("{}").unwrap();
    let below = cgroup.below("a/b");
    for path in &below.location().paths {
        fs::create_dir_all(path).unwrap();
        if let Some(cpuset) = path.to_str().filter(|p| p.contains("/cpuset/")) {
            for level in [Path::new(cpuset).parent().unwrap(), path] {
                for name in ["cpuset.cpus", "cpuset.mems"] {
                    let value = fs::read(level.parent().unwrap().join(name)).unwrap();
                    fs::write(level.join(name), value).unwrap();
                }
            }
        }
    }
    let mut child = sleeper();
    below.add(pid(&child)).unwrap();
    assert_eq!(cgroup.pids().unwrap(), [pid(&child)]);
    cgroup.kill().unwrap();
    child.wait().unwrap();
    cgroup.remove().unwrap();
    scratch.assert_gone();
}

/// A process that moves itself through descriptors that another opened.
#[test]
fn entrances() {
    let scratch = Scratch::new("enter");
    let cgroup = scratch.make("{}").unwrap();
    let entrances = cgroup.entrances().unwrap();
    // A thread is what v1's `tasks` moves; v2 has only processes here, so it is left out there.
    if !cgroup.location().v2 {
        let thread = std::thread::spawn(move || {
            enter(&entrances).unwrap();
            fs::read_to_string("/proc/thread-self/cgroup").unwrap()
        });
        let text = thread.join().unwrap();
        let lines = text.lines().filter(|line| !line.starts_with("0::"));
        for line in lines {
            assert!(line.ends_with(scratch.0.to_str().unwrap()), "{line}");
        }
    }
    cgroup.remove().unwrap();
    scratch.assert_gone();
}

#[test]
fn limits_arrive_and_change_in_any_order() {
    let scratch = Scratch::new("limits");
    let cgroup = scratch.make(
        r#"{"memory":{"limit":67108864,"swap":134217728},"cpu":{"shares":512,"quota":50000,"period":100000},
            "pids":{"limit":77}}"#,
    )
    .unwrap();
    if !cgroup.location().v2 {
        let memory = directory(&cgroup, "memory");
        let read = |name: &str| fs::read_to_string(memory.join(name)).unwrap().trim().to_owned();
        assert_eq!(read("memory.limit_in_bytes"), "67108864");
        for (limit, swap) in
            [(268_435_456u64, 536_870_912u64), (33_554_432, 33_554_432), (67_108_864, 134_217_728)]
        {
            let change = format!(r#"{{"memory":{{"limit":{limit},"swap":{swap}}}}}"#);
            cgroup.apply(&serde_json::from_str(&change).unwrap()).unwrap();
            assert_eq!(read("memory.limit_in_bytes"), limit.to_string());
            assert_eq!(read("memory.memsw.limit_in_bytes"), swap.to_string());
        }
        cgroup.apply(&serde_json::from_str(r#"{"memory":{"limit":-1}}"#).unwrap()).unwrap();
        cgroup
            .apply(&serde_json::from_str(r#"{"cpu":{"quota":500,"period":1000}}"#).unwrap_or_default())
            .unwrap_err();
        cgroup.apply(&serde_json::from_str(r#"{"cpu":{"quota":5000,"period":10000}}"#).unwrap()).unwrap();
    }
    let stats = cgroup.stats();
    if let Some(pids) = stats.pids {
        assert_eq!((pids.current, pids.limit), (0, Some(77)));
    }
    cgroup.remove().unwrap();
    scratch.assert_gone();
}

#[test]
fn refused_before_anything_is_made() {
    let scratch = Scratch::new("refused");
    for (resources, word) in [
        (r#"{"hugepageLimits":[{"pageSize":"2MB","limit":1}],"network":{"classID":7}}"#, "linux.resources."),
        (r#"{"memory":{"limit":100,"swap":50}}"#, "memory.swap"),
        (r#"{"unified":{"../memory.max":"1"}}"#, "unified"),
    ] {
        let error = scratch.make(resources).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
        scratch.assert_gone();
    }
}

/// The kernel refuses a CPU that does not exist: what was made by then goes away again, parents too.
#[test]
fn undone_on_error() {
    let mut scratch = Scratch::new("undone");
    let top = scratch.0.clone();
    scratch.0.push("a/b");
    let error = scratch.make(r#"{"cpu":{"cpus":"4095"}}"#).unwrap_err();
    assert!(error.to_string().contains("no such CPUs"), "{error}");
    Scratch(top).assert_gone();
}

#[test]
fn memory_limit_below_usage() {
    let scratch = Scratch::new("usage");
    let cgroup = scratch.make("{}").unwrap();
    if !cgroup.location().v2 {
        let mut child = waiting("a=$(head -c 20000000 /dev/zero | tr '\\0' x); echo; sleep 1000");
        cgroup.add(pid(&child)).unwrap();
        drop(child.stdin.take());
        std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut [0]).unwrap();
        let error = cgroup
            .apply(&serde_json::from_str(r#"{"memory":{"limit":1048576,"swap":1048576}}"#).unwrap())
            .unwrap_err();
        assert!(error.to_string().contains("bytes are in use already"), "{error}");
        assert!(!cgroup.oom_killed());
        cgroup.kill().unwrap();
        child.wait().unwrap();
    }
    cgroup.remove().unwrap();
    scratch.assert_gone();
}

#[test]
fn oom_kill_is_remembered() {
    let scratch = Scratch::new("oom");
    let cgroup = scratch.make(r#"{"memory":{"limit":10485760,"swap":10485760}}"#).unwrap();
    let mut child = waiting("a=$(head -c 50000000 /dev/zero | tr '\\0' x)");
    cgroup.add(pid(&child)).unwrap();
    drop(child.stdin.take());
    child.wait().unwrap();
    assert!(cgroup.oom_killed());
    cgroup.kill().unwrap();
    cgroup.remove().unwrap();
    scratch.assert_gone();
}

#[test]
fn default_devices() {
    let scratch = Scratch::new("devices");
    let cgroup = scratch.make(r#"{"devices":[{"allow":false,"access":"rwm"}]}"#).unwrap();
    if !cgroup.location().v2 {
        let list = fs::read_to_string(directory(&cgroup, "devices").join("devices.list")).unwrap();
        assert!(list.contains("c 1:3 rwm") && !list.contains("a *:*"), "{list}");
    }
    cgroup.remove().unwrap();
    scratch.assert_gone();
}

/// A hybrid host's v2 mount shows freezing, killing and notification of v2 without its controllers.
#[test]
fn v2_of_a_hybrid_host() {
    let unified = Path::new("/sys/fs/cgroup/unified");
    if !unified.join("cgroup.controllers").exists() {
        return;
    }
    let path = unified.join(format!("ketch-scg-test-{}-v2", std::process::id()));
    fs::create_dir(&path).unwrap();
    let cgroup = Cgroup::open(Location { paths: vec![path.clone()], v2: true, unit: None });
    assert!(cgroup.directory().is_some());

    let mut child = waiting("sleep 1000 & sleep 1000 & wait");
    cgroup.add(pid(&child)).unwrap();
    drop(child.stdin.take());
    cgroup.freeze(true).unwrap();
    assert!(cgroup.is_frozen());
    cgroup.kill().unwrap();
    child.wait().unwrap();
    cgroup.remove().unwrap();
    assert!(!path.exists());
}
