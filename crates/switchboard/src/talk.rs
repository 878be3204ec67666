//! Talking: connecting, holding, and one side going away.

use protocol::{AuditOutcome, JourneyEvent, LegId, Reason, TargetRef};

use crate::{
    Order, ReferProgress, Switchboard,
    call::{AgentLeg, Call, Stage, State, Transfer},
};

impl Switchboard {
    /// The agent has answered: whatever was going on, the caller talks with them now.
    pub(crate) fn connect(&mut self, call: &mut Call, agent: AgentLeg) {
        match self.take(call) {
            State::Ringing { .. } => {}
            State::Queued(wait) => self.leave_line(&wait),
            State::Transferring { transfer, stage } => self.transfer_answered(call, *transfer, stage, &agent),
            other @ (State::Dialling { .. }
            | State::Talking { .. }
            | State::Voicemail { .. }
            | State::Closing { .. }
            | State::AwaitingRecording { .. }
            | State::Over { .. }) => {
                // None of these rings an agent; `answered` does not come here from them.
                call.state = other;
                return self.hang_up(agent.leg, Reason::AnsweredElsewhere);
            }
        }
        self.answer_caller(call);
        call.agent = Some(agent.user.clone());
        self.talk(call, agent);
    }

    /// The outside party that we dialled has answered.
    pub(crate) fn outside_answered(&mut self, call: &mut Call) {
        if !matches!(call.state, State::Dialling { .. }) {
            return;
        }
        let State::Dialling { agent, .. } = self.take(call) else { return };
        call.caller.up = true;
        self.order(Order::Answer { leg: agent.leg });
        self.talk(call, agent);
    }

    fn talk(&mut self, call: &mut Call, agent: AgentLeg) {
        self.bridge(call, &agent);
        call.answered_at.get_or_insert(self.now);
        if call.agents.last() != Some(&agent.user) {
            call.agents.push(agent.user.clone());
        }
        self.step(call, JourneyEvent::Answered { by: agent.user.clone() });
        call.enter(self.now, State::Talking { agent, held: false });
    }

    fn bridge(&mut self, call: &Call, agent: &AgentLeg) {
        self.order(Order::Bridge { a: call.caller.leg, b: agent.leg });
        if call.caller.holds {
            self.order(Order::PlayMusic { leg: agent.leg });
        }
    }

    fn transfer_answered(&mut self, call: &mut Call, transfer: Transfer, stage: Stage, agent: &AgentLeg) {
        let name = &agent.user.name;
        let (outcome, rule) = match stage {
            Stage::Holding | Stage::Ringing(_) => (AuditOutcome::Completed, format!("answered by {name}")),
            Stage::Queued(wait) => {
                self.leave_line(&wait);
                (AuditOutcome::Completed, format!("answered by {name} after waiting for {}", wait.department.name))
            }
            Stage::Recalling(_) => (AuditOutcome::FellBack, format!("{}; back with {name}", why(&transfer))),
            Stage::NextAgent(_) => (AuditOutcome::FellBack, format!("{}; next free agent {name}", why(&transfer))),
        };
        if outcome == AuditOutcome::Completed {
            let (id, with) = (transfer.id.clone(), agent.user.clone());
            self.step(call, JourneyEvent::TransferDone { transfer: id, with });
            if let TargetRef::Department(department) = &transfer.target {
                call.department = Some(department.clone());
            }
        }
        self.settle(call, transfer, outcome, rule, ReferProgress::Done);
    }

    /// A far end held us, or took us back: the other side hears music meanwhile.
    pub(crate) fn held(&mut self, call: &mut Call, leg: LegId, now_held: bool) {
        if leg == call.caller.leg {
            if call.caller.holds == now_held {
                return;
            }
            call.caller.holds = now_held;
            let State::Talking { agent, held } = &call.state else { return };
            let agent = agent.clone();
            return match (now_held, held) {
                (true, _) => self.order(Order::PlayMusic { leg: agent.leg }),
                (false, false) => self.bridge(call, &agent),
                (false, true) => self.order(Order::PlayMusic { leg: call.caller.leg }),
            };
        }
        let State::Talking { agent, held } = &mut call.state else { return };
        if leg != agent.leg || *held == now_held {
            return;
        }
        *held = now_held;
        let agent = agent.clone();
        call.state_since = self.now;
        if now_held {
            self.order(Order::PlayMusic { leg: call.caller.leg });
            self.step(call, JourneyEvent::Held { by: agent.user });
        } else {
            self.bridge(call, &agent);
            self.step(call, JourneyEvent::Resumed { by: agent.user });
        }
    }

    /// A leg is over: hung up, refused or broken.
    pub(crate) fn ended(&mut self, call: &mut Call, leg: LegId, reason: Reason) {
        if leg == call.caller.leg {
            return self.caller_ended(call, reason);
        }
        self.forget_leg(leg);
        if call.state.ring().is_some_and(|r| r.legs.contains_key(&leg)) {
            return self.ring_leg_ended(call, leg, reason);
        }
        match &mut call.state {
            State::Talking { agent, .. } if agent.leg == leg => self.agent_ended(call, reason),
            State::Dialling { agent, .. } if agent.leg == leg => self.end(call, Reason::Cancelled),
            State::Transferring { transfer, .. } if transfer.referrer.as_ref().is_some_and(|r| r.leg == leg) => {
                transfer.referrer = None;
            }
            State::Dialling { .. }
            | State::Ringing { .. }
            | State::Talking { .. }
            | State::Queued(_)
            | State::Transferring { .. }
            | State::Voicemail { .. }
            | State::Closing { .. }
            | State::AwaitingRecording { .. }
            | State::Over { .. } => {}
        }
    }

    /// Hanging up is the agent's right and ends the call. A leg that broke is not a goodbye: a caller who came to a
    /// department goes back to its line.
    fn agent_ended(&mut self, call: &mut Call, reason: Reason) {
        let broke = matches!(reason, Reason::Failed | Reason::Unreachable);
        let department = call.department.as_ref().map(|d| d.id.clone());
        match department {
            Some(department) if broke && !self.stopped => {
                if let State::Talking { agent, .. } = self.take(call) {
                    call.bounced.insert(agent.user.id, self.now);
                }
                self.order(Order::PlayMusic { leg: call.caller.leg });
                self.enter_line(call, &department, None);
            }
            Some(_) | None => self.end(call, if broke { reason } else { Reason::AgentGone }),
        }
    }

    fn caller_ended(&mut self, call: &mut Call, reason: Reason) {
        match &call.state {
            State::AwaitingRecording { .. } => {}
            State::Voicemail { .. } => self.left_voicemail(call),
            State::Dialling { .. } => {
                self.forget_leg(call.caller.leg);
                self.end(call, reason);
            }
            State::Ringing { .. }
            | State::Talking { .. }
            | State::Queued(_)
            | State::Transferring { .. }
            | State::Closing { .. }
            | State::Over { .. } => {
                self.forget_leg(call.caller.leg);
                let broke = matches!(reason, Reason::Failed | Reason::Unreachable);
                self.end(call, if broke { reason } else { Reason::CallerGone });
            }
        }
    }

    /// Answers the caller's leg unless that is done.
    pub(crate) fn answer_caller(&mut self, call: &mut Call) {
        if !call.caller.up {
            call.caller.up = true;
            self.order(Order::Answer { leg: call.caller.leg });
        }
    }
}

/// Why the target did not take it: "no answer after 20 s".
pub(crate) fn why(transfer: &Transfer) -> String {
    match transfer.bounced_after_ms {
        Some(ms) if ms > 0 => format!("{} after {} s", transfer.because.phrase(), ms / 1_000),
        Some(_) | None => transfer.because.phrase().to_owned(),
    }
}
