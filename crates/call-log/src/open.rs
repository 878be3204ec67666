//! Opening the file: its schema, what is too new, what is damaged.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use rusqlite::Connection;
use rusqlite_migration::{M, MigrationDefinitionError, Migrations};

use crate::{CallLog, Error, Opened, calls, meta};

/// Never edit an entry that was released; add one.
static MIGRATIONS: LazyLock<Migrations<'static>> =
    LazyLock::new(|| Migrations::new(vec![M::up(meta::SCHEMA_1), M::up(calls::SCHEMA_1)]));

pub(crate) fn open(path: &Path) -> Result<Opened, Error> {
    match prepare(path) {
        Ok(db) => Ok(Opened { log: CallLog { db }, set_aside: None }),
        Err(Error::Damaged { .. }) => {
            let aside = set_aside(path).map_err(|source| Error::Open { path: path.to_owned(), source })?;
            Ok(Opened { log: CallLog { db: prepare(path)? }, set_aside: Some(aside) })
        }
        Err(error) => Err(error),
    }
}

fn prepare(path: &Path) -> Result<Connection, Error> {
    let mut db = Connection::open(path)?;
    db.busy_timeout(std::time::Duration::from_secs(5))?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", "NORMAL")?;
    let health: String = db.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if health != "ok" {
        return Err(Error::Damaged { what: health });
    }
    match MIGRATIONS.to_latest(&mut db) {
        Ok(()) => Ok(db),
        Err(rusqlite_migration::Error::MigrationDefinition(MigrationDefinitionError::DatabaseTooFarAhead)) => {
            Err(Error::Newer { path: path.to_owned() })
        }
        Err(rusqlite_migration::Error::RusqliteError { err, .. }) => Err(err.into()),
        // A version that our own migrations could not have left.
        Err(other) => Err(Error::Damaged { what: other.to_string() }),
    }
}

/// Renames the file to the first free `NAME.damaged-N`; its write-ahead log is worthless without it.
fn set_aside(path: &Path) -> std::io::Result<PathBuf> {
    let with = |suffix: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    let aside = (1u32..)
        .map(|n| with(&format!(".damaged-{n}")))
        .find(|candidate| !candidate.exists())
        .unwrap_or_else(|| with(".damaged"));
    std::fs::rename(path, &aside)?;
    for suffix in ["-wal", "-shm"] {
        match std::fs::remove_file(with(suffix)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(aside)
}
