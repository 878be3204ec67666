//! The calls of a filter as a file for other programs, a few hundred at a time, so that a million never are in memory and
//! the log can answer between.
//!
//! CSV is RFC 4180, in UTF-8 with a byte order mark: without one, spreadsheets on Windows take it for the machine's old
//! code page and spoil every name; programs that don't expect it skip it or can be told to. Every cell is quoted. A cell
//! that a spreadsheet would take for a formula (OWASP: begins with = + - @, tab or carriage return) gets an apostrophe
//! in front, except a plain international number (+ and digits): no formula can be made of it, and with the apostrophe
//! nothing could dial it.

use std::io::Write;
use std::ops::ControlFlow;

use protocol::Timestamp;

use crate::{CallLog, Error, Filter, Place, Row, VoicemailMark, terms};

const STEP: u32 = 500;

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, specta::Type)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// A line of the list's columns per call; times in UTC (RFC 3339).
    Csv,
    /// The whole record per line, as the exchange's API gives it.
    JsonLines,
}

impl Format {
    /// What its files' names end with, without the dot.
    #[must_use]
    pub fn extension(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::JsonLines => "jsonl",
        }
    }
}

/// An export that is going on.
#[derive(Debug)]
pub struct Export {
    filter: Filter,
    format: Format,
    from: Option<Place>,
    begun: bool,
    /// Calls written so far.
    pub done: u32,
    /// Calls to write, as counted at the beginning.
    pub total: u32,
}

/// How an export ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exported {
    Whole { calls: u32 },
    Cancelled { calls: u32 },
}

impl CallLog {
    /// Writes all calls of the filter, newest first; `progress` is told how many of how many, and can end it.
    ///
    /// # Errors
    /// [`Error::Export`] if `out` refuses; any fault of the file.
    pub fn export(
        &mut self,
        filter: &Filter,
        format: Format,
        out: &mut dyn Write,
        mut progress: impl FnMut(u32, u32) -> ControlFlow<()>,
    ) -> Result<Exported, Error> {
        let mut export = self.begin_export(filter, format)?;
        while self.export_step(&mut export, out)? {
            if progress(export.done, export.total).is_break() {
                return Ok(Exported::Cancelled { calls: export.done });
            }
        }
        Ok(Exported::Whole { calls: export.done })
    }

    /// Begins an export that the caller drives with [`CallLog::export_step`], so that other work goes between.
    ///
    /// # Errors
    /// Any fault of the file.
    pub fn begin_export(&mut self, filter: &Filter, format: Format) -> Result<Export, Error> {
        let total = self.counts(filter)?.total;
        Ok(Export { filter: filter.clone(), format, from: None, begun: false, done: 0, total })
    }

    /// Writes the next few hundred calls; answers whether there are more.
    ///
    /// # Errors
    /// [`Error::Export`] if `out` refuses; any fault of the file.
    pub fn export_step(&mut self, export: &mut Export, out: &mut dyn Write) -> Result<bool, Error> {
        if !std::mem::replace(&mut export.begun, true) && export.format == Format::Csv {
            out.write_all(format!("\u{FEFF}{}\r\n", HEADER.join(",")).as_bytes()).map_err(Error::Export)?;
        }
        let hits = self.guarded(|log| {
            let before = export.from.map_or(i64::MAX, |place| place.0);
            log.records.find(&export.filter, &terms::parse(&export.filter.text), before, STEP, &log.mine)
        })?;
        let rows: Vec<i64> = hits.iter().map(|hit| hit.row).collect();
        let mut text = Vec::with_capacity(256 * rows.len());
        for row in &rows {
            match export.format {
                Format::Csv => {
                    let row = self.guarded(|log| log.records.row_of(*row, &log.mine))?;
                    push_line(&mut text, &cells(&row));
                }
                Format::JsonLines => {
                    let record = self.guarded(|log| log.records.record(*row))?;
                    serde_json::to_writer(&mut text, &record).map_err(|error| Error::Export(error.into()))?;
                    text.push(b'\n');
                }
            }
            export.from = Some(Place(*row));
        }
        out.write_all(&text).map_err(Error::Export)?;
        export.done += rows.len() as u32;
        Ok(rows.len() == STEP as usize)
    }
}

const HEADER: [&str; 18] = [
    "id",
    "direction",
    "outcome",
    "caller",
    "number",
    "dialled",
    "department",
    "agents",
    "started",
    "answered",
    "ended",
    "waited_seconds",
    "talked_seconds",
    "transferred",
    "came_back",
    "voicemail",
    "disposition",
    "note",
];

fn cells(row: &Row) -> [String; HEADER.len()] {
    let yes = |yes: bool| if yes { "yes" } else { "no" }.to_owned();
    let agents: Vec<&str> = row.agents.iter().map(|agent| agent.name.as_str()).collect();
    let voicemail = match row.voicemail {
        VoicemailMark::None => "",
        VoicemailMark::Unheard => "unheard",
        VoicemailMark::Heard => "heard",
    };
    [
        row.id.0.clone(),
        word(&row.direction),
        word(&row.outcome),
        row.caller.name.clone(),
        row.caller.number.clone(),
        row.dialled.clone(),
        row.department.as_ref().map(|d| d.name.clone()).unwrap_or_default(),
        agents.join("; "),
        rfc3339(row.started_at),
        row.answered_at.map(rfc3339).unwrap_or_default(),
        rfc3339(row.ended_at),
        seconds(row.waited_ms),
        seconds(row.talk_ms),
        yes(row.transferred),
        yes(row.came_back),
        voicemail.to_owned(),
        row.disposition.as_ref().map(|d| d.0.clone()).unwrap_or_default(),
        row.note.clone(),
    ]
}

fn push_line(out: &mut Vec<u8>, cells: &[String]) {
    for (at, cell) in cells.iter().enumerate() {
        out.extend(if at == 0 { "\"" } else { ",\"" }.as_bytes());
        if is_formula(cell) {
            out.push(b'\'');
        }
        out.extend(cell.replace('"', "\"\"").as_bytes());
        out.push(b'"');
    }
    out.extend(b"\r\n");
}

fn is_formula(cell: &str) -> bool {
    let number =
        cell.strip_prefix('+').is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()));
    // The full-width forms are taken for the others in some locales.
    !number && cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'])
}

/// An enum's word in the API.
fn word(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}

fn seconds(ms: u64) -> String {
    format!("{}.{:03}", ms / 1_000, ms % 1_000)
}

fn rfc3339(at: Timestamp) -> String {
    let (days, ms) = (at.0 / 86_400_000, at.0 % 86_400_000);
    let (year, month, day) = date(days);
    let s = ms / 1_000;
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:03}Z", s / 3_600, s / 60 % 60, s % 60, ms % 1_000)
}

/// The date so many days after 1970-01-01 (Hinnant, "chrono-Compatible Low-Level Date Algorithms": `civil_from_days`).
fn date(days: u64) -> (u64, u64, u64) {
    let z = days + 719_468;
    let (era, day_of_era) = (z / 146_097, z % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day_of_year - (153 * shifted + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_right() {
        let at = |ms| rfc3339(Timestamp(ms));
        assert_eq!(at(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(at(951_782_400_000), "2000-02-29T00:00:00.000Z");
        assert_eq!(at(1_700_000_000_123), "2023-11-14T22:13:20.123Z");
        assert_eq!(at(4_107_542_399_999), "2100-02-28T23:59:59.999Z");
    }

    #[test]
    fn nothing_in_a_cell_is_a_formula() {
        for cell in ["=1+1", "+1+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "+44 (0)20", "＝1", "+"] {
            assert!(is_formula(cell), "{cell:?}");
        }
        for cell in ["+442079460200", "Priya", "", "1-2", "a=b"] {
            assert!(!is_formula(cell), "{cell:?}");
        }
        let mut line = Vec::new();
        push_line(&mut line, &["say \"hi\", =1".into(), "=cmd|' /C calc'!A0".into(), "two\r\nlines".into()]);
        assert_eq!(line, b"\"say \"\"hi\"\", =1\",\"'=cmd|' /C calc'!A0\",\"two\r\nlines\"\r\n");
    }
}
