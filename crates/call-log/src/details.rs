//! Table `details`: what of a record no list shows, packed, under a checksum.

use std::borrow::Cow;

use protocol::{AuditEntry, CallRecord, JourneyStep, LegQuality, Reason, Remarks, VoicemailRef};
use rusqlite::{Connection, OptionalExtension};
use serde::{Deserialize, Serialize};

use crate::atoms::Atoms;
use crate::calls::Summary;
use crate::{Error, codec, fnv};

pub(crate) const SCHEMA: &str = "CREATE TABLE details (row INTEGER PRIMARY KEY, packed BLOB NOT NULL) STRICT;";

const CHECKSUM: usize = 4;

/// The fields of [`CallRecord`] that [`Summary`] does not have.
#[derive(Serialize, Deserialize)]
struct Rest<'a> {
    ended_because: Reason,
    journey: Cow<'a, [JourneyStep]>,
    audit: Cow<'a, [AuditEntry]>,
    voicemail: Option<Cow<'a, VoicemailRef>>,
    remarks: Option<Cow<'a, Remarks>>,
    quality: Cow<'a, [LegQuality]>,
}

pub(crate) fn put(db: &Connection, atoms: &mut Atoms, row: i64, record: &CallRecord) -> Result<(), Error> {
    let rest = Rest {
        ended_because: record.ended_because,
        journey: Cow::Borrowed(&record.journey),
        audit: Cow::Borrowed(&record.audit),
        voicemail: record.voicemail.as_ref().map(Cow::Borrowed),
        remarks: record.remarks.as_ref().map(Cow::Borrowed),
        quality: Cow::Borrowed(&record.quality),
    };
    let rest = serde_json::to_value(rest).map_err(|error| Error::damaged(error.to_string()))?;
    let said = [record.id.as_str(), &record.caller.name, &record.caller.number, &record.dialled];
    let mut packed = codec::pack((db, atoms), &said, record.started_at.0, &rest)?;
    let sum = (fnv(&packed) as u32).to_le_bytes();
    packed.extend(sum);
    db.prepare_cached("INSERT INTO details (row, packed) VALUES (?1, ?2)")?.execute((row, packed))?;
    Ok(())
}

/// The whole record that `summary` is of.
pub(crate) fn get(db: &Connection, atoms: &Atoms, summary: Summary) -> Result<CallRecord, Error> {
    let packed: Option<Vec<u8>> = db
        .prepare_cached("SELECT packed FROM details WHERE row = ?1")?
        .query_row([summary.row], |row| row.get(0))
        .optional()?;
    let packed = packed.ok_or_else(|| Error::damaged(format!("call {} has no details", summary.id)))?;
    let (packed, sum) = packed.split_at(packed.len().saturating_sub(CHECKSUM));
    if sum != (fnv(packed) as u32).to_le_bytes() {
        return Err(Error::damaged(format!("the details of call {} are not what was written", summary.id)));
    }
    let said = [summary.id.as_str(), &summary.caller.name, &summary.caller.number, &summary.dialled];
    let rest = codec::unpack(atoms, &said, summary.started_at.0, packed)?;
    let rest: Rest<'_> = serde_json::from_value(rest)
        .map_err(|error| Error::damaged(format!("the details of call {}: {error}", summary.id)))?;
    Ok(CallRecord {
        id: summary.id,
        seq: summary.seq,
        direction: summary.direction,
        caller: summary.caller,
        dialled: summary.dialled,
        department: summary.department,
        agents: summary.agents,
        started_at: summary.started_at,
        answered_at: summary.answered_at,
        ended_at: summary.ended_at,
        outcome: summary.outcome,
        ended_because: rest.ended_because,
        journey: rest.journey.into_owned(),
        audit: rest.audit.into_owned(),
        voicemail: rest.voicemail.map(Cow::into_owned),
        remarks: rest.remarks.map(Cow::into_owned),
        quality: rest.quality.into_owned(),
    })
}
