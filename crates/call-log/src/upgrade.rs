//! Files of version 1: a record was kept as JSON, beside a table of trigrams.

use rusqlite::Transaction;

use crate::atoms::Atoms;
use crate::{Error, meta, open, records};

/// What version 1 made; kept so that its files go the same way as new ones.
pub(crate) const CALLS_1: &str = "
CREATE TABLE calls (
    row INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    seq INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    direction TEXT NOT NULL,
    outcome TEXT NOT NULL,
    transferred INTEGER NOT NULL,
    record TEXT NOT NULL
) STRICT;
CREATE INDEX calls_newest ON calls (started_at DESC, id DESC);
CREATE VIRTUAL TABLE calls_text USING fts5 (text, tokenize = 'trigram remove_diacritics 1');
";

/// Packs the records. One that can't be read is left out, and all are fetched again.
pub(crate) fn from_1(tx: &Transaction<'_>) -> Result<(), Error> {
    tx.execute_batch("ALTER TABLE calls RENAME TO calls_1; DROP INDEX calls_newest; DROP TABLE calls_text;")?;
    for schema in open::SCHEMAS {
        tx.execute_batch(schema)?;
    }
    let mut atoms = Atoms::default();
    let mut statement = tx.prepare("SELECT record FROM calls_1")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let json = row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?;
        let kept = serde_json::from_str(json)
            .map_err(|error| Error::damaged(error.to_string()))
            .and_then(|record| records::put(tx, &mut atoms, &record).map(drop));
        match kept {
            Ok(()) => {}
            Err(Error::Damaged { .. } | Error::OutOfRange { .. }) => meta::set_seq(tx, 0)?,
            Err(error) => return Err(error),
        }
    }
    drop(rows);
    drop(statement);
    Ok(tx.execute_batch("DROP TABLE calls_1;")?)
}
