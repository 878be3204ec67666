use serde::{Deserialize, Serialize};
use specta::Type;
use utoipa::ToSchema;

use crate::{Bounce, CallId, DepartmentRef, Reason, Timestamp, TransferId, TransferKind, UserRef};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Type, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// From outside to a department or user.
    Inbound,
    /// From a user to an outside number.
    Outbound,
    /// Between users.
    Internal,
}

/// The far person of a call, as presented by the network. Both fields come from outside: never trust, always escape.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize, Type, ToSchema)]
pub struct Party {
    /// Display name; empty if none was sent.
    pub name: String,
    /// Number or user part; empty if withheld.
    pub number: String,
}

/// Where the caller is right now. There is no variant for silence: that is the promise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum CallState {
    /// Ringing towards somebody, with a timer running.
    Ringing { towards: Vec<UserRef>, until: Timestamp },
    /// Talking with `with` (for an outbound call: the user is talking with the outside party).
    Talking { with: UserRef },
    /// Talking with somebody outside the account: the call was transferred to a number, or joined with another caller.
    TalkingOutside { with: Party },
    /// Held by the agent, hearing music.
    Held { by: UserRef },
    /// On hold with music while a transfer goes on; see [`LiveCall::transfer`].
    Transferring,
    /// Waiting in a department, hearing music. `position` counts from 1.
    Queued { department: DepartmentRef, position: u32, until: Timestamp },
    /// Hearing the greeting of, or speaking to, a mailbox.
    Voicemail { mailbox: String },
    /// Hearing a configured closing announcement before the end.
    Closing,
}

/// One ongoing call, as everyone allowed to see it sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type, ToSchema)]
pub struct LiveCall {
    pub id: CallId,
    /// Grows by one with every change. A command names the revision it was decided on.
    pub revision: u32,
    pub direction: Direction,
    /// The party being served: for inbound the caller, for outbound the callee, for internal the calling user.
    pub caller: Party,
    pub state: CallState,
    pub state_since: Timestamp,
    /// Who has, or last had, the call.
    pub agent: Option<UserRef>,
    pub department: Option<DepartmentRef>,
    pub started_at: Timestamp,
    pub answered_at: Option<Timestamp>,
    /// The transfer going on now, if any.
    pub transfer: Option<TransferProgress>,
    /// Whom the call rang in vain and why, oldest first.
    pub bounces: Vec<Bounce>,
}

/// A transfer that is going on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type, ToSchema)]
pub struct TransferProgress {
    pub id: TransferId,
    /// Who pressed Go.
    pub by: UserRef,
    /// Who was talking with the caller when Go was pressed.
    pub from: Option<UserRef>,
    pub target: TargetRef,
    #[serde(default)]
    pub kind: TransferKind,
    pub stage: TransferStage,
    pub since: Timestamp,
    pub note: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum TargetRef {
    User(UserRef),
    Department(DepartmentRef),
    Outside { number: String },
}

impl TargetRef {
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::User(u) => &u.name,
            Self::Department(d) => &d.name,
            Self::Outside { number } => number,
        }
    }
}

/// How far a transfer has come. After `Ringing` comes either talking (the transfer is over) or a fallback step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum TransferStage {
    /// The caller is being put on hold.
    Holding,
    /// The target's devices are being rung.
    Ringing { towards: Vec<UserRef>, until: Timestamp },
    /// Came back: the transferor (or former agent) is being rung.
    Recalling { towards: UserRef, until: Timestamp, because: Reason },
    /// The next available agents of a department are being rung.
    NextAgent { towards: Vec<UserRef>, until: Timestamp, because: Reason },
    /// Waiting for an agent of a department to become free. `position` counts from 1; 0 if it is not known.
    Queued {
        department: DepartmentRef,
        #[serde(default)]
        position: u32,
        until: Timestamp,
    },
    /// Given to a mailbox.
    Voicemail { mailbox: String, because: Reason },
    /// Consult: the target is being rung, the transferor hears that, the caller hears music. An empty `towards` is an
    /// outside number being dialled.
    ConsultRinging { towards: Vec<UserRef>, until: Timestamp },
    /// Consult: the transferor speaks with the target, the caller hears music.
    Consulting { with: TargetRef },
    /// Consult: the transferor speaks with the caller, the target hears music.
    Swapped { with: TargetRef },
}
