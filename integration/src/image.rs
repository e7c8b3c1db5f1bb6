//! Images made by hand: a few tar layers and a configuration, written as the archives that other tools write.

use std::fs::File;
use std::path::Path;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::program;

/// Layers (uncompressed tars, lowest first) and what the configuration says beside them.
#[derive(Debug, Default)]
pub struct ImageBuilder {
    name: Option<String>,
    config: Value,
    layers: Vec<Vec<u8>>,
}

impl ImageBuilder {
    /// No layer, no configuration.
    pub fn scratch() -> ImageBuilder {
        ImageBuilder { config: json!({}), ..ImageBuilder::default() }
    }

    /// One layer with a static busybox, its applets, and root in /etc/passwd.
    pub fn busybox() -> ImageBuilder {
        let binary = std::fs::read(program::busybox()).expect("busybox can be read");
        let applets = program::run(program::busybox(), ["--list"]).ok();
        let mut tar = tar::Builder::new(Vec::new());
        for dir in ["bin/", "dev/", "etc/", "proc/", "root/", "sys/", "tmp/", "usr/", "usr/bin/", "var/"] {
            append(&mut tar, tar::EntryType::Directory, dir, if dir == "tmp/" { 0o1777 } else { 0o755 }, b"");
        }
        append(&mut tar, tar::EntryType::Regular, "bin/busybox", 0o755, &binary);
        for applet in applets.stdout.lines().filter(|name| *name != "busybox") {
            let mut header = header(tar::EntryType::Symlink, 0o777, 0);
            tar.append_link(&mut header, format!("bin/{applet}"), "busybox").expect("a vector takes all");
        }
        append(
            &mut tar,
            tar::EntryType::Regular,
            "etc/passwd",
            0o644,
            b"root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1::/:/bin/false\nkim:x:1000:1000::/tmp:/bin/sh\n",
        );
        append(
            &mut tar,
            tar::EntryType::Regular,
            "etc/group",
            0o644,
            b"root:x:0:\ndaemon:x:1:\nkim:x:1000:\ncrew:x:2000:kim\n",
        );
        let layer = tar.into_inner().expect("a vector takes all");
        ImageBuilder::scratch()
            .layer(layer)
            .config("Env", json!(["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]))
            .config("Cmd", json!(["sh"]))
    }

    pub fn name(mut self, name: &str) -> ImageBuilder {
        self.name = Some(name.to_owned());
        self
    }

    /// Sets a key of the image's `config`: `Env`, `Cmd`, `Entrypoint`, `User`, …
    pub fn config(mut self, key: &str, value: Value) -> ImageBuilder {
        self.config[key] = value;
        self
    }

    /// Adds an uncompressed layer tar.
    pub fn layer(mut self, tar: Vec<u8>) -> ImageBuilder {
        self.layers.push(tar);
        self
    }

    /// Adds a layer of regular files.
    pub fn files(self, files: &[(&str, u32, &[u8])]) -> ImageBuilder {
        let mut tar = tar::Builder::new(Vec::new());
        for (path, mode, content) in files {
            append(&mut tar, tar::EntryType::Regular, path, *mode, content);
        }
        self.layer(tar.into_inner().expect("a vector takes all"))
    }

    /// Writes what `docker save` writes.
    pub fn docker_archive(&self, path: &Path) {
        let diff_ids: Vec<String> = self.layers.iter().map(|layer| digest(layer)).collect();
        let config = json!({
            "architecture": if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" },
            "os": "linux",
            "created": "2026-01-02T03:04:05Z",
            "config": self.config,
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
            "history": diff_ids.iter().map(|_| json!({"created_by": "test"})).collect::<Vec<_>>(),
        })
        .to_string();
        let config_name = format!("{}.json", &digest(config.as_bytes())[7..]);
        let names: Vec<String> = diff_ids.iter().map(|id| format!("{}.tar", &id[7..])).collect();
        let manifest = json!([{"Config": config_name, "RepoTags": self.name.iter().collect::<Vec<_>>(), "Layers": names}]);
        let mut archive = tar::Builder::new(File::create(path).expect("the archive can be made"));
        for (name, layer) in names.iter().zip(&self.layers) {
            append(&mut archive, tar::EntryType::Regular, name, 0o644, layer);
        }
        append(&mut archive, tar::EntryType::Regular, &config_name, 0o644, config.as_bytes());
        append(
            &mut archive,
            tar::EntryType::Regular,
            "manifest.json",
            0o644,
            manifest.to_string().as_bytes(),
        );
        archive.finish().expect("the archive can be written");
    }
}

/// `sha256:<hex>`.
pub fn digest(bytes: &[u8]) -> String {
    let hex: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

fn header(kind: tar::EntryType, mode: u32, size: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_mtime(1_767_323_045);
    header
}

fn append<W: std::io::Write>(
    tar: &mut tar::Builder<W>,
    kind: tar::EntryType,
    path: &str,
    mode: u32,
    content: &[u8],
) {
    let mut header = header(kind, mode, content.len() as u64);
    tar.append_data(&mut header, path, content).expect("the archive can be written");
}
