//! The store under kills, crowds and a full disk: what is visible is whole, what is not goes away.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use ketch_integration::{ImageBuilder, program};

use super::Store;

/// An image that takes a moment to load, in its archive.
fn archive(store: &Store, name: &str) -> std::path::PathBuf {
    let path = store.path(&format!("{name}.tar"));
    let mut image = ImageBuilder::scratch().name(&format!("localhost/{name}:1"));
    for layer in 0..4_u8 {
        let files: Vec<(String, Vec<u8>)> =
            (0..300_u32).map(|n| (format!("d{layer}/f{n}"), vec![layer; 4096 + n as usize])).collect();
        let files: Vec<(&str, u32, &[u8])> =
            files.iter().map(|(path, content)| (path.as_str(), 0o644, content.as_slice())).collect();
        image = image.files(&files);
    }
    image.docker_archive(&path);
    path
}

/// Every layer that an image names is there and complete.
fn assert_whole(store: &Store) {
    for id in store.line("images -q --no-trunc").ok().stdout.lines() {
        let document = store.line(&format!("image inspect {id}")).ok().json();
        for layer in document[0]["RootFS"]["Layers"].as_array().unwrap() {
            let dir = store.path("root/layers").join(&layer.as_str().unwrap()["sha256:".len()..]);
            let files: usize = super::names(&dir).iter().map(|sub| super::names(&dir.join(sub)).len()).sum();
            assert_eq!(files, 300, "{}", dir.display());
        }
    }
}

/// `kill -9` at moments all over a load and a removal. The next command sees a whole image or none, and leaves nothing
/// of the dead one.
#[test]
fn kills() {
    let store = Store::new();
    let archive = archive(&store, "app");
    for round in 0..60_u64 {
        for verb in ["load", "rmi"] {
            let mut command = store.command();
            match verb {
                "load" => command.args(["load", "-q", "-i"]).arg(&archive),
                _ => command.args(["rmi", "-f", "localhost/app:1"]),
            };
            let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            // Not a wait for something: the moment of the kill is what is varied.
            std::thread::sleep(Duration::from_micros(round * 1700));
            child.kill().unwrap();
            child.wait().unwrap();
            assert_whole(&store);
        }
    }
    store.run(["load".as_ref(), "-q".as_ref(), "-i".as_ref(), archive.as_os_str()]).ok();
    assert_whole(&store);
    assert_eq!(super::names(&store.path("root/tmp")), Vec::<String>::new());
    store.line("rmi localhost/app:1").ok();
    store.assert_empty();
}

/// Loads, removals and lists of the same layers at once: no command fails for another's sake.
#[test]
fn crowd() {
    let store = Store::new();
    let archive = archive(&store, "app");
    std::thread::scope(|scope| {
        for client in 0..6 {
            let (store, archive) = (&store, &archive);
            scope.spawn(move || {
                for round in 0..8 {
                    store.run(["load".as_ref(), "-q".as_ref(), "-i".as_ref(), archive.as_os_str()]).ok();
                    let own = format!("localhost/c{client}:{round}");
                    let tag = store.line(&format!("tag localhost/app:1 {own}"));
                    // Another client may have removed the image in between.
                    assert!(tag.code == 0 || tag.stderr.contains("image not known"), "{tag:#?}");
                    assert_whole_or_gone(store);
                    let removal = store.line(&format!("rmi {own} localhost/app:1"));
                    let is_gone = removal.stderr.contains("image not known");
                    assert!(removal.code == 0 || removal.code == 1 && is_gone, "{removal:#?}");
                }
            });
        }
    });
    store.line("rmi -a").ok();
    store.assert_empty();
}

fn assert_whole_or_gone(store: &Store) {
    let list = store.line("images --no-trunc").ok();
    assert!(list.stderr.is_empty(), "{list:#?}");
}

/// On a file system of 2 MiB: one line, nothing kept, and room again afterwards.
#[test]
fn no_space_left() {
    let store = Store::new();
    let archive = archive(&store, "app");
    let root = store.path("root");
    fs::create_dir(&root).unwrap();
    // The mount is the command's own, and goes with it.
    let script = r#"
        mount -t tmpfs -o size=2m none "$1" || exit 99
        shift
        "$@" --root "$ROOT" --runroot "$RUN" load -q -i "$ARCHIVE"; code=$?
        [ "$(ls -A "$ROOT/layers" "$ROOT/tmp" | grep -v :)" = "" ] || exit 98
        [ "$(df --output=pcent "$ROOT" | tail -n 1 | tr -dc 0-9)" -lt 20 ] || exit 97
        exit $code"#;
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "--propagation", "private", "sh", "-c", script, "sh"])
        .arg(&root)
        .arg(program::engine());
    command.env("ROOT", &root).env("RUN", store.path("run")).env("ARCHIVE", &archive);
    program::finish(&mut command)
        .assert_exit(125)
        .assert_one_error_line()
        .assert_stderr_has("no space left on device");
}
