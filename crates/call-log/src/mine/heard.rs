//! Table `heard`: voicemail that was listened to here, of which the exchange has not been told.

use protocol::CallId;
use rusqlite::Connection;

use crate::Error;

pub(super) const SCHEMA: &str = "
CREATE TABLE heard (call TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
";

pub(crate) fn put(db: &Connection, call: &CallId) -> Result<(), Error> {
    db.prepare_cached("INSERT OR IGNORE INTO heard (call) VALUES (?1)")?.execute([call.as_str()])?;
    Ok(())
}

pub(crate) fn all(db: &Connection) -> Result<Vec<CallId>, Error> {
    let mut statement = db.prepare_cached("SELECT call FROM heard ORDER BY call")?;
    let calls = statement.query_map([], |row| row.get(0).map(CallId))?;
    Ok(calls.collect::<Result<_, _>>()?)
}

pub(crate) fn forget(db: &Connection, call: &CallId) -> Result<(), Error> {
    db.prepare_cached("DELETE FROM heard WHERE call = ?1")?.execute([call.as_str()])?;
    Ok(())
}
