//! Keeping this program's file out of a container's reach.

use std::ffi::{CString, OsString};
use std::os::unix::ffi::OsStrExt;

use anyhow::Context;

/// Goes on in a read-only clone of this program's file, unless it is there already (CVE-2019-5736): starts this
/// program again, with the same `words`.
///
/// Comes before all else in a command that sends a process into a container.
pub(crate) fn protect(words: &[OsString]) -> anyhow::Result<()> {
    let args: Vec<CString> =
        words.iter().map(|word| CString::new(word.as_bytes())).collect::<Result<_, _>>()?;
    let env = std::env::vars_os()
        .map(|(name, value)| CString::new([name.as_bytes(), value.as_bytes()].join(&b'=')));
    let env: Vec<CString> = env.collect::<Result<_, _>>()?;
    ketch_sys::exe::reexec_read_only(&args, &env).context(
        "cannot go on in a read-only clone of this program, which keeps containers from replacing it",
    )
}
