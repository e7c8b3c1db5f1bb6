//! ketch beside podman and docker, on the same busybox image.

use std::fs;
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use ketch_integration::ImageBuilder;
use ketch_integration::daemon::Daemon;

use crate::measure::{Work, interleaved, median, output, run, words};
use crate::table;

const IMAGE: &str = "docker.io/library/bench:latest";

struct Engine {
    name: &'static str,
    command: String,
    /// The process that it keeps beside a container.
    beside: &'static str,
    /// Removes a container at once, whatever it does.
    remove: &'static str,
}

impl Engine {
    /// A command line; REMOVE in it is what that engine calls it.
    fn words(&self, line: &str) -> Vec<String> {
        words(&format!("{} {}", self.command, line.replace("REMOVE", self.remove)))
    }
}

/// What is done before, timed, and after: lines for an engine to which its command is put in front.
type Lines = [Vec<String>; 3];

pub(crate) fn bench(bin: &Path, rounds: usize) {
    let dir = tempfile::tempdir_in("/var/tmp").expect("/var/tmp is writable");
    let dir = dir.path();
    let archive = dir.join("image.tar");
    ImageBuilder::busybox()
        .name(IMAGE)
        .files(&[("bin/lines", 0o755, LINES.as_bytes()), ("lines", 0o644, &lines())])
        .docker_archive(&archive);
    let at = |program: &str, name: &str| {
        format!("{program} --root {0}/{name}/root --runroot {0}/{name}/run", dir.display())
    };
    let docker = format!("docker --config {0}/docker/config --host unix://{0}/docker/socket", dir.display());
    let _dockerd = dockerd(dir, &docker);
    let engines = [
        Engine {
            name: "ketch",
            command: at(&bin.join("ketch").display().to_string(), "ketch"),
            beside: "ketch-monitor",
            remove: "rm -f -t 0",
        },
        Engine { name: "podman", command: at("podman", "podman"), beside: "conmon", remove: "rm -f -t 0" },
        Engine { name: "docker", command: docker, beside: "containerd-shim-runc-v2", remove: "rm -f" },
    ];
    for engine in &engines {
        run(engine.name, &engine.words(&format!("load -q -i {}", archive.display())));
    }
    let [ketch, podman, _] = &engines;

    table::head("Engine", "ms");
    let all: Vec<&Engine> = engines.iter().collect();
    one_container(&all, rounds);
    row(&[ketch, podman], rounds, "pod of three: create + start + rm -f", pod);
    // podman's crun is built without CRIU; both work with the same one.
    let with_runc = Engine { command: format!("{} --runtime runc", podman.command), ..*podman };
    row(&[ketch, &with_runc], rounds, "container checkpoint + restore", checkpoint);
    logs(&all, rounds.min(3));
    many(&all, rounds, dir);
    for engine in &engines[..2] {
        run(engine.name, &engine.words("REMOVE -a"));
    }
    output(&words(&format!("{} system reset -f", podman.command)));
}

fn dockerd(dir: &Path, client: &str) -> Daemon {
    let dir = dir.join("docker");
    fs::create_dir(&dir).expect("the directory is fresh");
    let mut command = Command::new("dockerd");
    command.arg("--host").arg(format!("unix://{}/socket", dir.display()));
    command.arg("--data-root").arg(dir.join("data")).arg("--exec-root").arg(dir.join("exec"));
    command.arg("--pidfile").arg(dir.join("pid"));
    let version = words(&format!("{client} version"));
    let ready =
        || Command::new(&version[0]).args(&version[1..]).output().is_ok_and(|out| out.status.success());
    Daemon::start(&mut command, &dir.join("log"), ready)
}

fn row(engines: &[&Engine], rounds: usize, name: &str, lines: impl Fn() -> Lines) {
    let works: Vec<Work> = engines
        .iter()
        .map(|engine| {
            let [prepare, timed, restore] =
                lines().map(|part| part.iter().map(|line| engine.words(line)).collect());
            Work { subject: engine.name.to_owned(), prepare, timed, restore }
        })
        .collect();
    table::row(name, &works, &interleaved(&works, rounds));
}

fn one(line: &str) -> Vec<String> {
    vec![line.to_owned()]
}

fn detached(name: &str) -> String {
    format!("run -d --network=none --name {name} {IMAGE} sleep 1000")
}

const REMOVAL: &str = "REMOVE bench";

fn one_container(engines: &[&Engine], rounds: usize) {
    let row = |name: &str, lines: &dyn Fn() -> Lines| row(engines, rounds, name, lines);
    // A program that ends when it is asked to: no engine waits for a signal that is not heard.
    let stoppable = format!("create --network=none --stop-signal=KILL --name bench {IMAGE} sleep 1000");
    row("run --rm --network=none IMAGE true", &|| {
        [vec![], one(&format!("run --rm --network=none {IMAGE} true")), vec![]]
    });
    row("run --rm IMAGE true, on the bridge", &|| [vec![], one(&format!("run --rm {IMAGE} true")), vec![]]);
    let published = format!("run -d -p 8088:80 --name bench {IMAGE} sleep 1000");
    row("run -d, on the bridge, with a port", &|| [vec![], one(&published), one(REMOVAL)]);
    row("run -d", &|| [vec![], one(&detached("bench")), one(REMOVAL)]);
    row("stop", &|| [vec![stoppable.clone(), "start bench".into()], one("stop bench"), one("rm bench")]);
    row("rm -f", &|| [one(&detached("bench")), one(REMOVAL), vec![]]);
    row("create + start + stop + rm", &|| {
        [
            vec![],
            vec![stoppable.clone(), "start bench".into(), "stop bench".into(), "rm bench".into()],
            vec![],
        ]
    });
    for (verb, line) in [("exec", "exec bench true"), ("inspect", "inspect bench"), ("top", "top bench")] {
        row(verb, &|| [one(&detached("bench")), one(line), one(REMOVAL)]);
    }
}

fn pod() -> Lines {
    let mut lines = one("pod create --name p");
    lines.extend(
        ["one", "two", "three"].map(|name| format!("create --pod p --name {name} {IMAGE} sleep 1000")),
    );
    lines.extend(["pod start p".to_owned(), "pod REMOVE p".to_owned()]);
    [vec![], lines, vec![]]
}

fn checkpoint() -> Lines {
    let both = vec!["container checkpoint bench".to_owned(), "container restore bench".to_owned()];
    [one(&detached("bench")), both, one(REMOVAL)]
}

/// The container's end is waited for, and with it the log's.
fn logs(engines: &[&Engine], rounds: usize) {
    let write =
        vec![format!("run -d --network=none --name bench {IMAGE} /bin/lines"), "wait bench".to_owned()];
    row(engines, rounds, "100 MiB of log written", || [vec![], write.clone(), one("rm bench")]);
    row(engines, rounds, "100 MiB of log read", || [write.clone(), one("logs bench"), one("rm bench")]);
}

/// Writes 100 MiB in lines of 64 bytes, which are there already: what makes them is slower than what keeps them.
const LINES: &str = "#!/bin/sh
for n in $(seq 100); do cat /lines; done
";

/// One MiB of them.
fn lines() -> Vec<u8> {
    let line = [&[b'x'; 63][..], b"\n"].concat();
    line.repeat(1 << 14)
}

/// What is timed beside many containers.
fn many(engines: &[&Engine], rounds: usize, dir: &Path) {
    let start = |numbers: Range<u32>, line: &dyn Fn(&str) -> String| {
        for (engine, n) in engines.iter().flat_map(|engine| numbers.clone().map(move |n| (engine, n))) {
            run(engine.name, &engine.words(&line(&format!("n{n}"))));
        }
    };
    let row = |name: &str, line: &str| row(engines, rounds, name, || [vec![], one(line), vec![]]);
    row("ps, none", "ps -a");
    crowd(engines, rounds.min(3));
    start(0..20, &|name| detached(name));
    row("stats --no-stream, 20 running", "stats --no-stream");
    start(20..50, &|name| detached(name));
    row("ps, 50 running", "ps -a");
    beside(engines, dir);
    start(50..500, &|name| format!("create --network=none --name {name} {IMAGE} true"));
    row("ps, 50 running and 450 created", "ps -a");
}

/// Fifty containers that eight clients start; removing them is not timed.
fn crowd(engines: &[&Engine], rounds: usize) {
    let works: Vec<Work> = engines
        .iter()
        .map(|engine| {
            let start = format!("seq 50 | xargs -P 8 -I@ {} {}", engine.command, detached("c@"));
            let remove = format!("seq -f c%g 50 | xargs {} {}", engine.command, engine.remove);
            let sh = |script: String| vec![vec!["sh".to_owned(), "-c".to_owned(), script]];
            Work { subject: engine.name.to_owned(), prepare: vec![], timed: sh(start), restore: sh(remove) }
        })
        .collect();
    table::row("50 × run -d, 8 clients", &works, &interleaved(&works, rounds));
}

/// What the processes cost that are kept beside idle containers.
fn beside(engines: &[&Engine], dir: &Path) {
    println!(
        "\n| beside one of 50 idle containers | private memory, KiB | wake-ups in a minute |\n|---|---|---|"
    );
    std::thread::sleep(Duration::from_secs(2));
    let processes: Vec<Vec<PathBuf>> = engines.iter().map(|engine| processes(engine.beside, dir)).collect();
    let wakeups = || -> Vec<Vec<f64>> {
        processes.iter().map(|all| all.iter().map(|process| wakeups(process)).collect()).collect()
    };
    let before = wakeups();
    std::thread::sleep(Duration::from_secs(60));
    let after = wakeups();
    for (index, engine) in engines.iter().enumerate() {
        let memory: Vec<f64> = processes[index].iter().map(|process| private_memory(process)).collect();
        let woken: Vec<f64> =
            after[index].iter().zip(&before[index]).map(|(after, before)| after - before).collect();
        let (name, beside) = (engine.name, engine.beside);
        println!("| {name} ({beside}) | {:.0} | {:.0} |", median(&memory), median(&woken));
    }
    println!("\n| work | medians, ms | ratio |\n|---|---|---|");
}

/// The processes of that name whose command line or open files tell of `dir`.
fn processes(program: &str, dir: &Path) -> Vec<PathBuf> {
    let concerns = |process: &Path| {
        let line = fs::read(process.join("cmdline")).unwrap_or_default();
        let mut words = line.split(|byte| *byte == 0);
        let is_it = words.next().is_some_and(|name| name.ends_with(program.as_bytes()));
        let mut open = fs::read_dir(process.join("fd")).into_iter().flatten().flatten();
        let is_below = |word: &[u8]| word.starts_with(dir.as_os_str().as_bytes());
        is_it
            && (words.any(is_below)
                || open.any(|fd| fs::read_link(fd.path()).is_ok_and(|target| target.starts_with(dir))))
    };
    let all = fs::read_dir("/proc").expect("/proc is mounted").flatten().map(|entry| entry.path());
    all.filter(|process| concerns(process)).collect()
}

/// Clean and dirty, in KiB.
fn private_memory(process: &Path) -> f64 {
    let smaps = fs::read_to_string(process.join("smaps_rollup")).unwrap_or_default();
    numbers(&smaps, "Private_").sum()
}

/// How often its threads have waited for something.
fn wakeups(process: &Path) -> f64 {
    let threads = fs::read_dir(process.join("task")).into_iter().flatten().flatten();
    let status = threads.filter_map(|thread| fs::read_to_string(thread.path().join("status")).ok());
    status.map(|status| numbers(&status, "voluntary_ctxt_switches").sum::<f64>()).sum()
}

/// Those of the lines that begin with `field`, in a file of procfs.
fn numbers(text: &str, field: &str) -> impl Iterator<Item = f64> {
    let lines = text.lines().filter(move |line| line.starts_with(field));
    lines.filter_map(|line| line.split_whitespace().nth(1)?.parse().ok())
}
