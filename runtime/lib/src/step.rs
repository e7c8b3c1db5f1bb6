//! One failed step of a recipe: what was being done, to which object, and the kernel's answer.
//!
//! The same type is used on both sides of the init channel, so an error reads the same whether
//! the parent or the process inside the namespaces met it.

use std::fmt;
use std::path::Path;

use ketch_sys::Errno;

/// The step of finding and executing the container's program, the one step whose errno decides an exit code:
/// ENOENT is 127, anything else 126.
pub const EXECUTE: &str = "execute";

/// The step of entering the working directory.
pub const CHDIR: &str = "chdir to the working directory";

/// A step that failed.
///
/// Prints as `cannot <step> <object>: <errno text>`; `step` is a verb phrase such as
/// `mount proc on`, `object` the path, name or number it was done to (may be empty).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepError {
    pub step: String,
    pub object: String,
    pub errno: Errno,
}

impl fmt::Display for StepError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {}", self.step)?;
        if !self.object.is_empty() {
            write!(f, " {}", self.object)?;
        }
        write!(f, ": {}", self.errno.desc().to_lowercase())
    }
}

impl std::error::Error for StepError {}

/// Gives a failed system call its step and object: `mkdir(p).at("create", p)?`.
pub trait At<T> {
    fn at(self, step: &str, object: impl AsObject) -> Result<T, StepError>;
}

impl<T> At<T> for Result<T, Errno> {
    fn at(self, step: &str, object: impl AsObject) -> Result<T, StepError> {
        self.map_err(|errno| StepError { step: step.to_owned(), object: object.as_object(), errno })
    }
}

impl<T> At<T> for std::io::Result<T> {
    fn at(self, step: &str, object: impl AsObject) -> Result<T, StepError> {
        // An error without an errno (a short write, say) is reported as EIO.
        self.map_err(|e| e.raw_os_error().map_or(Errno::EIO, Errno::from_raw)).at(step, object)
    }
}

/// What a step can be done to.
pub trait AsObject {
    fn as_object(&self) -> String;
}

impl AsObject for &Path {
    fn as_object(&self) -> String {
        self.display().to_string()
    }
}

impl AsObject for &std::path::PathBuf {
    fn as_object(&self) -> String {
        self.display().to_string()
    }
}

impl AsObject for &str {
    fn as_object(&self) -> String {
        (*self).to_owned()
    }
}

impl AsObject for &String {
    fn as_object(&self) -> String {
        (*self).clone()
    }
}
