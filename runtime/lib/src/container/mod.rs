//! The container's life, one verb a file.

pub mod create;
pub mod delete;
pub mod exec;
pub mod kill;
pub mod list;
pub mod state;
