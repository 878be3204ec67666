//! What an account is configured to do. Read once at start; checked by whoever reads the file.

use std::collections::BTreeMap;

use protocol::{DepartmentId, Disposition, Role, Strategy, UserId};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    pub name: String,
    pub users: Vec<UserConfig>,
    pub departments: Vec<DepartmentConfig>,
    pub policy: Policy,
    /// Whether outside numbers can be dialled at all.
    pub has_trunk: bool,
    /// What finished calls can be marked as, in the order in which they are offered.
    pub dispositions: Vec<Disposition>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserConfig {
    pub id: UserId,
    pub name: String,
    pub extension: String,
    pub role: Role,
    pub departments: Vec<DepartmentId>,
    pub disabled: bool,
    /// The user's own right to transfer to outside numbers; `None`: as [`Policy::outside`] says for their role.
    pub may_transfer_outside: Option<bool>,
    /// What happens when this user does not take a call; `None`: as the department or the account says.
    pub fallback: Option<Fallback>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DepartmentConfig {
    pub id: DepartmentId,
    pub name: String,
    pub extension: String,
    /// Numbers, as the trunk presents them, that lead here.
    pub numbers: Vec<String>,
    /// How long the available agents ring before the caller is queued, seconds. One at a time: each.
    pub ring_seconds: u32,
    /// How long a caller waits in the queue before voicemail, seconds.
    pub queue_seconds: u32,
    pub strategy: Strategy,
    /// What happens when this department does not take a transfer, or one of its members who has no fallback of their
    /// own; `None`: as the account says.
    pub fallback: Option<Fallback>,
}

/// Rules of the whole account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    pub agents_may_transfer: bool,
    /// Whether a transfer may go to a department that the transferor is not in.
    pub transfer_across_departments: bool,
    /// Whose calls may be transferred to outside numbers.
    pub outside: OutsideRule,
    /// What becomes of Go towards a user who is away, busy, not to be disturbed or has no device.
    pub unavailable: Unavailable,
    /// When the leg of the agent who gives the call away is let go.
    pub release: Release,
    /// How long the target of a transfer rings, seconds.
    pub transfer_ring_seconds: u32,
    /// What an agent dials in a call, followed by an extension, to transfer it: `*2`. `None`: no such code.
    pub feature_code: Option<String>,
    pub fallback: Fallback,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OutsideRule {
    #[default]
    Nobody,
    Administrators,
    /// Administrators too.
    Managers,
    Everyone,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unavailable {
    /// Greyed in the dialog, refused with the reason.
    #[default]
    Refuse,
    /// Accepted; the fallback for that reason is followed at once.
    Follow,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Release {
    #[default]
    AtOnce,
    /// The agent stays on the line, hearing the ringing, and has the caller back at once if nobody answers.
    WhenAnswered,
}

/// Tried in order when a target does not take the call. If all fail, the caller goes to the closing announcement; a
/// list may be empty.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fallback {
    pub steps: Vec<FallbackStep>,
    /// Other steps for particular reasons.
    pub on: BTreeMap<Miss, Vec<FallbackStep>>,
}

impl Fallback {
    #[must_use]
    pub fn of(steps: Vec<FallbackStep>) -> Self {
        Self { steps, on: BTreeMap::new() }
    }
}

/// Why a target did not take a call, as far as a fallback may differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Miss {
    NoAnswer,
    Busy,
    Declined,
    NoDevice,
    DoNotDisturb,
    Away,
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
        strategy: Strategy,
        /// How long they ring; one at a time: each.
        seconds: u32,
    },
    /// Wait in a department's line, with a position and hold music; `None`: the call's (or the target) department.
    Queue {
        department: Option<DepartmentId>,
        seconds: u32,
    },
    Voicemail {
        of: MailboxOf,
    },
    /// The closing announcement, then the end.
    Announcement,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecallWhom {
    /// The agent who was talking with the caller.
    FormerAgent,
    /// The person who pressed Go.
    Transferor,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailboxOf {
    /// The target's; of the call's department if the target has none (an outside number).
    Target,
    /// The department's of the call; the target's if it has none.
    Department,
}
