//! Containers as the database knows them. How a container is doing is not here: it is derived.

use serde::{Deserialize, Serialize};

use crate::container::options::Options;

/// One row.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Record {
    /// 64 hex digits.
    pub id: String,
    pub name: String,
    /// RFC 3339, UTC, nanoseconds.
    pub created: String,
    /// What the user asked for, image defaults already merged in where they are fixed at creation.
    pub options: Options,
    /// None for `--rootfs`.
    pub image_id: Option<String>,
    /// The name the image was asked for by.
    pub image_name: String,
}
