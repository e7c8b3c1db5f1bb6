use ketch_sys::Errno;

/// What came of talking to the kernel's network side.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot {step} {object}: {}", source.desc().to_lowercase())]
    Failed { step: &'static str, object: String, source: Errno },
    /// The name of a bridge is in use by an interface that this network did not make.
    #[error("interface {name} exists and does not belong to this network")]
    Foreign { name: String },
}

impl Error {
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Error::Failed { source, .. } => Some(*source),
            Error::Foreign { .. } => None,
        }
    }
}

/// Gives a failed system call its step and object.
pub(crate) trait At<T> {
    fn at(self, step: &'static str, object: &str) -> Result<T, Error>;
}

impl<T> At<T> for Result<T, Errno> {
    fn at(self, step: &'static str, object: &str) -> Result<T, Error> {
        self.map_err(|source| Error::Failed { step, object: object.to_owned(), source })
    }
}

impl<T> At<T> for std::io::Result<T> {
    fn at(self, step: &'static str, object: &str) -> Result<T, Error> {
        self.map_err(|e| e.raw_os_error().map_or(Errno::EIO, Errno::from_raw)).at(step, object)
    }
}
