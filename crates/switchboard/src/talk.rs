//! Talking: connecting, and one side going away.

use protocol::{AuditOutcome, JourneyEvent, LegId, Reason, TargetRef};

use crate::{
    Order, ReferProgress, Switchboard,
    call::{AgentLeg, Call, ConsultStage, Other, Stage, State, Taken, Transfer},
};

impl Switchboard {
    /// A rung agent has answered: whatever was going on, the caller talks with them now; or, if they are consulted, the
    /// agent does.
    pub(crate) fn connect(&mut self, call: &mut Call, agent: AgentLeg) {
        let given = match self.take(call) {
            State::Ringing { .. } => None,
            State::Queued(wait) => {
                self.leave_line(&wait);
                None
            }
            State::Transferring { transfer, stage } => Some(self.transfer_answered(call, *transfer, stage, &agent)),
            state @ State::Consulting { stage: ConsultStage::Ringing(_), .. } => {
                call.state = state;
                return self.consult_answered(call, &Other::Agent(agent));
            }
            state @ (State::Dialling { .. }
            | State::Talking { .. }
            | State::Consulting { .. }
            | State::Voicemail { .. }
            | State::Closing { .. }
            | State::AwaitingRecording { .. }
            | State::Over { .. }) => {
                // None of these rings an agent; `answered` does not come here from them.
                call.state = state;
                return self.hang_up(agent.leg, Reason::AnsweredElsewhere);
            }
        };
        call.news.get_or_insert_with(|| format!("{} answered it", agent.user.name));
        self.talk(call, Other::Agent(agent), false);
        self.remember_given(call, given, Taken::Answered);
    }

    /// The outside party that we dialled for a user has answered.
    pub(crate) fn outside_answered(&mut self, call: &mut Call) {
        if !matches!(call.state, State::Dialling { .. }) {
            return;
        }
        let State::Dialling { agent, .. } = self.take(call) else { return };
        call.caller.up = true;
        self.order(Order::Answer { leg: agent.leg });
        self.talk(call, Other::Agent(agent), false);
    }

    /// The caller begins to talk with somebody new.
    pub(crate) fn talk(&mut self, call: &mut Call, with: Other, held: bool) {
        self.answer_caller(call);
        call.answered_at.get_or_insert(self.now);
        if let Other::Agent(AgentLeg { user, .. }) = &with {
            call.agent = Some(user.clone());
            if call.agents.last() != Some(user) {
                call.agents.push(user.clone());
            }
            self.step(call, JourneyEvent::Answered { by: user.clone() });
        }
        self.talk_on(call, with, held);
    }

    /// The caller talks with somebody who has been in the call before, or has just been entered into it.
    pub(crate) fn talk_on(&mut self, call: &mut Call, with: Other, held: bool) {
        self.pair((call.caller.leg, call.caller.holds), (with.leg(), held));
        call.enter(self.now, State::talking(with, held));
    }

    /// Connects two sides. Who is held hears music; who holds listens to nobody.
    pub(crate) fn pair(&mut self, (a, a_holds): (LegId, bool), (b, b_holds): (LegId, bool)) {
        self.order(Order::Bridge { a, b });
        if a_holds {
            self.order(Order::PlayMusic { leg: b });
        }
        if b_holds {
            self.order(Order::PlayMusic { leg: a });
        }
    }

    fn transfer_answered(
        &mut self,
        call: &mut Call,
        mut transfer: Transfer,
        stage: Stage,
        agent: &AgentLeg,
    ) -> Transfer {
        let name = &agent.user.name;
        let (outcome, rule) = match stage {
            Stage::Holding | Stage::Ringing(_) | Stage::Dialling(_) => {
                (AuditOutcome::Completed, format!("answered by {name}"))
            }
            Stage::Queued(wait) => {
                self.leave_line(&wait);
                transfer.course.line_again();
                let answered = format!("answered by {name} after waiting for {}", wait.department.name);
                call.department = Some(wait.department);
                match transfer.bounced_after_ms {
                    None => (AuditOutcome::Completed, answered),
                    Some(_) => (AuditOutcome::FellBack, format!("{}; {answered}", why(&transfer))),
                }
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
        let tried = format!("{} transferred it to {}", transfer.by.name, transfer.target.name());
        call.news = Some(match outcome {
            AuditOutcome::FellBack => format!("{tried}, then {name} answered it"),
            AuditOutcome::Accepted | AuditOutcome::Refused | AuditOutcome::Completed => tried,
        });
        self.settle(call, transfer, outcome, rule, ReferProgress::Done)
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
        if call.state.dial().is_some_and(|d| d.leg == leg) {
            return self.number_failed(call, reason);
        }
        match &mut call.state {
            State::Talking { with, given, .. } if with.leg() == leg => match given.take() {
                Some(given) if self.now < given.until => self.resume(call, *given),
                Some(_) | None => self.other_ended(call, reason),
            },
            State::Dialling { agent, .. } if agent.leg == leg => self.end(call, Reason::Cancelled),
            State::Transferring { transfer, .. } if transfer.kept.as_ref().is_some_and(|k| k.agent.leg == leg) => {
                transfer.kept = None;
                transfer.course.waits = None;
            }
            State::Consulting { agent, .. } if agent.leg == leg => self.consultant_ended(call),
            State::Consulting { .. } => self.consulted_ended(call, leg, reason),
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

    /// Hanging up is everyone's right and ends the call. A leg that broke is not a goodbye: a caller who came to a
    /// department goes back to its line.
    fn other_ended(&mut self, call: &mut Call, reason: Reason) {
        let broke = matches!(reason, Reason::Failed | Reason::Unreachable);
        let department = call.department.as_ref().map(|d| d.id.clone());
        let outside = matches!(call.state, State::Talking { with: Other::Outside { .. }, .. });
        let gone = if outside { Reason::OutsideGone } else { Reason::AgentGone };
        match department {
            Some(department) if broke && !self.stopped => {
                if let State::Talking { with: Other::Agent(agent), .. } = self.take(call) {
                    call.bounced.insert(agent.user.id, self.now);
                }
                self.order(Order::PlayMusic { leg: call.caller.leg });
                self.enter_line(call, &department);
            }
            Some(_) | None => self.end(call, if broke { reason } else { gone }),
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
            | State::Consulting { .. }
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
