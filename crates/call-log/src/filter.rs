//! Which calls a list shows, and how many there are.

use protocol::{CallOutcome, DepartmentId, DepartmentRef, Direction, DispositionId, Timestamp, UserId, UserRef};
use serde::{Deserialize, Serialize};
use specta::Type;

/// Which calls a page, a count or an export has. All conditions must be met; of a list one is enough, and an empty list
/// is no condition.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(default)]
pub struct Filter {
    /// What a person typed. Each word must begin a word of a name, department, agent, transfer note or remark of the call,
    /// whatever its case and accents; digits must be in a number, however that is written.
    pub text: String,
    /// Started at this moment or later.
    pub from: Option<Timestamp>,
    /// Started before this moment.
    pub until: Option<Timestamp>,
    pub directions: Vec<Direction>,
    pub outcomes: Vec<CallOutcome>,
    /// One of these talked.
    pub answered_by: Vec<UserId>,
    pub departments: Vec<DepartmentId>,
    /// Somebody transferred it.
    pub transferred: bool,
    /// A transfer of it bounced or was recalled.
    pub came_back: bool,
    pub voicemail: VoicemailFilter,
    /// Milliseconds from answer to end; a call that nobody answered has 0.
    #[specta(type = Option<f64>)]
    pub talk_at_least_ms: Option<u64>,
    #[specta(type = Option<f64>)]
    pub talk_below_ms: Option<u64>,
    /// A leg was scored below this (mean opinion score × 100).
    pub quality_below: Option<u16>,
    /// With remarks that are not sent yet, those count.
    pub dispositions: Vec<DispositionId>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "snake_case")]
pub enum VoicemailFilter {
    #[default]
    Any,
    /// Somebody left a message.
    Left,
    /// … and nobody has heard it.
    Unheard,
}

/// The scores below which [`Counts::quality_below`] counts: of the scale of ITU-T G.107 annex B, the borders of
/// "nearly all dissatisfied", "many dissatisfied", "some dissatisfied" and "satisfied".
pub const QUALITY_STEPS: [u16; 4] = [258, 310, 360, 403];
/// The durations from which [`Counts::talk_at_least_ms`] counts: 1, 5, 15 and 60 minutes.
pub const TALK_STEPS_MS: [u64; 4] = [60_000, 300_000, 900_000, 3_600_000];

/// For each choice of each filter, how many calls there are with it and with all *other* filters as they are. Exact.
/// Lists of people, departments and dispositions have those with calls only, most calls first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Counts {
    /// With all filters as they are.
    pub total: u32,
    pub directions: Vec<Count<Direction>>,
    pub outcomes: Vec<Count<CallOutcome>>,
    pub departments: Vec<Count<DepartmentRef>>,
    /// A call counts for everyone who talked in it.
    pub answered_by: Vec<Count<UserRef>>,
    pub transferred: u32,
    pub came_back: u32,
    pub voicemail_left: u32,
    pub voicemail_unheard: u32,
    /// At [`TALK_STEPS_MS`].
    #[specta(type = Vec<Count<f64>>)]
    pub talk_at_least_ms: Vec<Count<u64>>,
    /// At [`QUALITY_STEPS`].
    pub quality_below: Vec<Count<u16>>,
    pub dispositions: Vec<Count<DispositionId>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Count<T> {
    pub value: T,
    pub calls: u32,
}
