//! Prints the order in which the functions of a program are best linked: runtime/cli/order.ld.
//!
//! Plays a container's life on the runtime under test, an instruction at a time, and collects which of its functions are
//! executed. The runtime has to keep its symbols; hack/order builds it so.

#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, reason = "a program")]

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};

use ketch_integration::{Bundle, program};
use nix::errno::Errno;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use serde_json::json;

fn main() {
    let runtime = program::runtime();
    let symbols = symbols(&runtime);
    let mut executed = BTreeSet::new();
    let mut tell = |bundle: &Bundle, words: &[&str]| {
        bundle.write();
        let mut line = vec![runtime.display().to_string()];
        line.extend(["--root".to_owned(), bundle.path().join("state").display().to_string()]);
        line.extend(words.iter().map(|word| (*word).to_owned()));
        executed.extend(
            addresses(&runtime, &line)
                .into_iter()
                .filter_map(|address| symbols.range(..=address).next_back().map(|(_, name)| name.clone())),
        );
    };

    let plain = Bundle::busybox().args(["true"]);
    let path = plain.path().display().to_string();
    tell(&plain, &["run", "-b", &path, &plain.id]);

    // What an engine asks for besides.
    let whole = Bundle::busybox().args(["sleep", "1000"]).edit(|config| {
        config["linux"]["seccomp"] = json!({
            "defaultAction": "SCMP_ACT_ERRNO",
            "defaultErrnoRet": 38,
            "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
            "syscalls": [
                {"names": ["keyctl", "bpf"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1},
                {"names": ["personality"], "action": "SCMP_ACT_ALLOW",
                 "args": [{"index": 0, "value": 8, "op": "SCMP_CMP_EQ"}]},
                {"names": ALLOWED, "action": "SCMP_ACT_ALLOW"},
            ],
        });
        config["linux"]["resources"] = json!({
            "devices": [{"allow": false, "access": "rwm"}],
            "memory": {"limit": 1 << 30}, "pids": {"limit": 2048}, "cpu": {"shares": 512},
        });
        config["linux"]["sysctl"] = json!({"net.ipv4.ping_group_range": "0 0"});
    });
    let (path, id) = (whole.path().display().to_string(), whole.id.clone());
    for words in [
        &["create", "-b", &path, &id][..],
        &["start", &id],
        &["state", &id],
        &["list"],
        &["exec", &id, "true"],
        &["pause", &id],
        &["resume", &id],
        &["kill", &id, "KILL"],
        &["delete", "--force", &id],
    ] {
        tell(&whole, words);
    }
    print!("{}", script(&executed));
}

/// System calls that busybox makes.
const ALLOWED: [&str; 32] = [
    "arch_prctl",
    "brk",
    "clock_nanosleep",
    "close",
    "dup",
    "execve",
    "exit",
    "exit_group",
    "fcntl",
    "fstat",
    "getpid",
    "getrandom",
    "getuid",
    "ioctl",
    "mmap",
    "mprotect",
    "munmap",
    "nanosleep",
    "newfstatat",
    "open",
    "openat",
    "pause",
    "poll",
    "prctl",
    "prlimit64",
    "read",
    "readlink",
    "rt_sigaction",
    "rt_sigprocmask",
    "set_tid_address",
    "uname",
    "write",
];

/// Functions by address.
fn symbols(program: &Path) -> BTreeMap<u64, String> {
    let listed = program::run("nm", [program]).ok();
    let functions = listed.stdout.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let (address, kind, name) = (words.next()?, words.next()?, words.next()?);
        matches!(kind, "t" | "T" | "w" | "W").then(|| {
            (u64::from_str_radix(address, 16).expect("nm prints addresses in hexadecimal"), name.to_owned())
        })
    });
    let functions: BTreeMap<_, _> = functions.collect();
    assert!(!functions.is_empty(), "{} has no symbols", program.display());
    functions
}

/// The instructions of `program` that it and its children execute while `line` runs.
fn addresses(program: &Path, line: &[String]) -> BTreeSet<u64> {
    // Tracing begins when the shell has stopped itself, and so before the program.
    let mut shell = Command::new("sh");
    shell
        .args(["-c", "kill -STOP $$; exec \"$@\"", "sh"])
        .args(line)
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    let mut child = shell.spawn().expect("a host has a shell");
    let main = Pid::from_raw(child.id().cast_signed());
    waitpid(main, Some(WaitPidFlag::WUNTRACED)).expect("the shell stops");
    let forks = Options::PTRACE_O_TRACEFORK | Options::PTRACE_O_TRACEVFORK | Options::PTRACE_O_TRACECLONE;
    ptrace::seize(main, forks | Options::PTRACE_O_TRACEEXEC).expect("root may trace its child");
    nix::sys::signal::kill(main, Signal::SIGCONT).expect("it is there");

    let exe = std::fs::metadata(program).expect("the program is there").ino();
    let runs_it =
        |pid: Pid| std::fs::metadata(format!("/proc/{pid}/exe")).is_ok_and(|metadata| metadata.ino() == exe);
    // Whether the process is in the program now.
    let mut processes = BTreeMap::from([(main, false)]);
    let mut executed = BTreeSet::new();
    loop {
        let (pid, signal) = match waitpid(None, Some(WaitPidFlag::__WALL)) {
            Ok(WaitStatus::Exited(pid, code)) if pid == main => {
                assert_eq!(code, 0, "{line:?} fails");
                break;
            }
            Ok(WaitStatus::Exited(pid, _) | WaitStatus::Signaled(pid, ..)) => {
                processes.remove(&pid);
                continue;
            }
            Ok(WaitStatus::PtraceEvent(pid, _, _)) => {
                processes.insert(pid, runs_it(pid));
                (pid, None)
            }
            Ok(WaitStatus::Stopped(pid, Signal::SIGTRAP)) => {
                if *processes.entry(pid).or_insert_with(|| runs_it(pid))
                    && let Ok(registers) = ptrace::getregs(pid)
                {
                    executed.insert(registers.rip);
                }
                (pid, None)
            }
            Ok(WaitStatus::Stopped(pid, signal)) => (pid, Some(signal)),
            Ok(_) => continue,
            Err(errno) => panic!("cannot wait for {line:?}: {errno}"),
        };
        match ptrace::step(pid, signal) {
            // It was killed meanwhile.
            Ok(()) | Err(Errno::ESRCH) => {}
            Err(errno) => panic!("cannot go on with {line:?}: {errno}"),
        }
    }
    let _ = child.wait();
    // The container's own process goes on alone.
    for pid in processes.into_keys().filter(|pid| *pid != main) {
        if ptrace::interrupt(pid).is_ok() && waitpid(pid, Some(WaitPidFlag::__WALL)).is_ok() {
            let _ = ptrace::detach(pid, None);
        }
    }
    executed
}

/// The linker's words for it. Hashes are left open, for they change with every compiler.
fn script(names: &BTreeSet<String>) -> String {
    let patterns: BTreeSet<String> = names.iter().map(|name| pattern(name)).collect();
    let mut script = String::from(HEAD);
    for pattern in patterns {
        script.push_str(&format!("    *(.text.{pattern})\n"));
    }
    script.push_str("  }\n}\nINSERT BEFORE .text;\n");
    script
}

const HEAD: &str = "\
/* Written by hack/order. The functions that a container's life executes, side by side: a page of this program is read and
   mapped with fifteen of its neighbours, so functions far from each other cost memory and page faults. A name that is not
   there any more does no harm. */
SECTIONS
{
  .text.order :
  {
";

/// A mangled name with the hashes in it left open: `Cs<hash>_` before a crate's name, and what LLVM puts behind a dot.
fn pattern(name: &str) -> String {
    let name = name.split('.').next().unwrap_or(name);
    let mut pattern = String::new();
    let mut rest = name;
    while let Some(at) = rest.find("Cs") {
        let (before, from) = rest.split_at(at + 2);
        pattern.push_str(before);
        let length = from.bytes().take_while(u8::is_ascii_alphanumeric).count();
        let behind = &from[length..];
        let is_hash = behind.starts_with('_') && behind[1..].starts_with(|c: char| c.is_ascii_digit());
        rest = if is_hash {
            pattern.push('*');
            behind
        } else {
            from
        };
    }
    pattern.push_str(rest);
    pattern.push('*');
    pattern
}
