//! The runtimes on one bundle: what `runc spec` gives, with /bin/true.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::resource::{UsageWho, getrusage};

use crate::measure::{Work, interleaved, output, run, words};
use crate::table;

/// A runtime and the name of its state directory.
struct Runtime {
    name: &'static str,
    program: String,
}

pub(crate) fn bench(bin: &Path, rounds: usize) {
    let dir = tempfile::tempdir_in("/var/tmp").expect("/var/tmp is writable");
    let bundle = make_bundle(dir.path());
    let (runtimes, missing): (Vec<Runtime>, Vec<Runtime>) = [
        ("ketchrun", installed(&bin.join("ketchrun"), dir.path())),
        ("crun", "crun".to_owned()),
        ("runc", "runc".to_owned()),
        ("youki", "/opt/peers/bin/youki".to_owned()),
    ]
    .into_iter()
    .map(|(name, program)| Runtime { name, program })
    .partition(|runtime| is_here(&runtime.program));
    for runtime in missing {
        println!("{}: not here", runtime.name);
    }
    // State is kept where hosts keep it, in memory: /run is a tmpfs there.
    let states = tempfile::tempdir_in("/dev/shm").expect("/dev/shm is writable");
    let at = |runtime: &Runtime| {
        format!("{} --root {}/{}", runtime.program, states.path().display(), runtime.name)
    };
    let path = bundle.display();

    table::head("Runtime", "ms");
    let mut works: Vec<Work> = runtimes
        .iter()
        .map(|runtime| Work {
            subject: runtime.name.to_owned(),
            prepare: vec![],
            timed: vec![words(&format!("{} run -b {path} bench-{}", at(runtime), runtime.name))],
            restore: vec![],
        })
        .collect();
    works.push(Work {
        subject: "floor".to_owned(),
        prepare: vec![],
        timed: vec![words(&format!("/opt/peers/bin/floor {path}/rootfs /bin/true"))],
        restore: vec![],
    });
    table::row("run", &works, &interleaved(&works, rounds));

    let written = engines_bundle(dir.path(), &bundle);
    let works: Vec<Work> = runtimes
        .iter()
        .map(|runtime| {
            let run = format!("{} run -b {} bench-{}", at(runtime), written.display(), runtime.name);
            work_of(runtime, &[], &[run], &[])
        })
        .collect();
    table::row("run, podman's configuration", &works, &interleaved(&works, rounds));

    let sleeper = bundle.join("sleep");
    fs::create_dir_all(&sleeper).expect("the bundle is writable");
    let config = fs::read_to_string(bundle.join("config.json")).expect("config.json was written");
    let config = config
        .replace("\"/bin/true\"", "\"/bin/sleep\",\"1000\"")
        .replace("\"rootfs\"", &format!("\"{path}/rootfs\""));
    fs::write(sleeper.join("config.json"), config).expect("the bundle is writable");
    for verb in ["create", "start", "exec", "state", "delete"] {
        let works: Vec<Work> =
            runtimes.iter().map(|runtime| verb_work(verb, runtime.name, &at(runtime), &sleeper)).collect();
        table::row(verb, &works, &interleaved(&works, rounds));
    }

    // Without crun the next one.
    let pair: Vec<&Runtime> = runtimes.iter().take(2).collect();
    let works: Vec<Work> = pair.iter().map(|runtime| crowd(runtime, &at(runtime), &bundle)).collect();
    table::row("400 × run, 8 clients", &works, &interleaved(&works, rounds.min(5)));
    let each = |line: &dyn Fn(&str, usize) -> String| {
        for (runtime, n) in pair.iter().flat_map(|runtime| (0..MANY).map(move |n| (runtime, n))) {
            run(runtime.name, &words(&line(&at(runtime), n)));
        }
    };
    each(&|at, n| format!("{at} create -b {} many-{n}", sleeper.display()));
    let list = |runtime: &&Runtime| work_of(runtime, &[], &[format!("{} list", at(runtime))], &[]);
    let works: Vec<Work> = pair.iter().map(list).collect();
    table::row(&format!("list, {MANY} containers"), &works, &interleaved(&works, rounds));
    each(&|at, n| format!("{at} delete -f many-{n}"));

    println!("\n| `run` | system calls | peak memory, KiB |\n|---|---|---|");
    for runtime in &runtimes {
        let command = format!("{} run -b {path} bench-{}", at(runtime), runtime.name);
        println!("| {} | {} | {} |", runtime.name, system_calls(&command), peak_memory(&command));
    }
}

/// A copy, as an installation makes one: of what a linker has just written, more is in memory at a time.
fn installed(program: &Path, dir: &Path) -> String {
    let copy = dir.join("ketchrun");
    fs::copy(program, &copy).expect("the program was built");
    copy.display().to_string()
}

/// Whether there is such a program at all; whether it works is seen later.
fn is_here(program: &str) -> bool {
    match Command::new(program).arg("--version").output() {
        Err(error) => error.kind() != ErrorKind::NotFound,
        Ok(_) => true,
    }
}

/// Containers that `list` is timed with.
const MANY: usize = 1000;

fn work_of(runtime: &Runtime, prepare: &[String], timed: &[String], restore: &[String]) -> Work {
    let lines = |part: &[String]| part.iter().map(|line| words(line)).collect();
    Work {
        subject: runtime.name.to_owned(),
        prepare: lines(prepare),
        timed: lines(timed),
        restore: lines(restore),
    }
}

/// Eight shells that run fifty containers each.
fn crowd(runtime: &Runtime, at: &str, bundle: &Path) -> Work {
    let id = format!("bench-{}-$client-$n", runtime.name);
    let one = format!("{at} run -b {} {id} || exit 1", bundle.display());
    let client = format!("for n in $(seq 50); do {one}; done");
    let script = format!(
        "for client in $(seq 8); do ({client}) & all=\"$all $!\"; done; for pid in $all; do wait $pid || exit 1; done"
    );
    Work {
        subject: runtime.name.to_owned(),
        prepare: vec![],
        timed: vec![vec!["sh".to_owned(), "-c".to_owned(), script]],
        restore: vec![],
    }
}

/// A bundle beside `plain` with the configuration that podman writes for a container: its seccomp profile, masked paths,
/// capabilities. What only podman has made for that container (mounts of its files, a network namespace, a cgroup) is left out.
fn engines_bundle(dir: &Path, plain: &Path) -> PathBuf {
    let podman = format!("podman --root {0}/podman/root --runroot {0}/podman/run", dir.display());
    let rootfs = plain.join("rootfs");
    let id =
        output(&words(&format!("{podman} create --network=none --rootfs {} /bin/true", rootfs.display())));
    output(&words(&format!("{podman} init {id}")));
    let config = output(&words(&format!("{podman} inspect --format {{{{.OCIConfigPath}}}} {id}")));
    let config = fs::read(config).expect("podman writes config.json");
    output(&words(&format!("{podman} rm -f -t 0 {id}")));

    let mut config: serde_json::Value = serde_json::from_slice(&config).expect("podman writes JSON");
    config["root"]["path"] = rootfs.display().to_string().into();
    config["hooks"] = serde_json::json!({});
    let mounts = config["mounts"].as_array_mut().expect("podman writes mounts");
    mounts.retain(|mount| mount["type"] != "bind");
    let linux = config["linux"].as_object_mut().expect("podman writes for Linux");
    linux.remove("cgroupsPath");
    for namespace in linux["namespaces"].as_array_mut().expect("podman writes namespaces") {
        namespace.as_object_mut().expect("a namespace is an object").remove("path");
    }
    let bundle = dir.join("engines");
    fs::create_dir(&bundle).expect("the directory is fresh");
    fs::write(bundle.join("config.json"), config.to_string()).expect("the bundle is writable");
    bundle
}

/// One verb timed alone; what it needs before and leaves behind is untimed.
fn verb_work(verb: &str, name: &str, at: &str, bundle: &Path) -> Work {
    let id = format!("bench-{name}");
    // init keeps what it inherits open, so nothing here may be a pipe.
    let create = words(&format!("{at} create -b {} {id}", bundle.display()));
    let start = words(&format!("{at} start {id}"));
    let delete = words(&format!("{at} delete -f {id}"));
    let (prepare, timed, restore) = match verb {
        "create" => (vec![], vec![create], vec![delete]),
        "start" => (vec![create], vec![start], vec![delete]),
        "exec" => (vec![create, start], vec![words(&format!("{at} exec {id} /bin/true"))], vec![delete]),
        "state" => (vec![create, start], vec![words(&format!("{at} state {id}"))], vec![delete]),
        _ => (vec![create, start], vec![delete], vec![]),
    };
    Work { subject: name.to_owned(), prepare, timed, restore }
}

fn make_bundle(dir: &Path) -> PathBuf {
    let bundle = dir.join("bundle");
    let bin = bundle.join("rootfs/bin");
    fs::create_dir_all(&bin).expect("the directory is fresh");
    for name in ["dev", "proc", "sys", "tmp", "etc"] {
        fs::create_dir(bundle.join("rootfs").join(name)).expect("the directory is fresh");
    }
    fs::copy("/usr/bin/busybox", bin.join("busybox")).expect("busybox is in the peers' root");
    for applet in ["true", "sleep", "sh"] {
        std::os::unix::fs::symlink("busybox", bin.join(applet)).expect("the directory is fresh");
    }
    output(&words(&format!("runc spec -b {}", bundle.display())));
    let config = fs::read(bundle.join("config.json")).expect("runc writes config.json");
    let mut config: serde_json::Value = serde_json::from_slice(&config).expect("runc writes JSON");
    config["process"]["args"] = serde_json::json!(["/bin/true"]);
    config["process"]["terminal"] = serde_json::json!(false);
    fs::write(bundle.join("config.json"), config.to_string()).expect("the bundle is writable");
    bundle
}

/// Every system call of the runtime and its children up to the container's program, that one's included.
fn system_calls(command: &str) -> usize {
    let file = tempfile::NamedTempFile::new().expect("/tmp is writable");
    output(&words(&format!("strace -f -qq -o {} {command}", file.path().display())));
    let trace = fs::read_to_string(file.path()).unwrap_or_default();
    trace.lines().filter(|line| line.contains('(') && !line.contains("resumed>")).count()
}

/// The largest resident set, in KiB, of the runtime or a child of it.
///
/// A child's record begins with its parent's own size, and holds the largest child ever: so a fresh, small process does
/// the waiting, this program itself.
fn peak_memory(command: &str) -> String {
    let own = std::env::current_exe().expect("a program has a path");
    let mut asked = vec![own.display().to_string(), PEAK.to_owned()];
    asked.extend(words(command));
    output(&asked)
}

/// The word that makes this program run a command and print its peak memory.
pub(crate) const PEAK: &str = "--peak-memory-of";

pub(crate) fn print_peak(command: &[String]) {
    run("peak memory", command);
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("a process has children's usage");
    println!("{}", usage.max_rss());
}
