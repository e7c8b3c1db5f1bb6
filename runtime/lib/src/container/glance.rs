//! As much of a container's state as shows which one it is and how it is doing: for one who asks about many.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::os::fd::BorrowedFd;
use std::path::Path;

use nix::fcntl::AtFlags;
use nix::unistd::{AccessFlags, faccessat};
use serde::Deserialize;
use serde::de::Error;
use serde_json::value::RawValue;

use super::state::{self, FIFO, FILE, State, StateError, Status};

/// The first document of a `state.json`, read without a copy.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Glance<'a> {
    #[serde(borrow)]
    pub oci_version: Cow<'a, str>,
    #[serde(borrow)]
    pub id: Cow<'a, str>,
    pid: i32,
    start_time: u64,
    #[serde(borrow)]
    boot_id: Cow<'a, str>,
    #[serde(borrow)]
    pub bundle: Cow<'a, str>,
    #[serde(borrow)]
    pub rootfs: Cow<'a, str>,
    #[serde(borrow)]
    pub created: Cow<'a, str>,
    pub owner: u32,
    #[serde(borrow)]
    annotations: Option<&'a RawValue>,
    cgroup_v2: bool,
    /// The documents that follow.
    #[serde(skip)]
    rest: &'a str,
}

impl<'a> Glance<'a> {
    /// `text` is the file's.
    pub(super) fn read(text: &'a str) -> serde_json::Result<Glance<'a>> {
        let (head, rest) = text.split_once('\n').unwrap_or((text, ""));
        Ok(Glance { rest, ..serde_json::from_str(head)? })
    }

    /// Reads `<root>/<id>/state.json`; `buffer` is for the file.
    pub fn load(root: &Path, id: &str, buffer: &'a mut Vec<u8>) -> Result<Glance<'a>, StateError> {
        let text = str::from_utf8(state::read(root, id, buffer)?).map_err(serde_json::Error::custom);
        text.and_then(Glance::read)
            .map_err(|source| StateError::Parse { path: root.join(id).join(FILE), source })
    }

    /// As [`State::status`]; `root` is the directory of all containers.
    pub fn status(&self, root: BorrowedFd<'_>) -> Status {
        let init = state::init(self.pid, self.start_time, &self.boot_id);
        let cgroup = || serde_json::from_str(self.rest.lines().next()?).ok();
        let fifo = format!("{}/{FIFO}", self.id);
        let waits = || faccessat(root, fifo.as_str(), AccessFlags::F_OK, AtFlags::empty()).is_ok();
        state::status(init, self.cgroup_v2, cgroup, waits)
    }

    /// init's number in a container with this status; 0 when stopped, for it may be another process's by now.
    pub fn pid_of(&self, status: Status) -> i32 {
        if status == Status::Stopped { 0 } else { self.pid }
    }

    pub fn annotations(&self) -> BTreeMap<String, String> {
        self.annotations.and_then(|text| serde_json::from_str(text.get()).ok()).unwrap_or_default()
    }

    /// Whether this is `state`'s container, and not a later one of its name.
    pub(super) fn is_of<C>(&self, state: &State<C>) -> bool {
        (self.pid, self.start_time, &*self.boot_id) == (state.pid, state.start_time, &*state.boot_id)
    }
}
