//! What an account is configured to do. Read once at start; checked by whoever reads the file.

use protocol::{DepartmentId, Role, UserId};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    pub name: String,
    pub users: Vec<UserConfig>,
    pub departments: Vec<DepartmentConfig>,
    pub policy: Policy,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserConfig {
    pub id: UserId,
    pub name: String,
    pub extension: String,
    pub role: Role,
    pub departments: Vec<DepartmentId>,
    pub disabled: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DepartmentConfig {
    pub id: DepartmentId,
    pub name: String,
    pub extension: String,
    /// Numbers, as the trunk presents them, that lead here.
    pub numbers: Vec<String>,
    /// How long the available agents ring before the caller is queued, seconds.
    pub ring_seconds: u32,
    /// How long a caller waits in the queue before voicemail, seconds.
    pub queue_seconds: u32,
}

/// Rules of the whole account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    pub agents_may_transfer: bool,
    /// Whether a transfer may go to a department that the transferor is not in.
    pub transfer_across_departments: bool,
    /// How long the target of a transfer rings, seconds.
    pub transfer_ring_seconds: u32,
    /// Tried in order when the target of a transfer does not take it. If all fail, the caller goes to the closing
    /// announcement; the list may be empty.
    pub fallback: Vec<FallbackStep>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FallbackStep {
    Recall {
        whom: RecallWhom,
        seconds: u32,
    },
    /// Ring the available agents of the call's department (of the target department, for a department target);
    /// whoever already let it ring out is not tried again.
    NextAgent {
        seconds: u32,
    },
    /// Voicemail of the target; of the call's department if the target has none.
    Voicemail,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecallWhom {
    /// The agent who was talking with the caller.
    FormerAgent,
    /// The person who pressed Go.
    Transferor,
}
