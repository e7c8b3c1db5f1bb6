//! Containers whose cgroups systemd makes. Needs a host that systemd runs, with cgroup v2, and so is no part of a plain
//! `cargo test`; `hack/vm` makes such a host:
//!
//!   CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_RUNNER="$PWD/hack/vm root" cargo test -p ketch-integration --test systemd

#![forbid(unsafe_code)]

mod engine;
mod host;
mod scope;
mod user;
