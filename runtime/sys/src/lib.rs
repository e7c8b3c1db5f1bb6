//! Linux system calls for ketch.
//!
//! One call a function; file descriptors come out as `OwnedFd`, errors as [`Errno`]. This is
//! the only crate of the workspace with `unsafe`, and it knows nothing of OCI: a caller says
//! what it wants in kernel terms. `nix` serves where it has the call; the rest goes through
//! `libc::syscall`.

pub mod alloc;
pub mod bpf;
pub mod caps;
pub mod clock;
pub mod clone;
pub mod credentials;
pub mod exe;
pub mod file;
pub mod inherit;
pub mod keyring;
pub mod lock;
pub mod memory_policy;
pub mod mount;
pub mod ns;
pub mod openat2;
pub mod pidfd;
pub mod prctl;
pub mod random;
pub mod rlimit;
pub mod scheduler;
pub mod seccomp;
pub mod socket;
pub mod spawn;
pub mod tty;
pub mod wait;
pub mod xattr;

pub use nix::errno::Errno;

pub type Result<T> = std::result::Result<T, Errno>;
