//! Images, their names and their layers as the database knows them.
//!
//! Manifest and configuration are kept here as the bytes that their digests are over. What an image needs from disk is
//! its layers' directories: they are in place before its row is, and go after it.

use std::collections::HashSet;

use rusqlite::{Connection, OptionalExtension, Result, params};

/// Run by [`super::Database::open`].
pub(crate) const SCHEMA: &str = "
CREATE TABLE images (
    id       TEXT NOT NULL PRIMARY KEY,
    digest   TEXT NOT NULL,
    manifest BLOB NOT NULL,
    config   BLOB NOT NULL
) STRICT;
CREATE TABLE image_names (
    name  TEXT NOT NULL PRIMARY KEY,
    image TEXT NOT NULL REFERENCES images (id)
) STRICT;
CREATE INDEX image_names_image ON image_names (image);
CREATE TABLE image_digests (
    image  TEXT NOT NULL REFERENCES images (id),
    digest TEXT NOT NULL,
    PRIMARY KEY (image, digest)
) STRICT, WITHOUT ROWID;
CREATE TABLE image_layers (
    image    TEXT NOT NULL REFERENCES images (id),
    position INTEGER NOT NULL,
    diff_id  TEXT NOT NULL,
    size     INTEGER NOT NULL,
    PRIMARY KEY (image, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX image_layers_diff_id ON image_layers (diff_id);
";

/// Run by [`super::Database::open`] too, later.
pub(crate) const INDEX_SCHEMA: &str = "
CREATE TABLE index_sources (
    image      TEXT NOT NULL REFERENCES images (id),
    digest     TEXT NOT NULL,
    repository TEXT,
    PRIMARY KEY (image, digest)
) STRICT, WITHOUT ROWID;
";

/// One row with what belongs to it.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    /// Hex.
    pub(crate) id: String,
    /// Of the manifest, `sha256:…`.
    pub(crate) digest: String,
    pub(crate) manifest: Vec<u8>,
    pub(crate) config: Vec<u8>,
    /// Complete references, the latest first: `name:tag`, or `name@sha256:…` for what was pulled so.
    pub(crate) names: Vec<String>,
    /// Of manifests and indexes that lead to the image, `sha256:…`.
    pub(crate) digests: Vec<String>,
    /// Lowest first.
    pub(crate) layers: Vec<Layer>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layer {
    /// `sha256:…`
    pub(crate) diff_id: String,
    /// Length of the tar stream.
    pub(crate) size: u64,
}

/// Adds the image, or the names and digests that it has not had yet. A name that another image has moves.
pub(crate) fn insert(connection: &Connection, row: &Row) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO images (id, digest, manifest, config) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (id) DO UPDATE SET digest = ?2, manifest = ?3",
        )?
        .execute(params![row.id, row.digest, row.manifest, row.config])?;
    for name in &row.names {
        set_name(connection, name, &row.id)?;
    }
    for digest in &row.digests {
        connection
            .prepare_cached("INSERT OR IGNORE INTO image_digests (image, digest) VALUES (?1, ?2)")?
            .execute([&row.id, digest])?;
    }
    for (position, layer) in row.layers.iter().enumerate() {
        connection
            .prepare_cached(
                "INSERT OR IGNORE INTO image_layers (image, position, diff_id, size) VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute(params![row.id, position as i64, layer.diff_id, layer.size.cast_signed()])?;
    }
    Ok(())
}

/// Another manifest for an index: what the earlier one's digest led to is no more.
pub(crate) fn set_manifest(connection: &Connection, id: &str, digest: &str, manifest: &[u8]) -> Result<()> {
    connection
        .prepare_cached("UPDATE images SET digest = ?2, manifest = ?3 WHERE id = ?1")?
        .execute(params![id, digest, manifest])?;
    connection.prepare_cached("DELETE FROM image_digests WHERE image = ?1")?.execute([id])?;
    connection
        .prepare_cached("INSERT INTO image_digests (image, digest) VALUES (?1, ?2)")?
        .execute([id, digest])?;
    Ok(())
}

/// Notes which repository has an instance of an index; None: the store itself.
pub(crate) fn set_source(
    connection: &Connection,
    id: &str,
    digest: &str,
    repository: Option<&str>,
) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO index_sources (image, digest, repository) VALUES (?1, ?2, ?3)",
        )?
        .execute(params![id, digest, repository])?;
    Ok(())
}

/// The repository, with its registry, that has the instance of the index.
pub(crate) fn source(connection: &Connection, id: &str, digest: &str) -> Result<Option<String>> {
    let found = connection
        .prepare_cached("SELECT repository FROM index_sources WHERE image = ?1 AND digest = ?2")?
        .query_row([id, digest], |row| row.get::<_, Option<String>>(0))
        .optional()?;
    Ok(found.flatten())
}

pub(crate) fn set_name(connection: &Connection, name: &str, id: &str) -> Result<()> {
    connection
        .prepare_cached("INSERT INTO image_names (name, image) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET image = ?2")?
        .execute([name, id])?;
    Ok(())
}

pub(crate) fn remove_name(connection: &Connection, name: &str) -> Result<()> {
    connection.prepare_cached("DELETE FROM image_names WHERE name = ?1")?.execute([name])?;
    Ok(())
}

pub(crate) fn delete(connection: &Connection, id: &str) -> Result<()> {
    for table in ["image_names", "image_digests", "image_layers", "index_sources"] {
        connection.execute(&format!("DELETE FROM {table} WHERE image = ?1"), [id])?;
    }
    connection.execute("DELETE FROM images WHERE id = ?1", [id])?;
    super::blobs::forget_unused(connection)
}

pub(crate) fn get(connection: &Connection, id: &str) -> Result<Option<Row>> {
    let row = connection
        .prepare_cached("SELECT id, digest, manifest, config FROM images WHERE id = ?1")?
        .query_row([id], |row| {
            Ok(Row {
                id: row.get(0)?,
                digest: row.get(1)?,
                manifest: row.get(2)?,
                config: row.get(3)?,
                names: Vec::new(),
                digests: Vec::new(),
                layers: Vec::new(),
            })
        })
        .optional()?;
    let Some(mut row) = row else { return Ok(None) };
    row.names = strings(connection, "SELECT name FROM image_names WHERE image = ?1 ORDER BY rowid DESC", id)?;
    row.digests =
        strings(connection, "SELECT digest FROM image_digests WHERE image = ?1 ORDER BY digest", id)?;
    row.layers = connection
        .prepare_cached("SELECT diff_id, size FROM image_layers WHERE image = ?1 ORDER BY position")?
        .query_map([id], |row| {
            Ok(Layer { diff_id: row.get(0)?, size: row.get::<_, i64>(1)?.cast_unsigned() })
        })?
        .collect::<Result<_>>()?;
    Ok(Some(row))
}

pub(crate) fn exists(connection: &Connection, id: &str) -> Result<bool> {
    connection.prepare_cached("SELECT 1 FROM images WHERE id = ?1")?.exists([id])
}

/// All ids, the latest added first.
pub(crate) fn ids(connection: &Connection) -> Result<Vec<String>> {
    connection
        .prepare_cached("SELECT id FROM images ORDER BY rowid DESC")?
        .query_map([], |row| row.get(0))?
        .collect()
}

pub(crate) fn id_by_name(connection: &Connection, name: &str) -> Result<Option<String>> {
    one(connection, "SELECT image FROM image_names WHERE name = ?1", name)
}

/// Name and image of each name, the latest first.
pub(crate) fn names(connection: &Connection) -> Result<Vec<(String, String)>> {
    connection
        .prepare_cached("SELECT name, image FROM image_names ORDER BY rowid DESC")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}

/// Ids that start so, at most two. `prefix` is made of hex digits.
pub(crate) fn ids_starting_with(connection: &Connection, prefix: &str) -> Result<Vec<String>> {
    // A range, so that the index serves; no digit sorts behind 'f'.
    connection
        .prepare_cached("SELECT id FROM images WHERE id >= ?1 AND id < ?1 || 'g' LIMIT 2")?
        .query_map([prefix], |row| row.get(0))?
        .collect()
}

/// Images that a manifest or index with this digest leads to.
pub(crate) fn ids_by_digest(connection: &Connection, digest: &str) -> Result<Vec<String>> {
    strings(connection, "SELECT image FROM image_digests WHERE digest = ?1", digest)
}

/// Length of the layer's stream; None when no image uses the layer.
pub(crate) fn layer_size(connection: &Connection, diff_id: &str) -> Result<Option<u64>> {
    connection
        .prepare_cached("SELECT size FROM image_layers WHERE diff_id = ?1 LIMIT 1")?
        .query_row([diff_id], |row| row.get::<_, i64>(0).map(i64::cast_unsigned))
        .optional()
}

/// Diff ids that any image uses.
pub(crate) fn used_layers(connection: &Connection) -> Result<HashSet<String>> {
    connection
        .prepare_cached("SELECT DISTINCT diff_id FROM image_layers")?
        .query_map([], |row| row.get(0))?
        .collect()
}

fn one(connection: &Connection, sql: &str, parameter: &str) -> Result<Option<String>> {
    connection.prepare_cached(sql)?.query_row([parameter], |row| row.get(0)).optional()
}

fn strings(connection: &Connection, sql: &str, parameter: &str) -> Result<Vec<String>> {
    connection.prepare_cached(sql)?.query_map([parameter], |row| row.get(0))?.collect()
}
