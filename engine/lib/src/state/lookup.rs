//! Rows by name, by id, or by the beginning of an id.

use rusqlite::{Connection, Row};

/// A table whose rows have an `id` of hex digits and a `name`.
pub(super) struct Table<T> {
    pub(super) name: &'static str,
    /// What `read` reads.
    pub(super) columns: &'static str,
    pub(super) read: fn(&Row<'_>) -> rusqlite::Result<T>,
}

pub(super) enum Found<T> {
    Nothing,
    One(T),
    /// The beginning of several ids.
    Several,
}

/// By full id, name, or the beginning of an id that only one has. A name that is also the beginning of another's id is still
/// that name.
pub(super) fn find<T>(c: &Connection, table: &Table<T>, text: &str) -> rusqlite::Result<Found<T>> {
    let &Table { name, columns, read } = table;
    let exact =
        format!("SELECT {columns} FROM {name} WHERE id = ?1 OR name = ?1 ORDER BY id = ?1 DESC LIMIT 1");
    if let Some(row) = c.prepare_cached(&exact)?.query_map([text], read)?.next() {
        return row.map(Found::One);
    }
    if text.is_empty() || !is_hex(text) {
        return Ok(Found::Nothing);
    }
    // A range, so that the index serves. `g` is the first character after all hex digits.
    let prefix = format!("SELECT {columns} FROM {name} WHERE id >= ?1 AND id < ?1 || 'g' LIMIT 2");
    let mut query = c.prepare(&prefix)?;
    let mut rows = query.query_map([text], read)?;
    Ok(match (rows.next().transpose()?, rows.next()) {
        (None, _) => Found::Nothing,
        (Some(row), None) => Found::One(row),
        (Some(_), Some(_)) => Found::Several,
    })
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}
