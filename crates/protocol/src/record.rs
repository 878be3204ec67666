use serde::{Deserialize, Serialize};
use specta::Type;
use utoipa::ToSchema;

use crate::{
    AuditEntry, CallId, DepartmentRef, Direction, Party, Reason, TargetRef, Timestamp, TransferId, TransferKind,
    UserRef,
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
}

/// A message somebody left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type, ToSchema)]
pub struct VoicemailRef {
    pub mailbox: String,
    #[specta(type = f64)]
    pub duration_ms: u64,
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
