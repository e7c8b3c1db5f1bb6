//! The OCI runtime as a library.
//!
//! A bundle's `config.json` is read once ([`spec`]), turned into a plan by pure functions
//! ([`plan`]: all that can be refused is refused there), and carried out by short recipes:
//! [`init`] inside the new namespaces, `container/<verb>.rs` outside.

#![forbid(unsafe_code)]

pub mod causes;
pub mod clock;
pub mod container;
pub mod criu;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
pub mod hooks;
mod init;
pub mod netlink;
pub mod plan;
pub mod process;
pub mod rdt;
mod rootfs;
pub mod seccomp;
pub mod spec;
pub mod step;
pub mod terminal;
pub mod userns;
