//! Blobs that layers are known to be as, and the repositories that are known to have them: seen by pulls and pushes.
//!
//! A blob is noted for a layer only by who has seen that the one is the other's compressed form: what a manifest says of a layer
//! that was not fetched may be a lie. Where a blob is may have changed since, so that a registry is asked all the same.

use rusqlite::{Connection, Result, params};

/// Run by [`super::Database::open`].
pub(crate) const SCHEMA: &str = "
CREATE TABLE layer_blobs (
    diff_id    TEXT NOT NULL,
    digest     TEXT NOT NULL,
    size       INTEGER NOT NULL,
    media_type TEXT NOT NULL,
    PRIMARY KEY (diff_id, digest)
) STRICT, WITHOUT ROWID;
CREATE TABLE blob_places (
    digest     TEXT NOT NULL,
    registry   TEXT NOT NULL,
    repository TEXT NOT NULL,
    PRIMARY KEY (digest, registry, repository)
) STRICT, WITHOUT ROWID;
";

/// A layer as a registry has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LayerBlob {
    pub(crate) digest: String,
    pub(crate) size: u64,
    /// OCI's or docker's.
    pub(crate) media_type: String,
}

pub(crate) fn note_blob(connection: &Connection, diff_id: &str, blob: &LayerBlob) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO layer_blobs (diff_id, digest, size, media_type) VALUES (?1, ?2, ?3, ?4)",
        )?
        .execute(params![diff_id, blob.digest, blob.size.cast_signed(), blob.media_type])?;
    Ok(())
}

/// That the repository has the blob.
pub(crate) fn note_place(
    connection: &Connection,
    digest: &str,
    registry: &str,
    repository: &str,
) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT OR IGNORE INTO blob_places (digest, registry, repository) VALUES (?1, ?2, ?3)",
        )?
        .execute([digest, registry, repository])?;
    Ok(())
}

/// What the layer is known to be as, small ones first.
pub(crate) fn of_layer(connection: &Connection, diff_id: &str) -> Result<Vec<LayerBlob>> {
    connection
        .prepare_cached(
            "SELECT digest, size, media_type FROM layer_blobs WHERE diff_id = ?1 ORDER BY size, digest",
        )?
        .query_map([diff_id], |row| {
            Ok(LayerBlob {
                digest: row.get(0)?,
                size: row.get::<_, i64>(1)?.cast_unsigned(),
                media_type: row.get(2)?,
            })
        })?
        .collect()
}

/// Repositories of the registry that had the blob.
pub(crate) fn repositories(connection: &Connection, digest: &str, registry: &str) -> Result<Vec<String>> {
    connection
        .prepare_cached(
            "SELECT repository FROM blob_places WHERE digest = ?1 AND registry = ?2 ORDER BY repository",
        )?
        .query_map([digest, registry], |row| row.get(0))?
        .collect()
}

/// Forgets what belongs to layers that no image has.
pub(crate) fn forget_unused(connection: &Connection) -> Result<()> {
    connection.execute_batch(
        "DELETE FROM layer_blobs WHERE diff_id NOT IN (SELECT diff_id FROM image_layers);
         DELETE FROM blob_places WHERE digest NOT IN (SELECT digest FROM layer_blobs);",
    )
}
