//! The container's life, one verb a file.

pub(crate) mod console_socket;
pub mod create;
pub mod delete;
mod directory;
pub mod exec;
pub mod kill;
pub mod list;
pub(crate) mod listener;
pub mod processes;
pub mod start;
pub mod state;
mod unfinished;
