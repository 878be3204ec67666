//! Table `meta`: one value per name.

use protocol::Timestamp;
use rusqlite::{Connection, OptionalExtension};

use crate::Error;

pub(crate) const SCHEMA_1: &str =
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;";

/// How far a log follows an exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// Identity of the exchange's store: sequence numbers of another store mean nothing here.
    pub store: String,
    /// What the reader may see; `None` in a file of a version that did not ask.
    pub scope: Option<String>,
    /// Every record change up to this one is in the log.
    pub seq: u64,
}

pub(crate) fn cursor(db: &Connection) -> Result<Option<Cursor>, Error> {
    let Some(store) = get(db, "store")? else { return Ok(None) };
    Ok(Some(Cursor { store, scope: get(db, "scope")?, seq: number(db, "seq")?.unwrap_or(0) }))
}

pub(crate) fn set_cursor(db: &Connection, store: &str, scope: &str, seq: u64) -> Result<(), Error> {
    set(db, "store", store)?;
    set(db, "scope", scope)?;
    set_seq(db, seq)
}

pub(crate) fn set_seq(db: &Connection, seq: u64) -> Result<(), Error> {
    set(db, "seq", &seq.to_string())
}

pub(crate) fn as_of(db: &Connection) -> Result<Option<Timestamp>, Error> {
    Ok(number(db, "as_of")?.map(Timestamp))
}

pub(crate) fn set_as_of(db: &Connection, at: Timestamp) -> Result<(), Error> {
    set(db, "as_of", &at.0.to_string())
}

/// Calls that started before this have been removed to save room.
pub(crate) fn complete_from(db: &Connection) -> Result<Option<Timestamp>, Error> {
    Ok(number(db, "complete_from")?.map(Timestamp))
}

pub(crate) fn set_complete_from(db: &Connection, at: Timestamp) -> Result<(), Error> {
    set(db, "complete_from", &at.0.to_string())
}

fn number(db: &Connection, name: &str) -> Result<Option<u64>, Error> {
    get(db, name)?.map(|value| value.parse().map_err(|_| Error::damaged(format!("{name} is {value:?}")))).transpose()
}

fn get(db: &Connection, name: &str) -> Result<Option<String>, Error> {
    Ok(db.prepare_cached("SELECT value FROM meta WHERE name = ?1")?.query_row([name], |row| row.get(0)).optional()?)
}

fn set(db: &Connection, name: &str, value: &str) -> Result<(), Error> {
    db.prepare_cached("INSERT OR REPLACE INTO meta (name, value) VALUES (?1, ?2)")?.execute([name, value])?;
    Ok(())
}
