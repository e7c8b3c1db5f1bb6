//! `linux.resources` as files to write: decided before anything is made.

use std::io;
use std::path::{Path, PathBuf};

use nix::libc;

use crate::{Error, file};

mod convert;
#[cfg(test)]
mod tests;
pub(crate) mod v1;
pub(crate) mod v2;
mod version;

/// One limit: a value for a file of a controller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Write {
    /// The field below `linux.resources` that asks for it.
    pub field: String,
    pub controller: String,
    pub file: String,
    pub value: String,
    pub missing: Missing,
}

/// What a kernel without the file means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Missing {
    Refuse,
    /// The value is what a kernel without the file does anyway.
    PassOver,
    /// An older or newer name, with the value in its scale.
    Try {
        file: String,
        value: String,
    },
}

/// The list under construction.
#[derive(Debug, Default)]
struct Writes(Vec<Write>);

impl Writes {
    fn push(&mut self, field: &str, file: impl Into<String>, value: &(impl ToString + ?Sized)) -> &mut Write {
        self.push_or(field, file, value, Missing::Refuse)
    }

    fn push_or(
        &mut self,
        field: &str,
        file: impl Into<String>,
        value: &(impl ToString + ?Sized),
        missing: Missing,
    ) -> &mut Write {
        let file = file.into();
        let controller = file.split('.').next().unwrap_or_default().to_owned();
        let value = value.to_string();
        self.0.push(Write { field: field.to_owned(), controller, file, value, missing });
        self.0.last_mut().expect("just pushed")
    }
}

/// A field that has no counterpart in this cgroup version, or a value outside its range.
fn refuse<T>(field: &str, reason: impl Into<String>) -> Result<T, Error> {
    Err(Error::unsupported(format!("linux.resources.{field}"), reason))
}

/// Writes them all; `directory` tells where a controller's files are.
///
/// The kernel judges some values against others of the same cgroup (memory.limit ≤ memsw, quota/period
/// below the parent's, burst ≤ quota), and which order passes depends on what was there before.
/// So a value refused with EINVAL is tried again when the others are through, as long as that helps.
pub(crate) fn carry_out(writes: &[Write], directory: impl Fn(&str) -> PathBuf) -> Result<(), Error> {
    let mut pending: Vec<&Write> = writes.iter().collect();
    loop {
        let mut refused = Vec::new();
        let mut first_error = None;
        for write in &pending {
            match one(write, &directory(&write.controller)) {
                Err(error) if error.errno() == Some(libc::EINVAL) => {
                    refused.push(*write);
                    first_error.get_or_insert(error);
                }
                result => result?,
            }
        }
        match first_error {
            None => return Ok(()),
            Some(error) if refused.len() == pending.len() => return Err(error),
            Some(_) => pending = refused,
        }
    }
}

/// The same for a cgroup in use: on error the files have again what they had, as far as the kernel takes back what it
/// shows (a device's first throttle stays).
pub(crate) fn change(writes: &[Write], directory: impl Fn(&str) -> PathBuf) -> Result<(), Error> {
    let before: Vec<(PathBuf, String)> = writes
        .iter()
        .flat_map(|write| {
            let other = match &write.missing {
                Missing::Try { file, .. } => Some(file),
                _ => None,
            };
            let directory = directory(&write.controller);
            [Some(&write.file), other]
                .into_iter()
                .flatten()
                .map(|file| directory.join(file))
                .collect::<Vec<_>>()
        })
        .filter_map(|path| file::read(&path).ok().map(|text| (path, text)))
        .collect();
    carry_out(writes, directory).inspect_err(|_| {
        // Twice: a value may be refused until another one is back. The error to tell is the one that led here.
        for (path, text) in before.iter().chain(&before) {
            for line in text.lines() {
                let _ = file::try_write(path, line);
            }
        }
    })
}

fn one(write: &Write, directory: &Path) -> Result<(), Error> {
    let (mut path, mut value) = (directory.join(&write.file), &write.value);
    let mut result = file::try_write(&path, value);

    if is_missing(&result) {
        match &write.missing {
            Missing::PassOver => return Ok(()),
            Missing::Refuse => {}
            Missing::Try { file: other, value: its_value } => {
                (path, value) = (directory.join(other), its_value);
                result = file::try_write(&path, value);
            }
        }
    }
    if is_missing(&result) {
        let reason = format!(
            "{} is missing: the kernel lacks it, or the {} controller is not enabled for this cgroup",
            path.display(),
            write.controller
        );
        return refuse(&write.field, reason);
    }
    result.map_err(|source| Error::Write {
        value: value.clone(),
        hint: hint(&write.file, directory, &source),
        path,
        source,
    })
}

fn is_missing(result: &io::Result<()>) -> bool {
    result.as_ref().is_err_and(|e| e.kind() == io::ErrorKind::NotFound)
}

/// The likely cause of a refused value, in brackets, or nothing.
fn hint(name: &str, directory: &Path, error: &io::Error) -> String {
    let (controller, errno) = (name.split('.').next().unwrap_or_default(), error.raw_os_error().unwrap_or(0));
    let cause = match (controller, errno) {
        ("memory", libc::EBUSY) => {
            let read = |name: &str| file::read_line(&directory.join(name)).unwrap_or_default();
            let (usage, peak) = (read("memory.usage_in_bytes"), read("memory.max_usage_in_bytes"));
            format!("{usage} bytes are in use already, {peak} at the most so far")
        }
        ("memory", libc::EINVAL) if name.contains("memsw") => {
            "memory and swap together cannot be less than the memory limit".into()
        }
        ("cpuset", libc::EINVAL | libc::EACCES | libc::ERANGE | libc::ENOSPC) => {
            "the parent cgroup has no such CPUs or memory nodes".into()
        }
        ("cpu", libc::EINVAL) if name.contains("rt_") => {
            "the parent cgroup has no such realtime share to give".into()
        }
        ("cpu", libc::EINVAL) => "out of range, or more than the parent cgroup has".into(),
        ("blkio" | "io", libc::ENODEV) => "no such block device".into(),
        ("blkio" | "io", libc::EOPNOTSUPP) => "the device's I/O scheduler does not support it".into(),
        _ => return String::new(),
    };
    format!(" ({cause})")
}
