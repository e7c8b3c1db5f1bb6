//! What a transfer tells its caller while it goes on.

use std::path::PathBuf;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// A short name stands for another one, as this file says.
    Alias {
        name: String,
        path: PathBuf,
    },
    /// A short name is looked for in the registries that this file names.
    Search {
        name: String,
        path: PathBuf,
    },
    /// The complete reference that is looked for.
    Trying(String),
    /// A layer that is now copied: digest.
    Copying(String),
    /// A layer that the store has already.
    Present(String),
    /// The configuration: digest.
    Config(String),
    /// All is there; the image is entered.
    Writing,
    /// One of an index: the digest that it has here, and which of how many.
    Instance {
        digest: String,
        number: usize,
        count: usize,
    },
    /// All of an index is there; it is written itself.
    WritingIndex,
    Warning(String),
}
