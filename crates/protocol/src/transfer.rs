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
}

/// One step of what a transfer will do if the step before it comes to nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type, ToSchema)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum ForecastStep {
    Ring { users: Vec<UserRef>, seconds: u32 },
    Recall { user: UserRef, seconds: u32 },
    NextAgent { department: String, free: u32, seconds: u32 },
    Queue { department: String, seconds: u32 },
    Voicemail { mailbox: String },
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
