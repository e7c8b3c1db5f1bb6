//! Where a verb writes an archive: stdout, or a file that has its name only when it is whole.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

pub(crate) enum Archive {
    Stdout(io::Stdout),
    /// A device or FIFO, which keeps what it is.
    There(File),
    New {
        file: File,
        path: PathBuf,
        /// Until then.
        hidden: PathBuf,
    },
}

impl Archive {
    /// `verb` is for the refusal to write to a terminal.
    pub(crate) fn create(output: Option<&Path>, verb: &str) -> anyhow::Result<Archive> {
        let Some(path) = output else {
            if io::stdout().is_terminal() {
                // podman's words.
                bail!("refusing to {verb} to terminal. Use -o flag or redirect");
            }
            return Ok(Archive::Stdout(io::stdout()));
        };
        let cannot = || format!("cannot write {}", path.display());
        match fs::metadata(path) {
            Ok(there) if !there.is_file() => {
                let file = File::options().write(true).open(path).with_context(cannot)?;
                return Ok(Archive::There(file));
            }
            _ => {}
        }
        let mut name = OsString::from(".");
        name.push(path.file_name().with_context(|| format!("{} is no file name", path.display()))?);
        name.push(format!(".{}", std::process::id()));
        let hidden = path.with_file_name(name);
        let file = File::create(&hidden).with_context(cannot)?;
        Ok(Archive::New { file, path: path.to_owned(), hidden })
    }

    /// Gives the file its name.
    pub(crate) fn finish(mut self) -> anyhow::Result<()> {
        self.flush()?;
        match &mut self {
            Archive::New { path, hidden, .. } => {
                let named = fs::rename(&*hidden, &*path);
                named.with_context(|| format!("cannot write {}", path.display()))
            }
            Archive::Stdout(_) | Archive::There(_) => Ok(()),
        }
    }
}

impl Write for Archive {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Archive::Stdout(out) => out.write(bytes),
            Archive::There(file) | Archive::New { file, .. } => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Archive::Stdout(out) => out.flush(),
            Archive::There(file) | Archive::New { file, .. } => file.flush(),
        }
    }
}

impl Drop for Archive {
    fn drop(&mut self) {
        if let Archive::New { hidden, .. } = self {
            // It is gone already when it has got its name.
            let _ = fs::remove_file(hidden);
        }
    }
}
