//! ketch beside podman, on the same busybox image.

use std::fs;
use std::path::Path;
use std::time::Duration;

use ketch_integration::ImageBuilder;

use crate::measure::{Work, interleaved, median, output, run, words};
use crate::table;

const IMAGE: &str = "docker.io/library/bench:latest";

struct Engine {
    name: &'static str,
    command: String,
}

pub(crate) fn bench(bin: &Path, rounds: usize) {
    let dir = tempfile::tempdir_in("/var/tmp").expect("/var/tmp is writable");
    let archive = dir.path().join("image.tar");
    ImageBuilder::busybox().name(IMAGE).docker_archive(&archive);
    let at = |program: &str, name: &str| {
        format!("{program} --root {0}/{name}/root --runroot {0}/{name}/run", dir.path().display())
    };
    let engines = [
        Engine { name: "ketch", command: at(&bin.join("ketch").display().to_string(), "ketch") },
        Engine { name: "podman", command: at("podman", "podman") },
    ];
    for engine in &engines {
        run(engine.name, &words(&format!("{} load -q -i {}", engine.command, archive.display())));
    }
    let row_of = |engines: &[&Engine], name: &str, make: &dyn Fn(&str) -> [Vec<String>; 3]| {
        let works: Vec<Work> = engines
            .iter()
            .map(|engine| {
                let lines = |part: &[String]| {
                    part.iter().map(|line| words(&format!("{} {line}", engine.command))).collect()
                };
                let [prepare, timed, restore] = make(engine.name);
                Work {
                    subject: engine.name.to_owned(),
                    prepare: lines(&prepare),
                    timed: lines(&timed),
                    restore: lines(&restore),
                }
            })
            .collect();
        table::row(name, &works, &interleaved(&works, rounds));
    };
    let row = |name: &str, make: &dyn Fn(&str) -> [Vec<String>; 3]| {
        row_of(&engines.iter().collect::<Vec<_>>(), name, make);
    };
    let one = |line: &str| vec![line.to_owned()];
    let (detached, removal) = (format!("run -d --network=none --name b {IMAGE} sleep 1000"), "rm -f -t 0 b");

    table::head("Engine", "ms");
    row("run --rm --network=none IMAGE true", &|_| {
        [vec![], one(&format!("run --rm --network=none {IMAGE} true")), vec![]]
    });
    row("run --rm IMAGE true, on the bridge", &|_| [vec![], one(&format!("run --rm {IMAGE} true")), vec![]]);
    let published = format!("run -d -p 8088:80 --name b {IMAGE} sleep 1000");
    row("run -d, on the bridge, with a port", &|_| [vec![], one(&published), one(removal)]);
    row("run -d", &|_| [vec![], one(&detached), one(removal)]);
    row("rm -f", &|_| [one(&detached), one(removal), vec![]]);
    row("create + start + stop + rm", &|_| {
        let create = format!("create --network=none --stop-signal=KILL --name b {IMAGE} sleep 1000");
        [vec![], vec![create, "start b".into(), "stop b".into(), "rm b".into()], vec![]]
    });
    for (verb, line) in [("exec", "exec b true"), ("inspect", "inspect b"), ("top", "top b")] {
        row(verb, &|_| [one(&detached), one(line), one(removal)]);
    }
    row("pod of three: create + start + rm -f", &|_| {
        let member = |name: &str| format!("create --pod p --name {name} {IMAGE} sleep 1000");
        let mut lines = one("pod create --name p");
        lines.extend(["one", "two", "three"].map(member));
        lines.extend(["pod start p".to_owned(), "pod rm -f -t 0 p".to_owned()]);
        [vec![], lines, vec![]]
    });
    // podman's crun is built without CRIU; both work with the same one.
    let with_runc = Engine { name: "podman", command: format!("{} --runtime runc", engines[1].command) };
    row_of(&[&engines[0], &with_runc], "container checkpoint + restore", &|_| {
        let both = vec!["container checkpoint b".to_owned(), "container restore b".to_owned()];
        [one(&detached), both, one(removal)]
    });
    row("ps, none", &|_| [vec![], one("ps -a"), vec![]]);
    let start = |numbers: std::ops::Range<u32>| {
        for (engine, n) in engines.iter().flat_map(|engine| numbers.clone().map(move |n| (engine, n))) {
            let line = format!("{} run -d --network=none --name n{n} {IMAGE} sleep 1000", engine.command);
            run(engine.name, &words(&line));
        }
    };
    start(0..20);
    row("stats --no-stream, 20 running", &|_| [vec![], one("stats --no-stream"), vec![]]);
    start(20..50);
    row("ps, 50 running", &|_| [vec![], one("ps -a"), vec![]]);
    println!("\n| beside one of 50 idle containers | private memory, KiB (median) |\n|---|---|");
    std::thread::sleep(Duration::from_secs(2));
    for (engine, program) in [("ketch", "ketch-monitor"), ("podman", "conmon")] {
        println!("| {engine} ({program}) | {:.0} |", median(&private_memory(program, dir.path())));
    }
    for engine in &engines {
        run(engine.name, &words(&format!("{} rm -f -a -t 0", engine.command)));
    }
    output(&words(&format!("{} system reset -f", engines[1].command)));
}

/// Private clean and dirty memory of each process of that name whose command line or open files lie below `dir`.
fn private_memory(program: &str, dir: &Path) -> Vec<f64> {
    let mut sizes = Vec::new();
    for entry in fs::read_dir("/proc").expect("/proc is mounted").flatten() {
        let process = entry.path();
        let Ok(line) = fs::read(process.join("cmdline")) else { continue };
        let name = line.split(|byte| *byte == 0).next().unwrap_or_default();
        if !name.ends_with(program.as_bytes()) {
            continue;
        }
        let open = fs::read_dir(process.join("fd")).into_iter().flatten().flatten();
        if !open.filter_map(|fd| fs::read_link(fd.path()).ok()).any(|target| target.starts_with(dir)) {
            continue;
        }
        let smaps = fs::read_to_string(process.join("smaps_rollup")).unwrap_or_default();
        let private = smaps.lines().filter(|line| line.starts_with("Private_"));
        sizes.push(private.filter_map(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok()).sum());
    }
    sizes
}
