//! Keeping this program's file out of a container's reach.

use std::ffi::CString;
use std::os::unix::ffi::OsStringExt;

use anyhow::Context;

/// Goes on in a read-only clone of this program's file, unless it is there already (CVE-2019-5736).
/// First of all in every command that sends a process into a container: it starts this program again.
pub(crate) fn protect() -> anyhow::Result<()> {
    let args: Vec<CString> =
        std::env::args_os().map(|arg| CString::new(arg.into_vec())).collect::<Result<_, _>>()?;
    let env = std::env::vars_os()
        .map(|(name, value)| CString::new([name.into_vec(), value.into_vec()].join(&b'=')));
    let env: Vec<CString> = env.collect::<Result<_, _>>()?;
    ketch_sys::exe::reexec_read_only(&args, &env).context(
        "cannot go on in a read-only clone of this program, which keeps containers from replacing it",
    )
}
