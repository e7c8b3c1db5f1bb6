//! `restore`: a container whose processes CRIU makes from the images of a checkpoint.
//!
//! All around them (directory, cgroups, root, mounts from outside, namespaces given by path) comes from the configuration,
//! as for `create`; the images choose none of it.

mod attend;
mod enter;

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;

use ketch_cgroups::systemd::Manager;
use ketch_cgroups::{Cgroup, Layout};
use ketch_sys::Errno;
use nix::libc;
use nix::sys::stat::{Mode, fchmod, fstat};
use nix::unistd::{Gid, fchown};

use self::attend::Attendance;
use super::checkpoint::{WORK, make_directory};
use super::create::{CreateError, Stdio};
use super::ground::{Ground, Wanted};
use super::net_device::Moved;
use super::state::State;
use super::unfinished::Unfinished;
use super::{cgroup, descriptors, start};
use crate::criu::protocol::{CgroupRoot, Kind, Options as Opts, Request};
use crate::criu::session::{Session, open_directory};
use crate::criu::{CgroupMode, NetworkLock, external, log, namespace as criu_namespace};
use crate::plan::{Invalid, Plan, ids};
use crate::rootfs;
use crate::spec::Spec;
use crate::step::{At, StepError};

/// What the caller decides about the container, besides its configuration.
#[derive(Debug)]
pub struct Options<'a> {
    /// Where runtime states live, one directory a container.
    pub root: &'a Path,
    pub id: &'a str,
    /// Relative paths of the configuration start here.
    pub bundle: &'a Path,
    /// A detached mount to use as the container's root in place of `root.path`.
    pub rootfs: Option<OwnedFd>,
    pub stdio: Stdio<'a>,
    pub pid_file: Option<&'a Path>,
    /// The CRIU to run.
    pub criu: &'a Path,
    pub images: &'a Path,
    /// CRIU's log and statistics; a directory below the container's own by default.
    pub work: Option<&'a Path>,
    pub tcp_established: bool,
    /// Connections are restored as closed ones.
    pub tcp_close: bool,
    pub ext_unix_sk: bool,
    pub shell_job: bool,
    pub file_locks: bool,
    pub auto_dedup: bool,
    pub empty_network: bool,
    pub cgroups: Option<CgroupMode>,
    pub network_lock: Option<NetworkLock>,
    pub lsm_profile: Option<&'a str>,
    /// Have memory pages fetched when they are touched, by the `criu lazy-pages` that listens in `work`.
    pub lazy_pages: bool,
    /// As for [`super::checkpoint`].
    pub config: Option<&'a Path>,
    pub lsm_mount_context: Option<&'a str>,
    /// As for [`super::create`].
    pub systemd: Option<&'a Manager>,
}

/// A container that runs again.
#[derive(Debug)]
pub struct Restored {
    pub state: State,
    /// init is a child of the calling process; readable when it has ended.
    pub pidfd: OwnedFd,
    /// The pty's master, for [`Stdio::Pty`].
    pub console: Option<OwnedFd>,
}

const LOG: &str = "restore.log";

/// Restores the container in the host's cgroups. The calling process must have one thread. On error everything is undone.
pub fn restore(spec: &Spec, options: Options<'_>) -> Result<Restored, CreateError> {
    restore_in(&ketch_cgroups::detect()?, spec, options)
}

/// The same for a layout of the caller's choice, see [`super::create::create_in`].
pub fn restore_in(layout: &Layout, spec: &Spec, options: Options<'_>) -> Result<Restored, CreateError> {
    let bundle = std::path::absolute(options.bundle).at("make absolute", options.bundle)?;
    let Options { root, id, systemd, .. } = options;
    let wanted = Wanted { layout, spec, root, id, bundle: &bundle, systemd };
    let plan = wanted.plan(&options.stdio)?;
    criu_namespace::refuse_shared(&plan.namespaces)?;
    refuse_unrestorable(&plan)?;
    let ground = Ground::prepare(&wanted, &plan, &options.stdio)?;
    let mut unfinished = Unfinished::new(ground.directory.path.clone());
    let restored = ground.restore(options, &mut unfinished).map_err(|error| unfinished.undo_after(error))?;
    drop(ground);
    start::poststart(&restored.state)?;
    Ok(restored)
}

/// What CRIU would restore as something else: refused, never left out.
fn refuse_unrestorable(plan: &Plan) -> Result<(), Invalid> {
    if let Some(mount) = plan.mounts.iter().find(|mount| mount.idmap.is_some()) {
        let reason = format!("{}: an id-mapped mount cannot be restored", mount.destination.display());
        return Err(Invalid::new("mounts", reason));
    }
    let refuse = |field, reason| Err(Invalid::new(field, reason));
    if !plan.net_devices.is_empty() && !plan.namespaces.joins(libc::CLONE_NEWNET) {
        return refuse(
            "linux.netDevices",
            "cannot be restored in a network namespace of the container's own: that needs one given by path",
        );
    }
    if plan.rdt.is_some() {
        return refuse("linux.intelRdt", "a restored container cannot be given a class of service");
    }
    if plan.process.memory_policy.is_some() {
        return refuse("linux.memoryPolicy", "CRIU does not restore it");
    }
    Ok(())
}

/// CRIU reads the images from inside a user namespace too, whose root is nobody to a directory that only its owner may enter:
/// that group is let in. The names in there stay hidden from it.
fn open_to_user_namespace(images: &File, path: &Path, plan: &Plan) -> Result<(), StepError> {
    let Some(gid) = ids::host(&plan.ids.gids, 0) else { return Ok(()) };
    let stat = fstat(images).at("inspect", path)?;
    let mode = Mode::from_bits_truncate(stat.st_mode);
    if mode.contains(Mode::S_IXOTH) || (stat.st_gid == gid && mode.contains(Mode::S_IXGRP)) {
        return Ok(());
    }
    let step = "let the container's user namespace into";
    fchown(images, None, Some(Gid::from_raw(gid))).at(step, path)?;
    fchmod(images, (mode - Mode::S_IRWXG) | Mode::S_IXGRP).at(step, path)
}

/// Where a scope is, as CRIU names cgroups.
fn below_root(scope: &Cgroup) -> String {
    let path = scope.location().paths.first().and_then(|path| path.strip_prefix(ketch_cgroups::ROOT).ok());
    Path::new("/").join(path.unwrap_or(Path::new(""))).to_string_lossy().into_owned()
}

impl Ground<'_> {
    fn restore(
        &self,
        mut options: Options<'_>,
        unfinished: &mut Unfinished,
    ) -> Result<Restored, CreateError> {
        let default_work = self.directory.path.join(WORK);
        let work_path = options.work.unwrap_or(&default_work);
        make_directory(work_path)?;
        let (images, work) = (open_directory(options.images)?, open_directory(work_path)?);
        let root = match options.rootfs.take() {
            Some(root) => root,
            None => rootfs::root::clone(&self.plan.root.path)?,
        };
        open_to_user_namespace(&images, options.images, self.plan)?;
        if !self.plan.net_devices.is_empty() {
            let network = self.joined.iter().find(|namespace| namespace.joined.flag == libc::CLONE_NEWNET);
            let network = network.ok_or(Errno::ENODEV).at("find", "the container's network namespace")?;
            let devices = unfinished.net_devices.insert(Moved::none_to(network.fd.as_fd())?);
            devices.take_missing(&self.plan.net_devices)?;
        }
        let (cgroup, keeper) = match &self.scope {
            Some(scope) => {
                let (cgroup, keeper) = cgroup::make_kept_scope(scope, &self.directory)?;
                (cgroup, Some(keeper))
            }
            None => (cgroup::make(self.layout, self.spec, self.plan, &self.directory)?, None),
        };
        let cgroup = unfinished.cgroup.insert(cgroup);
        let mode = options.cgroups.unwrap_or(match self.layout {
            Layout::V2 => CgroupMode::Soft,
            Layout::V1 { .. } => CgroupMode::Ignore,
        });

        let mut opts = self.opts(&options, cgroup, mode);
        opts.images_dir_fd = images.as_raw_fd();
        opts.work_dir_fd = Some(work.as_raw_fd());
        if !self.plan.process.terminal {
            opts.inherit_fd = descriptors::inherited(options.images)?;
        }
        let (inherited, joined, mut kept) = criu_namespace::inherited(&self.joined);
        opts.inherit_fd.extend(inherited);
        opts.join_ns = joined;

        let mut criu = self.start(&options, cgroup, mode, &root, &mut kept)?;
        drop(root);
        // CRIU is in the cgroup now, and what it makes stays there.
        drop(keeper);
        criu.check_version()?;
        let request =
            Request { kind: Kind::Restore as i32, options: Some(Box::new(opts)), ..Request::default() };
        let location = cgroup.location().clone();
        let mut attendance = Attendance { of: self, pid_file: options.pid_file, location, unfinished };
        let mut seen = attend::Seen::default();
        let answer = criu.ask(&request, "restore the container", &mut |notification, fd| {
            attendance.see_to(notification, fd, &mut seen)
        });
        if let Err(error) = answer {
            // Not before CRIU has taken apart what it made: then nothing of it is in the cgroup.
            drop(criu);
            return Err(match error {
                CreateError::Criu(error) => log::explain(error, &work, options.work, LOG).into(),
                error => error,
            });
        }
        criu.end()?;
        let state = seen.state.ok_or(Errno::EPROTO).at("hear of", "the restored init")?;
        let pidfd = unfinished.init.take().ok_or(Errno::EPROTO).at("hear of", "the restored init")?;
        Ok(Restored { state, pidfd, console: seen.console })
    }

    fn opts(&self, options: &Options<'_>, cgroup: &Cgroup, mode: CgroupMode) -> Opts {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let places = enter::Places::below(&self.directory.path);
        Opts {
            log_level: Some(4),
            log_file: Some(LOG.to_owned()),
            notify_scripts: Some(true),
            // init becomes a child of this process.
            rst_sibling: Some(true),
            root: Some(text(&places.root)),
            cgroup_yard: Some(text(&places.cgroup_yard)),
            ext_masters: Some(true),
            // A device node is opened by its path if its mount is gone.
            evasive_devices: Some(true),
            orphan_pts_master: Some(true),
            tcp_established: Some(options.tcp_established),
            tcp_close: Some(options.tcp_close),
            ext_unix_sk: Some(options.ext_unix_sk),
            // CRIU makes no terminal that is nobody's controlling one without it. A restored container's may have become
            // that: CRIU forgets to take it where the slave was opened twice, which it mistakes for a pair.
            shell_job: Some(options.shell_job || self.plan.process.terminal),
            file_locks: Some(options.file_locks),
            auto_dedup: Some(options.auto_dedup),
            empty_ns: options.empty_network.then_some(libc::CLONE_NEWNET.cast_unsigned()),
            manage_cgroups_mode: Some(mode as i32),
            // The same path in every hierarchy.
            cg_root: match (mode, &self.scope) {
                (CgroupMode::Ignore, _) => Vec::new(),
                (_, None) => vec![CgroupRoot { controller: None, path: text(&self.plan.cgroup) }],
                (_, Some(_)) => vec![CgroupRoot { controller: None, path: below_root(cgroup) }],
            },
            lazy_pages: Some(options.lazy_pages),
            config_file: options.config.map(text),
            network_lock: options.network_lock.map(|method| method as i32),
            lsm_profile: options.lsm_profile.map(str::to_owned),
            lsm_mount_context: options.lsm_mount_context.map(str::to_owned),
            ext_mnt: external::sources(self.plan, self.layout, cgroup.location(), &places.nodes),
            ..Opts::default()
        }
    }

    /// Starts CRIU in the container's cgroup, where its children begin too.
    fn start<'f>(
        &'f self,
        options: &'f Options<'_>,
        cgroup: &Cgroup,
        mode: CgroupMode,
        root: &OwnedFd,
        kept: &mut Vec<std::os::fd::BorrowedFd<'f>>,
    ) -> Result<Session, CreateError> {
        let directory = cgroup.directory();
        let entrances = match &directory {
            Some(_) => Vec::new(),
            None => cgroup.entrances()?,
        };
        let entering = enter::Entering {
            plan: self.plan,
            entrances: &entrances,
            // One that is not restored is inherited.
            cgroup_namespace: mode == CgroupMode::Ignore
                && self.plan.namespaces.creates(libc::CLONE_NEWCGROUP),
            root,
            at: &self.directory.path,
            stdio: match &options.stdio {
                Stdio::Fds(fds) => Some(fds),
                _ => None,
            },
        };
        let into = directory.as_ref().map(AsFd::as_fd);
        Ok(Session::start(options.criu, into, kept, || enter::enter(&entering))?)
    }
}
