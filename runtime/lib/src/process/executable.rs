//! Finding the program, inside the container, as the final user.

use std::ffi::{CStr, CString};

use ketch_sys::Errno;
use nix::fcntl::AtFlags;
use nix::sys::stat::{SFlag, stat};
use nix::unistd::{AccessFlags, faccessat};

use crate::step::{At, EXECUTE, StepError};

/// The path to execute `program` by: itself when it has a slash, else the first hit in `PATH` of `env`.
///
/// EACCES when there is such a file but none that the user may execute (a directory, no x bit,
/// a file system mounted noexec), else ENOENT.
pub(crate) fn find(program: &CStr, env: &[CString]) -> Result<CString, StepError> {
    let (name, shown) = (program.to_bytes(), program.to_string_lossy());
    if name.contains(&b'/') {
        return executable(program).map(|()| program.to_owned()).at(EXECUTE, &*shown);
    }
    match search(name, env) {
        // In runc's words, by which engines tell a missing program from other failures.
        Err(Errno::ENOENT) => {
            Err(Errno::ENOENT).at(EXECUTE, &format!("{shown:?} (executable file not found in $PATH)"))
        }
        found => found.at(EXECUTE, &*shown),
    }
}

fn search(name: &[u8], env: &[CString]) -> Result<CString, Errno> {
    let path = env.iter().rev().find_map(|entry| entry.to_bytes().strip_prefix(b"PATH=")).unwrap_or_default();
    if name.is_empty() {
        return Err(Errno::ENOENT);
    }
    let mut seen = Errno::ENOENT;
    for directory in path.split(|byte| *byte == b':').filter(|directory| !directory.is_empty()) {
        let candidate = CString::new([directory, b"/", name].concat()).map_err(|_| Errno::EINVAL)?;
        match executable(&candidate) {
            Ok(()) => return Ok(candidate),
            Err(Errno::EACCES) => seen = Errno::EACCES,
            Err(_) => {}
        }
    }
    Err(seen)
}

/// access(2) says yes to a directory that may be entered, too.
fn executable(path: &CStr) -> Result<(), Errno> {
    faccessat(nix::fcntl::AT_FDCWD, path, AccessFlags::X_OK, AtFlags::AT_EACCESS)?;
    let kind = SFlag::from_bits_truncate(stat(path)?.st_mode) & SFlag::S_IFMT;
    if kind == SFlag::S_IFREG { Ok(()) } else { Err(Errno::EACCES) }
}
