//! Options before the verb, and where they place the engine.

mod others;

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use clap::{CommandFactory, Parser};
use ketch_cgroups::systemd::Manager;
use ketch_engine::container::options;
use ketch_engine::state::Database;
use ketch_engine::{Engine, Paths};
use nix::unistd::{Uid, dup2_stdout};

use crate::commands::usage;
use crate::failure::UnknownFlag;
use crate::flags::set_docker_config;
use crate::messages::{self, Level};
use crate::rootless;

pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Containers and images without a daemon
#[derive(Debug, Parser)]
#[command(
    name = "ketch",
    disable_help_flag = true,
    disable_version_flag = true,
    disable_help_subcommand = true
)]
#[command(args_override_self = true)]
pub(crate) struct Globals {
    /// Who makes the containers' cgroups: systemd or cgroupfs [default: systemd where it runs the host, with cgroup v2]
    #[arg(long, value_name = "MANAGER", value_parser = cgroup_manager)]
    cgroup_manager: Option<CgroupManager>,
    /// Directory of docker's config.json, with logins
    #[arg(long, value_name = "DIR")]
    config: Option<PathBuf>,
    /// Where events are kept: file
    #[arg(long, value_name = "BACKEND")]
    events_backend: Option<String>,
    /// Show help
    #[arg(long, short)]
    pub(crate) help: bool,
    /// Directory of OCI hooks, in which there must be none
    #[arg(long, value_name = "DIR")]
    hooks_dir: Vec<PathBuf>,
    /// Which messages of ketch's own are shown: trace, debug, info, warn, warning, error, fatal or panic
    #[arg(long, value_name = "LEVEL", default_value = "warn")]
    log_level: String,
    /// Write to this file what would go to stdout
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Write to stdout nothing at all
    #[arg(long)]
    noout: bool,
    /// Directory for images, containers and their state [default: /var/lib/ketch; without root $XDG_DATA_HOME/ketch]
    #[arg(long, value_name = "DIR")]
    pub(crate) root: Option<PathBuf>,
    /// Directory for what does not outlive a reboot [default: /run/ketch; without root $XDG_RUNTIME_DIR/ketch]
    #[arg(long, value_name = "DIR")]
    pub(crate) runroot: Option<PathBuf>,
    /// The OCI runtime: ketchrun, which ketch is itself
    #[arg(long, value_name = "RUNTIME")]
    runtime: Option<PathBuf>,
    /// How layers become a root: overlay
    #[arg(long, value_name = "DRIVER")]
    storage_driver: Option<String>,
    /// The same as --runroot, unless that is given too
    #[arg(long, value_name = "DIR")]
    tmpdir: Option<PathBuf>,
    /// Show the version
    #[arg(long, short)]
    pub(crate) version: bool,
    #[command(flatten)]
    others: others::Others,
    /// The verb and all after it: parsed by the verb alone, so that start-up builds one parser and no more
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    rest: Vec<OsString>,
}

#[derive(Debug, Clone, Copy)]
enum CgroupManager {
    Cgroupfs,
    Systemd,
}

/// podman's words.
fn cgroup_manager(name: &str) -> Result<CgroupManager, String> {
    match name {
        "cgroupfs" => Ok(CgroupManager::Cgroupfs),
        "systemd" => Ok(CgroupManager::Systemd),
        _ => Err("cgroup manager must be one of cgroupfs and systemd".to_owned()),
    }
}

/// The host's systemd, or an ordinary user's own.
pub(crate) fn systemd() -> Manager {
    let Some(uid) = rootless::user() else { return Manager::system() };
    let bus_address = std::env::var_os("DBUS_SESSION_BUS_ADDRESS");
    Manager::of_user(rootless::runtime_directory(uid).as_deref(), bus_address.as_deref())
}

/// Splits the command line in the options before the verb, and the verb with its arguments.
pub(crate) fn parse(words: &[OsString]) -> anyhow::Result<(Globals, Vec<OsString>)> {
    let parsed = Globals::try_parse_from(words);
    let mut globals = parsed.map_err(|error| usage::error(&error, Globals::command(), &["ketch".into()]))?;
    let rest = std::mem::take(&mut globals.rest);
    Ok((globals, rest))
}

/// The command line with the option in front of which `error` says that the verb does not know it, if it is one of these.
/// `verb` is where the verb is.
pub(crate) fn moved(words: &[OsString], verb: usize, error: &anyhow::Error) -> Option<Vec<OsString>> {
    let UnknownFlag { flag, .. } = error.downcast_ref()?;
    let globals = Globals::command();
    let mut options = globals.get_arguments().filter(|arg| arg.get_id() != "version");
    let option = options.find(|arg| arg.get_long() == flag.strip_prefix("--"))?;
    let is_it = |word: &OsString| word.to_str().is_some_and(|word| word.split('=').next() == Some(flag));
    let at = verb + words[verb..].iter().position(is_it)?;
    let has_value = option.get_action().takes_values() && !option.is_require_equals_set();
    let length = if has_value && words[at] == **flag { 2 } else { 1 };
    let (before, after) = words.split_at(verb);
    let Some(moved) = words.get(at..at + length) else {
        // Without its value it is the last: that is what is said then.
        return Some([before, &words[at..]].concat());
    };
    let (kept, rest) = (&after[..at - verb], &words[at + length..]);
    Some([before, moved, kept, rest].concat())
}

/// The options, for help.
pub(crate) fn command() -> clap::Command {
    Globals::command()
}

impl Globals {
    /// Acts on those that are about the process itself, and refuses those that ketch has nothing for.
    pub(crate) fn settle(&self) -> anyhow::Result<()> {
        messages::set_level(Level::parse(&self.log_level)?);
        self.others.refuse()?;
        if let Some(runtime) = &self.runtime {
            let name = runtime.file_name().unwrap_or_default();
            ensure!(
                name == "ketchrun" || name == "ketch",
                "--runtime {} is not available: ketch makes its containers itself, as ketchrun",
                runtime.display()
            );
        }
        let driver = self.storage_driver.as_deref().unwrap_or_default();
        ensure!(
            matches!(driver, "" | "overlay"),
            "--storage-driver {driver} is not available: roots are overlays, which every kernel that ketch runs on has"
        );
        let backend = self.events_backend.as_deref().unwrap_or_default();
        ensure!(
            matches!(backend, "" | "file"),
            "--events-backend {backend} is not available: events are kept in a file below --root"
        );
        for dir in &self.hooks_dir {
            ensure!(
                !has_hooks(dir),
                "--hooks-dir {}: there are hooks in it, and ketch runs none",
                dir.display()
            );
        }
        if let Some(dir) = &self.config {
            set_docker_config(dir);
        }
        self.redirect()
    }

    /// `--out`, `--noout`. Before there is any other descriptor or thread.
    fn redirect(&self) -> anyhow::Result<()> {
        let path = match (&self.out, self.noout) {
            (Some(path), _) => path.as_path(),
            (None, true) => Path::new("/dev/null"),
            (None, false) => return Ok(()),
        };
        let file = File::create(path).with_context(|| format!("cannot write to {}", path.display()))?;
        dup2_stdout(&file).with_context(|| format!("cannot write to {}", path.display()))
    }

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
            run: place(&self.runroot.clone().or_else(|| self.tmpdir.clone()), "/run/ketch", rootless::run)?,
        })
    }

    /// The engine in those directories. Without root, the calling process goes into the user's namespaces first.
    pub(crate) fn engine(&self) -> anyhow::Result<Engine> {
        let paths = self.paths()?;
        messages::debug(|| {
            format!("Using root {} and runroot {}", paths.root.display(), paths.run.display())
        });
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

/// oci-hooks(5): a hook is a file whose name ends in `.json`.
fn has_hooks(dir: &Path) -> bool {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .into_iter()
        .any(|entry| Path::new(&entry.file_name()).extension().is_some_and(|ext| ext == "json"))
}
