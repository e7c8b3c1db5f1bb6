//! The tour of the documentation, played as it stands.

mod kills;
mod migrate;

use std::fs;

use ketch_integration::play::{Machine, Stage, play};
use ketch_integration::wait::what_stays;
use ketch_integration::{Netns, debian, leftovers};
use tempfile::TempDir;

const PAGE: &str = include_str!("../../../docs/tour.md");

/// Two machines on a wire, and a directory with the page's files.
struct Scene {
    dir: TempDir,
    stage: Stage,
}

impl Scene {
    fn new() -> Scene {
        let dir = tempfile::Builder::new().prefix("ketch-tour-").tempdir_in("/var/tmp").unwrap();
        let (here, there) = (Netns::new(), Netns::new());
        here.wire(&there, &["192.0.2.1/24", "2001:db8::1/64"], &["192.0.2.2/24", "2001:db8::2/64"]);
        let files = dir.path().join("files");
        fs::create_dir(&files).unwrap();
        std::os::unix::fs::symlink(debian::web_archive(), files.join("web.tar")).unwrap();
        let stage = Stage {
            here: Machine::apart(&dir.path().join("here"), here, "192.0.2.1", "2001:db8::1"),
            other: Some(Machine::apart(&dir.path().join("other"), there, "192.0.2.2", "2001:db8::2")),
            dir: files,
            without: Vec::new(),
        };
        Scene { dir, stage }
    }

    /// What is there that should not be, once the kernel has had time to take down what is dead.
    fn left(&self) -> Vec<String> {
        what_stays(|| {
            let mut left = leftovers::find(self.dir.path(), &[]);
            for machine in [Some(&self.stage.here), self.stage.other.as_ref()].into_iter().flatten() {
                // The bridge belongs to its network, and that to nobody.
                let interfaces = machine.interfaces().into_iter().filter(|name| name != "ketch0");
                left.extend(interfaces.map(|name| format!("interface {name}")));
            }
            for part in ["here/run/containers", "here/run/runtime", "here/root/containers", "here/root/tmp"] {
                let entries = fs::read_dir(self.dir.path().join(part)).into_iter().flatten().flatten();
                left.extend(entries.map(|entry| format!("directory {}", entry.path().display())));
            }
            left
        })
    }
}

#[test]
fn line_by_line() {
    let scene = Scene::new();
    if let Err(wrong) = play(&scene.stage, PAGE, |_| {}) {
        panic!("{wrong}");
    }
    assert_eq!(scene.left(), Vec::<String>::new());
}
