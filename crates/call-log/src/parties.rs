//! Table `parties`: who called and who was called, each name with its number once.

use protocol::Party;
use rusqlite::{Connection, OptionalExtension};

use crate::Error;

/// `AUTOINCREMENT`: a number that was given up is never given to somebody else while the index may still name it.
pub(crate) const SCHEMA: &str = "
CREATE TABLE parties (
    party INTEGER PRIMARY KEY AUTOINCREMENT,
    number TEXT NOT NULL,
    name TEXT NOT NULL,
    UNIQUE (number, name)
) STRICT;
";

/// The party's place in the table, and whether it is new there.
pub(crate) fn intern(db: &Connection, number: &str, name: &str) -> Result<(u32, bool), Error> {
    let known: Option<u32> = db
        .prepare_cached("SELECT party FROM parties WHERE number = ?1 AND name = ?2")?
        .query_row((number, name), |row| row.get(0))
        .optional()?;
    if let Some(party) = known {
        return Ok((party, false));
    }
    db.prepare_cached("INSERT INTO parties (number, name) VALUES (?1, ?2)")?.execute((number, name))?;
    let party = u32::try_from(db.last_insert_rowid()).map_err(|_| Error::damaged("too many parties".into()))?;
    Ok((party, true))
}

pub(crate) fn get(db: &Connection, party: u32) -> Result<Party, Error> {
    let found = db
        .prepare_cached("SELECT name, number FROM parties WHERE party = ?1")?
        .query_row([party], |row| Ok(Party { name: row.get(0)?, number: row.get(1)? }))
        .optional()?;
    found.ok_or_else(|| Error::damaged(format!("a call names party {party}, which is not there")))
}

pub(crate) fn remove(db: &Connection, party: u32) -> Result<(), Error> {
    db.prepare_cached("DELETE FROM parties WHERE party = ?1")?.execute([party])?;
    Ok(())
}
