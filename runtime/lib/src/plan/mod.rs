//! A configuration turned into decisions, by pure functions: all that can be refused is refused here.

pub mod process;

/// Why a configuration is refused, before anything was done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct Invalid {
    /// Where in `config.json`, such as `process.rlimits`.
    pub field: String,
    pub reason: String,
}
