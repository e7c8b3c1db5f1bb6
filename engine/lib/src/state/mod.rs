//! The state database: names, containers and images, shared by many short-lived processes.
//!
//! SQLite in WAL mode: a reader never waits for a writer, and no transaction spans a fork, a wait or I/O to a registry.
//! A commit is not synced: after a power cut the last few may be gone, and what is left is consistent. The log is
//! folded back into the database when it has grown to [`LOG_BYTES`], not by each process that happens to be the last
//! one (two fsyncs a command otherwise). SQLite's own limit does not serve here: what it has folded back it forgets
//! with the last connection, so that the log would only grow.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

pub(crate) mod blobs;
pub mod containers;
pub mod holds;
pub mod images;
mod json;
mod lookup;
pub mod networks;
pub mod pods;
pub(crate) mod reserve;
pub mod secrets;
pub mod volumes;

/// What each layout adds to the one before: the first makes the tables, and each later one changes them.
/// A layout that a release has written is never changed again.
const LAYOUTS: [&[&str]; 3] = [
    &[containers::SCHEMA, images::SCHEMA],
    &[networks::SCHEMA, holds::SCHEMA, volumes::SCHEMA, pods::SCHEMA],
    &[blobs::SCHEMA, images::INDEX_SCHEMA, secrets::SCHEMA],
];

/// The layout that this version reads and writes.
const VERSION: i64 = LAYOUTS.len() as i64;

/// The first process of a quiet moment reads the whole log, so it is kept short.
const LOG_BYTES: u64 = 512 * 1024;

/// Longest wait for another process's write, which takes less than a millisecond.
const BUSY_MILLISECONDS: u32 = 30_000;

/// One connection.
#[derive(Debug)]
pub struct Database {
    pub(crate) connection: Connection,
    path: PathBuf,
}

/// Why the state cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot {step} {path}")]
    Io { step: &'static str, path: PathBuf, source: std::io::Error },
    #[error("cannot open the state database {path}")]
    Open { path: PathBuf, source: rusqlite::Error },
    #[error(
        "the state database {path} is damaged ({reason}): restore it from a backup, or move it away to start anew"
    )]
    Damaged { path: PathBuf, reason: String },
    #[error("the state database {path} is of a newer ketch (layout {found}; this one knows {VERSION})")]
    Newer { path: PathBuf, found: i64 },
    #[error("cannot {step} in the state database {path}")]
    Query { step: &'static str, path: PathBuf, source: rusqlite::Error },
}

impl Database {
    /// Opens the database, and makes it and its directory when missing.
    pub fn open(path: &Path) -> Result<Database, Error> {
        let connection = connect(path)?;
        let database = Database { connection, path: path.to_owned() };
        match database.version()? {
            VERSION => Ok(database),
            0..VERSION => database.bring_up(),
            found => Err(Error::Newer { path: path.to_owned(), found }),
        }
    }

    /// Runs `work`; each statement sees a consistent state, all of them together only in one [`write`](Self::write).
    pub(crate) fn read<T>(
        &self,
        step: &'static str,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, Error> {
        work(&self.connection).map_err(|source| self.failed(step, source))
    }

    /// Runs `work` as one write transaction, rolled back when it fails.
    pub(crate) fn write<T>(
        &self,
        step: &'static str,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, Error> {
        // IMMEDIATE: a transaction that reads first and writes later could not wait for another writer.
        let run = || {
            self.connection.execute_batch("BEGIN IMMEDIATE")?;
            let done = work(&self.connection).and_then(|value| {
                self.connection.execute_batch("COMMIT")?;
                Ok(value)
            });
            if done.is_err() && !self.connection.is_autocommit() {
                // The first error is the one to report.
                let _ = self.connection.execute_batch("ROLLBACK");
            }
            done
        };
        let done = run().map_err(|source| self.failed(step, source))?;
        self.fold_log();
        Ok(done)
    }

    /// Brings a long log into the database and starts it anew. A reader in the way means: another time.
    fn fold_log(&self) {
        let mut log = self.path.clone().into_os_string();
        log.push("-wal");
        if fs::metadata(log).is_ok_and(|log| log.len() >= LOG_BYTES) {
            // A failure costs the next process the same attempt and harms nothing.
            let _ = self.connection.execute_batch(&format!(
                "PRAGMA busy_timeout = 0; PRAGMA wal_checkpoint(TRUNCATE); PRAGMA busy_timeout = {BUSY_MILLISECONDS}"
            ));
        }
    }

    fn version(&self) -> Result<i64, Error> {
        self.read("read the layout's version", |c| c.query_row("PRAGMA user_version", [], |row| row.get(0)))
    }

    /// Makes the tables, or changes those of an older layout, once: the first of several processes does it while the
    /// others wait.
    fn bring_up(self) -> Result<Database, Error> {
        let directory = self.path.parent().unwrap_or(Path::new("/"));
        let io = |step| move |source| Error::Io { step, path: directory.to_owned(), source };
        let turn = File::open(directory).map_err(io("open"))?;
        turn.lock().map_err(io("lock"))?;
        let found = self.version()?;
        if found == 0 {
            self.read("switch to a write-ahead log", |c| c.execute_batch("PRAGMA journal_mode = WAL"))?;
        }
        if found < VERSION {
            self.write("make the tables", |c| {
                LAYOUTS[found as usize..]
                    .iter()
                    .copied()
                    .flatten()
                    .try_for_each(|sql| c.execute_batch(sql))?;
                c.pragma_update(None, "user_version", VERSION)
            })?;
        }
        Ok(self)
    }

    fn failed(&self, step: &'static str, source: rusqlite::Error) -> Error {
        failed(&self.path, source, |path, source| Error::Query { step, path, source })
    }
}

fn connect(path: &Path) -> Result<Connection, Error> {
    // One thread a connection: no mutexes.
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).or_else(|error| {
        // Mostly the directory is missing. If it is there now, another process has made it since.
        let directory = path.parent().ok_or(error)?;
        make_directory(directory).map_err(|_| rusqlite::Error::InvalidPath(directory.to_owned()))?;
        Connection::open_with_flags(path, flags)
    });
    connection.and_then(configure).map_err(|source| match source {
        rusqlite::Error::InvalidPath(path) => {
            let source = std::io::Error::last_os_error();
            Error::Io { step: "make the directory", path, source }
        }
        source => failed(path, source, |path, source| Error::Open { path, source }),
    })
}

fn make_directory(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

fn configure(connection: Connection) -> rusqlite::Result<Connection> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.execute_batch(&format!(
        "PRAGMA busy_timeout = {BUSY_MILLISECONDS};
         PRAGMA synchronous = NORMAL;
         PRAGMA foreign_keys = ON;
         PRAGMA wal_autocheckpoint = 0;"
    ))?;
    Ok(connection)
}

/// A damaged file is told from a failed statement, whichever statement met it.
fn failed(
    path: &Path,
    source: rusqlite::Error,
    other: impl FnOnce(PathBuf, rusqlite::Error) -> Error,
) -> Error {
    match source.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
            Error::Damaged { path: path.to_owned(), reason: source.to_string() }
        }
        _ => other(path.to_owned(), source),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_file_is_one_clear_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.db");
        fs::write(&path, vec![b'x'; 8192]).unwrap();
        let error = Database::open(&path).unwrap_err().to_string();
        assert!(error.contains("is damaged"), "{error}");
        assert!(!error.contains('\n'), "{error}");
    }

    #[test]
    fn a_newer_layout_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/er/state.db");
        let database = Database::open(&path).unwrap();
        database.connection.pragma_update(None, "user_version", VERSION + 1).unwrap();
        drop(database);
        assert!(matches!(Database::open(&path), Err(Error::Newer { .. })));
    }

    #[test]
    fn a_failed_write_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let database = Database::open(&dir.path().join("state.db")).unwrap();
        let failed = database.write("try", |c| {
            c.execute_batch("CREATE TABLE t (x)")?;
            c.execute_batch("nonsense")
        });
        assert!(failed.is_err());
        assert!(database.read("look", |c| c.prepare("SELECT * FROM t").map(|_| ())).is_err());
    }

    /// Eight clients that all find no database yet.
    #[test]
    fn many_make_it_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.db");
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| Database::open(&path).unwrap());
            }
        });
    }
}
