//! Volumes as the database knows them, and which containers use them.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{Database, Error, json};

/// Run by [`Database::open`]. A use goes with its container, and holds its volume until then.
pub(crate) const SCHEMA: &str = "
CREATE TABLE volumes (
    name      TEXT NOT NULL PRIMARY KEY,
    created   TEXT NOT NULL,
    labels    TEXT NOT NULL,
    anonymous INTEGER NOT NULL,
    fresh     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE volume_uses (
    container TEXT NOT NULL REFERENCES containers (id) ON DELETE CASCADE,
    volume    TEXT NOT NULL REFERENCES volumes (name),
    PRIMARY KEY (container, volume)
) STRICT, WITHOUT ROWID;
CREATE INDEX volume_uses_volume ON volume_uses (volume);
";

const COLUMNS: &str = "name, created, labels, anonymous, fresh, \
    (SELECT count(*) FROM volume_uses WHERE volume = name)";

/// One row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Volume {
    pub name: String,
    /// RFC 3339, UTC, nanoseconds.
    pub created: String,
    pub labels: BTreeMap<String, String>,
    /// Made for one container, and named at random.
    pub anonymous: bool,
    /// No container has used it yet: the first one fills it from its image.
    pub fresh: bool,
    /// How many containers use it, running or not.
    pub users: u32,
}

impl Database {
    /// False: there is one of that name already, and it stays as it is.
    pub(crate) fn insert_volume(&self, volume: &Volume) -> Result<bool, Error> {
        let Volume { name, created, labels, anonymous, fresh, .. } = volume;
        self.write("add a volume", |c| {
            c.execute(
                "INSERT OR IGNORE INTO volumes (name, created, labels, anonymous, fresh) VALUES (?1, ?2, ?3, ?4, ?5)",
                params![name, created, json::write(labels)?, anonymous, fresh],
            )
            .map(|rows| rows > 0)
        })
    }

    pub fn volume(&self, name: &str) -> Result<Option<Volume>, Error> {
        let sql = format!("SELECT {COLUMNS} FROM volumes WHERE name = ?1");
        self.read("look up a volume", |c| c.query_row(&sql, [name], volume).optional())
    }

    /// All, by name.
    pub fn volumes(&self) -> Result<Vec<Volume>, Error> {
        let sql = format!("SELECT {COLUMNS} FROM volumes ORDER BY name");
        self.read("list volumes", |c| c.prepare(&sql)?.query_map([], volume)?.collect())
    }

    pub(crate) fn volume_is_filled(&self, name: &str) -> Result<(), Error> {
        self.write("note that a volume is filled", |c| {
            c.execute("UPDATE volumes SET fresh = 0 WHERE name = ?1", [name]).map(drop)
        })
    }

    /// Forgets a volume that no container uses; false when one does, or it is gone already.
    pub(crate) fn delete_unused_volume(&self, name: &str) -> Result<bool, Error> {
        self.write("forget a volume", |c| {
            c.execute(
                "DELETE FROM volumes WHERE name = ?1 AND NOT EXISTS (SELECT 1 FROM volume_uses WHERE volume = ?1)",
                [name],
            )
            .map(|rows| rows > 0)
        })
    }

    /// Ids of the containers that use a volume.
    pub fn containers_of_volume(&self, name: &str) -> Result<Vec<String>, Error> {
        self.read("list a volume's containers", |c| {
            c.prepare("SELECT container FROM volume_uses WHERE volume = ?1")?
                .query_map([name], |row| row.get(0))?
                .collect()
        })
    }

    /// Names of a container's anonymous volumes.
    pub(crate) fn anonymous_volumes_of(&self, container: &str) -> Result<Vec<String>, Error> {
        self.read("list a container's volumes", |c| {
            c.prepare(
                "SELECT name FROM volumes JOIN volume_uses ON volume = name WHERE container = ?1 AND anonymous",
            )?
            .query_map([container], |row| row.get(0))?
            .collect()
        })
    }
}

/// Part of the container's own insertion.
pub(super) fn insert_use(connection: &Connection, container: &str, volume: &str) -> rusqlite::Result<()> {
    connection
        .execute("INSERT OR IGNORE INTO volume_uses (container, volume) VALUES (?1, ?2)", [container, volume])
        .map(drop)
}

fn volume(row: &Row<'_>) -> rusqlite::Result<Volume> {
    Ok(Volume {
        name: row.get(0)?,
        created: row.get(1)?,
        labels: json::read(row, 2)?,
        anonymous: row.get(3)?,
        fresh: row.get(4)?,
        users: row.get(5)?,
    })
}
