use std::collections::HashMap;
use std::path::Path;
use std::process::ExitCode;

use ketch_runtime::container::state::{State, Status, Vitals};
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
    let state = Vitals::load_vitals(&root, &args.container)?;
    let text = serde_json::to_string_pretty(&Shown::of(&state, state.status(&root), user_name(state.owner)))?;
    report::print(&format!("{text}\n"))?;
    Ok(ExitCode::SUCCESS)
}

/// A state as it is shown: the specification's fields, and those that runc adds.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Shown<'a> {
    oci_version: &'a str,
    pub id: &'a str,
    /// 0 when stopped: the number may be another process's by now.
    pub pid: i32,
    pub status: Status,
    pub bundle: &'a Path,
    rootfs: &'a Path,
    pub created: &'a str,
    #[serde(skip_serializing_if = "HashMap::is_empty")]
    annotations: &'a HashMap<String, String>,
    pub owner: String,
}

impl<'a> Shown<'a> {
    /// `owner` is the name of the state's.
    pub(crate) fn of<C, G>(state: &'a State<C, G>, status: Status, owner: String) -> Shown<'a> {
        Shown {
            oci_version: &state.oci_version,
            id: &state.id,
            pid: if status == Status::Stopped { 0 } else { state.pid },
            status,
            bundle: &state.bundle,
            rootfs: &state.rootfs,
            created: &state.created,
            annotations: &state.annotations,
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
