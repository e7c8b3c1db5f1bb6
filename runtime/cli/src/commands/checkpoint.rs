use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use ketch_runtime::container::checkpoint::{self, checkpoint};
use ketch_runtime::container::delete::delete;
use ketch_runtime::container::state::State;

use crate::criu::{self, CgroupMode, NetworkLock};
use crate::globals::Globals;
use crate::report;

/// Write a container's processes to images from which `restore` makes them again
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    /// The container's id
    container: String,

    /// Directory for the images [default: ./checkpoint]
    #[arg(long, value_name = "DIR")]
    image_path: Option<PathBuf>,

    /// Directory for CRIU's log and statistics [default: the images']
    #[arg(long, value_name = "DIR")]
    work_path: Option<PathBuf>,

    /// Images of a pre-dump before this one, relative to --image-path
    #[arg(long, value_name = "DIR")]
    parent_path: Option<PathBuf>,

    /// Let the container go on afterwards
    #[arg(long)]
    leave_running: bool,

    /// Take established TCP connections along
    #[arg(long)]
    tcp_established: bool,

    /// Leave out TCP connections that are not established yet
    #[arg(long)]
    tcp_skip_in_flight: bool,

    /// Take files along that have been removed and are still open
    #[arg(long)]
    link_remap: bool,

    /// Allow unix sockets that lead outside
    #[arg(long)]
    ext_unix_sk: bool,

    /// Allow a terminal and session that are the caller's
    #[arg(long)]
    shell_job: bool,

    /// Leave the memory where it is until somebody fetches it from --page-server
    #[arg(long)]
    lazy_pages: bool,

    /// Write a NUL to this descriptor when lazy pages can be fetched
    #[arg(long, value_name = "FD")]
    status_fd: Option<i32>,

    /// Send memory pages to a CRIU page server; with --lazy-pages, be one there
    #[arg(long, value_name = "ADDRESS:PORT")]
    page_server: Option<String>,

    /// Take file locks along
    #[arg(long)]
    file_locks: bool,

    /// Write the memory only, of a container that goes on
    #[arg(long)]
    pre_dump: bool,

    /// What becomes of the cgroups
    #[arg(long, value_name = "MODE")]
    manage_cgroups_mode: Option<CgroupMode>,

    /// Leave out what is in a namespace of this kind: network
    #[arg(long, value_name = "KIND")]
    empty_ns: Vec<String>,

    /// Remove from earlier images what these have newer
    #[arg(long)]
    auto_dedup: bool,

    /// How packets are kept from connections meanwhile
    #[arg(long, value_name = "METHOD")]
    network_lock: Option<NetworkLock>,
}

pub(crate) fn run(globals: &Globals, args: &Args) -> anyhow::Result<ExitCode> {
    if args.lazy_pages && args.page_server.is_none() {
        bail!("--lazy-pages needs a --page-server ADDRESS:PORT from which the pages are fetched");
    }
    let root = globals.root();
    let state = State::load(&root, &args.container)?;
    let page_server = args.page_server.as_deref().map(page_server).transpose()?;
    let criu = criu::program();
    let config = criu::config(Some(&state.annotations));
    let images = criu::images(args.image_path.as_deref())?;
    // As in crun: what was logged outlives the container.
    let work =
        args.work_path.as_ref().map(std::path::absolute).transpose()?.unwrap_or_else(|| images.clone());
    let options = checkpoint::Options {
        root: &root,
        criu: &criu,
        images: &images,
        work: Some(&work),
        parent: args.parent_path.as_deref(),
        pre_dump: args.pre_dump,
        leave_running: args.leave_running,
        tcp_established: args.tcp_established,
        tcp_skip_in_flight: args.tcp_skip_in_flight,
        link_remap: args.link_remap,
        ext_unix_sk: args.ext_unix_sk,
        shell_job: args.shell_job,
        file_locks: args.file_locks,
        auto_dedup: args.auto_dedup,
        empty_network: criu::empty_network(&args.empty_ns)?,
        cgroups: args.manage_cgroups_mode.map(Into::into),
        network_lock: criu::network_lock(args.network_lock),
        page_server,
        lazy_pages: args.lazy_pages,
        status_fd: args.status_fd.filter(|number| *number >= 0),
        config: config.as_deref(),
    };
    checkpoint(&state, &options, &mut || Ok(()))
        .with_context(|| format!("cannot checkpoint container {:?}", args.container))?;
    if !args.leave_running && !args.pre_dump {
        let deleted = delete(&root, &args.container, true)?;
        deleted.warnings.iter().for_each(|warning| report::warning(globals, warning));
    }
    Ok(ExitCode::SUCCESS)
}

/// `ADDRESS:PORT`; an IPv6 address may be in brackets.
fn page_server(text: &str) -> anyhow::Result<(&str, u16)> {
    let wrong = || format!("invalid page server {text:?}: expected ADDRESS:PORT");
    let (address, port) = text.rsplit_once(':').with_context(wrong)?;
    let address = address.strip_prefix('[').and_then(|a| a.strip_suffix(']')).unwrap_or(address);
    Ok((address, port.parse().with_context(wrong)?))
}

#[cfg(test)]
mod tests {
    use super::page_server;

    #[test]
    fn page_servers() {
        assert_eq!(page_server("10.0.0.1:27").expect("valid"), ("10.0.0.1", 27));
        assert_eq!(page_server("[fd00::1]:27").expect("valid"), ("fd00::1", 27));
        for wrong in ["", "host", "host:", "host:x", "host:70000"] {
            assert!(page_server(wrong).is_err(), "{wrong}");
        }
    }
}
