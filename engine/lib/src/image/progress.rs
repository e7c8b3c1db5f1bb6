//! What a transfer tells its caller while it goes on.

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
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
    Warning(String),
}
