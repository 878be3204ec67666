//! Table `calls`, one row per record, and `calls_text`, what a search looks through.

use protocol::{CallId, CallRecord, JourneyEvent};
use rusqlite::{Connection, OptionalExtension, ToSql, named_params};

use crate::{Error, Filter, text};

/// Trigrams find "5678" inside a number and "joao" for "João".
pub(crate) const SCHEMA_1: &str = "
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

/// Where a page ended; the next one goes on from here, whatever was added meanwhile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    started_at: i64,
    id: String,
}

/// Some records, newest first.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    pub rows: Vec<CallRecord>,
    /// Where to go on; `None` at the end.
    pub next: Option<Place>,
}

pub(crate) fn upsert(db: &Connection, record: &CallRecord) -> Result<(), Error> {
    let json = serde_json::to_string(record).map_err(|error| Error::Damaged { what: error.to_string() })?;
    let row: Option<i64> = db
        .prepare_cached(
            "INSERT INTO calls (id, seq, started_at, direction, outcome, transferred, record)
             VALUES (:id, :seq, :started_at, :direction, :outcome, :transferred, :record)
             ON CONFLICT (id) DO UPDATE SET seq = excluded.seq, started_at = excluded.started_at,
                 direction = excluded.direction, outcome = excluded.outcome, transferred = excluded.transferred,
                 record = excluded.record
             WHERE excluded.seq > calls.seq
             RETURNING row",
        )?
        .query_row(
            named_params! {
                ":id": record.id.as_str(),
                ":seq": small("seq", record.seq)?,
                ":started_at": small("started_at", record.started_at.0)?,
                ":direction": word(&record.direction),
                ":outcome": word(&record.outcome),
                ":transferred": transferred(record),
                ":record": json,
            },
            |row| row.get(0),
        )
        .optional()?;
    let Some(row) = row else { return Ok(()) }; // what is kept is as new or newer
    db.prepare_cached("DELETE FROM calls_text WHERE rowid = ?1")?.execute([row])?;
    db.prepare_cached("INSERT INTO calls_text (rowid, text) VALUES (?1, ?2)")?
        .execute((row, text::searchable(record)))?;
    Ok(())
}

pub(crate) fn page(db: &Connection, filter: &Filter, from: Option<&Place>, limit: u32) -> Result<Page, Error> {
    let mut sql = String::from("SELECT started_at, id, record FROM calls WHERE 1");
    let mut values: Vec<Box<dyn ToSql>> = Vec::new();
    let mut push = |sql: &mut String, condition: &str, more: Vec<Box<dyn ToSql>>| {
        sql.push_str(" AND ");
        sql.push_str(condition);
        values.extend(more);
    };
    if let Some(outcome) = &filter.outcome {
        push(&mut sql, "outcome = ?", vec![Box::new(word(outcome))]);
    }
    if let Some(direction) = &filter.direction {
        push(&mut sql, "direction = ?", vec![Box::new(word(direction))]);
    }
    if filter.transferred {
        push(&mut sql, "transferred", vec![]);
    }
    for term in text::terms(&filter.text) {
        let (condition, value) = match term {
            text::Term::Match(term) => ("row IN (SELECT rowid FROM calls_text WHERE calls_text MATCH ?)", term),
            text::Term::Like(term) => ("row IN (SELECT rowid FROM calls_text WHERE text LIKE ? ESCAPE '\\')", term),
        };
        push(&mut sql, condition, vec![Box::new(value)]);
    }
    if let Some(place) = from {
        push(&mut sql, "(started_at, id) < (?, ?)", vec![Box::new(place.started_at), Box::new(place.id.clone())]);
    }
    sql.push_str(" ORDER BY started_at DESC, id DESC LIMIT ?");
    values.push(Box::new(i64::from(limit) + 1)); // one more tells whether there is more
    read_page(db, &sql, &values, limit)
}

fn read_page(db: &Connection, sql: &str, values: &[Box<dyn ToSql>], limit: u32) -> Result<Page, Error> {
    let mut statement = db.prepare_cached(sql)?;
    let mut found = statement.query(rusqlite::params_from_iter(values))?;
    let (mut rows, mut last) = (Vec::new(), None);
    while let Some(row) = found.next()? {
        if rows.len() == limit as usize {
            return Ok(Page { rows, next: last });
        }
        rows.push(parse(&row.get::<_, String>(2)?)?);
        last = Some(Place { started_at: row.get(0)?, id: row.get(1)? });
    }
    Ok(Page { rows, next: None })
}

pub(crate) fn details(db: &Connection, id: &CallId) -> Result<Option<CallRecord>, Error> {
    let json: Option<String> =
        db.query_row("SELECT record FROM calls WHERE id = ?1", [id.as_str()], |row| row.get(0)).optional()?;
    json.map(|json| parse(&json)).transpose()
}

pub(crate) fn wipe(db: &Connection) -> Result<(), Error> {
    db.execute("DELETE FROM calls", [])?;
    db.execute("DELETE FROM calls_text", [])?;
    Ok(())
}

fn parse(json: &str) -> Result<CallRecord, Error> {
    serde_json::from_str(json).map_err(|error| Error::Damaged { what: format!("a record can't be read: {error}") })
}

fn transferred(record: &CallRecord) -> bool {
    record.journey.iter().any(|step| matches!(step.what, JourneyEvent::TransferStarted { .. }))
}

/// An enum's word in the API, so that the column reads like the messages.
fn word(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}

fn small(field: &'static str, value: u64) -> Result<i64, Error> {
    i64::try_from(value).map_err(|_| Error::OutOfRange { field, value })
}
