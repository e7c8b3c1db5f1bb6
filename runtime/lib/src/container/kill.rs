//! `kill`: a signal to init, or to every process of the container.

use super::state::State;
use ketch_sys::Errno;

/// Sends `signal` to init (through a pidfd whose start time was checked), or to all when `all`.
pub fn kill(_state: &State, _signal: i32, _all: bool) -> Result<(), Errno> {
    todo!()
}
