use serde::{Deserialize, Serialize};
use specta::Type;
use utoipa::ToSchema;

use crate::{CallId, Timestamp, UserId};

/// What somebody tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Type, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AuditAction {
    Transfer,
    CancelTransfer,
    /// A consultation was begun; its end has the same action.
    Consult,
    CompleteTransfer,
    SwapTransfer,
    /// After a failure of the exchange: a call that was cut off is closed.
    Recover,
    /// A note or disposition on a finished call.
    SetRemarks,
    SetPresence,
    SignIn,
    SignOut,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Type, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AuditOutcome {
    /// Accepted and begun; a later entry of the same call says what became of it.
    Accepted,
    Refused,
    /// The transfer ended talking with its target.
    Completed,
    /// The transfer ended with a fallback or with the caller gone.
    FellBack,
}

/// One line of the audit trail. Append-only; `hash` chains it to the line before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type, ToSchema)]
pub struct AuditEntry {
    /// Place in the account's trail, from 1.
    #[specta(type = f64)]
    pub seq: u64,
    pub at: Timestamp,
    pub user: UserId,
    pub user_name: String,
    pub action: AuditAction,
    pub call: Option<CallId>,
    /// Target in words: "Ravi Kumar", "Billing".
    pub target: Option<String>,
    pub outcome: AuditOutcome,
    /// The rule that decided: "role manager, department support", "denied: other_department", "no answer after 20 s".
    pub rule: String,
    /// SHA-256, hex, over the previous entry's hash and this entry without `hash`.
    pub hash: String,
}

impl AuditEntry {
    /// The hash this entry must carry if `previous` is the hash of the entry before it (empty for the first).
    #[must_use]
    pub fn chained(&self, previous: &str) -> String {
        use sha2::{Digest, Sha256};
        let line = (
            (self.seq, self.at, &self.user, &self.user_name, self.action),
            (&self.call, &self.target, self.outcome, &self.rule),
        );
        let mut digest = Sha256::new();
        digest.update(previous.as_bytes());
        digest.update(b"\n");
        digest.update(serde_json::to_vec(&line).unwrap_or_default());
        digest.finalize().iter().fold(String::with_capacity(64), |mut hex, byte| {
            use std::fmt::Write;
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }
}
