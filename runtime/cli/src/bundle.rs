//! What `create` and `run` have in common: flags, bundle, and the container's creation.

use std::path::PathBuf;

use anyhow::Context;
use ketch_cgroups::Layout;
use ketch_runtime::container::create::{self, Created, Options};
use ketch_runtime::container::state::check_id;
use ketch_runtime::plan::annotations::pidfd_receiver;
use ketch_runtime::spec::{self, Loaded};

use crate::globals::Globals;
use crate::{cgroups, descriptors, notify, report, streams};

/// The flags of `create` that `run` has too.
#[derive(Debug, clap::Args)]
pub(crate) struct Flags {
    /// Directory with config.json and, usually, the root file system [default: the current one]
    #[arg(short, long, value_name = "DIR")]
    bundle: Option<PathBuf>,

    /// Read this file in place of the bundle's config.json
    #[arg(short = 'f', long, value_name = "FILE", default_value = "config.json", hide_default_value = true)]
    config: PathBuf,

    /// Send the terminal's master to this listening unix socket
    #[arg(long, value_name = "SOCKET")]
    console_socket: Option<PathBuf>,

    /// Write the first process's id to this file
    #[arg(long, value_name = "FILE")]
    pid_file: Option<PathBuf>,

    /// Send a pidfd of the first process to this listening unix socket
    #[arg(long, value_name = "SOCKET")]
    pidfd_socket: Option<PathBuf>,

    /// Enter the root with a moved mount in place of pivot_root, for hosts that run from a ramdisk
    #[arg(long)]
    no_pivot: bool,

    /// Keep the caller's session keyring
    #[arg(long)]
    no_new_keyring: bool,

    /// Accepted for runc's sake: ketchrun never adopts the processes that a container leaves behind
    #[arg(long)]
    no_subreaper: bool,

    /// Hand down the descriptors among this many after the standard three (and those of $LISTEN_FDS)
    #[arg(long, value_name = "N", default_value_t = 0)]
    preserve_fds: u32,
}

/// Who starts the container, and who stays with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Life {
    /// `create`: another process starts it.
    StartedByOther,
    /// `run --detach`.
    Detached,
    /// `run`: this process stays until it ends.
    Foreground,
}

/// Enters the bundle, reads its configuration and makes the container.
pub(crate) fn create(globals: &Globals, id: &str, flags: &Flags, life: Life) -> anyhow::Result<Created> {
    let Flags { no_subreaper: _, .. } = flags;
    check_id(id)?;
    // What the command line names starts where it was called from, what the configuration names in the bundle.
    let root = globals.root();
    let console_socket = flags.console_socket.as_ref().map(std::path::absolute).transpose()?;
    let pid_file = flags.pid_file.as_ref().map(std::path::absolute).transpose()?;
    let mut pidfd_socket = flags.pidfd_socket.as_ref().map(std::path::absolute).transpose()?;
    if let Some(bundle) = &flags.bundle {
        std::env::set_current_dir(bundle)
            .with_context(|| format!("cannot enter bundle {}", bundle.display()))?;
    }
    let bundle = std::env::current_dir().context("cannot find out the current directory")?;
    let Loaded { value: mut spec, warnings } = spec::load(&bundle.join(&flags.config))?;
    warnings.iter().for_each(|warning| report::warning(globals, warning));

    pidfd_socket = pidfd_socket.or_else(|| pidfd_receiver(spec.annotations().as_ref()));
    let terminal = spec.process().as_ref().and_then(spec::Process::terminal).unwrap_or(false);
    let preserve_fds = descriptors::preserved(flags.preserve_fds, spec.process_mut().as_mut())?;
    let service = notify::service();
    if let Some(service) = &service {
        notify::add(&mut spec, &root, id, service)?;
    }
    let systemd = cgroups::systemd(globals);
    let create_in = |layout: &Layout| -> anyhow::Result<Created> {
        let options = Options {
            root: &root,
            id,
            bundle: &bundle,
            rootfs: None,
            opened: Vec::new(),
            stdio: streams::stdio(terminal, life != Life::Foreground, console_socket.as_deref())?,
            preserve_fds: preserve_fds.clone(),
            pid_file: pid_file.as_deref(),
            notify: service.is_some(),
            no_pivot: flags.no_pivot,
            no_new_keyring: flags.no_new_keyring,
            start_by_other: life == Life::StartedByOther,
            systemd: systemd.as_ref(),
        };
        Ok(create::create_in(layout, &spec, options)?)
    };
    let created = cgroups::make(globals, &spec, create_in)?;
    if let Some(socket) = &pidfd_socket
        && let Err(error) = descriptors::send_pidfd(socket, &created.pidfd, "standard")
    {
        ketch_runtime::container::delete::delete(&root, id, true)?;
        return Err(error);
    }
    Ok(created)
}
