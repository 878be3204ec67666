//! Table `notes`: what people wrote about calls, apart from the packed records so that it can be searched and shown.

use rusqlite::{Connection, OptionalExtension};

use crate::Error;

pub(crate) const SCHEMA: &str = "
CREATE TABLE notes (
    row INTEGER PRIMARY KEY,
    told TEXT NOT NULL,
    remark TEXT NOT NULL
) STRICT;
";

/// What was written about one call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Notes {
    /// With its transfers, a line each.
    pub told: String,
    /// Since it ended.
    pub remark: String,
}

impl Notes {
    pub fn is_empty(&self) -> bool {
        self.told.is_empty() && self.remark.is_empty()
    }
}

pub(crate) fn put(db: &Connection, row: i64, notes: &Notes) -> Result<(), Error> {
    if !notes.is_empty() {
        db.prepare_cached("INSERT INTO notes (row, told, remark) VALUES (?1, ?2, ?3)")?.execute((
            row,
            &notes.told,
            &notes.remark,
        ))?;
    }
    Ok(())
}

pub(crate) fn get(db: &Connection, row: i64) -> Result<Notes, Error> {
    let found = db
        .prepare_cached("SELECT told, remark FROM notes WHERE row = ?1")?
        .query_row([row], |row| Ok(Notes { told: row.get(0)?, remark: row.get(1)? }))
        .optional()?;
    Ok(found.unwrap_or_default())
}
