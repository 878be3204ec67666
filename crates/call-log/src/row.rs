//! What a list shows of a call.

use protocol::{CallId, CallOutcome, DepartmentRef, Direction, DispositionId, Party, Timestamp, UserRef};
use serde::{Deserialize, Serialize};
use specta::Type;

use crate::calls::{Summary, flag};
use crate::marks::Mark;
use crate::mine::Unsent;

/// One call in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Row {
    pub id: CallId,
    pub direction: Direction,
    pub outcome: CallOutcome,
    pub caller: Party,
    /// The number or user that was called.
    pub dialled: String,
    pub department: Option<DepartmentRef>,
    /// Everyone who talked, in order.
    pub agents: Vec<UserRef>,
    pub started_at: Timestamp,
    pub answered_at: Option<Timestamp>,
    pub ended_at: Timestamp,
    /// From start to answer, or to the end if nobody answered.
    #[specta(type = f64)]
    pub waited_ms: u64,
    /// From answer to end; 0 if nobody answered.
    #[specta(type = f64)]
    pub talk_ms: u64,
    pub transferred: bool,
    /// A transfer bounced or was recalled.
    pub came_back: bool,
    pub voicemail: VoicemailMark,
    /// The worst leg's mean opinion score × 100; `None` if none was measured.
    pub worst_score: Option<u16>,
    /// As they are here: what this person wrote and the exchange does not have yet goes before what it has.
    pub note: String,
    pub disposition: Option<DispositionId>,
    pub remarks: RemarksMark,
    /// The line of a transfer note that the search found, if it found one.
    pub excerpt: Option<String>,
    /// Where the search found what it looked for.
    pub marks: Vec<Mark>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "snake_case")]
pub enum VoicemailMark {
    None,
    Unheard,
    Heard,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "snake_case")]
pub enum RemarksMark {
    /// Nobody has put any on the call.
    None,
    /// The exchange has them.
    Kept,
    /// Written here and not sent yet.
    Unsent,
    /// Written here while somebody else wrote others: the person has to decide.
    Conflict,
}

impl Row {
    pub(crate) fn new(summary: Summary, unsent: Option<&Unsent>) -> Self {
        let end = summary.answered_at.unwrap_or(summary.ended_at);
        let has = |flag: u16| summary.flags & flag != 0;
        let remarks = match unsent {
            Some(unsent) if unsent.theirs.is_some() => RemarksMark::Conflict,
            Some(_) => RemarksMark::Unsent,
            None if has(flag::REMARKS) => RemarksMark::Kept,
            None => RemarksMark::None,
        };
        let (note, disposition) = match unsent {
            Some(unsent) => (unsent.note.clone(), unsent.disposition.clone()),
            None => (summary.notes.remark, summary.disposition),
        };
        Self {
            waited_ms: end.ms_since(summary.started_at),
            talk_ms: summary.answered_at.map_or(0, |at| summary.ended_at.ms_since(at)),
            transferred: has(flag::TRANSFERRED),
            came_back: has(flag::CAME_BACK),
            voicemail: match (has(flag::VOICEMAIL), has(flag::UNHEARD)) {
                (false, _) => VoicemailMark::None,
                (true, true) => VoicemailMark::Unheard,
                (true, false) => VoicemailMark::Heard,
            },
            id: summary.id,
            direction: summary.direction,
            outcome: summary.outcome,
            caller: summary.caller,
            dialled: summary.dialled,
            department: summary.department,
            agents: summary.agents,
            started_at: summary.started_at,
            answered_at: summary.answered_at,
            ended_at: summary.ended_at,
            worst_score: summary.score,
            note,
            disposition,
            remarks,
            excerpt: None,
            marks: Vec::new(),
        }
    }
}
