//! What `checkpoint` and `restore` have in common.

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use ketch_runtime::criu::{self, NetworkLock};
use serde::Serialize;
use serde_json::Value;

use crate::output::pretty;

/// The CRIU to run.
pub(super) fn program() -> PathBuf {
    criu::installed(&path())
}

pub(super) fn network_lock() -> Option<NetworkLock> {
    criu::network_lock(&path())
}

fn path() -> OsString {
    std::env::var_os("PATH").unwrap_or_default()
}

/// podman's document, its keys in podman's order.
struct Document<'a> {
    key: &'a str,
    duration: Duration,
    containers: &'a [Value],
}

impl Serialize for Document<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap;
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry(self.key, &microseconds(self.duration))?;
        map.serialize_entry("container_statistics", self.containers)?;
        map.end()
    }
}

/// Prints `--print-stats`.
pub(super) fn print_statistics(key: &str, duration: Duration, containers: &[Value]) -> anyhow::Result<()> {
    let text = pretty(&Document { key, duration, containers }, 4)?;
    Ok(writeln!(std::io::stdout(), "{text}")?)
}

/// One container's entry.
pub(super) fn statistics_of(id: &str, key: &str, duration: Duration, criu: Option<Value>) -> Value {
    let mut entry = serde_json::Map::new();
    entry.insert("Id".to_owned(), id.into());
    entry.insert(key.to_owned(), microseconds(duration).into());
    entry.insert("criu_statistics".to_owned(), criu.unwrap_or_default());
    entry.into()
}

fn microseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
