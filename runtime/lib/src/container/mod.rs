//! The container's life, one verb a file.

mod cgroup;
pub mod checkpoint;
pub(crate) mod console_socket;
pub mod create;
pub mod delete;
mod descriptors;
mod directory;
pub mod events;
pub mod exec;
pub mod glance;
mod ground;
mod host_root;
pub mod kill;
pub mod list;
pub(crate) mod listener;
pub mod mounts;
mod net_device;
pub mod processes;
pub mod restore;
pub mod start;
pub mod state;
mod unfinished;
pub mod update;
