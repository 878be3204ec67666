//! Drafts of records, for the case that the exchange fails, and what the next run makes of them.

use protocol::{AuditAction, AuditEntry, AuditOutcome, CallRecord, JourneyEvent, JourneyStep, Reason, Timestamp};

use crate::{Fact, Switchboard, audit::Attempt, call::Call, end::record_of};

/// How much of a call the newest draft holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Drafted {
    steps: usize,
    entries: usize,
}

impl Switchboard {
    /// Writes a new draft if the record has more to say than the last one.
    pub(crate) fn draft(&mut self, call: &mut Call) {
        let last =
            std::mem::replace(&mut call.drafted, Drafted { steps: call.journey.len(), entries: call.audit.len() });
        let steps = call.journey.get(last.steps..).unwrap_or_default();
        if call.audit.len() == last.entries && !steps.iter().any(|step| counts(&step.what)) {
            return;
        }
        let mut record = record_of(call, Reason::ExchangeFailed);
        record.ended_at = self.now;
        record.journey.push(failed(self.now));
        self.fact(Fact::Draft(Box::new(record)));
    }

    /// Closes the calls that went on when the exchange failed: `drafts` are the newest drafts without a record that the
    /// run before this one left. Each becomes a record, ended now (nobody knows when they were cut off); a transfer
    /// that was going on is settled in the audit trail. Drain [`Self::poll_output`] afterwards. Nothing of it is ever
    /// shown as live.
    pub fn recover(&mut self, now: Timestamp, drafts: Vec<CallRecord>) {
        self.pass_time(now);
        for draft in drafts {
            self.close(draft);
        }
    }

    fn close(&mut self, mut record: CallRecord) {
        if let Some(begun) = unsettled(&record.audit) {
            let attempt = Attempt {
                user: &begun.user,
                action: AuditAction::Recover,
                target: begun.target.clone(),
                outcome: AuditOutcome::FellBack,
                rule: Reason::ExchangeFailed.phrase().to_owned(),
            };
            let entry = self.audit(Some(record.id.clone()), attempt);
            record.audit.push(entry);
        }
        let last = record.journey.pop_if(|step| matches!(step.what, JourneyEvent::Ended { .. }));
        // The clock may have been set back while the exchange was down.
        record.ended_at = self.now.max(record.ended_at).max(last.map_or(self.now, |step| step.at));
        record.journey.push(failed(record.ended_at));
        record.ended_because = Reason::ExchangeFailed;
        self.say_record(record);
    }
}

/// The transfer or consultation that was begun and of which nothing was heard.
fn unsettled(audit: &[AuditEntry]) -> Option<AuditEntry> {
    let mut going = None;
    for entry in audit {
        match (entry.action, entry.outcome) {
            (AuditAction::Transfer | AuditAction::Consult, AuditOutcome::Accepted) => going = Some(entry),
            (AuditAction::Transfer | AuditAction::Consult, AuditOutcome::Completed | AuditOutcome::FellBack)
            | (AuditAction::Recover, _) => going = None,
            (AuditAction::Transfer | AuditAction::Consult, AuditOutcome::Refused)
            | (
                AuditAction::CancelTransfer
                | AuditAction::CompleteTransfer
                | AuditAction::SwapTransfer
                | AuditAction::SetRemarks
                | AuditAction::SetPresence
                | AuditAction::SignIn
                | AuditAction::SignOut,
                _,
            ) => {}
        }
    }
    going.cloned()
}

/// Whether a step is worth a new draft. Hold and resume are not: a device can say them without end.
fn counts(step: &JourneyEvent) -> bool {
    match step {
        JourneyEvent::Held { .. } | JourneyEvent::Resumed { .. } | JourneyEvent::Ended { .. } => false,
        JourneyEvent::Arrived { .. }
        | JourneyEvent::Queued { .. }
        | JourneyEvent::Forwarded { .. }
        | JourneyEvent::Rang { .. }
        | JourneyEvent::Answered { .. }
        | JourneyEvent::TransferStarted { .. }
        | JourneyEvent::TransferBounced { .. }
        | JourneyEvent::Recalled { .. }
        | JourneyEvent::TransferDone { .. }
        | JourneyEvent::TransferDoneOutside { .. }
        | JourneyEvent::TransferResumed { .. }
        | JourneyEvent::Consulted { .. }
        | JourneyEvent::Joined { .. }
        | JourneyEvent::VoicemailStarted { .. }
        | JourneyEvent::VoicemailLeft { .. }
        | JourneyEvent::Announced => true,
    }
}

fn failed(at: Timestamp) -> JourneyStep {
    JourneyStep { at, what: JourneyEvent::Ended { because: Reason::ExchangeFailed } }
}
