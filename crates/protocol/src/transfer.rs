use serde::{Deserialize, Serialize};
use specta::Type;
use utoipa::ToSchema;

use crate::{Denied, DepartmentId, Ineligible, Presence, Reason, TargetRef, Timestamp, UserId, UserRef};

/// To whom a call is moved.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, Type, ToSchema)]
#[serde(tag = "kind", content = "id", rename_all = "snake_case")]
pub enum Target {
    User(UserId),
    Department(DepartmentId),
    /// A number outside the account, as a person wrote it.
    Outside(String),
}

/// How a call is moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, Type, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TransferKind {
    /// Go: the caller hears music until the target answers.
    #[default]
    Blind,
    /// The transferor speaks with the target first, then completes, swaps or cancels.
    Consult,
    /// Straight to the target's mailbox.
    Voicemail,
}

/// In which order the free agents of a department are rung.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, Type, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// All of them; the first to answer has the call.
    #[default]
    AllAtOnce,
    /// One at a time, beginning with who has been free for longest.
    LongestIdle,
    /// One at a time, beginning after whoever was asked last.
    RoundRobin,
    /// One at a time, in the order of the configuration.
    FixedOrder,
}

/// Whether the reader may transfer a call now; with the reason if not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type, ToSchema)]
#[serde(tag = "right", rename_all = "snake_case")]
pub enum TransferRight {
    Allowed,
    Refused { denied: Denied, sentence: String },
}

impl From<Result<(), Denied>> for TransferRight {
    fn from(r: Result<(), Denied>) -> Self {
        match r {
            Ok(()) => Self::Allowed,
            Err(denied) => Self::Refused { sentence: denied.sentence(), denied },
        }
    }
}

/// One row of the transfer dialog.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type, ToSchema)]
pub struct TransferTarget {
    pub target: Target,
    pub name: String,
    pub extension: String,
    /// Department names of a user; empty for a department.
    pub departments: Vec<String>,
    /// A user's presence; `None` for a department.
    pub presence: Option<Presence>,
    pub ineligible: Option<Ineligible>,
    /// What will happen after Go, in order.
    pub forecast: Vec<ForecastStep>,
    /// `forecast` as one line: "rings Ravi 20 s, then back to you, then voicemail of Ravi".
    pub forecast_line: String,
    /// The three ways to move the call there, in the order of [`TransferKind`]: what the dialog shows beside its buttons.
    #[serde(default)]
    pub ways: Vec<TransferWay>,
}

/// One way to move the call to a target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type, ToSchema)]
pub struct TransferWay {
    pub kind: TransferKind,
    /// Why not, as a sentence.
    pub refused: Option<String>,
    /// What will happen; empty if refused.
    pub line: String,
}

/// One step of what a transfer will do if the step before it comes to nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type, ToSchema)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum ForecastStep {
    Ring {
        users: Vec<UserRef>,
        seconds: u32,
    },
    Recall {
        user: UserRef,
        seconds: u32,
    },
    /// `seconds` is how long each of them rings.
    NextAgent {
        department: String,
        free: u32,
        seconds: u32,
        #[serde(default)]
        strategy: Strategy,
    },
    /// An outside number is dialled.
    Dial {
        number: String,
        seconds: u32,
    },
    Queue {
        department: String,
        seconds: u32,
    },
    Voicemail {
        mailbox: String,
    },
    Announcement,
}

/// Someone a call rang in vain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type, ToSchema)]
pub struct Bounce {
    pub target: TargetRef,
    pub reason: Reason,
    pub at: Timestamp,
    /// How long it rang, milliseconds.
    #[specta(type = f64)]
    pub rang_ms: u64,
}
