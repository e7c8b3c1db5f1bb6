//! Secrets as the database knows them. What is secret about them is not here: see [`crate::secret`].

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension, Row, params};

use super::lookup::{Found, Table, find};
use super::{Database, Error, json};

/// Run by [`Database::open`].
pub(crate) const SCHEMA: &str = "
CREATE TABLE secrets (
    id      TEXT NOT NULL PRIMARY KEY,
    name    TEXT NOT NULL UNIQUE,
    created TEXT NOT NULL,
    updated TEXT NOT NULL,
    labels  TEXT NOT NULL
) STRICT, WITHOUT ROWID;
";

const COLUMNS: &str = "id, name, created, updated, labels";

const TABLE: Table<Secret> = Table { name: "secrets", columns: COLUMNS, read: secret };

/// One row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Secret {
    /// 25 hex digits, as podman's.
    pub id: String,
    pub name: String,
    /// RFC 3339, UTC, nanoseconds. The first is of the first secret of this name, when one took the place of another.
    pub created: String,
    pub updated: String,
    pub labels: BTreeMap<String, String>,
}

/// What came of an insertion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Inserted {
    Done,
    /// In the place of the one with this id.
    Replaced(String),
    /// By the one with this id.
    InUse(String),
}

/// Why a name or id leads to no secret. podman's words.
#[derive(Debug, thiserror::Error)]
pub enum FindSecretError {
    #[error("no secret with name or id {0:?}: no such secret")]
    NotFound(String),
    #[error("more than one result secret with prefix {0}")]
    Ambiguous(String),
    #[error(transparent)]
    State(#[from] Error),
}

impl Database {
    pub(crate) fn insert_secret(&self, secret: &Secret, replace: bool) -> Result<Inserted, Error> {
        self.write("add a secret", |c| {
            let holder = "SELECT id, created FROM secrets WHERE name = ?1";
            let there = c.query_row(holder, [&secret.name], |row| {
                Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
            });
            let (mut outcome, mut created) = (Inserted::Done, secret.created.clone());
            if let Some((id, since)) = there.optional()? {
                if !replace {
                    return Ok(Inserted::InUse(id));
                }
                c.execute("DELETE FROM secrets WHERE id = ?1", [&id])?;
                (outcome, created) = (Inserted::Replaced(id), since);
            }
            c.execute(
                "INSERT INTO secrets (id, name, created, updated, labels) VALUES (?1, ?2, ?3, ?4, ?5)",
                params![secret.id, secret.name, created, secret.updated, json::write(&secret.labels)?],
            )?;
            Ok(outcome)
        })
    }

    /// By name, full id, or the beginning of an id that only one has.
    pub fn find_secret(&self, text: &str) -> Result<Secret, FindSecretError> {
        match self.read("look up a secret", |c| find(c, &TABLE, text))? {
            Found::Nothing => Err(FindSecretError::NotFound(text.to_owned())),
            Found::One(secret) => Ok(secret),
            Found::Several => Err(FindSecretError::Ambiguous(text.to_owned())),
        }
    }

    /// All, by name.
    pub fn secrets(&self) -> Result<Vec<Secret>, Error> {
        let sql = format!("SELECT {COLUMNS} FROM secrets ORDER BY name");
        self.read("list secrets", |c| c.prepare(&sql)?.query_map([], secret)?.collect())
    }

    /// Forgets a secret; false when it was gone already.
    pub(crate) fn delete_secret(&self, id: &str) -> Result<bool, Error> {
        self.write("forget a secret", |c| {
            c.execute("DELETE FROM secrets WHERE id = ?1", [id]).map(|rows| rows > 0)
        })
    }
}

fn secret(row: &Row<'_>) -> rusqlite::Result<Secret> {
    Ok(Secret {
        id: row.get(0)?,
        name: row.get(1)?,
        created: row.get(2)?,
        updated: row.get(3)?,
        labels: json::read(row, 4)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_in_the_place_of_another() {
        let dir = tempfile::tempdir().unwrap();
        let db = Database::open(&dir.path().join("state.db")).unwrap();
        let secret = |id: &str, time: &str| Secret {
            id: id.into(),
            name: "key".into(),
            created: time.into(),
            updated: time.into(),
            ..Secret::default()
        };
        assert_eq!(db.insert_secret(&secret("aa", "1"), false).unwrap(), Inserted::Done);
        assert_eq!(db.insert_secret(&secret("bb", "2"), false).unwrap(), Inserted::InUse("aa".into()));
        assert_eq!(db.insert_secret(&secret("bb", "2"), true).unwrap(), Inserted::Replaced("aa".into()));
        let found = db.find_secret("key").unwrap();
        assert_eq!((&*found.id, &*found.created, &*found.updated), ("bb", "1", "2"));
        assert_eq!(db.find_secret("b").unwrap(), found);
        assert!(matches!(db.find_secret("aa"), Err(FindSecretError::NotFound(_))));
        assert!(db.delete_secret("bb").unwrap());
        assert!(!db.delete_secret("bb").unwrap());
    }
}
