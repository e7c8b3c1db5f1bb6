//! Networks of containers.

pub mod pasta;
