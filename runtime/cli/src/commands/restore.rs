use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use ketch_cgroups::Layout;
use ketch_runtime::container::create::CreateError;
use ketch_runtime::container::delete::delete_stopped;
use ketch_runtime::container::restore::{self, Restored, restore_in};
use ketch_runtime::container::state::check_id;
use ketch_runtime::{spec, terminal};

use crate::cgroups;
use crate::criu::{self, CgroupMode, NetworkLock};
use crate::globals::{CgroupManager, Globals};
use crate::{report, streams};

/// Make a container from the images of a checkpoint
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    /// The container's id
    container: String,

    /// Directory with config.json and, usually, the root file system [default: the current one]
    #[arg(short, long, value_name = "DIR")]
    bundle: Option<PathBuf>,

    /// Read this file in place of the bundle's config.json
    #[arg(short = 'f', long, value_name = "FILE", default_value = "config.json", hide_default_value = true)]
    config: PathBuf,

    /// Send the terminal's master to this listening unix socket
    #[arg(long, value_name = "SOCKET")]
    console_socket: Option<PathBuf>,

    /// Directory of the images [default: ./checkpoint]
    #[arg(long, value_name = "DIR")]
    image_path: Option<PathBuf>,

    /// Directory for CRIU's log and statistics
    #[arg(long, value_name = "DIR")]
    work_path: Option<PathBuf>,

    /// Restore established TCP connections
    #[arg(long)]
    tcp_established: bool,

    /// Restore TCP connections as closed ones
    #[arg(long)]
    tcp_close: bool,

    /// Restore unix sockets that led outside
    #[arg(long)]
    ext_unix_sk: bool,

    /// Restore into the caller's session and terminal
    #[arg(long)]
    shell_job: bool,

    /// Restore file locks
    #[arg(long)]
    file_locks: bool,

    /// What becomes of the cgroups
    #[arg(long, value_name = "MODE")]
    manage_cgroups_mode: Option<CgroupMode>,

    /// Return once the container runs; it is deleted by `delete`
    #[arg(short, long)]
    detach: bool,

    /// Write the first process's id to this file
    #[arg(long, value_name = "FILE")]
    pid_file: Option<PathBuf>,

    /// Accepted for runc's sake: ketchrun never adopts the processes that a container leaves behind
    #[arg(long)]
    no_subreaper: bool,

    /// Enter the root without pivot_root (CRIU cannot: refused)
    #[arg(long)]
    no_pivot: bool,

    /// Make a namespace of this kind empty: network
    #[arg(long, value_name = "KIND")]
    empty_ns: Vec<String>,

    /// Remove from the images what has been restored
    #[arg(long)]
    auto_dedup: bool,

    /// Have memory pages fetched when they are touched, by the `criu lazy-pages` that listens in --work-path
    #[arg(long)]
    lazy_pages: bool,

    /// Give the processes this security label in place of the images': apparmor:NAME or selinux:CONTEXT
    #[arg(long, value_name = "LABEL")]
    lsm_profile: Option<String>,

    /// Mount with this security context
    #[arg(long, value_name = "CONTEXT")]
    lsm_mount_context: Option<String>,

    /// How packets were kept from connections meanwhile
    #[arg(long, value_name = "METHOD")]
    network_lock: Option<NetworkLock>,
}

pub(crate) fn run(globals: &Globals, args: &Args) -> anyhow::Result<ExitCode> {
    if args.no_pivot {
        bail!("--no-pivot is not possible: CRIU makes the container's root by pivot_root alone");
    }
    if !args.detach {
        terminal::hold_signals()?;
    }
    let root = globals.root();
    let restored =
        make(globals, args).with_context(|| format!("cannot restore container {:?}", args.container))?;
    if args.detach {
        return Ok(ExitCode::SUCCESS);
    }
    let ended = streams::attend(&restored.pidfd, restored.console, None);
    let deleted = delete_stopped(&root, &restored.state)?;
    deleted.warnings.iter().for_each(|warning| report::warning(globals, warning));
    ended
}

fn make(globals: &Globals, args: &Args) -> anyhow::Result<Restored> {
    check_id(&args.container)?;
    // What the command line names starts where it was called from, what the configuration names in the bundle.
    let root = globals.root();
    let absolute = |path: &Option<PathBuf>| path.as_ref().map(std::path::absolute).transpose();
    let (console_socket, pid_file) = (absolute(&args.console_socket)?, absolute(&args.pid_file)?);
    let (images, work) = (criu::images(args.image_path.as_deref())?, absolute(&args.work_path)?);
    let criu = criu::program();
    if let Some(bundle) = &args.bundle {
        std::env::set_current_dir(bundle)
            .with_context(|| format!("cannot enter bundle {}", bundle.display()))?;
    }
    let bundle = std::env::current_dir().context("cannot find out the current directory")?;
    // What is warned of was warned of when the container was created.
    let spec = spec::load(&bundle.join(&args.config))?.value;
    let terminal = spec.process().as_ref().and_then(spec::Process::terminal).unwrap_or(false);
    let systemd = cgroups::systemd(globals);
    let config = criu::config(spec.annotations().as_ref());
    let options = restore::Options {
        root: &root,
        id: &args.container,
        bundle: &bundle,
        rootfs: None,
        stdio: streams::stdio(terminal, args.detach, console_socket.as_deref())?,
        pid_file: pid_file.as_deref(),
        criu: &criu,
        images: &images,
        work: work.as_deref(),
        tcp_established: args.tcp_established,
        tcp_close: args.tcp_close,
        ext_unix_sk: args.ext_unix_sk,
        shell_job: args.shell_job,
        file_locks: args.file_locks,
        auto_dedup: args.auto_dedup,
        empty_network: criu::empty_network(&args.empty_ns)?,
        cgroups: args.manage_cgroups_mode.map(Into::into),
        network_lock: criu::network_lock(args.network_lock),
        lazy_pages: args.lazy_pages,
        config: config.as_deref(),
        lsm_profile: args.lsm_profile.as_deref(),
        lsm_mount_context: args.lsm_mount_context.as_deref(),
        systemd: systemd.as_ref(),
    };
    let layout = match globals.cgroup_manager() {
        CgroupManager::Disabled => Layout::NONE,
        _ => ketch_cgroups::detect().map_err(CreateError::from)?,
    };
    Ok(restore_in(&layout, &spec, options)?)
}
