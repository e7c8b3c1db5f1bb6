//! The state database: names, containers and images, shared by many short-lived processes.
//!
//! SQLite in WAL mode: a reader never waits for a writer, and no transaction spans a fork, a wait or I/O to a registry.

pub mod containers;
pub mod images;

/// One connection.
#[derive(Debug)]
pub struct Database {
    pub(crate) connection: rusqlite::Connection,
}
