//! The records that calls would have if the exchange failed now. A draft goes in one transaction with the coming of its
//! record; what is still here at a start are calls that were cut off.

use protocol::{CallId, CallRecord};
use rusqlite::{Connection, params};

use super::StoreError;

pub(super) const V1: &str = "
    CREATE TABLE drafts (
        call TEXT PRIMARY KEY,
        body TEXT NOT NULL -- a CallRecord as JSON
    ) STRICT, WITHOUT ROWID;";

pub(super) fn put(connection: &Connection, draft: &CallRecord) -> Result<(), StoreError> {
    let mut put = connection.prepare_cached("INSERT OR REPLACE INTO drafts (call, body) VALUES (?1, ?2)")?;
    put.execute(params![draft.id.as_str(), serde_json::to_string(draft)?])?;
    Ok(())
}

pub(super) fn remove(connection: &Connection, call: &CallId) -> Result<(), StoreError> {
    connection.prepare_cached("DELETE FROM drafts WHERE call = ?1")?.execute([call.as_str()])?;
    Ok(())
}

/// The calls that the last run left unfinished, oldest first. One that can't be read is left out, loudly: it must not
/// keep the exchange from starting.
///
/// # Errors
/// The database fails.
pub fn all(connection: &Connection) -> Result<Vec<CallRecord>, StoreError> {
    let mut query = connection.prepare("SELECT call, body FROM drafts")?;
    let rows = query.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
    let mut drafts = Vec::new();
    for row in rows {
        let (call, body) = row?;
        match serde_json::from_str::<CallRecord>(&body) {
            Ok(draft) => drafts.push(draft),
            Err(error) => tracing::error!(call, %error, "the draft of a call's record can't be read"),
        }
    }
    drafts.sort_by(|a, b| (a.started_at, &a.id).cmp(&(b.started_at, &b.id)));
    Ok(drafts)
}
