//! Container logs: the k8s-file format (`<RFC 3339 nano> stdout|stderr F|P <text>`), rotation and reading.

use std::path::Path;
use std::time::SystemTime;

/// What `ketch logs` was asked for.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// Only the last so many lines; None: all.
    pub tail: Option<usize>,
    pub since: Option<SystemTime>,
    pub until: Option<SystemTime>,
    /// Go on with new lines until the container ends (its lock is free).
    pub follow: bool,
    pub timestamps: bool,
}

/// Prints to `out`/`err`; returns when all is printed, or, following, when the container has ended.
pub fn read(
    _log: &Path,
    _run_dir: &Path,
    _query: &Query,
    _out: &mut dyn std::io::Write,
    _err: &mut dyn std::io::Write,
) -> std::io::Result<()> {
    todo!()
}
