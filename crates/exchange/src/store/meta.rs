//! Facts about the store itself.

use rusqlite::{Connection, OptionalExtension};

use super::{StoreError, sessions::random_token};

pub(super) const V1: &str = "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;";

pub(super) fn store_id(connection: &Connection) -> Result<String, StoreError> {
    let read =
        || connection.query_row("SELECT value FROM meta WHERE key = 'store_id'", [], |row| row.get(0)).optional();
    // Nothing is written where nothing has to be: the disk may be full.
    if let Some(stored) = read()? {
        return Ok(stored);
    }
    // OR IGNORE: two programs may open a new file at once.
    let id = &random_token()[..16];
    connection.execute("INSERT OR IGNORE INTO meta (key, value) VALUES ('store_id', ?1)", [id])?;
    Ok(read()?.unwrap_or_default())
}

/// Where phones register with the exchange that runs on this store, or ran last; `None` if none ever did.
///
/// # Errors
/// The database fails.
pub fn registrar(connection: &Connection) -> Result<Option<String>, StoreError> {
    let stored = connection.query_row("SELECT value FROM meta WHERE key = 'registrar'", [], |row| row.get(0));
    Ok(stored.optional()?)
}

/// # Errors
/// The database fails.
pub fn set_registrar(connection: &Connection, uri: &str) -> Result<(), StoreError> {
    connection.execute("INSERT OR REPLACE INTO meta (key, value) VALUES ('registrar', ?1)", [uri])?;
    Ok(())
}
