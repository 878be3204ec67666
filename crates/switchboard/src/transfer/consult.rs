//! Speaking with the target first. The agent keeps their leg, the caller hears music; in the end the two are connected,
//! or the agent has the caller back.

use protocol::{AuditAction, AuditOutcome, JourneyEvent, LegId, Reason, TargetRef};

use super::{Asked, Step};
use crate::{
    Fault, Order, ReferProgress, RingKind, Switchboard,
    audit::Attempt,
    call::{AgentLeg, Call, ConsultStage, Consulted, Other, Stage, State, Transfer},
    strategy::Past,
    talk::why,
};

/// The one who asks, and whether they hold us.
#[derive(Debug, Clone)]
struct Consultant {
    agent: AgentLeg,
    held: bool,
}

impl Switchboard {
    pub(crate) fn begin_consult(&mut self, call: &mut Call, asked: Asked) {
        self.turn_round(call, &asked.by);
        let State::Talking { with: Other::Agent(agent), held, .. } = &call.state else {
            self.by_transfer.remove(&asked.id);
            return;
        };
        let who = Consultant { agent: agent.clone(), held: *held };
        if !self.planted(Fault::ForgetHold) {
            self.order(Order::PlayMusic { leg: call.caller.leg });
        }
        if !who.held {
            self.order(Order::PlayRingback { leg: who.agent.leg });
        }
        let transfer = self.new_transfer(call, asked, Some(&who.agent));
        self.ask_target(call, transfer, who);
    }

    /// Rings the target, or whoever of it is next; back with the caller if nobody is left.
    fn ask_target(&mut self, call: &mut Call, mut transfer: Box<Transfer>, who: Consultant) {
        let stage = match self.next_step(call, &mut transfer.course, &Past::so_far(call, self.now)) {
            Step::Ring { users, seconds, of } => {
                let card = Some((&*transfer, RingKind::Consult));
                ConsultStage::Ringing(self.ring_team(call, users, seconds, of.as_ref(), card))
            }
            Step::Dial { number, seconds } => ConsultStage::Dialling(self.dial_target(call, number, seconds)),
            // Fallback is for callers whom nobody attends to.
            Step::Line { .. }
            | Step::Recall { .. }
            | Step::NextAgent { .. }
            | Step::Queue { .. }
            | Step::Voicemail { .. }
            | Step::Announcement => {
                let because = transfer.course.missed.map_or(transfer.because, |(_, reason)| reason);
                return self.back_with(call, *transfer, who, because);
            }
        };
        let Consultant { agent, held } = who;
        call.enter(self.now, State::Consulting { transfer, agent, held, stage });
    }

    /// The target has answered: the agent speaks with them.
    pub(crate) fn consult_answered(&mut self, call: &mut Call, side: &Other) {
        let State::Consulting { transfer, agent, held, stage } = &mut call.state else { return };
        let (agent, transfer) = ((agent.leg, *held), transfer.id.clone());
        *stage = ConsultStage::Speaking(Consulted { side: side.clone(), holds: false });
        call.state_since = self.now;
        self.pair(agent, (side.leg(), false));
        self.step(call, JourneyEvent::Consulted { transfer, with: side.target() });
    }

    /// Nobody answered where it just rang.
    pub(crate) fn consult_failed(&mut self, call: &mut Call, reason: Reason) {
        let Some((mut transfer, who, _)) = self.take_consult(call) else { return };
        transfer.course.missed(reason);
        self.ask_target(call, transfer, who);
    }

    /// The agent has hung up: whoever they were asking has the caller.
    pub(crate) fn consultant_ended(&mut self, call: &mut Call) {
        let Some(transfer) = call.state.transfer() else { return };
        let (user, target) = (transfer.by.id.clone(), Some(transfer.target.name().to_owned()));
        let (action, outcome, rule) =
            (AuditAction::CompleteTransfer, AuditOutcome::Accepted, "the leg ended".to_owned());
        self.audit_call(call, Attempt { user: &user, action, target, outcome, rule });
        self.complete(call);
    }

    /// The target's leg has ended.
    pub(crate) fn consulted_ended(&mut self, call: &mut Call, leg: LegId, reason: Reason) {
        if call.state.consulted().is_none_or(|c| c.side.leg() != leg) {
            return;
        }
        let Some((transfer, who, _)) = self.take_consult(call) else { return };
        let broke = matches!(reason, Reason::Failed | Reason::Unreachable);
        self.back_with(call, *transfer, who, if broke { reason } else { Reason::AgentGone });
    }

    /// The agent leaves: the target has the caller once they have answered.
    pub(crate) fn complete(&mut self, call: &mut Call) {
        let Some((transfer, who, stage)) = self.take_consult(call) else { return };
        self.hang_up(who.agent.leg, Reason::AnsweredElsewhere);
        let stage = match stage {
            ConsultStage::Ringing(ring) => Stage::Ringing(ring),
            ConsultStage::Dialling(dial) => Stage::Dialling(dial),
            ConsultStage::Speaking(target) | ConsultStage::Swapped(target) => {
                return self.hand_to(call, *transfer, target.side, target.holds);
            }
        };
        call.enter(self.now, State::Transferring { transfer, stage });
    }

    /// The caller talks with the target of a transfer that comes off.
    pub(crate) fn hand_to(&mut self, call: &mut Call, transfer: Transfer, side: Other, holds: bool) {
        self.done_with(call, &transfer, &side);
        let rule = format!("talking with {}", side.name());
        self.settle(call, transfer, AuditOutcome::Completed, rule, ReferProgress::Done);
        self.talk(call, side, holds);
    }

    /// Writes that the target has the caller.
    pub(crate) fn done_with(&mut self, call: &mut Call, transfer: &Transfer, side: &Other) {
        call.news = Some(format!("{} transferred it to {}", transfer.by.name, side.name()));
        let id = transfer.id.clone();
        let done = match side {
            Other::Agent(agent) => JourneyEvent::TransferDone { transfer: id, with: agent.user.clone() },
            Other::Outside { party, .. } => {
                JourneyEvent::TransferDoneOutside { transfer: id, number: party.number.clone() }
            }
        };
        self.step(call, done);
        if let TargetRef::Department(department) = &transfer.target {
            call.department = Some(department.clone());
        }
    }

    /// Speaks with the other one of caller and target.
    pub(crate) fn swap(&mut self, call: &mut Call) {
        let caller = (call.caller.leg, call.caller.holds);
        let Some((transfer, who, stage)) = self.take_consult(call) else { return };
        let agent = (who.agent.leg, who.held);
        let stage = match stage {
            ConsultStage::Speaking(target) => {
                self.order(Order::PlayMusic { leg: target.side.leg() });
                self.pair(agent, caller);
                ConsultStage::Swapped(target)
            }
            ConsultStage::Swapped(target) => {
                self.order(Order::PlayMusic { leg: caller.0 });
                self.pair(agent, (target.side.leg(), target.holds));
                ConsultStage::Speaking(target)
            }
            stage @ (ConsultStage::Ringing(_) | ConsultStage::Dialling(_)) => stage,
        };
        call.enter(self.now, State::Consulting { transfer, agent: who.agent, held: who.held, stage });
    }

    pub(crate) fn cancel_consult(&mut self, call: &mut Call) {
        let Some((transfer, who, stage)) = self.take_consult(call) else { return };
        match &stage {
            ConsultStage::Speaking(target) | ConsultStage::Swapped(target) if self.planted(Fault::LeaveConsultLeg) => {
                self.forget_leg(target.side.leg());
            }
            ConsultStage::Ringing(_)
            | ConsultStage::Dialling(_)
            | ConsultStage::Speaking(_)
            | ConsultStage::Swapped(_) => self.end_consult_stage(stage, Reason::Cancelled),
        }
        self.back_with(call, *transfer, who, Reason::Cancelled);
    }

    /// Lets go of whoever is asked.
    pub(crate) fn end_consult_stage(&mut self, stage: ConsultStage, because: Reason) {
        match stage {
            ConsultStage::Ringing(ring) => self.withdraw(ring, because),
            ConsultStage::Dialling(dial) => self.hang_up(dial.leg, because),
            ConsultStage::Speaking(target) | ConsultStage::Swapped(target) => {
                self.hang_up(target.side.leg(), because);
            }
        }
    }

    /// The agent has the caller back.
    fn back_with(&mut self, call: &mut Call, mut transfer: Transfer, who: Consultant, because: Reason) {
        transfer.because = because;
        transfer.bounced_after_ms = Some(self.now.ms_since(transfer.since));
        let (id, target) = (transfer.id.clone(), transfer.target.clone());
        // Whoever was rung in vain just now is in the chain already.
        if because != Reason::Cancelled && call.bounces.last().is_none_or(|last| last.at != self.now) {
            self.note_bounce(call, target.clone(), because, self.now);
        }
        self.step(call, JourneyEvent::TransferBounced { transfer: id, target, reason: because });
        call.news = Some(format!("{} consulted {}", transfer.by.name, transfer.target.name()));
        let rule = format!("{}; back with {}", why(&transfer), who.agent.user.name);
        self.settle(call, transfer, AuditOutcome::FellBack, rule, ReferProgress::Failed(because));
        self.talk_on(call, Other::Agent(who.agent), who.held);
    }

    fn take_consult(&mut self, call: &mut Call) -> Option<(Box<Transfer>, Consultant, ConsultStage)> {
        if !matches!(call.state, State::Consulting { .. }) {
            return None;
        }
        let State::Consulting { transfer, agent, held, stage } = self.take(call) else { return None };
        Some((transfer, Consultant { agent, held }, stage))
    }
}

impl Other {
    /// As the target of a transfer.
    pub(crate) fn target(&self) -> TargetRef {
        match self {
            Self::Agent(agent) => TargetRef::User(agent.user.clone()),
            Self::Outside { party, .. } => TargetRef::Outside { number: party.number.clone() },
        }
    }
}
