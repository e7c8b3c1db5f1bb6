//! The container engine as a library: images, their store, containers, state.
//!
//! Prints nothing, exits nowhere, parses no arguments and reads no environment: the CLI passes what it needs.

#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};

use container::options::CgroupManager;
use ketch_cgroups::Layout;
use ketch_cgroups::systemd::Manager;

pub mod check;
pub mod container;
pub mod events;
pub mod explain;
pub mod guest;
pub mod image;
pub mod info;
pub mod label;
pub mod network;
pub mod pod;
pub mod rootless;
pub mod secret;
pub mod spec;
pub mod state;
pub mod store;
mod tree;
pub mod usage;
pub mod userns;
pub mod volume;

/// Where one engine keeps its things. Two engines with different paths know nothing of each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    /// Persistent: `/var/lib/ketch`: `state.db`, `layers/`, `splits/`, `mapped/`, `blobs/`, `tmp/`, `mounts/`, `containers/<id>/`,
    /// `secrets/`, `events/`.
    pub root: PathBuf,
    /// Volatile: `/run/ketch`: `containers/<id>/{lock,attach}`, `runtime/<id>/state.json`.
    pub run: PathBuf,
}

impl Paths {
    pub fn database(&self) -> PathBuf {
        self.root.join("state.db")
    }

    pub fn layers(&self) -> PathBuf {
        self.root.join("layers")
    }

    /// What is needed to write the layers' tars again: see [`store`].
    pub fn splits(&self) -> PathBuf {
        self.root.join("splits")
    }

    /// Copies of layers with other ids.
    pub fn mapped(&self) -> PathBuf {
        self.root.join("mapped")
    }

    /// `image mount`: a directory a mounted image.
    pub fn image_mounts(&self) -> PathBuf {
        self.root.join("mounts")
    }

    /// Manifests and configs, by digest.
    pub fn blobs(&self) -> PathBuf {
        self.root.join("blobs")
    }

    /// Staging: on the same file system as all else below `root`, emptied of what no live process owns.
    pub fn tmp(&self) -> PathBuf {
        self.root.join("tmp")
    }

    /// What has happened: see [`events`].
    pub fn events(&self) -> PathBuf {
        self.root.join("events")
    }

    /// `config.json`-to-be, log, exit record, overlay's upper and work.
    pub fn container(&self, id: &str) -> PathBuf {
        self.root.join("containers").join(id)
    }

    /// `<name>/_data`.
    pub fn volumes(&self) -> PathBuf {
        self.root.join("volumes")
    }

    /// See [`secret`].
    pub fn secrets(&self) -> PathBuf {
        self.root.join("secrets")
    }

    pub fn container_run(&self, id: &str) -> PathBuf {
        self.run.join("containers").join(id)
    }

    /// Who is in the user's namespaces: see [`rootless`].
    pub fn members(&self) -> PathBuf {
        self.run.join("members")
    }

    /// The runtime's state root.
    pub fn runtime(&self) -> PathBuf {
        self.run.join("runtime")
    }
}

/// An open engine: paths and the state database.
#[derive(Debug)]
pub struct Engine {
    pub paths: Paths,
    pub db: state::Database,
    /// Who makes the cgroups of new containers; None: systemd where it runs the host and cgroups are v2.
    pub cgroup_manager: Option<CgroupManager>,
    /// Where systemd is reached.
    pub systemd: Manager,
}

impl Engine {
    /// The choice for a new container. The default is podman's.
    pub fn cgroup_manager(&self) -> CgroupManager {
        self.cgroup_manager.unwrap_or_else(|| {
            let v2 = || ketch_cgroups::detect().is_ok_and(|layout| layout == Layout::V2);
            // What sd_booted(3) looks for.
            match Path::new("/run/systemd/system").exists() && self.systemd.is_there() && v2() {
                true => CgroupManager::Systemd { user: self.systemd.user },
                false => CgroupManager::Cgroupfs,
            }
        })
    }
}
