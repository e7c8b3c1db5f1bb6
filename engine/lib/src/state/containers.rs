//! Containers as the database knows them. How a container is doing is not here: it is derived.

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};

use super::lookup::{Found, Table, find};
use super::{Database, Error, json, volumes};
use crate::container::join;
use crate::container::options::{Mount, Options, UsernsMode};
use crate::userns::auto;

/// Run by [`Database::open`]. `created` sorts as text: always UTC, always nine digits of fraction.
pub(crate) const SCHEMA: &str = "
CREATE TABLE containers (
    id         TEXT NOT NULL PRIMARY KEY,
    name       TEXT NOT NULL UNIQUE,
    created    TEXT NOT NULL,
    image_id   TEXT REFERENCES images (id),
    image_name TEXT NOT NULL,
    entrypoint TEXT NOT NULL,
    command    TEXT NOT NULL,
    options    TEXT NOT NULL
) STRICT, WITHOUT ROWID;
";

const COLUMNS: &str = "id, name, created, image_id, image_name, entrypoint, command, options";

const TABLE: Table<Record> = Table { name: "containers", columns: COLUMNS, read: record };

/// One row.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
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
    /// What the process is: this, and then `command`.
    pub entrypoint: Vec<String>,
    pub command: Vec<String>,
}

/// Why a container cannot be added.
#[derive(Debug, thiserror::Error)]
pub enum InsertError {
    /// podman's words.
    #[error(
        "creating container storage: the container name {name:?} is already in use by {id}. You have to remove that \
         container to be able to reuse that name: that name is already in use, or use --replace to instruct ketch to \
         do so."
    )]
    NameInUse { name: String, id: String },
    /// It was removed between its lookup and now.
    #[error("{0}: image not known")]
    ImageGone(String),
    /// They were removed between their lookup and now.
    #[error("the pod has been removed meanwhile: no such pod")]
    PodGone,
    #[error("a container whose namespaces are to be joined has been removed meanwhile: no such container")]
    TargetGone,
    /// Of `--userns auto`.
    #[error("the container's ids have been given to another one meanwhile")]
    IdsInUse,
    #[error(transparent)]
    State(#[from] Error),
}

/// What came of a renaming.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Renamed {
    Done,
    /// There is no such container any more.
    Gone,
    /// By the container of this id.
    InUse(String),
}

/// Why a name or id leads to no container. podman's words.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    #[error("no container with name or ID {0:?} found: no such container")]
    NotFound(String),
    #[error("more than one result for container {0:?}: container already exists")]
    Ambiguous(String),
    /// `--latest` without any.
    #[error("no containers found: no such container")]
    NoneYet,
    #[error(transparent)]
    State(#[from] Error),
}

impl Database {
    /// Reserves id and name: the database refuses a name that is taken, whoever else tries at the same moment.
    pub fn insert_container(&self, record: &Record) -> Result<(), InsertError> {
        let refused = self.write("add a container", |c| {
            // A savepoint: one that is refused half-way leaves nothing.
            c.execute_batch("SAVEPOINT container")?;
            let refused = try_insert(c, record)?;
            c.execute_batch(if refused.is_some() { "ROLLBACK TO container" } else { "RELEASE container" })?;
            Ok(refused)
        })?;
        refused.map_or(Ok(()), Err)
    }

    /// By full id, name, or the beginning of an id that only one has.
    pub fn find_container(&self, text: &str) -> Result<Record, FindError> {
        match self.read("look up a container", |c| find(c, &TABLE, text))? {
            Found::Nothing => Err(FindError::NotFound(text.to_owned())),
            Found::One(record) => Ok(record),
            Found::Several => Err(FindError::Ambiguous(text.to_owned())),
        }
    }

    /// The one created last.
    pub fn latest_container(&self) -> Result<Record, FindError> {
        let sql = format!("SELECT {COLUMNS} FROM containers ORDER BY created DESC LIMIT 1");
        self.read("look up the latest container", |c| c.query_row(&sql, [], record).optional())?
            .ok_or(FindError::NoneYet)
    }

    /// All, in the order of their creation.
    pub fn containers(&self) -> Result<Vec<Record>, Error> {
        let sql = format!("SELECT {COLUMNS} FROM containers ORDER BY created");
        self.read("list containers", |c| c.prepare(&sql)?.query_map([], record)?.collect())
    }

    pub fn has_container(&self, id: &str) -> Result<bool, Error> {
        self.read("look up a container", |c| {
            c.prepare("SELECT 1 FROM containers WHERE id = ?1")?.exists([id])
        })
    }

    /// Ids of the containers made from an image.
    pub fn containers_of_image(&self, image_id: &str) -> Result<Vec<String>, Error> {
        self.read("list an image's containers", |c| {
            c.prepare("SELECT id FROM containers WHERE image_id = ?1 ORDER BY created")?
                .query_map([image_id], |row| row.get(0))?
                .collect()
        })
    }

    /// Gives a container another name, if nobody has that one.
    pub fn rename_container(&self, id: &str, name: &str) -> Result<Renamed, Error> {
        self.write("rename a container", |c| {
            let holder = "SELECT id FROM containers WHERE name = ?1";
            match c.query_row(holder, [name], |row| row.get::<_, String>(0)).optional()? {
                Some(holder) if holder != id => return Ok(Renamed::InUse(holder)),
                _ => {}
            }
            let rows = c.execute("UPDATE containers SET name = ?2 WHERE id = ?1", [id, name])?;
            Ok(if rows > 0 { Renamed::Done } else { Renamed::Gone })
        })
    }

    /// Replaces what a container was asked to be. The caller has its turn.
    pub(crate) fn set_options(&self, id: &str, options: &Options) -> Result<(), Error> {
        self.write("change a container", |c| {
            let options = json::write(options)?;
            c.execute("UPDATE containers SET options = ?2 WHERE id = ?1", [id, &options]).map(drop)
        })
    }

    /// Forgets a container; false when it was gone already.
    pub fn delete_container(&self, id: &str) -> Result<bool, Error> {
        self.write("forget a container", |c| {
            c.execute("DELETE FROM containers WHERE id = ?1", [id]).map(|rows| rows > 0)
        })
    }
}

/// A pod's containers, in the order of their creation.
pub(super) fn of_pod(connection: &Connection, pod: &str) -> rusqlite::Result<Vec<Record>> {
    let sql = format!("SELECT {COLUMNS} FROM containers WHERE pod = ?1 ORDER BY created");
    connection.prepare(&sql)?.query_map([pod], record)?.collect()
}

/// Adds a row, or tells why it cannot be; then some of it may be there, for the caller to roll back.
pub(super) fn try_insert(connection: &Connection, record: &Record) -> rusqlite::Result<Option<InsertError>> {
    if matches!(record.options.userns.mode, UsernsMode::Auto(_)) && shares_ids(connection, record)? {
        return Ok(Some(InsertError::IdsInUse));
    }
    match insert(connection, record) {
        Ok(()) => Ok(None),
        Err(error) => refusal(connection, record, error).map(Some),
    }
}

fn shares_ids(connection: &Connection, record: &Record) -> rusqlite::Result<bool> {
    let sql = format!("SELECT {COLUMNS} FROM containers");
    let mut all = connection.prepare(&sql)?;
    for other in all.query_map([], self::record)? {
        if auto::overlap(&record.options.userns, &other?.options.userns) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn insert(connection: &Connection, record: &Record) -> rusqlite::Result<()> {
    connection.execute(
        "INSERT INTO containers (id, name, created, image_id, image_name, entrypoint, command, options, pod)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        params![
            record.id,
            record.name,
            record.created,
            record.image_id,
            record.image_name,
            json::write(&record.entrypoint)?,
            json::write(&record.command)?,
            json::write(&record.options)?,
            record.options.pod,
        ],
    )?;
    for target in join::dependencies(&record.options) {
        connection.execute("INSERT INTO dependencies VALUES (?1, ?2)", [&record.id, target])?;
    }
    let mut volumes = record.options.mounts.iter().filter_map(Mount::volume);
    volumes.try_for_each(|volume| volumes::insert_use(connection, &record.id, volume))
}

/// What a broken constraint means.
fn refusal(
    connection: &Connection,
    record: &Record,
    error: rusqlite::Error,
) -> rusqlite::Result<InsertError> {
    let Some(extended) = error.sqlite_error().map(|error| error.extended_code) else { return Err(error) };
    if extended == rusqlite::ffi::SQLITE_CONSTRAINT_FOREIGNKEY {
        let there = |sql: &str, id: &str| connection.prepare(sql)?.exists([id]);
        if let Some(pod) = &record.options.pod
            && !there("SELECT 1 FROM pods WHERE id = ?1", pod)?
        {
            return Ok(InsertError::PodGone);
        }
        for target in join::dependencies(&record.options) {
            if !there("SELECT 1 FROM containers WHERE id = ?1", target)? {
                return Ok(InsertError::TargetGone);
            }
        }
        return Ok(InsertError::ImageGone(record.image_name.clone()));
    }
    let holder = "SELECT id FROM containers WHERE name = ?1";
    match connection.query_row(holder, [&record.name], |row| row.get(0)).optional()? {
        Some(id) => Ok(InsertError::NameInUse { name: record.name.clone(), id }),
        None => Err(error),
    }
}

fn record(row: &Row<'_>) -> rusqlite::Result<Record> {
    Ok(Record {
        id: row.get(0)?,
        name: row.get(1)?,
        created: row.get(2)?,
        image_id: row.get(3)?,
        image_name: row.get(4)?,
        entrypoint: json::read(row, 5)?,
        command: json::read(row, 6)?,
        options: json::read(row, 7)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database(records: &[(&str, &str)]) -> (tempfile::TempDir, Database) {
        let dir = tempfile::tempdir().unwrap();
        let database = Database::open(&dir.path().join("state.db")).unwrap();
        for (number, (id, name)) in records.iter().enumerate() {
            database.insert_container(&named(id, name, number)).unwrap();
        }
        (dir, database)
    }

    fn named(id: &str, name: &str, number: usize) -> Record {
        Record {
            id: format!("{id:0<64}"),
            name: name.to_owned(),
            created: format!("2026-01-01T00:00:00.{number:09}Z"),
            command: vec!["sh".into(), "-c".into(), "true".into()],
            ..Record::default()
        }
    }

    #[test]
    fn lookup() {
        let (_dir, database) =
            database(&[("ab12", "web"), ("ab34", "db"), ("c0de", "ab1"), ("f00d", "dead")]);
        let full = format!("{:0<64}", "c0de");
        for (text, expected) in [
            ("web", Ok("web")),
            ("ab12", Ok("web")),
            ("ab3", Ok("db")),
            ("ab1", Ok("ab1")),
            ("f", Ok("dead")),
            ("dead", Ok("dead")),
            (&full, Ok("ab1")),
            ("ab", Err("more than one result for container \"ab\": container already exists")),
            ("we", Err("no container with name or ID \"we\" found: no such container")),
            ("AB12", Err("no container with name or ID \"AB12\" found: no such container")),
            ("", Err("no container with name or ID \"\" found: no such container")),
            ("%", Err("no container with name or ID \"%\" found: no such container")),
        ] {
            let got =
                database.find_container(text).map(|record| record.name).map_err(|error| error.to_string());
            assert_eq!(got.as_deref().map_err(|error| &**error), expected, "{text:?}");
        }
        assert_eq!(database.latest_container().unwrap().name, "dead");
    }

    #[test]
    fn a_name_is_given_once() {
        let (_dir, database) = database(&[("ab12", "web")]);
        let error = database.insert_container(&named("ff", "web", 9)).unwrap_err();
        assert!(matches!(&error, InsertError::NameInUse { id, .. } if id.starts_with("ab12")), "{error}");
        assert_eq!(database.containers().unwrap().len(), 1);
        assert!(database.delete_container(&format!("{:0<64}", "ab12")).unwrap());
        assert!(!database.delete_container(&format!("{:0<64}", "ab12")).unwrap());
        database.insert_container(&named("ff", "web", 9)).unwrap();
    }

    #[test]
    fn renaming() {
        let (_dir, database) = database(&[("ab12", "web"), ("cd34", "db")]);
        let full = |id: &str| format!("{id:0<64}");
        for (id, name, expected) in [
            ("ab12", "site", Renamed::Done),
            ("ab12", "site", Renamed::Done),
            ("ab12", "db", Renamed::InUse(full("cd34"))),
            ("ef", "new", Renamed::Gone),
        ] {
            assert_eq!(database.rename_container(&full(id), name).unwrap(), expected, "{id} {name}");
        }
        assert_eq!(database.find_container("site").unwrap().id, full("ab12"));
    }

    #[test]
    fn a_record_comes_back_whole() {
        let (_dir, database) = database(&[]);
        database
            .write("add an image", |c| {
                c.execute_batch("INSERT INTO images VALUES ('beef', 'sha256:1', x'', x'')")
            })
            .unwrap();
        let mut record = named("ab", "x", 1);
        record.image_id = Some("beef".into());
        record.options.labels.insert("a".into(), "b".into());
        database.insert_container(&record).unwrap();
        assert_eq!(database.find_container("x").unwrap(), record);
        assert_eq!(database.containers_of_image("beef").unwrap(), [record.id]);
        assert!(database.containers_of_image("none").unwrap().is_empty());
        let image = database.write("remove it", |c| c.execute_batch("DELETE FROM images"));
        assert!(image.is_err(), "an image in use cannot go");

        let orphan = Record { image_id: Some("none".into()), ..named("cd", "y", 2) };
        assert!(matches!(database.insert_container(&orphan), Err(InsertError::ImageGone(_))));
    }
}
