//! Table `drafts`: remarks that somebody has begun to write.

use protocol::{CallId, DispositionId};
use rusqlite::{Connection, OptionalExtension};
use serde::{Deserialize, Serialize};
use specta::Type;

use crate::Error;

pub(super) const SCHEMA: &str = "
CREATE TABLE drafts (
    call TEXT PRIMARY KEY,
    base INTEGER NOT NULL,
    note TEXT NOT NULL,
    disposition TEXT
) STRICT, WITHOUT ROWID;
";

/// Remarks that a person has begun and not saved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Draft {
    pub call: CallId,
    /// The revision that the person saw when they began; 0 if there was none.
    pub base: u32,
    /// As typed.
    pub note: String,
    pub disposition: Option<DispositionId>,
}

pub(crate) fn keep(db: &Connection, draft: &Draft) -> Result<(), Error> {
    let Draft { call, base, note, disposition } = draft;
    db.prepare_cached("INSERT OR REPLACE INTO drafts (call, base, note, disposition) VALUES (?1, ?2, ?3, ?4)")?
        .execute((call.as_str(), base, note, disposition.as_ref().map(DispositionId::as_str)))?;
    Ok(())
}

pub(crate) fn get(db: &Connection, call: &CallId) -> Result<Option<Draft>, Error> {
    let found = db
        .prepare_cached("SELECT base, note, disposition FROM drafts WHERE call = ?1")?
        .query_row([call.as_str()], |row| {
            let disposition = row.get::<_, Option<String>>(2)?.map(DispositionId);
            Ok(Draft { call: call.clone(), base: row.get(0)?, note: row.get(1)?, disposition })
        })
        .optional()?;
    Ok(found)
}

pub(crate) fn calls(db: &Connection) -> Result<Vec<CallId>, Error> {
    let mut all = db.prepare_cached("SELECT call FROM drafts")?;
    let calls = all.query_map([], |row| row.get(0).map(CallId))?;
    Ok(calls.collect::<Result<_, _>>()?)
}

pub(crate) fn forget(db: &Connection, call: &CallId) -> Result<(), Error> {
    db.prepare_cached("DELETE FROM drafts WHERE call = ?1")?.execute([call.as_str()])?;
    Ok(())
}
