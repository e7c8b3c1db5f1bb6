//! `--pid-file`.

use std::fs;
use std::path::Path;

use ketch_sys::Errno;

use crate::step::{At, StepError};

/// Writes `pid`, without a newline as runc does. Whoever waits for the file never sees it
/// half-written: it is made beside its place and renamed.
pub(crate) fn write(file: &Path, pid: i32) -> Result<(), StepError> {
    const STEP: &str = "write the pid file";
    let name = file.file_name().ok_or(Errno::EISDIR).at(STEP, file)?;
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    let unfinished = file.with_file_name(hidden);
    fs::write(&unfinished, pid.to_string()).at(STEP, &unfinished)?;
    fs::rename(&unfinished, file).at(STEP, file)
}
