//! The container's life, one verb a file.

pub(crate) mod console_socket;
pub mod create;
pub mod delete;
pub mod exec;
pub mod kill;
pub mod list;
pub(crate) mod pid_file;
pub mod state;
