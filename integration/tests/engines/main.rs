//! Other engines on the runtime under test, in the peers' root: podman, docker and containerd.
//!
//! `hack/engines` runs them, where a network, cgroups and processes are this program's alone and end with it; a plain `cargo
//! test` leaves them out. `KETCH_TEST_RUNTIME=/usr/bin/crun` or `/usr/sbin/runc` shows that a scenario is right.
//! docs/engines.md tells what came of it.

#![forbid(unsafe_code)]

mod client;
mod containerd;
mod cri;
mod docker;
mod podman;
