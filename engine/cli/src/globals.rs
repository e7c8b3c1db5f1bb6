//! Options before the verb, and where they place the engine.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::Context;
use clap::Parser;
use ketch_cgroups::systemd::Manager;
use ketch_engine::container::options;
use ketch_engine::state::Database;
use ketch_engine::{Engine, Paths};

/// Containers and images without a daemon
#[derive(Debug, Parser)]
#[command(name = "ketch", version, disable_help_flag = true, disable_help_subcommand = true)]
pub(crate) struct Globals {
    /// Directory for images, containers and their state
    #[arg(long, value_name = "DIR", default_value = "/var/lib/ketch")]
    pub(crate) root: PathBuf,
    /// Directory for what does not outlive a reboot
    #[arg(long, value_name = "DIR", default_value = "/run/ketch")]
    pub(crate) runroot: PathBuf,
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
    if nix::unistd::geteuid().is_root() {
        return Manager::system();
    }
    let runtime_directory = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    Manager::of_user(runtime_directory.as_deref(), std::env::var_os("DBUS_SESSION_BUS_ADDRESS").as_deref())
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
        if !nix::unistd::geteuid().is_root() {
            anyhow::bail!("this version runs as root only; use sudo");
        }
        let absolute =
            |path: &PathBuf| std::path::absolute(path).with_context(|| format!("cannot use {path:?}"));
        Ok(Paths { root: absolute(&self.root)?, run: absolute(&self.runroot)? })
    }

    /// The engine in those directories.
    pub(crate) fn engine(&self) -> anyhow::Result<Engine> {
        let paths = self.paths()?;
        let db = Database::open(&paths.database())?;
        let systemd = systemd();
        let cgroup_manager = self.cgroup_manager.map(|manager| match manager {
            CgroupManager::Cgroupfs => options::CgroupManager::Cgroupfs,
            CgroupManager::Systemd => options::CgroupManager::Systemd { user: systemd.user },
        });
        Ok(Engine { paths, db, cgroup_manager, systemd })
    }
}
