//! Opening the files: their schema, what is too new, what is damaged.
//!
//! A check of the whole file reads all of it, so it is made only if the last run did not end by closing (its write-ahead
//! log is still there) and the file is small. Damage met later is written down beside the file, and the next opening puts
//! the file aside without asking again.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use rusqlite::{Connection, Transaction};
use rusqlite_migration::{HookError, M, MigrationDefinitionError, Migrations};

use crate::records::Records;
use crate::{CallLog, Error, Opened, atoms, calls, details, meta, mine, notes, parties, sounds, upgrade};

/// A file that is checked in a few hundredths of a second.
const CHECKED_BYTES: u64 = 32 << 20;

/// Never edit an entry that was released; add one.
static MIGRATIONS: LazyLock<Migrations<'static>> = LazyLock::new(|| {
    Migrations::new(vec![
        M::up(meta::SCHEMA_1),
        M::up(upgrade::CALLS_1),
        M::up_with_hook("", |tx: &Transaction<'_>| {
            upgrade::from_1(tx).map_err(|error| match error {
                Error::Database(error) => HookError::RusqliteError(error),
                other => HookError::Hook(other.to_string()),
            })
        }),
    ])
});

pub(crate) const SCHEMAS: [&str; 6] =
    [calls::SCHEMA, details::SCHEMA, parties::SCHEMA, atoms::SCHEMA, notes::SCHEMA, sounds::SCHEMA];

pub(crate) fn open(path: &Path) -> Result<Opened, Error> {
    let failed = |source| Error::Open { path: path.to_owned(), source };
    let (mine, mine_set_aside) = mine::Mine::open(&with(path, ".mine"))?;
    let suspect = with(path, ".suspect");
    let prepared =
        if suspect.exists() { Err(Error::damaged("damage was met in it".into())) } else { Records::open(path) };
    let (records, set_aside) = match prepared {
        Err(Error::Damaged { .. }) => {
            let aside = set_aside(path).map_err(failed)?;
            remove_if_there(&suspect).map_err(failed)?;
            (Records::open(path)?, Some(aside))
        }
        opened => (opened?, None),
    };
    Ok(Opened { log: CallLog { records, mine }, set_aside, mine_set_aside })
}

/// The file of records, ready for use.
pub(crate) fn prepare(path: &Path) -> Result<Connection, Error> {
    let wal = with(path, "-wal");
    let ended_badly = std::fs::metadata(&wal).is_ok_and(|wal| wal.len() > 0);
    let small = std::fs::metadata(path).is_ok_and(|file| file.len() <= CHECKED_BYTES);
    let mut db = connect(path)?;
    // What the exchange has can be fetched again, so a commit need not wait for the disk.
    db.pragma_update(None, "synchronous", "NORMAL")?;
    if ended_badly && small {
        check(&db)?;
    }
    let old = version(&db)?;
    migrate(&mut db, &MIGRATIONS, path)?;
    if (1..3).contains(&old) {
        // Only a vacuum gives an old file pages that can be given back one by one.
        db.execute_batch("PRAGMA auto_vacuum = INCREMENTAL; VACUUM;")?;
    }
    Ok(db)
}

/// Opens or makes a file that only its owner can read.
pub(crate) fn connect(path: &Path) -> Result<Connection, Error> {
    private_file(path).map_err(|source| Error::Open { path: path.to_owned(), source })?;
    let db = Connection::open(path)?;
    db.busy_timeout(std::time::Duration::from_secs(5))?;
    db.set_prepared_statement_cache_capacity(64);
    db.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    // Removed calls are to be gone, not to lie about in unused pages.
    db.pragma_update(None, "secure_delete", "ON")?;
    db.pragma_update(None, "journal_size_limit", 4 << 20)?;
    db.pragma_update(None, "cache_size", -8_192)?;
    Ok(db)
}

pub(crate) fn check(db: &Connection) -> Result<(), Error> {
    let health: String = db.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if health == "ok" { Ok(()) } else { Err(Error::damaged(health)) }
}

pub(crate) fn migrate(db: &mut Connection, migrations: &Migrations<'_>, path: &Path) -> Result<(), Error> {
    match migrations.to_latest(db) {
        Ok(()) => Ok(()),
        Err(rusqlite_migration::Error::MigrationDefinition(MigrationDefinitionError::DatabaseTooFarAhead)) => {
            Err(Error::Newer { path: path.to_owned() })
        }
        Err(rusqlite_migration::Error::RusqliteError { err, .. }) => Err(err.into()),
        // A version that our own migrations could not have left, or records that they can't read.
        Err(other) => Err(Error::damaged(other.to_string())),
    }
}

fn version(db: &Connection) -> Result<u32, Error> {
    Ok(db.query_row("PRAGMA user_version", [], |row| row.get(0))?)
}

/// Renames the file to the first free `NAME.damaged-N`; its write-ahead log is worthless without it.
pub(crate) fn set_aside(path: &Path) -> std::io::Result<PathBuf> {
    let aside = (1u32..)
        .map(|n| with(path, &format!(".damaged-{n}")))
        .find(|candidate| !candidate.exists())
        .unwrap_or_else(|| with(path, ".damaged"));
    match std::fs::rename(path, &aside) {
        // Nothing but the word that it was damaged is left.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        renamed => renamed?,
    }
    for suffix in ["-wal", "-shm"] {
        remove_if_there(&with(path, suffix))?;
    }
    Ok(aside)
}

/// Removes the file and what SQLite keeps beside it.
pub(crate) fn remove(path: &Path) -> std::io::Result<()> {
    // First the write-ahead log: without it what is left is an older state, never a torn one.
    for suffix in ["-wal", "-shm", ""] {
        remove_if_there(&with(path, suffix))?;
    }
    Ok(())
}

/// Writes down that the file must not be used again.
pub(crate) fn suspect(path: &Path) {
    // If it can't be written, the damage will be met again.
    let _ignored = std::fs::write(with(path, ".suspect"), b"");
}

pub(crate) fn with(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn remove_if_there(path: &Path) -> std::io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// SQLite gives its other files the rights of this one.
fn private_file(path: &Path) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
        options.mode(0o600);
        let file = options.open(path)?;
        file.set_permissions(std::fs::Permissions::from_mode(0o600))
    }
    #[cfg(not(unix))]
    options.open(path).map(drop)
}
