use std::collections::BTreeMap;
use std::os::fd::AsFd;
use std::process::ExitCode;

use ketch_runtime::container::glance::Glance;
use ketch_runtime::container::state::Status;
use ketch_sys::file;
use nix::fcntl::OFlag;
use nix::unistd::{Uid, User};
use serde::Serialize;

use crate::globals::Globals;
use crate::report;

/// Print a container's state as JSON
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    /// The container's id
    container: String,
}

pub(crate) fn run(globals: &Globals, args: &Args) -> anyhow::Result<ExitCode> {
    let root = globals.root();
    let mut buffer = Vec::new();
    let container = Glance::load(&root, &args.container, &mut buffer)?;
    let root = file::open(&root, OFlag::O_PATH | OFlag::O_DIRECTORY)?;
    let status = container.status(root.as_fd());
    let text = serde_json::to_string_pretty(&Shown::of(&container, status, &user_name(container.owner)))?;
    report::print(&format!("{text}\n"))?;
    Ok(ExitCode::SUCCESS)
}

/// A state as it is shown: the specification's fields, and those that runc adds.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Shown<'a> {
    oci_version: &'a str,
    pub id: &'a str,
    /// As [`Glance::pid_of`].
    pub pid: i32,
    pub status: Status,
    pub bundle: &'a str,
    rootfs: &'a str,
    pub created: &'a str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
    owner: &'a str,
}

impl<'a> Shown<'a> {
    /// `owner` is the name of the state's.
    pub(crate) fn of(container: &'a Glance<'_>, status: Status, owner: &'a str) -> Shown<'a> {
        Shown {
            oci_version: &container.oci_version,
            id: &container.id,
            pid: container.pid_of(status),
            status,
            bundle: &container.bundle,
            rootfs: &container.rootfs,
            created: &container.created,
            annotations: container.annotations(),
            owner,
        }
    }
}

/// The host's name for a user, or `#1000` as runc shows one that has none.
pub(crate) fn user_name(uid: u32) -> String {
    match User::from_uid(Uid::from_raw(uid)) {
        Ok(Some(user)) => user.name,
        _ => format!("#{uid}"),
    }
}
