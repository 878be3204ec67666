//! Table `columns`: how this person likes the columns of the list. What columns there are is the screen's business.

use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use specta::Type;

use crate::Error;

pub(super) const SCHEMA: &str = "
CREATE TABLE columns (id TEXT PRIMARY KEY, shown INTEGER NOT NULL, width INTEGER) STRICT, WITHOUT ROWID;
";

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Column {
    pub id: String,
    pub shown: bool,
    /// Percent of the text's size; `None`: as it comes.
    pub width: Option<u32>,
}

/// In place of what was chosen before.
pub(crate) fn put(db: &mut Connection, columns: &[Column]) -> Result<(), Error> {
    let tx = db.transaction()?;
    tx.execute("DELETE FROM columns", [])?;
    for Column { id, shown, width } in columns {
        tx.execute("INSERT OR REPLACE INTO columns (id, shown, width) VALUES (?1, ?2, ?3)", (id, shown, width))?;
    }
    tx.commit()?;
    Ok(())
}

pub(crate) fn all(db: &Connection) -> Result<Vec<Column>, Error> {
    let mut statement = db.prepare_cached("SELECT id, shown, width FROM columns ORDER BY id")?;
    let columns =
        statement.query_map([], |row| Ok(Column { id: row.get(0)?, shown: row.get(1)?, width: row.get(2)? }))?;
    Ok(columns.collect::<Result<_, _>>()?)
}
