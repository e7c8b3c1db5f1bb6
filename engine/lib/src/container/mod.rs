//! Containers, one verb a file.

pub mod options;
