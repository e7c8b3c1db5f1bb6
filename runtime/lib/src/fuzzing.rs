//! What the fuzzers of integration/fuzz drive, and nobody else may call: it is there with the feature `fuzzing` only.

use std::os::fd::OwnedFd;
use std::path::Path;

use ketch_sys::seccomp::Insn;

use crate::init::channel;
use crate::plan::mount::{Given, UserNamespace};
use crate::plan::{self, Invalid};
use crate::seccomp::reading;
use crate::spec;

pub use reading::Judge;

/// The answer of a BPF program, which the kernel would have taken, to a call.
pub fn run(program: &[Insn], arch: u32, number: u32, args: [u64; 6]) -> u32 {
    reading::run(program, arch, number, args).0
}

/// Reads a message of init's channel that came with `fds`; what it says, as the same message would be sent on.
pub fn message(bytes: &[u8], fds: Vec<OwnedFd>) -> Option<Vec<u8>> {
    channel::decode(bytes, fds).map(|message| channel::encode(&message).0)
}

/// Decides on one mount of a bundle at `/bundle`.
pub fn mount(mount: &spec::Mount) -> Result<plan::mount::Mount, Invalid> {
    let given = Given { bundle: Path::new("/bundle"), user: UserNamespace::None, label: None };
    Ok(plan::mount::plan(std::slice::from_ref(mount), given)?.remove(0))
}
