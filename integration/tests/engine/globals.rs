//! What stands before the command, and what is said when there is none.

use std::fs;

use ketch_integration::{Engine, Output, program};

fn ketch(line: &str) -> Output {
    program::run(program::engine(), line.split_whitespace())
}

/// podman 5.8's words and exit codes.
#[test]
fn no_command_and_unknown_ones() {
    let nothing = ketch("").assert_exit(125).assert_stderr_has("Error: missing command 'ketch COMMAND'");
    assert!(nothing.stdout.contains("\n  run "), "{nothing:#?}");
    ketch("conatiner").assert_exit(125).assert_stderr_has(
        "unrecognized command `ketch conatiner`\n\nDid you mean this?\n\tcontainer\n\nTry 'ketch --help'",
    );
    ketch("container bogus")
        .assert_exit(125)
        .assert_stderr_has("unrecognized command `ketch container bogus`\nTry");
    ketch("--bogus ps").assert_exit(125).assert_stderr_has("unknown flag: --bogus\nSee 'ketch --help'");
    ketch("--root").assert_exit(125).assert_stderr_has("flag needs an argument: --root\nSee 'ketch --help'");
    let version = ketch("-v").ok();
    assert!(version.stdout.starts_with("ketch version "), "{version:#?}");
    assert_eq!(ketch("--version").stdout, version.stdout);
}

#[test]
fn help() {
    assert_eq!(ketch("help ps").ok().stdout, ketch("ps --help").ok().stdout);
    assert_eq!(ketch("help container ls").ok().stdout, ketch("container ls --help").ok().stdout);
    assert_eq!(ketch("help volume").ok().stdout, ketch("volume --help").ok().stdout);
    ketch("help bogus").ok().assert_stderr_has("Unknown help topic [`bogus`]");
}

#[test]
fn refused_with_a_reason() {
    for (line, code, part) in [
        ("--log-level loud ps", 1, "Log Level \"loud\" is not supported, choose from: trace, debug,"),
        ("--runtime crun ps", 125, "--runtime crun is not available"),
        ("--runtime-flag debug ps", 125, "--runtime-flag is not available"),
        ("--conmon /usr/bin/conmon ps", 125, "--conmon is not available"),
        ("--storage-driver vfs ps", 125, "--storage-driver vfs is not available"),
        ("--storage-opt a=b ps", 125, "--storage-opt is not available"),
        ("--events-backend journald ps", 125, "--events-backend journald is not available"),
        ("-r ps", 125, "--remote is not available: there is no service"),
        ("-c there ps", 125, "--connection is not available"),
        ("--url ssh://x ps", 125, "--url is not available"),
    ] {
        ketch(line).assert_exit(code).assert_stderr_has(part).assert_one_error_line();
    }
    ketch("--cgroup-manager x ps").assert_exit(125).assert_stderr_has("must be one of cgroupfs and systemd");
}

/// podman takes them there too; what belongs to a container's command is left alone.
#[test]
fn behind_the_command() {
    let engine = Engine::with_busybox();
    let elsewhere = engine.path("elsewhere");
    engine.line("create --name one busybox true").ok();
    assert_eq!(engine.line("ps -a -q").ok().stdout.lines().count(), 1);
    let line = format!("ps -a -q --root {0}/root --runroot={0}/run", elsewhere.display());
    assert_eq!(engine.line(&line).ok().stdout, "");
    engine.line("ps --log-level debug").ok().assert_stderr_has("level=debug");
    engine.line("ps --log-level").assert_exit(125).assert_stderr_has("flag needs an argument: --log-level");
    engine.line("ps --conmon=/x").assert_exit(125).assert_stderr_has("--conmon is not available");
    let said = engine.line("run --rm --network=none busybox echo --log-level debug").ok();
    assert_eq!(said.text(), "--log-level debug");
    engine.line("ps --version").assert_exit(125).assert_stderr_has("unknown flag: --version");
    engine
        .line("ps --bogus")
        .assert_exit(125)
        .assert_stderr_has("unknown flag: --bogus\nSee 'ketch ps --help'");
}

#[test]
fn honoured() {
    let engine = Engine::with_busybox();
    let hooks = engine.path("hooks");
    fs::create_dir(&hooks).unwrap();
    let before = |flags: &[&str], verb: &str| engine.run(flags.iter().copied().chain(verb.split(' ')));
    for flags in [
        &["--runtime", "/usr/local/bin/ketchrun"][..],
        &["--storage-driver=overlay", "--events-backend", "file", "--remote=false", "--syslog=false"],
        &["--hooks-dir", hooks.to_str().unwrap(), "--tmpdir", "/nowhere", "--log-level", "error"],
    ] {
        before(flags, "images -q").ok();
    }
    fs::write(hooks.join("x.json"), "{}").unwrap();
    before(&["--hooks-dir", hooks.to_str().unwrap()], "ps")
        .assert_exit(125)
        .assert_stderr_has("ketch runs none");

    let out = engine.path("out");
    before(&["--out", out.to_str().unwrap()], "run --rm --network none busybox echo hello")
        .ok()
        .assert_stdout("");
    assert_eq!(fs::read_to_string(&out).unwrap(), "hello\n");
    before(&["--noout"], "images").ok().assert_stdout("");

    before(&["--log-level=debug"], "ps").ok().assert_stderr_has("level=debug msg=\"Using root ");
    // The only warning that is easily had.
    before(&[], "run --rm -it --network none busybox true")
        .ok()
        .assert_stderr_has("WARNING: The input device");
    let quiet = before(&["--log-level=error"], "run --rm -it --network none busybox true").ok();
    assert_eq!(quiet.stderr, "");
}
