//! `checkpoint`: the container's processes, taken apart by CRIU into images that `restore` makes them from again.

use std::fs::DirBuilder;
use std::io::ErrorKind;
use std::os::fd::AsRawFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use nix::libc;

use super::descriptors;
use super::state::{State, StateError, Status};
use crate::criu::protocol::{Kind, Options as Opts, PageServer, Request};
use crate::criu::session::{Session, open_directory};
use crate::criu::{CgroupMode, CriuError, NetworkLock, external, log, namespace};
use crate::plan::{self, Invalid};
use crate::step::{At, StepError};

/// What the caller decides about a checkpoint.
#[derive(Debug)]
pub struct Options<'a> {
    /// Where runtime states live.
    pub root: &'a Path,
    /// The CRIU to run.
    pub criu: &'a Path,
    /// The directory of the images; made if it is missing.
    pub images: &'a Path,
    /// CRIU's log and statistics; a directory below the container's own by default.
    pub work: Option<&'a Path>,
    /// Images of a pre-dump before this one, relative to `images`.
    pub parent: Option<&'a Path>,
    /// Only the memory, of a container that goes on.
    pub pre_dump: bool,
    /// The container goes on after the checkpoint too; otherwise its processes are gone at its end.
    pub leave_running: bool,
    pub tcp_established: bool,
    pub tcp_skip_in_flight: bool,
    pub link_remap: bool,
    pub ext_unix_sk: bool,
    pub shell_job: bool,
    pub file_locks: bool,
    pub auto_dedup: bool,
    /// Leave what is in the network namespace out; the restore gets an empty one.
    pub empty_network: bool,
    pub cgroups: Option<CgroupMode>,
    pub network_lock: Option<NetworkLock>,
    /// Send memory pages there.
    pub page_server: Option<(&'a str, u16)>,
    /// Leave the memory out of the images and hand out its pages at the page server's port: criu(8), `lazy-pages`. The checkpoint is
    /// then at an end when somebody has fetched them all.
    pub lazy_pages: bool,
    /// A descriptor of the caller's that CRIU writes a NUL to once pages can be fetched.
    pub status_fd: Option<i32>,
    /// Options of CRIU's own, which take precedence over all of these: criu(8), "Configuration files". They can name programs to
    /// run.
    pub config: Option<&'a Path>,
}

/// Why a caller's part of a checkpoint has failed.
pub type Reason = Box<dyn std::error::Error + Send + Sync>;

/// Why there is no checkpoint. The container goes on as it was.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    #[error(transparent)]
    State(#[from] StateError),
    #[error("cannot checkpoint container {id:?}: it is {status}")]
    NotRunning { id: String, status: Status },
    #[error(
        "the container's cgroups cannot be taken along: it shares the root of the v2 hierarchy with all of this host, which CRIU would take for the container's (leave out --manage-cgroups-mode, or give ignore)"
    )]
    SharedCgroup,
    #[error("--parent-path {0} must be relative to the images' directory, and be there")]
    Parent(PathBuf),
    #[error(
        "a pre-dump needs a kernel that tracks written pages (CONFIG_MEM_SOFT_DIRTY), which this one does not"
    )]
    NoMemoryTracking,
    #[error(transparent)]
    Invalid(#[from] Invalid),
    #[error(transparent)]
    Criu(#[from] CriuError),
    #[error(transparent)]
    Step(#[from] StepError),
    /// The caller's `dumped` has failed.
    #[error("{0}")]
    Refused(#[source] Reason),
}

/// Where CRIU works by default, below the container's directory.
pub(super) const WORK: &str = "criu.work";

const LOG: &str = "dump.log";

/// Makes a checkpoint of a running or paused container. Without `leave_running` its processes have been killed at the
/// end, and the rest of it is there to be deleted.
///
/// `dumped` is called when the images are complete, and nothing in the container moves until it returns. If it fails the
/// container goes on. The calling process must have one thread.
pub fn checkpoint(
    state: &State,
    options: &Options<'_>,
    dumped: &mut dyn FnMut() -> Result<(), Reason>,
) -> Result<(), CheckpointError> {
    match state.status(options.root) {
        Status::Running | Status::Paused => {}
        status => return Err(CheckpointError::NotRunning { id: state.id.clone(), status }),
    }
    let namespaces = plan::namespace::of_list(&state.config.namespaces)?;
    namespace::refuse_shared(&namespaces)?;
    let cgroups = cgroup_mode(state, options.cgroups)?;

    let default_work = options.root.join(&state.id).join(WORK);
    let work_path = options.work.unwrap_or(&default_work);
    make_directory(options.images)?;
    make_directory(work_path)?;
    let (images, work) = (open_directory(options.images)?, open_directory(work_path)?);
    if let Some(parent) = options.parent {
        check_parent(options.images, parent)?;
    }

    let mut criu = Session::start(options.criu, None, &[], || Ok(()))?;
    criu.check_version()?;
    if options.pre_dump && !criu.tracks_memory()? {
        return Err(CheckpointError::NoMemoryTracking);
    }
    let mut left_out = namespace::external(&namespaces, state.pid)?;
    if !options.pre_dump {
        left_out.extend(descriptors::write(options.images, state.pid)?);
    }
    let opts = Opts {
        images_dir_fd: images.as_raw_fd(),
        work_dir_fd: Some(work.as_raw_fd()),
        pid: Some(state.pid),
        log_level: Some(4),
        log_file: Some(LOG.to_owned()),
        notify_scripts: Some(true),
        // Slaves of the host's mounts, which is what isolating the container's has made of them.
        ext_masters: Some(true),
        orphan_pts_master: Some(true),
        leave_running: Some(options.leave_running),
        tcp_established: Some(options.tcp_established),
        tcp_skip_in_flight: Some(options.tcp_skip_in_flight),
        link_remap: Some(options.link_remap),
        ext_unix_sk: Some(options.ext_unix_sk),
        shell_job: Some(options.shell_job),
        file_locks: Some(options.file_locks),
        auto_dedup: Some(options.auto_dedup),
        manage_cgroups_mode: Some(cgroups as i32),
        network_lock: options.network_lock.map(|method| method as i32),
        freeze_cgroup: freezer(state),
        track_mem: (options.pre_dump || options.parent.is_some()).then_some(true),
        parent_img: options.parent.map(|parent| parent.to_string_lossy().into_owned()),
        page_server: options
            .page_server
            .map(|(address, port)| PageServer { address: Some(address.to_owned()), port: Some(port.into()) }),
        lazy_pages: Some(options.lazy_pages),
        status_fd: options.status_fd,
        config_file: options.config.map(|path| path.to_string_lossy().into_owned()),
        empty_ns: options.empty_network.then_some(libc::CLONE_NEWNET.cast_unsigned()),
        external: left_out,
        ext_mnt: external::mount_points(&state.config.external, state.pid)?,
        ..Opts::default()
    };
    let (kind, what) = match options.pre_dump {
        true => (Kind::SinglePreDump, "pre-dump the container"),
        false => (Kind::Dump, "dump the container"),
    };
    let request = Request { kind: kind as i32, options: Some(Box::new(opts)), ..Request::default() };
    // The network is the engine's, or CRIU's own to lock: of the stages it speaks of only one has something to be done.
    let answer = criu.ask(&request, what, &mut |notification, _| match notification.script.as_deref() {
        Some("post-dump") => dumped().map_err(CheckpointError::Refused),
        _ => Ok(()),
    });
    if let Err(error) = answer {
        return Err(match error {
            CheckpointError::Criu(error) => log::explain(error, &work, Some(work_path), LOG).into(),
            error => error,
        });
    }
    criu.end()?;
    Ok(())
}

/// On a host with v1 hierarchies and a v2 mount beside them a container has no v2 cgroup of its own. CRIU finds it in the
/// root of that hierarchy all the same.
fn cgroup_mode(state: &State, wanted: Option<CgroupMode>) -> Result<CgroupMode, CheckpointError> {
    let path = format!("/proc/{}/cgroup", state.pid);
    let memberships = std::fs::read_to_string(&path).at("read", &path)?;
    let shares_root = !state.cgroup.v2 && memberships.lines().any(|line| line == "0::/");
    match wanted {
        Some(mode) if shares_root && mode != CgroupMode::Ignore => Err(CheckpointError::SharedCgroup),
        Some(mode) => Ok(mode),
        None if shares_root || !state.cgroup.v2 => Ok(CgroupMode::Ignore),
        None => Ok(CgroupMode::Soft),
    }
}

/// The cgroup that CRIU freezes, so that nothing in it forks while it looks.
fn freezer(state: &State) -> Option<String> {
    let paths = &state.cgroup.paths;
    let is_freezer = |path: &&PathBuf| state.cgroup.v2 || path.iter().any(|name| name == "freezer");
    paths.iter().find(is_freezer).map(|path| path.to_string_lossy().into_owned())
}

fn check_parent(images: &Path, parent: &Path) -> Result<(), CheckpointError> {
    match parent.is_relative() && images.join(parent).is_dir() {
        true => Ok(()),
        false => Err(CheckpointError::Parent(parent.to_owned())),
    }
}

/// Makes a directory that only its owner looks into: images hold all of the processes' memory.
pub(super) fn make_directory(path: &Path) -> Result<(), StepError> {
    match DirBuilder::new().mode(0o700).recursive(true).create(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error).at("make the directory", path),
        _ => Ok(()),
    }
}
