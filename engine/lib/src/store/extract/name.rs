//! Names of entries, cleaned as Go's `filepath.Clean` does before the tar is unpacked by other engines.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use ketch_sys::Errno;

use super::ExtractError;

/// A path below the layer's root: no leading, trailing or double slash, no `.` and no `..`. Empty: the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Name(Vec<u8>);

impl Name {
    /// A leading slash means the layer's root. `..` is taken lexically and must not go above it.
    pub(super) fn clean(raw: &[u8]) -> Result<Name, ExtractError> {
        let mut parts: Vec<&[u8]> = Vec::new();
        for part in raw.split(|&byte| byte == b'/') {
            match part {
                b"" | b"." => {}
                b".." => drop(parts.pop().ok_or_else(|| ExtractError::Outside { path: printable(raw) })?),
                part => parts.push(part),
            }
        }
        Ok(Name(parts.join(&b'/')))
    }

    pub(super) fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The last component.
    pub(super) fn base(&self) -> &[u8] {
        &self.0[self.0.iter().rposition(|&byte| byte == b'/').map_or(0, |slash| slash + 1)..]
    }

    pub(super) fn parent(&self) -> &[u8] {
        &self.0[..self.0.iter().rposition(|&byte| byte == b'/').unwrap_or(0)]
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// What follows `.wh.` in the last component of a whiteout.
    pub(super) fn whiteout(&self) -> Option<&[u8]> {
        self.base().strip_prefix(b".wh.")
    }

    /// The same parent, another last component, which has to be one.
    pub(super) fn sibling(&self, base: &[u8]) -> Name {
        let mut path = self.parent().to_vec();
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(base);
        Name(path)
    }

    /// The same name, seen from above the directory `dir`, which is a clean path.
    pub(super) fn below(&self, dir: &[u8]) -> Name {
        let parts = [dir, &self.0].into_iter().filter(|part| !part.is_empty());
        Name(parts.collect::<Vec<_>>().join(&b'/'))
    }

    pub(super) fn error(&self, action: &'static str, errno: Errno) -> ExtractError {
        ExtractError::File { action, path: self.to_string(), errno }
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "/{}", printable(&self.0))
    }
}

/// One line, whatever the archive put into the name.
fn printable(path: &[u8]) -> String {
    let text = Path::new(std::ffi::OsStr::from_bytes(path)).to_string_lossy();
    text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
}
