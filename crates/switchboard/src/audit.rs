//! The audit trail: every attempt, the refused ones too.

use protocol::{AuditAction, AuditEntry, AuditOutcome, UserId};

use crate::{Fact, Switchboard, call::Call};

/// How many entries a call's own record keeps; the trail keeps all.
const PER_CALL: usize = 200;

/// Where the trail stands.
#[derive(Debug)]
pub(crate) struct Trail {
    seq: u64,
    hash: String,
}

impl Trail {
    pub(crate) fn after((seq, hash): (u64, String)) -> Self {
        Self { seq, hash }
    }
}

/// What is written down; the trail adds number, time, name and hash.
pub(crate) struct Attempt<'a> {
    pub user: &'a UserId,
    pub action: AuditAction,
    pub target: Option<String>,
    pub outcome: AuditOutcome,
    pub rule: String,
}

impl Switchboard {
    /// Writes about a call, into its record too.
    pub(crate) fn audit_call(&mut self, call: &mut Call, attempt: Attempt<'_>) {
        let entry = self.audit(Some(call.id.clone()), attempt);
        keep(&mut call.audit, entry);
    }

    pub(crate) fn audit(&mut self, call: Option<protocol::CallId>, attempt: Attempt<'_>) -> AuditEntry {
        let mut entry = AuditEntry {
            seq: self.trail.seq + 1,
            at: self.now,
            user: attempt.user.clone(),
            user_name: self.directory.user_ref(attempt.user).name,
            action: attempt.action,
            call,
            target: attempt.target,
            outcome: attempt.outcome,
            rule: attempt.rule,
            hash: String::new(),
        };
        entry.hash = entry.chained(&self.trail.hash);
        self.trail = Trail { seq: entry.seq, hash: entry.hash.clone() };
        self.fact(Fact::Audit(entry.clone()));
        entry
    }
}

/// Keeps an entry about a call with the call.
pub(crate) fn keep(entries: &mut Vec<AuditEntry>, entry: AuditEntry) {
    if entries.len() < PER_CALL {
        entries.push(entry);
    }
}
