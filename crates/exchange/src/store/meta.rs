//! Facts about the store itself.

use rusqlite::{Connection, OptionalExtension};

use super::{StoreError, sessions::random_token};

pub(super) const V1: &str = "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;";

pub(super) fn store_id(connection: &Connection) -> Result<String, StoreError> {
    // OR IGNORE: two programs may open a new file at once.
    let id = &random_token()[..16];
    connection.execute("INSERT OR IGNORE INTO meta (key, value) VALUES ('store_id', ?1)", [id])?;
    let stored = connection.query_row("SELECT value FROM meta WHERE key = 'store_id'", [], |row| row.get(0));
    Ok(stored.optional()?.unwrap_or_default())
}
