//! Options before the verb, and where they place the engine.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::Context;
use clap::Parser;
use ketch_cgroups::systemd::Manager;
use ketch_engine::container::options;
use ketch_engine::state::Database;
use ketch_engine::{Engine, Paths};
use nix::unistd::Uid;

use crate::rootless;

pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// As podman's `podman version 5.8.6`: the parser puts the name before it.
const SHOWN: &str = concat!("version ", env!("CARGO_PKG_VERSION"));

/// Containers and images without a daemon
#[derive(Debug, Parser)]
#[command(name = "ketch", version = SHOWN, disable_help_flag = true, disable_help_subcommand = true)]
pub(crate) struct Globals {
    /// Directory for images, containers and their state
    #[arg(long, value_name = "DIR")]
    pub(crate) root: Option<PathBuf>,
    /// Directory for what does not outlive a reboot
    #[arg(long, value_name = "DIR")]
    pub(crate) runroot: Option<PathBuf>,
    /// Who makes the containers' cgroups: systemd or cgroupfs [default: systemd where it runs the host, with cgroup v2]
    #[arg(long, value_name = "MANAGER")]
    cgroup_manager: Option<CgroupManager>,
    /// Show help
    #[arg(long, short)]
    pub(crate) help: bool,
    /// The verb and all after it: parsed by the verb alone, so that start-up builds one parser and no more
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    rest: Vec<OsString>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum CgroupManager {
    Cgroupfs,
    Systemd,
}

/// The host's systemd, or an ordinary user's own.
fn systemd() -> Manager {
    let Some(uid) = rootless::user() else { return Manager::system() };
    let bus_address = std::env::var_os("DBUS_SESSION_BUS_ADDRESS");
    Manager::of_user(rootless::runtime_directory(uid).as_deref(), bus_address.as_deref())
}

/// Splits the command line in the options before the verb, and the verb with its arguments.
pub(crate) fn parse(words: &[OsString]) -> anyhow::Result<(Globals, Vec<OsString>)> {
    let mut globals = Globals::try_parse_from(words)?;
    let rest = std::mem::take(&mut globals.rest);
    Ok((globals, rest))
}

impl Globals {
    /// The engine's directories, absolute: the monitor does not keep the caller's working directory.
    pub(crate) fn paths(&self) -> anyhow::Result<Paths> {
        let user = rootless::user();
        let place = |given: &Option<PathBuf>, of_root: &str, of_user: fn(Uid) -> anyhow::Result<PathBuf>| {
            let path = match (given, user) {
                (Some(path), _) => path.clone(),
                (None, None) => of_root.into(),
                (None, Some(uid)) => of_user(uid)?,
            };
            std::path::absolute(&path).with_context(|| format!("cannot use {path:?}"))
        };
        Ok(Paths {
            root: place(&self.root, "/var/lib/ketch", rootless::root)?,
            run: place(&self.runroot, "/run/ketch", rootless::run)?,
        })
    }

    /// The engine in those directories. Without root, the calling process goes into the user's namespaces first.
    pub(crate) fn engine(&self) -> anyhow::Result<Engine> {
        let paths = self.paths()?;
        rootless::enter(&paths)?;
        let db = Database::open(&paths.database())?;
        let systemd = systemd();
        let cgroup_manager = self.cgroup_manager.map(|manager| match manager {
            CgroupManager::Cgroupfs => options::CgroupManager::Cgroupfs,
            CgroupManager::Systemd => options::CgroupManager::Systemd { user: systemd.user },
        });
        Ok(Engine { paths, db, cgroup_manager, systemd })
    }
}
