//! Finished calls, in the order in which their records were said last.

use protocol::{CallId, CallRecord};
use rusqlite::{Connection, OptionalExtension, params};

use super::StoreError;

pub(super) const V1: &str = "
    CREATE TABLE records (
        seq INTEGER PRIMARY KEY,
        call TEXT NOT NULL UNIQUE,
        ended_at INTEGER NOT NULL, -- ms since the Unix epoch
        body TEXT NOT NULL         -- the CallRecord as JSON
    ) STRICT;";

pub(super) fn insert(connection: &Connection, record: &CallRecord) -> Result<(), StoreError> {
    // A record that is said again, with more known or remarked, leaves its old place: whoever has read up to that comes
    // to the new one.
    connection.execute(
        "INSERT OR REPLACE INTO records (seq, call, ended_at, body) VALUES (?1, ?2, ?3, ?4)",
        params![record.seq, record.id.as_str(), record.ended_at.0, serde_json::to_string(record)?],
    )?;
    Ok(())
}

/// The newest record's place; 0 if there is none.
///
/// # Errors
/// The database fails.
pub fn last_seq(connection: &Connection) -> Result<u64, StoreError> {
    Ok(connection.query_row("SELECT coalesce(max(seq), 0) FROM records", [], |row| row.get(0))?)
}

/// At most `limit` records after `after`, oldest first.
///
/// # Errors
/// The database fails or a row can't be understood.
pub fn page(connection: &Connection, after: u64, limit: u32) -> Result<Vec<CallRecord>, StoreError> {
    let mut query = connection.prepare_cached("SELECT body FROM records WHERE seq > ?1 ORDER BY seq LIMIT ?2")?;
    // SQLite's integers end at 2^63; nothing comes after that.
    let rows =
        query.query_map(params![i64::try_from(after).unwrap_or(i64::MAX), limit], |row| row.get::<_, String>(0))?;
    rows.map(|body| Ok(serde_json::from_str(&body?)?)).collect()
}

/// # Errors
/// The database fails or the row can't be understood.
pub fn find(connection: &Connection, call: &CallId) -> Result<Option<CallRecord>, StoreError> {
    let mut query = connection.prepare_cached("SELECT body FROM records WHERE call = ?1")?;
    let body = query.query_row([call.as_str()], |row| row.get::<_, String>(0)).optional()?;
    Ok(body.map(|body| serde_json::from_str(&body)).transpose()?)
}

/// Where a call's record stands; `None` if there is none.
///
/// # Errors
/// The database fails.
pub fn seq(connection: &Connection, call: &CallId) -> Result<Option<u64>, StoreError> {
    let mut query = connection.prepare_cached("SELECT seq FROM records WHERE call = ?1")?;
    Ok(query.query_row([call.as_str()], |row| row.get(0)).optional()?)
}
