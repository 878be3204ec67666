//! Table `calls`: one row per call, with what lists, filters and searches need of it.

use protocol::{
    CallId, CallOutcome, CallRecord, DepartmentId, DepartmentRef, Direction, DispositionId, JourneyEvent, Party,
    TargetRef, Timestamp, UserId, UserRef,
};
use rusqlite::{Connection, OptionalExtension, Row as SqlRow};

use crate::atoms::Atoms;
use crate::notes::Notes;
use crate::parties::Parties;
use crate::people::People;
use crate::{Error, fnv, parties};

/// A row's number is its moment and, below it, some of its id's hash, so that the table is in the order of the list and
/// two calls of one moment always have the same order. `tag` is 32 bits of that hash: a short index finds an id.
pub(crate) const SCHEMA: &str = "
CREATE TABLE calls (
    row INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    tag INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    caller INTEGER NOT NULL,
    dialled INTEGER NOT NULL,
    department INTEGER,
    people BLOB NOT NULL,
    flags INTEGER NOT NULL,
    waited INTEGER,
    length INTEGER NOT NULL,
    score INTEGER,
    disposition INTEGER
) STRICT;
CREATE INDEX calls_by_id ON calls (tag);
";

const HASH_BITS: u32 = 20;
const MOMENT_BITS: u32 = 63 - HASH_BITS;

/// What one of [`Columns::flags`] says.
pub(crate) mod flag {
    /// The lowest two bits are the direction, the next three the outcome.
    pub const DIRECTION: u16 = 0b11;
    pub const OUTCOME_SHIFT: u16 = 2;
    pub const OUTCOME: u16 = 0b111 << OUTCOME_SHIFT;
    pub const TRANSFERRED: u16 = 1 << 5;
    pub const CAME_BACK: u16 = 1 << 6;
    pub const VOICEMAIL: u16 = 1 << 7;
    pub const UNHEARD: u16 = 1 << 8;
    pub const REMARKS: u16 = 1 << 9;
    /// Has a row in `notes`.
    pub const NOTED: u16 = 1 << 10;
}

pub(crate) const DIRECTIONS: [Direction; 3] = [Direction::Inbound, Direction::Outbound, Direction::Internal];
pub(crate) const OUTCOMES: [CallOutcome; 5] =
    [CallOutcome::Answered, CallOutcome::Missed, CallOutcome::Voicemail, CallOutcome::Announced, CallOutcome::Failed];

/// A row as the index sees it.
#[derive(Debug, Clone)]
pub(crate) struct Columns {
    pub row: i64,
    pub caller: u32,
    pub dialled: u32,
    pub department: Option<u32>,
    pub people: Vec<u8>,
    pub flags: u16,
    /// Milliseconds that somebody talked; 0 if nobody answered.
    pub talk_ms: u64,
    pub score: Option<u16>,
    pub disposition: Option<u32>,
}

/// A row with everything it names.
#[derive(Debug, Clone)]
pub(crate) struct Summary {
    pub row: i64,
    pub id: CallId,
    pub seq: u64,
    pub direction: Direction,
    pub outcome: CallOutcome,
    pub flags: u16,
    pub caller: Party,
    pub dialled: String,
    pub department: Option<DepartmentRef>,
    pub agents: Vec<UserRef>,
    pub started_at: Timestamp,
    pub answered_at: Option<Timestamp>,
    pub ended_at: Timestamp,
    pub score: Option<u16>,
    pub disposition: Option<DispositionId>,
    pub notes: Notes,
}

/// Where the call with this id is, and which version of it.
pub(crate) fn find(db: &Connection, id: &CallId) -> Result<Option<(i64, u64)>, Error> {
    Ok(db
        .prepare_cached("SELECT row, seq FROM calls WHERE tag = ?1 AND id = ?2")?
        .query_row((tag(id), id.as_str()), |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?)
}

/// The row that the call is to have: `kept` if it can stay there.
pub(crate) fn place(db: &Connection, record: &CallRecord, kept: Option<i64>) -> Result<i64, Error> {
    let first = first_of(record.started_at)?;
    if let Some(row) = kept
        && row >> HASH_BITS == first >> HASH_BITS
    {
        return Ok(row);
    }
    let mask = (1 << HASH_BITS) - 1;
    let mut hash = fnv(record.id.as_str().as_bytes()) as i64 & mask;
    let mut taken = db.prepare_cached("SELECT 1 FROM calls WHERE row = ?1")?;
    while taken.exists([first | hash])? {
        hash = (hash + 1) & mask;
    }
    Ok(first | hash)
}

/// Rows of calls that started at or after `at` have this number or a larger one.
pub(crate) fn first_of(at: Timestamp) -> Result<i64, Error> {
    let too_late = at.0 >> MOMENT_BITS != 0;
    if too_late { Err(Error::OutOfRange { field: "started_at", value: at.0 }) } else { Ok((at.0 << HASH_BITS) as i64) }
}

/// As [`first_of`], for a moment that a person chose: beyond the last possible one is the last possible one.
pub(crate) fn first_near(at: Timestamp) -> i64 {
    first_of(at).unwrap_or(i64::MAX)
}

pub(crate) fn started_at(row: i64) -> Timestamp {
    Timestamp((row >> HASH_BITS).cast_unsigned())
}

pub(crate) fn insert(db: &Connection, atoms: &mut Atoms, row: i64, record: &CallRecord) -> Result<Columns, Error> {
    let (caller, _) = parties::intern(db, &record.caller.number, &record.caller.name)?;
    let (dialled, _) = parties::intern(db, &record.dialled, "")?;
    let department = record.department.as_ref().map(|d| atoms.intern(db, d)).transpose()?;
    let disposition = record.remarks.as_ref().and_then(|r| r.disposition.as_ref());
    let disposition = disposition.map(|id| atoms.intern(db, id)).transpose()?;
    let people = People::of(db, atoms, record)?.pack();
    let flags = flags(record);
    let score = record.quality.iter().map(|leg| leg.score).min();
    let waited = record.answered_at.map(|at| apart("answered_at", at, record.started_at)).transpose()?;
    let length = apart("ended_at", record.ended_at, record.started_at)?;
    db.prepare_cached(
        "INSERT INTO calls (row, id, tag, seq, caller, dialled, department, people, flags, waited, length, score,
             disposition)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
    )?
    .execute(rusqlite::params![
        row,
        record.id.as_str(),
        tag(&record.id),
        small("seq", record.seq)?,
        caller,
        dialled,
        department,
        people,
        flags,
        waited,
        length,
        score,
        disposition
    ])?;
    let talk_ms = talk_ms(waited, length);
    Ok(Columns { row, caller, dialled, department, people, flags, talk_ms, score, disposition })
}

/// Calls `tell` with each row, oldest first.
pub(crate) fn each(db: &Connection, mut tell: impl FnMut(Columns)) -> Result<(), Error> {
    let mut statement = db.prepare(
        "SELECT row, caller, dialled, department, people, flags, waited, length, score, disposition FROM calls
         ORDER BY row",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        tell(Columns {
            row: row.get(0)?,
            caller: row.get(1)?,
            dialled: row.get(2)?,
            department: row.get(3)?,
            people: row.get(4)?,
            flags: row.get(5)?,
            talk_ms: talk_ms(row.get(6)?, row.get(7)?),
            score: row.get(8)?,
            disposition: row.get(9)?,
        });
    }
    Ok(())
}

pub(crate) fn columns(db: &Connection, row: i64) -> Result<Columns, Error> {
    let found = db
        .prepare_cached(
            "SELECT caller, dialled, department, people, flags, waited, length, score, disposition FROM calls
             WHERE row = ?1",
        )?
        .query_row([row], |sql| {
            Ok(Columns {
                row,
                caller: sql.get(0)?,
                dialled: sql.get(1)?,
                department: sql.get(2)?,
                people: sql.get(3)?,
                flags: sql.get(4)?,
                talk_ms: talk_ms(sql.get(5)?, sql.get(6)?),
                score: sql.get(7)?,
                disposition: sql.get(8)?,
            })
        })
        .optional()?;
    found.ok_or_else(|| gone(row))
}

/// Most calls have no notes: those are not looked for.
const SUMMARY: &str = "
    SELECT c.row, c.id, c.seq, c.flags, c.caller, c.dialled, c.department, c.people, c.waited, c.length, c.score,
        c.disposition, n.told, n.remark
    FROM calls c LEFT JOIN notes n ON n.row = CASE WHEN c.flags & 1024 THEN c.row END";
const _: () = assert!(flag::NOTED == 1024);

/// Reads rows with everything they name.
pub(crate) struct Summaries<'a> {
    pub db: &'a Connection,
    pub atoms: &'a Atoms,
    pub parties: &'a Parties,
}

impl Summaries<'_> {
    pub fn one(&self, row: i64) -> Result<Summary, Error> {
        let mut statement = self.db.prepare_cached(&format!("{SUMMARY} WHERE c.row = ?1"))?;
        let mut found = statement.query([row])?;
        self.read(found.next()?.ok_or_else(|| gone(row))?)
    }

    /// `rows` are newest first.
    pub fn all(&self, rows: &[i64]) -> Result<Vec<Summary>, Error> {
        // One question for all: to ask for each took twice as long.
        let wanted = "c.row IN (SELECT value FROM json_each(?1)) ORDER BY c.row DESC";
        let mut statement = self.db.prepare_cached(&format!("{SUMMARY} WHERE {wanted}"))?;
        let mut found = statement.query([format!("{rows:?}")])?;
        let mut summaries = Vec::with_capacity(rows.len());
        for wanted in rows {
            let row = found.next()?.ok_or_else(|| gone(*wanted))?;
            summaries.push(self.read(row)?);
        }
        Ok(summaries)
    }

    /// At most `limit` rows, newest first, all older than `before`.
    pub fn newest(&self, before: i64, limit: u32) -> Result<Vec<Summary>, Error> {
        let sql = format!("{SUMMARY} WHERE c.row < ?1 ORDER BY c.row DESC LIMIT ?2");
        let mut statement = self.db.prepare_cached(&sql)?;
        let mut found = statement.query((before, limit))?;
        let mut rows = Vec::with_capacity(limit.min(1_000) as usize);
        while let Some(row) = found.next()? {
            rows.push(self.read(row)?);
        }
        Ok(rows)
    }

    fn read(&self, sql: &SqlRow<'_>) -> Result<Summary, Error> {
        let row: i64 = sql.get(0)?;
        let flags: u16 = sql.get(3)?;
        let started_at = started_at(row);
        let after = |ms: i64| Timestamp(started_at.0.wrapping_add_signed(ms));
        let people = sql.get_ref(7)?.as_blob().map_err(rusqlite::Error::from)?;
        let user = |atom| self.atoms.somebody(atom).map(|(id, name)| UserRef { id: UserId(id), name });
        let department =
            |atom| self.atoms.somebody(atom).map(|(id, name)| DepartmentRef { id: DepartmentId(id), name });
        let agents = People::talked(people)?.into_iter().map(user).collect::<Result<_, _>>()?;
        let (direction, outcome) = direction_and_outcome(flags).ok_or_else(|| gone(row))?;
        Ok(Summary {
            row,
            id: CallId(sql.get(1)?),
            seq: sql.get(2)?,
            direction,
            outcome,
            flags,
            caller: self.parties.get(self.db, sql.get(4)?)?,
            dialled: self.parties.get(self.db, sql.get(5)?)?.number,
            department: sql.get::<_, Option<u32>>(6)?.map(department).transpose()?,
            agents,
            started_at,
            answered_at: sql.get::<_, Option<i64>>(8)?.map(after),
            ended_at: after(sql.get(9)?),
            score: sql.get(10)?,
            disposition: sql.get::<_, Option<u32>>(11)?.map(|atom| self.atoms.read(atom)).transpose()?,
            notes: Notes {
                told: sql.get::<_, Option<_>>(12)?.unwrap_or_default(),
                remark: sql.get::<_, Option<_>>(13)?.unwrap_or_default(),
            },
        })
    }
}

/// Calls `tell` with row, flags and milliseconds waited of each call from `first` until `end`.
pub(crate) fn each_between(
    db: &Connection,
    (first, end): (i64, i64),
    mut tell: impl FnMut(i64, u16, Option<i64>),
) -> Result<(), Error> {
    let mut statement = db.prepare_cached("SELECT row, flags, waited FROM calls WHERE row >= ?1 AND row < ?2")?;
    let mut rows = statement.query((first, end))?;
    while let Some(row) = rows.next()? {
        tell(row.get(0)?, row.get(1)?, row.get(2)?);
    }
    Ok(())
}

/// The oldest rows, at most `limit`, older than `before`.
pub(crate) fn oldest(db: &Connection, before: i64, limit: u32) -> Result<Vec<i64>, Error> {
    let mut statement = db.prepare_cached("SELECT row FROM calls WHERE row < ?1 ORDER BY row LIMIT ?2")?;
    let rows = statement.query_map((before, limit), |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Removes the row from every table that is by row, except `sounds`.
pub(crate) fn remove(db: &Connection, row: i64) -> Result<(), Error> {
    db.prepare_cached("DELETE FROM calls WHERE row = ?1")?.execute([row])?;
    db.prepare_cached("DELETE FROM details WHERE row = ?1")?.execute([row])?;
    db.prepare_cached("DELETE FROM notes WHERE row = ?1")?.execute([row])?;
    Ok(())
}

/// What was written about the call, for the search.
pub(crate) fn notes(record: &CallRecord) -> Notes {
    let mut told: Vec<&str> = Vec::new();
    for step in &record.journey {
        match &step.what {
            JourneyEvent::TransferStarted { note: Some(note), .. } => told.push(note),
            JourneyEvent::Joined { with, .. } => told.push(with),
            JourneyEvent::Forwarded { from, .. } => told.push(from),
            JourneyEvent::TransferStarted { note: None, .. }
            | JourneyEvent::Rang { .. }
            | JourneyEvent::Queued { .. }
            | JourneyEvent::TransferDoneOutside { .. }
            | JourneyEvent::TransferResumed { .. }
            | JourneyEvent::Consulted { .. }
            | JourneyEvent::Arrived { .. }
            | JourneyEvent::Answered { .. }
            | JourneyEvent::Held { .. }
            | JourneyEvent::Resumed { .. }
            | JourneyEvent::TransferBounced { .. }
            | JourneyEvent::Recalled { .. }
            | JourneyEvent::TransferDone { .. }
            | JourneyEvent::VoicemailStarted { .. }
            | JourneyEvent::VoicemailLeft { .. }
            | JourneyEvent::Announced
            | JourneyEvent::Ended { .. } => {}
        }
    }
    told.retain(|note| !note.trim().is_empty());
    told.dedup();
    let remark = record.remarks.as_ref().map(|r| r.note.clone()).unwrap_or_default();
    Notes { told: told.join("\n"), remark }
}

/// Which people and places the journey names beside those who talked; outside numbers are numbers.
pub(crate) fn named(record: &CallRecord) -> (Vec<TargetRef>, Vec<&str>) {
    let (mut targets, mut mailboxes) = (Vec::new(), Vec::new());
    let user = |user: &UserRef| TargetRef::User(user.clone());
    for step in &record.journey {
        match &step.what {
            JourneyEvent::TransferStarted { by, from, to, .. } => {
                targets.extend([user(by), to.clone()]);
                targets.extend(from.as_ref().map(user));
            }
            JourneyEvent::Queued { department } => targets.push(TargetRef::Department(department.clone())),
            JourneyEvent::TransferDoneOutside { number, .. } => {
                targets.push(TargetRef::Outside { number: number.clone() });
            }
            JourneyEvent::Consulted { with, .. } => targets.push(with.clone()),
            JourneyEvent::Recalled { user: recalled, .. } => targets.push(user(recalled)),
            JourneyEvent::TransferDone { with, .. } => targets.push(user(with)),
            JourneyEvent::VoicemailLeft { mailbox, .. } => mailboxes.push(mailbox.as_str()),
            // Whom it merely rang would make every call of a department a call of each of its people.
            JourneyEvent::Rang { .. }
            | JourneyEvent::Forwarded { .. }
            | JourneyEvent::Joined { .. }
            | JourneyEvent::Arrived { .. }
            | JourneyEvent::Answered { .. }
            | JourneyEvent::Held { .. }
            | JourneyEvent::Resumed { .. }
            | JourneyEvent::TransferBounced { .. }
            | JourneyEvent::TransferResumed { .. }
            | JourneyEvent::VoicemailStarted { .. }
            | JourneyEvent::Announced
            | JourneyEvent::Ended { .. } => {}
        }
    }
    mailboxes.extend(record.voicemail.iter().map(|v| v.mailbox.as_str()));
    (targets, mailboxes)
}

pub(crate) fn direction_and_outcome(flags: u16) -> Option<(Direction, CallOutcome)> {
    let direction = DIRECTIONS.get(usize::from(flags & flag::DIRECTION))?;
    let outcome = OUTCOMES.get(usize::from((flags & flag::OUTCOME) >> flag::OUTCOME_SHIFT))?;
    Some((*direction, *outcome))
}

fn flags(record: &CallRecord) -> u16 {
    let direction = DIRECTIONS.iter().take_while(|d| **d != record.direction).count() as u16;
    let outcome = OUTCOMES.iter().take_while(|o| **o != record.outcome).count() as u16;
    let came = |what: fn(&JourneyEvent) -> bool| record.journey.iter().any(|step| what(&step.what));
    let transferred = came(|what| matches!(what, JourneyEvent::TransferStarted { .. }));
    let came_back = came(|what| matches!(what, JourneyEvent::TransferBounced { .. } | JourneyEvent::Recalled { .. }));
    let unheard = record.voicemail.as_ref().is_some_and(|v| v.heard.is_none());
    direction
        | outcome << flag::OUTCOME_SHIFT
        | if transferred { flag::TRANSFERRED } else { 0 }
        | if came_back { flag::CAME_BACK } else { 0 }
        | if record.voicemail.is_some() { flag::VOICEMAIL } else { 0 }
        | if unheard { flag::UNHEARD } else { 0 }
        | if record.remarks.is_some() { flag::REMARKS } else { 0 }
        | if notes(record).is_empty() { 0 } else { flag::NOTED }
}

fn talk_ms(waited: Option<i64>, length: i64) -> u64 {
    waited.map_or(0, |waited| u64::try_from(length.saturating_sub(waited)).unwrap_or(0))
}

fn tag(id: &CallId) -> i64 {
    i64::from((fnv(id.as_str().as_bytes()) >> 32) as u32)
}

fn apart(field: &'static str, later: Timestamp, earlier: Timestamp) -> Result<i64, Error> {
    Ok(small(field, later.0)? - small(field, earlier.0)?)
}

fn small(field: &'static str, value: u64) -> Result<i64, Error> {
    i64::try_from(value).map_err(|_| Error::OutOfRange { field, value })
}

fn gone(row: i64) -> Error {
    Error::damaged(format!("row {row} can't be read"))
}
