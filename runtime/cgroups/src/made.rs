//! Directories made so far: removed again, last first, unless kept.

use std::fs::{self, DirBuilder};
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::Error;

#[derive(Debug, Default)]
pub(crate) struct Made(Vec<PathBuf>);

impl Made {
    /// Makes `path`, and its parents where they are missing. False: it was there already.
    pub(crate) fn directory(&mut self, path: &Path) -> Result<bool, Error> {
        match DirBuilder::new().mode(0o755).create(path) {
            Ok(()) => {
                self.0.push(path.to_owned());
                Ok(true)
            }
            Err(e) if e.kind() == ErrorKind::AlreadyExists => Ok(false),
            Err(e) if e.kind() == ErrorKind::NotFound && path.parent().is_some() => {
                // Another may make the same parent at this moment; whoever comes second finds it.
                self.directory(path.parent().expect("just seen"))?;
                self.directory(path)
            }
            Err(e) => Err(Error::io("create", path)(e)),
        }
    }

    pub(crate) fn contains(&self, path: &Path) -> bool {
        self.0.iter().any(|made| made == path)
    }

    pub(crate) fn keep(mut self) {
        self.0.clear();
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        // Nothing was ever in them, and a parent that another container uses by now is to stay.
        for path in self.0.iter().rev() {
            let _ = fs::remove_dir(path);
        }
    }
}
