//! What is wrong gets one clear line, and nothing is kept.

use ketch_integration::Engine;

#[test]
fn wrong_words() {
    let engine = Engine::with_busybox();
    for (line, code, part) in [
        ("run --rm localhost/none:1 true", 125, "none"),
        ("run --rm --pull never nowhere true", 125, "nowhere"),
        ("run --rm Bad//Name true", 125, "Bad//Name"),
        ("run --rm -v rela/tive:/x busybox true", 125, "rela/tive"),
        ("run --rm -v /tmp:relative busybox true", 125, "relative"),
        ("run --rm --mount type=magic,dst=/x busybox true", 125, "magic"),
        ("run --rm --network elsewhere busybox true", 125, "elsewhere"),
        ("run --rm --cpus many busybox true", 125, "many"),
        ("run --rm --memory 1k busybox true", 126, "memory"),
        ("run --rm --ulimit nonsense=1 busybox true", 125, "nonsense"),
        ("run --rm --security-opt seccomp=/none busybox true", 125, "/none"),
        ("run --rm --rootfs /no/such/root true", 125, "/no/such/root"),
        ("run --rm --name -x busybox true", 125, ""),
        ("stop nobody", 125, "nobody"),
        ("start nobody", 125, "nobody"),
        ("attach nobody", 125, "nobody"),
        ("load -i /no/such/file", 125, "/no/such/file"),
        ("rmi nobody", 1, "nobody"),
    ] {
        let out = engine.line(line).assert_exit(code);
        assert!(!out.stderr.contains("panicked") && !out.stderr.is_empty(), "{out:#?}");
        assert!(out.stderr.contains(part), "the line does not name {part:?}\n{out:#?}");
    }
    assert_eq!(engine.ids(), Vec::<String>::new());
}

/// A damaged database is named; nothing is overwritten.
#[test]
fn damaged_database() {
    let engine = Engine::new();
    let damaged = engine.path("damaged");
    std::fs::create_dir_all(&damaged).unwrap();
    std::fs::write(
        damaged.join("state.db"),
        "this is not a database, and it is long enough to be read as one".repeat(100),
    )
    .unwrap();
    let mut command = std::process::Command::new(ketch_integration::program::engine());
    command.arg("--root").arg(&damaged).arg("--runroot").arg(engine.path("run2")).args(["ps", "-a"]);
    ketch_integration::program::finish(&mut command)
        .assert_exit(125)
        .assert_stderr_has("state.db")
        .assert_one_error_line();
    assert!(std::fs::read_to_string(damaged.join("state.db")).unwrap().starts_with("this is not"));
}
