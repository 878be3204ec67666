//! Is the trail what was written?
//!
//! Found: any entry that was changed, removed, moved or added, also if the hashes after it were computed anew, as long as
//! one other place still knows better: the next entry's hash, the head in `meta`, a mark, a call's record. Not found:
//! somebody who may write to the file and rewrites all of these consistently, or puts back an older copy of the whole
//! file. Against that only a copy elsewhere helps: the marks in the log, or the head that `verify` prints, handed back to
//! it as `expected`.

use protocol::{AuditEntry, CallId};
use rusqlite::{Connection, Row, types::ValueRef};
use serde::{Deserialize, Serialize};

use super::{MARK_EVERY, StoreError, head};

/// A trail without a fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Whole {
    pub entries: u64,
    /// The newest entry; `None` if there is no entry.
    pub head: Option<Head>,
    /// How many marks were compared.
    pub marks: u64,
    /// How many calls' records were compared.
    pub records: u64,
    /// The file was last used by a version that kept neither head nor marks: a cut-off end would not be seen.
    pub end_is_unknown: bool,
}

/// Place and hash of an entry. Written and read as `SEQ:HASH`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Head {
    pub seq: u64,
    pub hash: String,
}

impl std::str::FromStr for Head {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "write it as `audit verify` printed it: NUMBER:HASH".to_owned();
        let (seq, hash) = text.split_once(':').ok_or_else(wrong)?;
        let is_hash = hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit());
        let seq = seq.parse().ok().filter(|s| *s > 0 && is_hash).ok_or_else(wrong)?;
        Ok(Self { seq, hash: hash.to_ascii_lowercase() })
    }
}

impl std::fmt::Display for Head {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.seq, self.hash)
    }
}

/// The first bad entry, and what is wrong with it.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    #[error("entry {seq} of the audit trail is missing{}", up_to(*seq, *to))]
    Missing { seq: u64, to: u64 },
    #[error(
        "entry {seq} of the audit trail was changed after it was written, or the one before it was exchanged for another"
    )]
    Changed { seq: u64 },
    #[error("entry {seq} of the audit trail is not in its place: what stands there is entry {holds}")]
    Moved { seq: u64, holds: u64 },
    #[error("entry {seq} of the audit trail cannot be read: it is no audit entry any more")]
    Garbled { seq: u64 },
    #[error("entry {seq} of the audit trail was not written by the exchange")]
    Added { seq: i64 },
    #[error("entry {seq} of the audit trail is not the one that was written: it, or one before it, was written anew")]
    Replaced { seq: u64 },
    #[error("entry {seq} of the audit trail says something else than the record of call {call}")]
    Differs { seq: u64, call: CallId },
    #[error("where the audit trail ended is not known any more; after entry {seq} some may be missing")]
    HeadGone { seq: u64 },
    #[error("the mark of entry {seq} of the audit trail was taken away")]
    MarkGone { seq: u64 },
    #[error("the database does not guard the audit trail any more: {what} was taken out of it")]
    Unguarded { what: &'static str },
    #[error(transparent)]
    Unreadable(#[from] StoreError),
}

fn up_to(seq: u64, to: u64) -> String {
    if to > seq { format!(", and all up to {to}") } else { String::new() }
}

impl From<rusqlite::Error> for Broken {
    fn from(error: rusqlite::Error) -> Self {
        Self::Unreadable(error.into())
    }
}

impl Broken {
    /// The number of the bad entry, where there is one.
    #[must_use]
    pub fn entry(&self) -> Option<i64> {
        match self {
            Self::Missing { seq, .. }
            | Self::Changed { seq }
            | Self::Moved { seq, .. }
            | Self::Garbled { seq }
            | Self::Replaced { seq }
            | Self::Differs { seq, .. }
            | Self::HeadGone { seq }
            | Self::MarkGone { seq } => i64::try_from(*seq).ok(),
            Self::Added { seq } => Some(*seq),
            Self::Unguarded { .. } | Self::Unreadable(_) => None,
        }
    }

    /// For machines.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "missing",
            Self::Changed { .. } => "changed",
            Self::Moved { .. } => "moved",
            Self::Garbled { .. } => "garbled",
            Self::Added { .. } => "added",
            Self::Replaced { .. } => "replaced",
            Self::Differs { .. } => "differs",
            Self::HeadGone { .. } => "head_gone",
            Self::MarkGone { .. } => "mark_gone",
            Self::Unguarded { .. } => "unguarded",
            Self::Unreadable(_) => "unreadable",
        }
    }
}

/// The last version of the file that kept neither head nor marks.
const WITHOUT_MARKS: i64 = 6;

const GUARDS: [&str; 4] = [
    "audit_is_never_changed",
    "audit_is_never_shortened",
    "audit_marks_are_never_changed",
    "audit_marks_are_never_removed",
];

/// Recomputes every hash and compares the trail with all that is kept about it. Only reads, in one snapshot.
///
/// # Errors
/// The first bad entry, with what is wrong.
pub fn verify(connection: &Connection, expected: Option<&Head>) -> Result<Whole, Broken> {
    let _snapshot = connection.unchecked_transaction()?;
    let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let old = version <= WITHOUT_MARKS;
    let mut marks = if old { Vec::new() } else { marks(connection)? };
    let kept = marks.clone();
    marks.extend(expected.cloned());
    marks.sort_by_key(|mark| mark.seq);
    let chain = walk(connection, &marks).and_then(|last| {
        if !old {
            end(&last, &marks, head(connection)?)?;
            all_marked(&last, &kept)?;
        }
        Ok(last)
    });
    // A chain that was written anew from some entry on looks whole up to the next mark: the records may know better.
    let records = records(connection, chain.as_ref().map_or_else(Broken::entry, |_| None));
    let (last, records) = match (chain, records) {
        (Ok(last), Ok(records)) => (last, records),
        (_, Err(broken)) | (Err(broken), Ok(_)) => return Err(broken),
    };
    if !old {
        guards(connection)?;
    }
    let head = (last.seq > 0).then(|| last.clone());
    Ok(Whole { entries: last.seq, head, marks: kept.len() as u64, records, end_is_unknown: old })
}

fn marks(connection: &Connection) -> Result<Vec<Head>, Broken> {
    let mut query = connection.prepare("SELECT seq, hash FROM audit_marks ORDER BY seq")?;
    let marks = query.query_map([], |row| Ok(Head { seq: row.get(0)?, hash: row.get(1)? }))?;
    Ok(marks.collect::<Result<_, _>>()?)
}

/// Walks the chain to its end, as far as it is whole.
fn walk(connection: &Connection, marks: &[Head]) -> Result<Head, Broken> {
    let mut query = connection.prepare("SELECT seq, call, hash, body FROM audit ORDER BY seq")?;
    let mut rows = query.query([])?;
    let mut marks = marks.iter().peekable();
    let mut last = Head { seq: 0, hash: String::new() };
    while let Some(row) = rows.next()? {
        last = next(row, &last)?;
        while let Some(mark) = marks.next_if(|mark| mark.seq <= last.seq) {
            if mark.hash != last.hash {
                return Err(Broken::Replaced { seq: mark.seq });
            }
        }
    }
    Ok(last)
}

/// One link of the chain.
fn next(row: &Row<'_>, before: &Head) -> Result<Head, Broken> {
    let at: i64 = row.get(0)?;
    let Some(seq) = u64::try_from(at).ok().filter(|seq| *seq > 0) else { return Err(Broken::Added { seq: at }) };
    if seq != before.seq + 1 {
        return Err(Broken::Missing { seq: before.seq + 1, to: seq - 1 });
    }
    let text = |column| match row.get_ref(column) {
        Ok(ValueRef::Text(bytes)) => std::str::from_utf8(bytes).ok(),
        Ok(ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) | ValueRef::Blob(_)) | Err(_) => None,
    };
    let body = text(3).ok_or(Broken::Garbled { seq })?;
    let entry: AuditEntry = serde_json::from_str(body).map_err(|_| Broken::Garbled { seq })?;
    if entry.seq != seq {
        return Err(Broken::Moved { seq, holds: entry.seq });
    }
    let called = row.get_ref(1)? == ValueRef::Null && entry.call.is_none()
        || text(1).is_some_and(|call| entry.call.as_ref().is_some_and(|c| c.as_str() == call));
    // The same words in another spelling are a change, too: the exchange writes an entry in one way only.
    let as_written = serde_json::to_string(&entry).is_ok_and(|written| written == body);
    if entry.chained(&before.hash) != entry.hash || text(2) != Some(&entry.hash) || !called || !as_written {
        return Err(Broken::Changed { seq });
    }
    Ok(Head { seq, hash: entry.hash })
}

/// Compares the last entry with what is kept about the end of the trail.
fn end(last: &Head, marks: &[Head], head: Option<(u64, String)>) -> Result<(), Broken> {
    let marked = marks.last().map_or(0, |mark| mark.seq);
    let kept = head.as_ref().map_or(0, |(seq, _)| *seq).max(marked);
    if kept > last.seq {
        return Err(Broken::Missing { seq: last.seq + 1, to: kept });
    }
    match head {
        Some((seq, _)) if seq < last.seq => Err(Broken::Added { seq: i64::try_from(seq + 1).unwrap_or(i64::MAX) }),
        Some((_, hash)) if hash != last.hash => Err(Broken::Replaced { seq: last.seq }),
        Some(_) => Ok(()),
        None if last.seq == 0 => Ok(()),
        None => Err(Broken::HeadGone { seq: last.seq }),
    }
}

fn all_marked(last: &Head, marks: &[Head]) -> Result<(), Broken> {
    let mut marks = marks.iter();
    let every = usize::try_from(MARK_EVERY).unwrap_or(usize::MAX);
    let gone = (MARK_EVERY..=last.seq).step_by(every).find(|seq| marks.next().is_none_or(|mark| mark.seq != *seq));
    gone.map_or(Ok(()), |seq| Err(Broken::MarkGone { seq }))
}

/// What of a call's record is compared.
#[derive(Deserialize)]
struct Copies {
    audit: Vec<AuditEntry>,
}

/// Compares every record's entries with those of the trail before `broken`. Gives the number of records, or the first
/// entry that is not what a record says.
fn records(connection: &Connection, broken: Option<i64>) -> Result<u64, Broken> {
    let mut find = connection.prepare("SELECT body FROM audit WHERE seq = ?1")?;
    let mut query = connection.prepare("SELECT call, body FROM records ORDER BY seq")?;
    let mut rows = query.query([])?;
    let (mut count, mut first): (u64, Option<(u64, Broken)>) = (0, None);
    while let Some(row) = rows.next()? {
        count += 1;
        let (call, body): (String, String) = (row.get(0)?, row.get(1)?);
        let copies: Copies = serde_json::from_str(&body).map_err(StoreError::from)?;
        for copy in copies.audit {
            let seq = copy.seq;
            let before = |limit: i64| i64::try_from(seq).is_ok_and(|seq| seq < limit);
            if !broken.is_none_or(before) || first.as_ref().is_some_and(|(known, _)| *known <= seq) {
                continue;
            }
            let trail: Option<AuditEntry> = match find.query([seq])?.next()? {
                Some(row) => serde_json::from_str(&row.get::<_, String>(0)?).ok(),
                None => None,
            };
            match trail {
                Some(entry) if entry == copy => {}
                Some(_) => first = Some((seq, Broken::Differs { seq, call: CallId(call.clone()) })),
                None => first = Some((seq, Broken::Missing { seq, to: seq })),
            }
        }
    }
    first.map_or(Ok(count), |(_, broken)| Err(broken))
}

fn guards(connection: &Connection) -> Result<(), Broken> {
    let mut query = connection.prepare("SELECT count(*) FROM sqlite_master WHERE type = 'trigger' AND name = ?1")?;
    for what in GUARDS {
        if query.query_row([what], |row| row.get::<_, i64>(0))? != 1 {
            return Err(Broken::Unguarded { what });
        }
    }
    Ok(())
}
