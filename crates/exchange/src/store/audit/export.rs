//! The trail for other programs: CSV for spreadsheets, JSON lines for everything else.

use std::{io, io::Write, ops::Range};

use protocol::{AuditEntry, CallId, Timestamp};
use rusqlite::Connection;

use super::{StoreError, date::iso};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// RFC 4180, UTF-8, with a header line. What a spreadsheet would take for a formula has a `'` in front.
    Csv,
    /// One `AuditEntry` a line, exactly as it is stored: its hash can be checked.
    Jsonl,
}

#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error("entry {seq} of the audit trail cannot be read; `audit verify` says more")]
    Garbled { seq: i64 },
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the export cannot be written: {0}")]
    Io(#[from] io::Error),
}

impl From<rusqlite::Error> for ExportError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error.into())
    }
}

/// After so many entries `progress` hears how many were looked at, and how many there are.
const PROGRESS_EVERY: u64 = 50_000;

/// Writes the entries of `when`, oldest first, as they come from the file. Gives their number.
///
/// # Errors
/// The database or the writer fails, or an entry can't be read.
pub fn export(
    connection: &Connection,
    format: Format,
    when: &Range<Timestamp>,
    out: &mut dyn Write,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<u64, ExportError> {
    let _snapshot = connection.unchecked_transaction()?;
    let all: u64 = connection.query_row("SELECT count(*) FROM audit", [], |row| row.get(0))?;
    let mut query = connection.prepare("SELECT seq, body FROM audit ORDER BY seq")?;
    let mut rows = query.query([])?;
    let (mut seen, mut written) = (0, 0);
    if format == Format::Csv {
        out.write_all(b"seq,at,user,user_name,action,call,target,outcome,rule,hash\r\n")?;
    }
    while let Some(row) = rows.next()? {
        let seq: i64 = row.get(0)?;
        let body: String = row.get(1).map_err(|_| ExportError::Garbled { seq })?;
        let entry: AuditEntry = serde_json::from_str(&body).map_err(|_| ExportError::Garbled { seq })?;
        seen += 1;
        if seen % PROGRESS_EVERY == 0 {
            progress(seen, all);
        }
        if !when.contains(&entry.at) {
            continue;
        }
        written += 1;
        match format {
            Format::Csv => csv(&entry, out)?,
            Format::Jsonl => writeln!(out, "{body}")?,
        }
    }
    out.flush()?;
    Ok(written)
}

fn csv(entry: &AuditEntry, out: &mut dyn Write) -> io::Result<()> {
    let word = |value: serde_json::Result<serde_json::Value>| match value {
        Ok(serde_json::Value::String(word)) => word,
        Ok(_) | Err(_) => String::new(),
    };
    let (action, outcome) = (word(serde_json::to_value(entry.action)), word(serde_json::to_value(entry.outcome)));
    let (call, target) = (entry.call.as_ref().map_or("", CallId::as_str), entry.target.as_deref().unwrap_or(""));
    write!(out, "{},{}", entry.seq, iso(entry.at))?;
    for field in [entry.user.as_str(), &entry.user_name, &action, call, target, &outcome, &entry.rule, &entry.hash] {
        write!(out, ",{}", cell(field))?;
    }
    out.write_all(b"\r\n")
}

/// A cell that no spreadsheet takes for a formula, whatever a caller or a colleague calls themself.
fn cell(text: &str) -> String {
    let formula = |c: char| "=+-@\t\r\n|%＝＋－＠".contains(c);
    let guard = if text.trim_start_matches(' ').starts_with(formula) { "'" } else { "" };
    // A NUL ends the text for some readers, and hides the rest.
    format!("\"{guard}{}\"", text.replace('"', "\"\"").replace('\0', "\u{fffd}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_long_export_says_how_far_it_is() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(super::super::V1).unwrap();
        let body = r#"{"seq":1,"at":5,"user":"a","user_name":"A","action":"transfer","call":null,"target":null,"outcome":"refused","rule":"r","hash":"h"}"#;
        let many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
                    INSERT INTO audit SELECT i, NULL, 'h', ?2 FROM n";
        let count = PROGRESS_EVERY * 2 + 1;
        connection.execute(many, rusqlite::params![count, body]).unwrap();
        let (mut said, when) = (Vec::new(), Timestamp(6)..Timestamp(7));
        let mut progress = |seen, all| said.push((seen, all));
        assert_eq!(export(&connection, Format::Jsonl, &when, &mut io::sink(), &mut progress).unwrap(), 0);
        assert_eq!(said, [(PROGRESS_EVERY, count), (PROGRESS_EVERY * 2, count)]);
    }

    #[test]
    fn no_cell_is_a_formula_or_breaks_its_line() {
        for (text, wanted) in [
            ("Ravi Kumar", "\"Ravi Kumar\""),
            ("", "\"\""),
            ("=1+1", "\"'=1+1\""),
            ("  =1+1", "\"'  =1+1\""),
            ("+4420", "\"'+4420\""),
            ("-2", "\"'-2\""),
            ("@SUM(A1)", "\"'@SUM(A1)\""),
            ("\t=1", "\"'\t=1\""),
            ("\r=1", "\"'\r=1\""),
            ("＝1", "\"'＝1\""),
            ("say \"hi\", then", "\"say \"\"hi\"\", then\""),
            ("\",=1+1,\"", "\"\"\",=1+1,\"\"\""),
            ("two\nlines", "\"two\nlines\""),
            ("a\0=1", "\"a\u{fffd}=1\""),
        ] {
            assert_eq!(cell(text), wanted);
        }
    }
}
