//! Messages that callers left; the sound is in files of their own.

use protocol::{CallId, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};

use super::StoreError;

pub(super) const V1: &str = "
    CREATE TABLE voicemail (
        call TEXT PRIMARY KEY,
        mailbox TEXT NOT NULL,
        at INTEGER NOT NULL,          -- ms since the Unix epoch
        duration_ms INTEGER NOT NULL,
        file TEXT NOT NULL
    ) STRICT;
    CREATE INDEX voicemail_mailbox ON voicemail (mailbox, at);";

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Voicemail {
    pub call: CallId,
    pub mailbox: String,
    pub at: Timestamp,
    pub duration_ms: u64,
    pub file: String,
}

pub(super) fn insert(connection: &Connection, v: &Voicemail) -> Result<(), StoreError> {
    connection.execute(
        "INSERT OR REPLACE INTO voicemail (call, mailbox, at, duration_ms, file) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![v.call.as_str(), v.mailbox, v.at.0, v.duration_ms, v.file],
    )?;
    Ok(())
}

/// # Errors
/// The database fails.
pub fn find(connection: &Connection, call: &CallId) -> Result<Option<Voicemail>, StoreError> {
    let row = connection.query_row(
        "SELECT mailbox, at, duration_ms, file FROM voicemail WHERE call = ?1",
        [call.as_str()],
        |row| {
            Ok(Voicemail {
                call: call.clone(),
                mailbox: row.get(0)?,
                at: Timestamp(row.get(1)?),
                duration_ms: row.get(2)?,
                file: row.get(3)?,
            })
        },
    );
    Ok(row.optional()?)
}

/// Messages of a mailbox that nobody has heard, and those that somebody has.
///
/// # Errors
/// The database fails.
pub fn count(connection: &Connection, mailbox: &str) -> Result<(u32, u32), StoreError> {
    let mut query = connection.prepare_cached(
        "SELECT count(*) FILTER (WHERE heard IS NULL), count(heard) FROM
         (SELECT json_extract(r.body, '$.voicemail.heard') AS heard FROM voicemail v JOIN records r ON r.call = v.call
          WHERE v.mailbox = ?1)",
    )?;
    Ok(query.query_row([mailbox], |row| Ok((row.get(0)?, row.get(1)?)))?)
}
