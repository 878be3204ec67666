use serde::{Deserialize, Serialize};
use specta::Type;
use utoipa::ToSchema;

use crate::{
    AuditEntry, CallId, DepartmentRef, Direction, DispositionId, Party, Reason, TargetRef, Timestamp, TransferId,
    TransferKind, UserId, UserRef,
};

/// How a whole call came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Type, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CallOutcome {
    Answered,
    /// Ended before anyone answered.
    Missed,
    Voicemail,
    /// Heard a closing announcement.
    Announced,
    /// Could not be set up (outbound refused, exchange stopped).
    Failed,
}

/// One finished call: one record however many legs, transfers and recalls it had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type, ToSchema)]
pub struct CallRecord {
    pub id: CallId,
    /// Place in the exchange's sequence of record changes; larger is later. The cursor of `GET /v1/calls`.
    #[specta(type = f64)]
    pub seq: u64,
    pub direction: Direction,
    pub caller: Party,
    /// The number or user that was called.
    pub dialled: String,
    pub department: Option<DepartmentRef>,
    /// Everyone who talked, in order.
    pub agents: Vec<UserRef>,
    pub started_at: Timestamp,
    pub answered_at: Option<Timestamp>,
    pub ended_at: Timestamp,
    pub outcome: CallOutcome,
    pub ended_because: Reason,
    pub journey: Vec<JourneyStep>,
    pub audit: Vec<AuditEntry>,
    pub voicemail: Option<VoicemailRef>,
    /// What people have put on the call since it ended; `None` if nobody has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remarks: Option<Remarks>,
    /// How the legs sounded, in the order in which they ended; empty if nothing was measured.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quality: Vec<LegQuality>,
}

/// A message somebody left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type, ToSchema)]
pub struct VoicemailRef {
    pub mailbox: String,
    #[specta(type = f64)]
    pub duration_ms: u64,
    /// Who has listened to it first, and when; `None`: unheard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heard: Option<Heard>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type, ToSchema)]
pub struct Heard {
    pub by: UserRef,
    pub at: Timestamp,
}

/// The longest note on a call, in characters.
pub const MAX_REMARK_CHARS: usize = 2_000;

/// A note and a disposition that people put on a finished call: one for all who may see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type, ToSchema)]
pub struct Remarks {
    /// Counts the changes, from 1; who changes them says which one they saw.
    pub revision: u32,
    /// At most [`MAX_REMARK_CHARS`] characters; may be empty.
    pub note: String,
    /// May be one that is no longer configured.
    pub disposition: Option<DispositionId>,
    /// Who changed them last, and when.
    pub by: UserRef,
    pub at: Timestamp,
}

/// How one leg sounded at the exchange, over its whole life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type, ToSchema)]
pub struct LegQuality {
    /// The party at the leg's end: a name, or a number.
    pub party: String,
    pub user: Option<UserId>,
    pub codec: String,
    /// Mean opinion score × 100, estimated by ITU-T G.107: 100 (bad) to 450.
    pub score: u16,
    /// Packets lost or too late, in thousandths, the worse of both directions.
    pub lost_permille: u16,
    /// Interarrival jitter (RFC 3550 section 6.4.1), milliseconds, the worse of both directions.
    pub jitter_ms: u16,
    /// Milliseconds; `None` if the far end sent no reports.
    pub round_trip_ms: Option<u16>,
    /// What spoilt it the most, if it did not sound good.
    #[serde(default)]
    pub trouble: Option<SoundTrouble>,
    /// Whether it was encrypted to its end; `None`: records from before that was kept.
    #[serde(default)]
    pub encrypted: Option<bool>,
}

/// What spoils the sound of a leg the most, and on which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Type, ToSchema)]
pub struct SoundTrouble {
    pub cause: SoundCause,
    pub way: SoundWay,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Type, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum SoundCause {
    Loss {
        percent: u8,
    },
    /// Packets came too late, or so unevenly that they had to wait for long.
    Late,
    /// The network takes long, there and back.
    Slow {
        round_trip_ms: u16,
    },
}

/// As seen from where it was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Type, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SoundWay {
    /// To the party at the leg's end.
    To,
    From,
    Both,
    /// On the way to where it was measured, from whoever the party spoke with.
    Before,
}

impl SoundTrouble {
    /// "8 % loss from you to Ravi", as measured at your phone.
    #[must_use]
    pub fn words(&self, them: &str) -> String {
        let way = match self.way {
            SoundWay::To | SoundWay::Before => format!("from you to {them}"),
            SoundWay::From => format!("from {them} to you"),
            SoundWay::Both => "both ways".to_owned(),
        };
        match self.cause {
            SoundCause::Loss { percent } => format!("{percent} % loss {way}"),
            SoundCause::Late => format!("late packets {way}"),
            SoundCause::Slow { round_trip_ms } => format!("the network is slow, {round_trip_ms} ms round trip"),
        }
    }
}

/// One thing that happened to the caller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type, ToSchema)]
pub struct JourneyStep {
    pub at: Timestamp,
    #[serde(flatten)]
    pub what: JourneyEvent,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type, ToSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum JourneyEvent {
    Arrived {
        dialled: String,
    },
    Queued {
        department: DepartmentRef,
    },
    /// Another system sent the call on from somebody else's number (RFC 5806, RFC 7044); `from` is a name or a number.
    Forwarded {
        from: String,
        because: Option<Reason>,
    },
    Rang {
        users: Vec<UserRef>,
    },
    Answered {
        by: UserRef,
    },
    Held {
        by: UserRef,
    },
    Resumed {
        by: UserRef,
    },
    TransferStarted {
        transfer: TransferId,
        by: UserRef,
        from: Option<UserRef>,
        to: TargetRef,
        #[serde(default)]
        kind: TransferKind,
        note: Option<String>,
    },
    TransferBounced {
        transfer: TransferId,
        target: TargetRef,
        reason: Reason,
    },
    Recalled {
        transfer: TransferId,
        user: UserRef,
    },
    TransferDone {
        transfer: TransferId,
        with: UserRef,
    },
    /// The target of a transfer, an outside number, has answered.
    TransferDoneOutside {
        transfer: TransferId,
        number: String,
    },
    /// Whoever answered a transfer hung up at once: it goes on, under a new id.
    TransferResumed {
        transfer: TransferId,
        by: UserRef,
        target: TargetRef,
    },
    /// The transferor spoke with the target before deciding.
    Consulted {
        transfer: TransferId,
        with: TargetRef,
    },
    /// Joined by an attended transfer with the parties of another call.
    Joined {
        call: CallId,
        with: String,
    },
    VoicemailStarted {
        mailbox: String,
    },
    VoicemailLeft {
        mailbox: String,
        #[specta(type = f64)]
        duration_ms: u64,
    },
    Announced,
    Ended {
        because: Reason,
    },
}
