//! The audit trail: append-only, each entry chained to the one before by its hash.
//!
//! What a chain can't tell is that its end was cut off. So place and hash of the newest entry are kept a second time,
//! every [`MARK_EVERY`]th entry is marked in a table of its own and in the log, and each finished call's record holds
//! the entries about it. [`verify()`] compares all of them.

mod date;
mod export;
mod verify;

use std::path::Path;

use protocol::{AuditEntry, CallId};
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};

use super::StoreError;

pub use date::{BadDate, day_or_moment};
pub use export::{ExportError, Format, export};
pub use verify::{Broken, Head, Whole, verify};

pub(super) const V1: &str = "
    CREATE TABLE audit (
        seq INTEGER PRIMARY KEY,
        call TEXT,
        hash TEXT NOT NULL,
        body TEXT NOT NULL -- the AuditEntry as JSON
    ) STRICT;
    CREATE INDEX audit_call ON audit (call) WHERE call IS NOT NULL;
    CREATE TRIGGER audit_is_never_changed BEFORE UPDATE ON audit
        BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END;
    CREATE TRIGGER audit_is_never_shortened BEFORE DELETE ON audit
        BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END;";

/// Where the trail stands, kept beside it: `audit_head` in `meta` is "SEQ HASH" of the newest entry.
pub(super) const V2: &str = "
    CREATE TABLE audit_marks (
        seq INTEGER PRIMARY KEY,
        hash TEXT NOT NULL
    ) STRICT;
    CREATE TRIGGER audit_marks_are_never_changed BEFORE UPDATE ON audit_marks
        BEGIN SELECT RAISE(ABORT, 'the marks of the audit trail are append-only'); END;
    CREATE TRIGGER audit_marks_are_never_removed BEFORE DELETE ON audit_marks
        BEGIN SELECT RAISE(ABORT, 'the marks of the audit trail are append-only'); END;
    INSERT INTO audit_marks SELECT seq, hash FROM audit WHERE seq % 64 = 0;
    INSERT INTO meta SELECT 'audit_head', seq || ' ' || hash FROM audit ORDER BY seq DESC LIMIT 1;";

const MARK_EVERY: u64 = 64;

/// Writes the entry and what is kept about it, all or nothing, inside a transaction or without one.
pub(super) fn append(connection: &Connection, entry: &AuditEntry) -> Result<(), StoreError> {
    let body = serde_json::to_string(entry)?;
    connection.execute_batch("SAVEPOINT audit")?;
    let written = write(connection, entry, &body).and_then(|()| connection.execute_batch("RELEASE audit"));
    if let Err(error) = written {
        // If this fails too, the database has already undone it.
        let _ = connection.execute_batch("ROLLBACK TO audit; RELEASE audit");
        return Err(error.into());
    }
    if entry.seq.is_multiple_of(MARK_EVERY) {
        tracing::info!(seq = entry.seq, hash = entry.hash, "the audit trail has come to this entry");
    }
    Ok(())
}

fn write(connection: &Connection, entry: &AuditEntry, body: &str) -> rusqlite::Result<()> {
    let call = entry.call.as_ref().map(CallId::as_str);
    let mut insert = connection.prepare_cached("INSERT INTO audit (seq, call, hash, body) VALUES (?1, ?2, ?3, ?4)")?;
    insert.execute(params![entry.seq, call, entry.hash, body])?;
    let mut head = connection.prepare_cached("INSERT OR REPLACE INTO meta (key, value) VALUES ('audit_head', ?1)")?;
    head.execute([format!("{} {}", entry.seq, entry.hash)])?;
    if entry.seq.is_multiple_of(MARK_EVERY) {
        // A mark that is there already belongs to an entry that somebody took away: it stays, and gives that away.
        let sql = "INSERT OR IGNORE INTO audit_marks (seq, hash) VALUES (?1, ?2)";
        connection.execute(sql, params![entry.seq, entry.hash])?;
    }
    Ok(())
}

/// Place and hash of the newest entry; 0 and empty if there is none. If the trail has lost its end, this is where it
/// ended: the next entry goes behind the gap, which then can be seen for ever.
///
/// # Errors
/// The database fails.
pub fn last(connection: &Connection) -> Result<(u64, String), StoreError> {
    let newest = |sql| connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).optional();
    let row = newest("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1")?;
    let mark = newest("SELECT seq, hash FROM audit_marks ORDER BY seq DESC LIMIT 1")?;
    // Of equals the last one counts: what the trail itself says.
    let known = [mark, head(connection)?, row].into_iter().flatten();
    Ok(known.max_by_key(|(seq, _)| *seq).unwrap_or_default())
}

/// What is kept about the newest entry; `None` if that is missing or makes no sense.
fn head(connection: &Connection) -> rusqlite::Result<Option<(u64, String)>> {
    let value = connection.query_row("SELECT value FROM meta WHERE key = 'audit_head'", [], |row| row.get(0));
    let value: Option<String> = value.optional()?;
    Ok(value.and_then(|v| v.split_once(' ').and_then(|(seq, hash)| Some((seq.parse().ok()?, hash.to_owned())))))
}

/// Opens the database of the data folder only for reading, whether or not an exchange is using it.
///
/// # Errors
/// There is no database, or it can't be read.
pub fn open(data: &Path) -> Result<Connection, StoreError> {
    let path = data.join("exchange.db");
    // SQLite would only say that it can't open it.
    std::fs::metadata(&path).map_err(|cause| StoreError::Io { path: path.clone(), cause })?;
    let connection = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    Ok(connection)
}
