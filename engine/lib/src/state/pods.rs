//! Pods as the database knows them, and who is in which.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::containers::{self, InsertError, Record};
use super::lookup::{Found, Table, find};
use super::{Database, Error, json};
use crate::pod::options::PodOptions;

/// Run by [`Database::open`]. A pod stays as long as it has a member, and a container as long as another joins it.
pub(crate) const SCHEMA: &str = "
CREATE TABLE pods (
    id      TEXT NOT NULL PRIMARY KEY,
    name    TEXT NOT NULL UNIQUE,
    created TEXT NOT NULL,
    options TEXT NOT NULL
) STRICT, WITHOUT ROWID;
ALTER TABLE containers ADD COLUMN pod TEXT REFERENCES pods (id);
CREATE INDEX containers_of_pods ON containers (pod) WHERE pod IS NOT NULL;
CREATE TABLE dependencies (
    container TEXT NOT NULL REFERENCES containers (id) ON DELETE CASCADE,
    target    TEXT NOT NULL REFERENCES containers (id),
    PRIMARY KEY (container, target)
) STRICT, WITHOUT ROWID;
CREATE INDEX dependencies_by_target ON dependencies (target);
";

const COLUMNS: &str = "id, name, created, options";

const TABLE: Table<Pod> = Table { name: "pods", columns: COLUMNS, read: pod };

/// One row.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Pod {
    /// 64 hex digits.
    pub id: String,
    pub name: String,
    /// RFC 3339, UTC, nanoseconds.
    pub created: String,
    pub options: PodOptions,
}

/// Why a pod cannot be added. podman's words.
#[derive(Debug, thiserror::Error)]
pub enum InsertPodError {
    #[error("adding pod to state: name {0:?} is in use: pod already exists")]
    NameInUse(String),
    /// The infra container cannot be.
    #[error(transparent)]
    Infra(#[from] InsertError),
    #[error(transparent)]
    State(#[from] Error),
}

/// Why a name or id leads to no pod. podman's words.
#[derive(Debug, thiserror::Error)]
pub enum FindPodError {
    #[error("no pod with name or ID {0} found: no such pod")]
    NotFound(String),
    #[error("more than one result for pod {0:?}: pod already exists")]
    Ambiguous(String),
    /// `--latest` without any.
    #[error("no such pod")]
    NoneYet,
    #[error(transparent)]
    State(#[from] Error),
}

impl Database {
    /// Adds a pod with its infra container, or neither.
    pub fn insert_pod(&self, pod: &Pod, infra: Option<&Record>) -> Result<(), InsertPodError> {
        let refused = self.write("add a pod", |c| {
            let taken = c.prepare("SELECT 1 FROM pods WHERE name = ?1")?.exists([&pod.name])?;
            if taken {
                return Ok(Some(InsertPodError::NameInUse(pod.name.clone())));
            }
            // A savepoint: a refused infra container leaves no pod.
            c.execute_batch("SAVEPOINT pod")?;
            insert(c, pod)?;
            let refused = infra.map_or(Ok(None), |infra| containers::try_insert(c, infra))?;
            c.execute_batch(if refused.is_some() { "ROLLBACK TO pod" } else { "RELEASE pod" })?;
            Ok(refused.map(InsertPodError::from))
        })?;
        refused.map_or(Ok(()), Err)
    }

    /// By full id, name, or the beginning of an id that only one has.
    pub fn find_pod(&self, text: &str) -> Result<Pod, FindPodError> {
        match self.read("look up a pod", |c| find(c, &TABLE, text))? {
            Found::Nothing => Err(FindPodError::NotFound(text.to_owned())),
            Found::One(pod) => Ok(pod),
            Found::Several => Err(FindPodError::Ambiguous(text.to_owned())),
        }
    }

    /// The one created last.
    pub fn latest_pod(&self) -> Result<Pod, FindPodError> {
        let sql = format!("SELECT {COLUMNS} FROM pods ORDER BY created DESC LIMIT 1");
        self.read("look up the latest pod", |c| c.query_row(&sql, [], pod).optional())?
            .ok_or(FindPodError::NoneYet)
    }

    /// All, in the order of their creation.
    pub fn pods(&self) -> Result<Vec<Pod>, Error> {
        let sql = format!("SELECT {COLUMNS} FROM pods ORDER BY created");
        self.read("list pods", |c| c.prepare(&sql)?.query_map([], pod)?.collect())
    }

    /// A pod's containers in the order of their creation: its infra container first.
    pub fn members(&self, pod: &str) -> Result<Vec<Record>, Error> {
        self.read("list a pod's containers", |c| containers::of_pod(c, pod))
    }

    /// Forgets a pod; false while it has members. One that is gone already is no error.
    pub fn delete_pod(&self, id: &str) -> Result<bool, Error> {
        self.write("forget a pod", |c| {
            if c.prepare("SELECT 1 FROM containers WHERE pod = ?1")?.exists([id])? {
                return Ok(false);
            }
            c.execute("DELETE FROM pods WHERE id = ?1", [id]).map(|_| true)
        })
    }

    /// Full ids of the containers that join namespaces of this one.
    pub fn dependents(&self, container: &str) -> Result<Vec<String>, Error> {
        self.read("list the containers that depend on one", |c| {
            c.prepare_cached("SELECT container FROM dependencies WHERE target = ?1 ORDER BY container")?
                .query_map([container], |row| row.get(0))?
                .collect()
        })
    }
}

fn insert(connection: &Connection, pod: &Pod) -> rusqlite::Result<()> {
    let options = json::write(&pod.options)?;
    connection.execute(
        "INSERT INTO pods (id, name, created, options) VALUES (?1, ?2, ?3, ?4)",
        params![pod.id, pod.name, pod.created, options],
    )?;
    Ok(())
}

fn pod(row: &Row<'_>) -> rusqlite::Result<Pod> {
    Ok(Pod { id: row.get(0)?, name: row.get(1)?, created: row.get(2)?, options: json::read(row, 3)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::options::{Namespace, Namespaces, Options};

    fn database() -> (tempfile::TempDir, Database) {
        let dir = tempfile::tempdir().unwrap();
        let database = Database::open(&dir.path().join("state.db")).unwrap();
        (dir, database)
    }

    fn pod_named(id: &str, name: &str) -> Pod {
        Pod { id: format!("{id:0<64}"), name: name.into(), created: format!("2026-{name}"), ..Pod::default() }
    }

    fn member(id: &str, name: &str, pod: &Pod, joins: Option<&Record>) -> Record {
        let uts = joins.map_or(Namespace::Private, |target| Namespace::Container(target.id.clone()));
        let namespaces = Namespaces { uts, ..Namespaces::default() };
        let options = Options { pod: Some(pod.id.clone()), namespaces, ..Options::default() };
        Record {
            id: format!("{id:0<64}"),
            name: name.into(),
            created: name.into(),
            options,
            ..Record::default()
        }
    }

    #[test]
    fn a_pod_and_its_infra_container_or_neither() {
        let (_dir, database) = database();
        let (a, b) = (pod_named("aa", "a"), pod_named("ab", "b"));
        let infra = member("1", "a-infra", &a, None);
        database.insert_pod(&a, Some(&infra)).unwrap();
        let again = Pod { name: "a".into(), ..b.clone() };
        assert!(matches!(database.insert_pod(&again, None), Err(InsertPodError::NameInUse(_))));
        let taken = member("2", "a-infra", &b, None);
        assert!(matches!(database.insert_pod(&b, Some(&taken)), Err(InsertPodError::Infra(_))));
        assert_eq!(database.pods().unwrap(), std::slice::from_ref(&a));
        assert_eq!(database.members(&a.id).unwrap(), [infra]);

        database.insert_pod(&b, None).unwrap();
        for (text, expected) in [
            ("a", Ok("a")),
            ("aa", Ok("a")),
            ("ab", Ok("b")),
            ("c", Err("no pod with name or ID c found: no such pod")),
            ("", Err("no pod with name or ID  found: no such pod")),
        ] {
            let found = database.find_pod(text).map(|pod| pod.name).map_err(|error| error.to_string());
            assert_eq!(found.as_deref().map_err(|error| &**error), expected, "{text}");
        }
        assert_eq!(database.latest_pod().unwrap().name, "b");
    }

    #[test]
    fn what_is_used_stays() {
        let (_dir, database) = database();
        let pod = pod_named("aa", "a");
        let infra = member("1", "infra", &pod, None);
        let app = member("2", "web", &pod, Some(&infra));
        database.insert_pod(&pod, Some(&infra)).unwrap();
        database.insert_container(&app).unwrap();
        assert_eq!(database.members(&pod.id).unwrap(), [infra.clone(), app.clone()]);
        assert_eq!(database.dependents(&infra.id).unwrap(), std::slice::from_ref(&app.id));
        assert!(database.delete_container(&infra.id).is_err(), "another container joins it");
        assert!(!database.delete_pod(&pod.id).unwrap());

        assert!(database.delete_container(&app.id).unwrap());
        assert!(database.dependents(&infra.id).unwrap().is_empty());
        assert!(database.delete_container(&infra.id).unwrap());
        assert!(database.delete_pod(&pod.id).unwrap());
        assert!(database.delete_pod(&pod.id).unwrap());
        let late = database.insert_container(&app);
        assert!(matches!(late, Err(InsertError::PodGone | InsertError::TargetGone)), "{late:?}");
    }
}
