//! The monitor's life, from top to bottom.

use std::process::ExitCode;

use crate::config::Config;
use crate::exit::Exit;

/// `main` of the monitor process. `cleanup` runs once, after the exit record is saved and the runtime's state is
/// deleted, while the lock is still held: the engine unmounts and, when `config.remove`, forgets the container.
/// Attached clients hear of the exit after that, so when `ketch run --rm` returns, the name is free.
pub fn run(_cleanup: fn(&Config, &Exit)) -> ExitCode {
    todo!()
}
