//! A step came to nothing: the next one. And the one place where a transfer is settled.

use protocol::{AuditOutcome, JourneyEvent, Reason};

use super::{Step, action};
use crate::{
    Fault, Order, ReferProgress, RingKind, Switchboard,
    audit::Attempt,
    call::{Call, Goal, Kept, Mailbox, Stage, State, Transfer},
    talk::why,
};

impl Switchboard {
    /// Nobody took the call where it just rang or waited.
    pub(crate) fn came_to_nothing(&mut self, call: &mut Call, reason: Reason) {
        match self.take(call) {
            State::Ringing { goal: Goal::Department(department), .. } => self.enter_line(call, &department, None),
            State::Ringing { goal: Goal::User(user), .. } => {
                let mailbox = Mailbox { id: user.id.to_string(), name: user.name };
                self.leave_voicemail(call, mailbox, reason, None);
            }
            State::Transferring { transfer, stage: Stage::Queued(wait) } if wait.offer.is_none() => {
                self.leave_line(&wait);
                self.step_failed(call, transfer, reason);
            }
            state @ (State::Queued(_) | State::Transferring { stage: Stage::Queued(_), .. }) => {
                call.state = state;
                self.offer_failed(call);
            }
            state @ State::Consulting { .. } => {
                call.state = state;
                self.consult_failed(call, reason);
            }
            State::Transferring { transfer, stage } => {
                self.end_stage(stage, reason);
                self.step_failed(call, transfer, reason);
            }
            state @ (State::Dialling { .. }
            | State::Talking { .. }
            | State::Voicemail { .. }
            | State::Closing { .. }
            | State::AwaitingRecording { .. }
            | State::Over { .. }) => call.state = state,
        }
    }

    /// Remembers why the target did not take it (later failures are the fallback's), and goes on.
    pub(crate) fn step_failed(&mut self, call: &mut Call, mut transfer: Box<Transfer>, reason: Reason) {
        if transfer.bounced_after_ms.is_none() {
            transfer.because = reason;
        }
        call.enter(self.now, State::Transferring { transfer, stage: Stage::Holding });
        self.proceed(call);
    }

    /// Takes the next step of the course.
    pub(crate) fn proceed(&mut self, call: &mut Call) {
        let State::Transferring { mut transfer, .. } = self.take(call) else { return };
        let step = self.next_step(call, &mut transfer.course);
        if !matches!(step, Step::Ring { .. } | Step::Dial { .. } | Step::Line { .. }) {
            self.target_bounced(call, &mut transfer, &step);
        }
        match step {
            Step::Ring { users, seconds } => {
                let ring = self.start_ring(call, users, seconds, Some((&transfer, RingKind::Transfer)));
                if let Some(rung) = ring.legs.keys().next().filter(|_| self.planted(Fault::BridgeBeforeAnswer)) {
                    self.order(Order::Bridge { a: call.caller.leg, b: *rung });
                }
                call.enter(self.now, State::Transferring { transfer, stage: Stage::Ringing(ring) });
            }
            Step::Dial { number, seconds } => {
                let dial = self.dial_target(call, number, seconds);
                call.enter(self.now, State::Transferring { transfer, stage: Stage::Dialling(dial) });
            }
            Step::Line { department, .. } => self.enter_line(call, &department.id, Some(transfer)),
            Step::Recall { user, seconds } => self.recall(call, transfer, user, seconds),
            Step::NextAgent { users, seconds, department: _ } => {
                let ring = self.start_ring(call, users, seconds, Some((&transfer, RingKind::Transfer)));
                call.enter(self.now, State::Transferring { transfer, stage: Stage::NextAgent(ring) });
            }
            Step::Voicemail { mailbox } => {
                let (because, rule) = (transfer.because, format!("{}; voicemail of {}", why(&transfer), mailbox.name));
                let settled =
                    self.settle(call, *transfer, AuditOutcome::FellBack, rule, ReferProgress::Failed(because));
                self.leave_voicemail(call, mailbox, because, Some(Box::new(settled)));
            }
            Step::Announcement => {
                let (because, rule) = (transfer.because, format!("{}; closing announcement", why(&transfer)));
                self.settle(call, *transfer, AuditOutcome::FellBack, rule, ReferProgress::Failed(because));
                if self.planted(Fault::LoseLastFallbackStep) {
                    return self.end(call, because);
                }
                self.announce_closing(call, because);
            }
        }
    }

    /// The target is out of it: said once, before the first fallback step.
    fn target_bounced(&mut self, call: &mut Call, transfer: &mut Transfer, next: &Step) {
        if transfer.bounced_after_ms.is_some() {
            return;
        }
        transfer.bounced_after_ms = Some(self.now.ms_since(transfer.since));
        let (id, target, reason) = (transfer.id.clone(), transfer.target.clone(), transfer.because);
        self.step(call, JourneyEvent::TransferBounced { transfer: id, target, reason });
        // A device that asked by REFER waits for the outcome only; it has the caller back if it can hear them.
        let back = |k: &Kept| !k.held && matches!(next, Step::Recall { user, .. } if *user == k.agent.user);
        if transfer.kept.as_ref().is_some_and(|k| k.by_refer && !back(k)) {
            self.release(transfer, ReferProgress::Failed(reason));
        }
    }

    fn release(&mut self, transfer: &mut Transfer, progress: ReferProgress) {
        transfer.course.waits = None;
        if let Some(kept) = transfer.kept.take() {
            if kept.by_refer {
                self.order(Order::ReferProgress { leg: kept.agent.leg, progress });
            }
            self.hang_up(kept.agent.leg, Reason::AnsweredElsewhere);
        }
    }

    /// The one end of a transfer: what came of it, by which rule.
    pub(crate) fn settle(
        &mut self,
        call: &mut Call,
        mut transfer: Transfer,
        outcome: AuditOutcome,
        rule: String,
        progress: ReferProgress,
    ) -> Transfer {
        self.by_transfer.remove(&transfer.id);
        self.release(&mut transfer, progress);
        self.settled.remember(&transfer, call.key, &rule);
        let target = Some(transfer.target.name().to_owned());
        let user = &transfer.by.id;
        self.audit_call(call, Attempt { user, action: action(transfer.kind), target, outcome, rule });
        transfer
    }
}
