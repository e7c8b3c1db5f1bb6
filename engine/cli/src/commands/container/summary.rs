//! What a sandbox has used and changed, for people and for programs.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use ketch_engine::container::account::{Files, Report};
use ketch_monitor::account::Source;
use serde_json::{Value, json};

use crate::output::decimal_size;

const NANOSECONDS: f64 = 1e9;

/// A few lines, and one a file if `names`.
pub(super) fn text(report: &Report, names: bool) -> String {
    let used = &report.used;
    let seconds = |nanoseconds: u64| format!("{:.3} s", nanoseconds as f64 / NANOSECONDS);
    let cpu = &used.cpu.value;
    let mut text = format!(
        "sandbox: {}, {} of wall time, {} user and {} system\n",
        ending(report),
        seconds(used.wall),
        seconds(cpu.user),
        seconds(cpu.system),
    );
    let io = &used.io.value;
    // Writing to a String does not fail.
    let _ = writeln!(
        text,
        "sandbox: {} of memory at most, {} read and {} written",
        decimal_size(used.memory.value.peak),
        decimal_size(io.read),
        decimal_size(io.written),
    );
    let sources =
        [("CPU time", used.cpu.source), ("memory", used.memory.source), ("input and output", used.io.source)];
    let uncounted = sources.iter().filter(|(_, source)| *source == Source::Rusage).map(|(what, _)| *what);
    let uncounted = uncounted.collect::<Vec<_>>().join(", ");
    if !uncounted.is_empty() {
        let _ = writeln!(
            text,
            "sandbox: without a cgroup that counts it, of init and those it waited for: {uncounted}"
        );
    }
    if let Some(problem) = &report.problem {
        let _ = writeln!(text, "sandbox: files unknown: {problem}");
    }
    if let Some(files) = &report.files {
        let [added, changed, deleted] = lists(files).map(|(_, _, list)| list.len());
        let _ = writeln!(text, "sandbox: {added} files added, {changed} changed, {deleted} deleted");
        for (letter, path) in lists(files)
            .iter()
            .filter(|_| names)
            .flat_map(|(letter, _, list)| list.iter().map(move |path| (letter, path)))
        {
            let _ = writeln!(text, "{letter} {}", shown(path));
        }
    }
    text
}

/// One line: seconds and bytes as numbers, and where they come from.
pub(super) fn json(report: &Report, names: bool) -> serde_json::Result<String> {
    let used = &report.used;
    let seconds = |nanoseconds: u64| nanoseconds as f64 / NANOSECONDS;
    let files = report.files.as_ref().map(|files| {
        let entry = |(_, name, list): (char, &str, &[PathBuf])| {
            let paths = || list.iter().map(|path| path.to_string_lossy()).collect::<Vec<_>>();
            (name.to_owned(), if names { json!(paths()) } else { list.len().into() })
        };
        Value::Object(lists(files).map(entry).into_iter().collect())
    });
    let document = json!({
        "exitCode": report.code,
        "timedOut": used.timed_out,
        "oomKilled": report.oom_killed,
        "wallSeconds": seconds(used.wall),
        "cpu": {
            "userSeconds": seconds(used.cpu.value.user),
            "systemSeconds": seconds(used.cpu.value.system),
            "source": used.cpu.source,
        },
        "memory": { "peakBytes": used.memory.value.peak, "source": used.memory.source },
        "io": {
            "readBytes": used.io.value.read,
            "writtenBytes": used.io.value.written,
            "source": used.io.source,
        },
        "files": files,
        "problem": report.problem,
    });
    Ok(serde_json::to_string(&document)? + "\n")
}

fn ending(report: &Report) -> String {
    match report {
        _ if report.used.timed_out => "time was up".to_owned(),
        _ if report.oom_killed => format!("exit code {}, out of memory", report.code),
        _ => format!("exit code {}", report.code),
    }
}

fn lists(files: &Files) -> [(char, &'static str, &[PathBuf]); 3] {
    [('A', "added", &files.added), ('C', "changed", &files.changed), ('D', "deleted", &files.deleted)]
}

/// Without what could act on a terminal: names are the command's choice.
fn shown(path: &Path) -> String {
    path.to_string_lossy()
        .chars()
        .flat_map(|c| {
            let escaped: Vec<char> = if c.is_control() { c.escape_default().collect() } else { vec![c] };
            escaped
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use ketch_monitor::account::{Cpu, Io, Measured, Memory, Used};

    use super::*;

    #[test]
    fn both_forms() {
        let files = Files { added: vec!["/a\x1b".into()], changed: Vec::new(), deleted: vec!["/b".into()] };
        let used = Used {
            wall: 1_500_000_000,
            timed_out: false,
            cpu: Measured { source: Source::Cgroup, value: Cpu { user: 250_000_000, system: 0 } },
            memory: Measured { source: Source::Cgroup, value: Memory { peak: 4_000_000 } },
            io: Measured { source: Source::Rusage, value: Io { read: 512, written: 0 } },
        };
        let report = Report { code: 3, oom_killed: false, used, files: Some(files), problem: None };
        assert_eq!(
            text(&report, true),
            "sandbox: exit code 3, 1.500 s of wall time, 0.250 s user and 0.000 s system\n\
             sandbox: 4MB of memory at most, 512B read and 0B written\n\
             sandbox: without a cgroup that counts it, of init and those it waited for: input and output\n\
             sandbox: 1 files added, 0 changed, 1 deleted\nA /a\\u{1b}\nD /b\n"
        );
        let value: Value = serde_json::from_str(&json(&report, false).unwrap()).unwrap();
        assert_eq!(value["files"], json!({ "added": 1, "changed": 0, "deleted": 1 }));
        assert_eq!((&value["exitCode"], &value["io"]["source"]), (&json!(3), &json!("rusage")));
        let value: Value = serde_json::from_str(&json(&report, true).unwrap()).unwrap();
        assert_eq!(value["files"]["deleted"], json!(["/b"]));
    }
}
