//! The audit trail: append-only, each entry chained to the one before by its hash.

use protocol::{AuditEntry, CallId};
use rusqlite::{Connection, OptionalExtension, params};

use super::StoreError;

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

pub(super) fn append(connection: &Connection, entry: &AuditEntry) -> Result<(), StoreError> {
    let call = entry.call.as_ref().map(CallId::as_str);
    connection.execute(
        "INSERT INTO audit (seq, call, hash, body) VALUES (?1, ?2, ?3, ?4)",
        params![entry.seq, call, entry.hash, serde_json::to_string(entry)?],
    )?;
    Ok(())
}

/// Place and hash of the newest entry; 0 and empty if there is none.
///
/// # Errors
/// The database fails.
pub fn last(connection: &Connection) -> Result<(u64, String), StoreError> {
    let row = connection
        .query_row("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1", [], |row| Ok((row.get(0)?, row.get(1)?)));
    Ok(row.optional()?.unwrap_or_default())
}

/// Where the chain is broken.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    #[error("entry {seq} of the audit trail is missing")]
    Missing { seq: u64 },
    #[error("entry {seq} of the audit trail was changed after it was written, or one before it was")]
    Changed { seq: u64 },
    #[error(transparent)]
    Unreadable(#[from] StoreError),
}

/// Recomputes every hash. Gives the number of entries.
///
/// # Errors
/// The first entry that is missing, changed or unreadable.
pub fn verify(connection: &Connection) -> Result<u64, Broken> {
    let sql = |e: rusqlite::Error| Broken::Unreadable(e.into());
    let mut query = connection.prepare("SELECT seq, hash, body FROM audit ORDER BY seq").map_err(sql)?;
    let row = |row: &rusqlite::Row<'_>| Ok((row.get::<_, u64>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?));
    let mut before = (0, String::new());
    for read in query.query_map([], row).map_err(sql)? {
        let (seq, hash, body) = read.map_err(sql)?;
        if seq != before.0 + 1 {
            return Err(Broken::Missing { seq: before.0 + 1 });
        }
        let entry: AuditEntry = serde_json::from_str(&body).map_err(|e| Broken::Unreadable(e.into()))?;
        if entry.seq != seq || entry.hash != hash || entry.chained(&before.1) != hash {
            return Err(Broken::Changed { seq });
        }
        before = (seq, hash);
    }
    Ok(before.0)
}
