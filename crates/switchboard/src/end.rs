//! A call is over: every leg is ended, every index forgets it, and one record says what it was.

use protocol::{AuditOutcome, CallOutcome, CallRecord, Direction, JourneyEvent, Reason};

use crate::{
    Fact, Fault, ReferProgress, Switchboard,
    call::{Call, Stage, State},
    talk::why,
};

impl Switchboard {
    /// Takes the state out, to be taken apart. The step must give the call a new one.
    pub(crate) fn take(&mut self, call: &mut Call) -> State {
        std::mem::replace(&mut call.state, State::Over { because: Reason::Failed })
    }

    /// Ends whatever goes on in the call; legs that are over already have been forgotten before.
    pub(crate) fn end(&mut self, call: &mut Call, mut because: Reason) {
        let mut ended_at = self.now;
        match self.take(call) {
            State::Dialling { agent, .. } => self.hang_up(agent.leg, because),
            State::Talking { with, .. } => self.hang_up(with.leg(), because),
            State::Ringing { ring, .. } => self.withdraw(ring, because),
            State::Queued(wait) => {
                self.leave_line(&wait);
                wait.offer.into_iter().for_each(|ring| self.withdraw(ring, because));
            }
            State::Consulting { transfer, agent, stage, .. } => {
                self.end_consult_stage(stage, because);
                self.hang_up(agent.leg, because);
                let rule = because.phrase().to_owned();
                self.settle(call, *transfer, AuditOutcome::FellBack, rule, ReferProgress::Failed(because));
            }
            State::Transferring { transfer, stage } => {
                self.end_stage(stage, because);
                let rule = match transfer.bounced_after_ms {
                    Some(_) => format!("{}; {}", why(&transfer), because.phrase()),
                    None => because.phrase().to_owned(),
                };
                self.settle(call, *transfer, AuditOutcome::FellBack, rule, ReferProgress::Failed(because));
            }
            State::AwaitingRecording { because: left, .. } => {
                self.forget_leg(call.caller.leg);
                (because, ended_at) = (left, call.state_since);
            }
            State::Voicemail { .. } | State::Closing { .. } | State::Over { .. } => {}
        }
        if self.planted(Fault::LeaveCallerLeg) {
            self.legs.remove(&call.caller.leg);
        }
        self.hang_up(call.caller.leg, because);
        self.step(call, JourneyEvent::Ended { because });
        call.enter(ended_at, State::Over { because });
    }

    /// Ends what a transfer is just doing.
    pub(crate) fn end_stage(&mut self, stage: Stage, because: Reason) {
        match stage {
            Stage::Holding => {}
            Stage::Dialling(dial) => self.hang_up(dial.leg, because),
            Stage::Ringing(ring) | Stage::Recalling(ring) | Stage::NextAgent(ring) => self.withdraw(ring, because),
            Stage::Queued(wait) => {
                self.leave_line(&wait);
                wait.offer.into_iter().for_each(|ring| self.withdraw(ring, because));
            }
        }
    }

    /// The one record of a call that is over.
    pub(crate) fn record(&mut self, call: &Call, because: Reason) {
        self.say_record(record_of(call, because));
    }

    /// Says the record, new or changed, at the next place of the sequence. Gives it as it was said.
    pub(crate) fn say_record(&mut self, mut record: CallRecord) -> CallRecord {
        self.counters.record += 1;
        record.seq = self.counters.record;
        self.fact(Fact::Record(Box::new(record.clone())));
        record
    }
}

/// What is known of the call, as if it had ended for this reason.
pub(crate) fn record_of(call: &Call, because: Reason) -> CallRecord {
    CallRecord {
        id: call.id.clone(),
        seq: 0,
        direction: call.direction,
        caller: call.caller.party.clone(),
        dialled: call.dialled.clone(),
        department: call.department.clone(),
        agents: call.agents.clone(),
        started_at: call.started_at,
        answered_at: call.answered_at,
        ended_at: call.state_since,
        outcome: outcome(call, because),
        ended_because: because,
        journey: call.journey.clone(),
        audit: call.audit.clone(),
        voicemail: call.voicemail.clone(),
        remarks: None,
        quality: call.quality.clone(),
    }
}

fn outcome(call: &Call, because: Reason) -> CallOutcome {
    if let Some(rests) = call.rests {
        return rests;
    }
    if call.answered_at.is_some() {
        return CallOutcome::Answered;
    }
    match because {
        Reason::Shutdown | Reason::Failed | Reason::ExchangeFailed | Reason::AppStopped => CallOutcome::Failed,
        Reason::DoNotDisturb
        | Reason::Away
        | Reason::Busy
        | Reason::Declined
        | Reason::Unreachable
        | Reason::NobodyFree => match call.direction {
            Direction::Outbound | Direction::Internal => CallOutcome::Failed,
            Direction::Inbound => CallOutcome::Missed,
        },
        Reason::NoAnswer
        | Reason::CallerGone
        | Reason::AgentGone
        | Reason::OutsideGone
        | Reason::HungUpAtOnce
        | Reason::Cancelled
        | Reason::AnsweredElsewhere
        | Reason::SentToVoicemail
        | Reason::Joined => CallOutcome::Missed,
    }
}
