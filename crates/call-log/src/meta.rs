//! Table `meta`: one value per name.

use protocol::Timestamp;
use rusqlite::{Connection, OptionalExtension};

use crate::Error;

pub(crate) const SCHEMA_1: &str =
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;";

/// How far a cache follows an exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// Identity of the exchange's store: sequence numbers of another store mean nothing here.
    pub store: String,
    /// Every record change up to this one is in the cache.
    pub seq: u64,
}

pub(crate) fn cursor(db: &Connection) -> Result<Option<Cursor>, Error> {
    let Some(store) = get(db, "store")? else { return Ok(None) };
    Ok(Some(Cursor { store, seq: number(db, "seq")?.unwrap_or(0) }))
}

pub(crate) fn set_cursor(db: &Connection, cursor: &Cursor) -> Result<(), Error> {
    set(db, "store", &cursor.store)?;
    set(db, "seq", &cursor.seq.to_string())
}

pub(crate) fn as_of(db: &Connection) -> Result<Option<Timestamp>, Error> {
    Ok(number(db, "as_of")?.map(Timestamp))
}

pub(crate) fn set_as_of(db: &Connection, at: Timestamp) -> Result<(), Error> {
    set(db, "as_of", &at.0.to_string())
}

pub(crate) fn wipe(db: &Connection) -> Result<(), Error> {
    db.execute("DELETE FROM meta", [])?;
    Ok(())
}

fn number(db: &Connection, name: &str) -> Result<Option<u64>, Error> {
    get(db, name)?
        .map(|value| value.parse().map_err(|_| Error::Damaged { what: format!("{name} is {value:?}") }))
        .transpose()
}

fn get(db: &Connection, name: &str) -> Result<Option<String>, Error> {
    Ok(db.query_row("SELECT value FROM meta WHERE name = ?1", [name], |row| row.get(0)).optional()?)
}

fn set(db: &Connection, name: &str, value: &str) -> Result<(), Error> {
    db.execute("INSERT OR REPLACE INTO meta (name, value) VALUES (?1, ?2)", [name, value])?;
    Ok(())
}
