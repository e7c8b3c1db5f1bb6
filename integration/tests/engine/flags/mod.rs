//! podman's flags, each seen from inside a container and in `inspect`.

mod env;
mod inside;
mod life;
mod resources;
mod show;
mod table;

use std::process::Command;

use ketch_integration::{Engine, ImageBuilder, Output, program};
use serde_json::{Value, json};

/// With an image, `special`, that sets a variable and has a volume, a hostname and a hosts file.
fn engine() -> Engine {
    let engine = Engine::with_busybox();
    let image = ImageBuilder::busybox()
        .name("docker.io/library/special:latest")
        .config("Env", json!(["PATH=/bin", "IMG=one"]))
        .config("Volumes", json!({"/vol": {}}))
        .files(&[("etc/hostname", 0o644, b"of-image\n"), ("etc/hosts", 0o644, b"192.0.2.7 of-image\n")]);
    engine.load(&image);
    engine
}

/// `run --rm --network none OPTIONS IMAGE sh -c SCRIPT`, trimmed standard output.
#[track_caller]
fn inside(engine: &Engine, options: &[&str], image: &str, script: &str) -> String {
    let args = [&["run", "--rm", "--network", "none"], options, &[image, "sh", "-c", script]].concat();
    engine.run(args).ok().text().to_owned()
}

/// The same by a shell that runs `prelude` first: redirections, variables.
fn after(engine: &Engine, prelude: &str, words: &[&str]) -> Output {
    let command = engine.command();
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("{prelude} exec \"$@\""), "sh"]).arg(command.get_program());
    shell.args(command.get_args()).args(words).current_dir(engine.dir());
    program::finish(&mut shell)
}

#[track_caller]
fn inspect(engine: &Engine, name: &str) -> Value {
    engine.run(["inspect", name]).ok().json()[0].clone()
}

/// Each is refused, with 125 and a line that has the words.
#[track_caller]
fn refused(engine: &Engine, cases: &[(&str, &str)]) {
    for (options, words) in cases {
        engine
            .line(&format!("run --rm --network none {options} busybox true"))
            .assert_exit(125)
            .assert_stderr_has(words)
            .assert_one_error_line();
    }
}
