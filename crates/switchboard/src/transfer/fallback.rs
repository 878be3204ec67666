//! A step came to nothing: the next one. And the one place where a transfer is settled.

use protocol::{AuditOutcome, JourneyEvent, Reason, TargetRef, UserRef};

use super::{Course, Step, Team, action};
use crate::{
    Fault, Order, ReferProgress, RingKind, Switchboard,
    audit::Attempt,
    call::{Call, Kept, Ring, Stage, State, Transfer},
    strategy::Past,
    talk::why,
};

impl Switchboard {
    /// Nobody took the call where it just rang or waited.
    pub(crate) fn came_to_nothing(&mut self, call: &mut Call, reason: Reason) {
        match self.take(call) {
            State::Ringing { .. } => self.go_on(call, reason),
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

    /// Sends a call that has just arrived on its way.
    pub(crate) fn arrive_at(&mut self, call: &mut Call, target: TargetRef) {
        call.course = Some(Box::new(Course::arriving(target)));
        self.next_for_arriving(call);
    }

    /// Nobody took the arriving call where it just rang or waited.
    pub(crate) fn go_on(&mut self, call: &mut Call, reason: Reason) {
        if let Some(course) = &mut call.course {
            course.missed(reason);
            course.in_vain.extend(call.bounced.keys().cloned());
        }
        self.next_for_arriving(call);
    }

    /// Takes the next step of an arriving call: the same course as a transfer's, with nobody to come back to.
    fn next_for_arriving(&mut self, call: &mut Call) {
        let Some(mut course) = call.course.take() else { return self.announce_closing(call, Reason::NobodyFree) };
        let step = self.next_step(call, &mut course, &Past::so_far(call, self.now));
        let because = course.missed.map_or(Reason::NobodyFree, |(_, reason)| reason);
        match step {
            Step::Ring { users, seconds, of } => self.ring_arriving(call, users, seconds, of.as_ref()),
            Step::NextAgent { users, seconds, of } => self.ring_arriving(call, users, seconds, Some(&of)),
            Step::Recall { user, seconds } => self.ring_arriving(call, vec![user], seconds, None),
            Step::Line { department, seconds } | Step::Queue { department, seconds } => {
                self.stand_in_line(call, &department.id, seconds, None);
            }
            Step::Voicemail { mailbox } => self.leave_voicemail(call, mailbox, because, None),
            Step::Dial { .. } | Step::Announcement => self.announce_closing(call, because),
        }
        call.course = Some(course);
    }

    fn ring_arriving(&mut self, call: &mut Call, users: Vec<UserRef>, seconds: u32, of: Option<&Team>) {
        let ring = self.ring_team(call, users, seconds, of, None);
        let leg = call.caller.leg;
        self.order(if call.caller.up { Order::PlayRingback { leg } } else { Order::IndicateRinging { leg } });
        call.enter(self.now, State::Ringing { ring });
    }

    /// Rings those of `users` who are to be rung first.
    pub(crate) fn ring_team(
        &mut self,
        call: &mut Call,
        users: Vec<UserRef>,
        seconds: u32,
        of: Option<&Team>,
        card: Option<(&Transfer, RingKind)>,
    ) -> Ring {
        let Some(team) = of else { return self.start_ring(call, users, seconds, card) };
        let users = team.first(users);
        let asked: Vec<_> = users.iter().map(|u| u.id.clone()).collect();
        self.has_asked(&team.department.id, &asked);
        let mut ring = self.start_ring(call, users, seconds, card);
        ring.joins = self.opens_ring(call.key, team);
        ring
    }

    /// Remembers why the target did not take it (later failures are the fallback's), and goes on.
    pub(crate) fn step_failed(&mut self, call: &mut Call, mut transfer: Box<Transfer>, reason: Reason) {
        if transfer.bounced_after_ms.is_none() {
            transfer.course.missed(reason);
        }
        call.enter(self.now, State::Transferring { transfer, stage: Stage::Holding });
        self.proceed(call);
    }

    /// Takes the next step of the course.
    pub(crate) fn proceed(&mut self, call: &mut Call) {
        let State::Transferring { mut transfer, .. } = self.take(call) else { return };
        let step = self.next_step(call, &mut transfer.course, &Past::so_far(call, self.now));
        self.take_step(call, transfer, step);
    }

    pub(crate) fn take_step(&mut self, call: &mut Call, mut transfer: Box<Transfer>, step: Step) {
        match &step {
            Step::Ring { .. } | Step::Dial { .. } | Step::Line { .. } => {}
            Step::Recall { .. }
            | Step::NextAgent { .. }
            | Step::Queue { .. }
            | Step::Voicemail { .. }
            | Step::Announcement => self.target_bounced(call, &mut transfer, &step),
        }
        match step {
            Step::Ring { users, seconds, of } => {
                let card = Some((&*transfer, RingKind::Transfer));
                let ring = self.ring_team(call, users, seconds, of.as_ref(), card);
                if let Some(rung) = ring.legs.keys().next().filter(|_| self.planted(Fault::BridgeBeforeAnswer)) {
                    self.order(Order::Bridge { a: call.caller.leg, b: *rung });
                }
                call.enter(self.now, State::Transferring { transfer, stage: Stage::Ringing(ring) });
            }
            Step::Dial { number, seconds } => {
                let dial = self.dial_target(call, number, seconds);
                call.enter(self.now, State::Transferring { transfer, stage: Stage::Dialling(dial) });
            }
            Step::Line { department, seconds } | Step::Queue { department, seconds } => {
                self.stand_in_line(call, &department.id, seconds, Some(transfer));
            }
            Step::Recall { user, seconds } => self.recall(call, transfer, user, seconds),
            Step::NextAgent { users, seconds, of } => {
                // Who holds us, and is next, is rung like the others.
                let rung = |k: &Kept| of.first(users.clone()).contains(&k.agent.user);
                if transfer.kept.as_ref().is_some_and(rung) {
                    let because = transfer.because;
                    self.release(&mut transfer, ReferProgress::Failed(because));
                }
                let ring = self.ring_team(call, users, seconds, Some(&of), Some((&*transfer, RingKind::Transfer)));
                call.enter(self.now, State::Transferring { transfer, stage: Stage::NextAgent(ring) });
            }
            Step::Voicemail { .. } | Step::Announcement if self.planted(Fault::LoseLastFallbackStep) => {
                let (because, rule) = (transfer.because, why(&transfer));
                self.settle(call, *transfer, AuditOutcome::FellBack, rule, ReferProgress::Failed(because));
                self.end(call, because);
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
                self.announce_closing(call, because);
            }
        }
    }

    /// The target is out of it: said once, before the first fallback step.
    fn target_bounced(&mut self, call: &mut Call, transfer: &mut Transfer, next: &Step) {
        if transfer.bounced_after_ms.is_some() {
            return;
        }
        if let Some((_, reason)) = transfer.course.missed {
            transfer.because = reason;
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
