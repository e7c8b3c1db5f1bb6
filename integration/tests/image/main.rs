//! Images and the layer store: pull, load, list, tag, remove, and layers that mean harm.

mod archive;
mod hostile;
mod layer;
mod login;
mod manifest;
mod names;
mod podman;
mod pull;
mod push;
mod registries;
mod registry;
mod save;
mod store;
mod tarball;

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use ketch_integration::{ImageBuilder, Output, program};
use tempfile::TempDir;

/// An engine's directories with images in them and no containers.
struct Store {
    dir: TempDir,
}

impl Store {
    fn new() -> Store {
        Store { dir: tempfile::Builder::new().prefix("ketch-image-").tempdir_in("/var/tmp").unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(program::engine());
        command.arg("--root").arg(self.path("root")).arg("--runroot").arg(self.path("run"));
        command.stdin(Stdio::null());
        command
    }

    fn run<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Output {
        program::finish(self.command().args(args))
    }

    fn line(&self, line: &str) -> Output {
        self.run(line.split_whitespace())
    }

    fn load(&self, image: &ImageBuilder) -> Output {
        let archive = self.path("image.tar");
        image.docker_archive(&archive);
        self.run(["load".as_ref(), "-q".as_ref(), "-i".as_ref(), archive.as_os_str()])
    }

    /// Loads an image of this one layer, which has to work, and returns the layer's directory.
    #[track_caller]
    fn extract(&self, layer: Vec<u8>) -> PathBuf {
        let digest = ketch_integration::image::digest(&layer);
        self.load(&ImageBuilder::scratch().layer(layer)).ok();
        self.path("root/layers").join(&digest["sha256:".len()..])
    }

    /// Loads an image of this one layer, which has to be refused with one line and without a trace.
    #[track_caller]
    fn refuse(&self, layer: Vec<u8>, part: &str) {
        let out = self.load(&ImageBuilder::scratch().layer(layer));
        out.assert_exit(125).assert_one_error_line().assert_stderr_has(part);
        self.assert_empty();
    }

    /// No image, no layer, nothing in staging.
    #[track_caller]
    fn assert_empty(&self) {
        assert_eq!(self.line("images -q").ok().stdout, "");
        assert_eq!(names(&self.path("root/layers")), Vec::<String>::new());
        assert_eq!(names(&self.path("root/tmp")), Vec::<String>::new());
    }
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut names: Vec<String> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}
