//! Table `sounds`: voicemail that can be played with the network gone.

use rusqlite::{Connection, OptionalExtension};

use crate::Error;

/// `sound` counts up, so that the ones kept longest go first.
pub(crate) const SCHEMA: &str = "
CREATE TABLE sounds (
    sound INTEGER PRIMARY KEY AUTOINCREMENT,
    row INTEGER NOT NULL UNIQUE,
    bytes BLOB NOT NULL
) STRICT;
";

/// All kept sounds together have at most this many bytes: about two hours of 16 kHz speech.
pub const MAX_SOUND_BYTES: u64 = 256 << 20;

pub(crate) fn put(db: &Connection, row: i64, bytes: &[u8], limit: u64) -> Result<bool, Error> {
    if bytes.len() as u64 > limit {
        return Ok(false);
    }
    remove(db, row)?;
    db.execute("INSERT INTO sounds (row, bytes) VALUES (?1, ?2)", (row, bytes))?;
    while total(db)? > limit {
        db.execute("DELETE FROM sounds WHERE sound = (SELECT min(sound) FROM sounds)", [])?;
    }
    Ok(true)
}

pub(crate) fn get(db: &Connection, row: i64) -> Result<Option<Vec<u8>>, Error> {
    Ok(db.query_row("SELECT bytes FROM sounds WHERE row = ?1", [row], |sql| sql.get(0)).optional()?)
}

pub(crate) fn moved(db: &Connection, from: i64, to: i64) -> Result<(), Error> {
    db.prepare_cached("UPDATE sounds SET row = ?2 WHERE row = ?1")?.execute([from, to])?;
    Ok(())
}

pub(crate) fn remove(db: &Connection, row: i64) -> Result<(), Error> {
    db.prepare_cached("DELETE FROM sounds WHERE row = ?1")?.execute([row])?;
    Ok(())
}

fn total(db: &Connection) -> Result<u64, Error> {
    Ok(db.query_row("SELECT coalesce(sum(length(bytes)), 0) FROM sounds", [], |row| row.get(0))?)
}
