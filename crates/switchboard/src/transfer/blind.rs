//! Go: the call is given away at once, without asking the target first.

use protocol::{AuditOutcome, JourneyEvent, Party, Reason, Target, TargetRef, TransferId, TransferKind, UserId};

use super::{Asked, Course, Way, course::target_mailbox};
use crate::{
    Fault, Order, ReferProgress, Release, Switchboard,
    call::{AgentLeg, Call, Kept, Mailbox, Other, Stage, State, Transfer},
    directory::dialable,
};

impl Switchboard {
    /// Holds the caller, releases the former agent, and takes the first step.
    pub(crate) fn begin_blind(&mut self, call: &mut Call, asked: Asked) {
        self.turn_round(call, &asked.by);
        let (by_refer, kind) = (asked.way == Way::Refer, asked.kind);
        let rung = call.state.rings_at(&asked.by);
        let (agent, held) = match self.take(call) {
            State::Talking { with: Other::Agent(agent), held, .. } => (Some(agent), held),
            State::Talking { with: Other::Outside { leg, .. }, .. } => {
                self.hang_up(leg, Reason::AnsweredElsewhere);
                (None, false)
            }
            // Whoever is rung has missed nothing: the call is moved.
            State::Ringing { ring, .. } => {
                self.withdraw(ring, Reason::AnsweredElsewhere);
                (None, false)
            }
            State::Queued(wait) => {
                self.leave_line(&wait);
                wait.offer.into_iter().for_each(|ring| self.withdraw(ring, Reason::AnsweredElsewhere));
                (None, false)
            }
            state @ (State::Dialling { .. }
            | State::Transferring { .. }
            | State::Consulting { .. }
            | State::Voicemail { .. }
            | State::Closing { .. }
            | State::AwaitingRecording { .. }
            | State::Over { .. }) => {
                self.by_transfer.remove(&asked.id);
                call.state = state;
                return;
            }
        };
        if call.caller.up && !self.planted(Fault::ForgetHold) {
            self.order(Order::PlayMusic { leg: call.caller.leg });
        }
        let mut transfer = self.new_transfer(call, asked, agent.as_ref());
        if rung {
            transfer.course.send_on();
        }
        if let Some(agent) = agent {
            self.release_or_keep(&mut transfer, Kept { agent, held, by_refer });
        }
        if kind == TransferKind::Voicemail
            && let Some(mailbox) = target_mailbox(&transfer.target)
        {
            return self.go_to_mailbox(call, *transfer, mailbox);
        }
        call.enter(self.now, State::Transferring { transfer, stage: Stage::Holding });
        self.publish(call);
        self.proceed(call);
    }

    /// A device that asked by REFER stays until it has been told how the transfer goes (RFC 5589 section 6.1); so does
    /// any agent where the account wants it.
    pub(crate) fn release_or_keep(&mut self, transfer: &mut Transfer, kept: Kept) {
        let waits = self.directory.policy.release == Release::WhenAnswered && transfer.kind == TransferKind::Blind;
        if !kept.by_refer && !waits {
            return self.hang_up(kept.agent.leg, Reason::AnsweredElsewhere);
        }
        if !kept.held {
            self.order(Order::PlayRingback { leg: kept.agent.leg });
            transfer.course.waits = Some(kept.agent.user.id.clone());
        }
        transfer.kept = Some(kept);
    }

    /// A transfer that begins, written into the journey. `agent` talked with the caller.
    pub(crate) fn new_transfer(&mut self, call: &mut Call, asked: Asked, agent: Option<&AgentLeg>) -> Box<Transfer> {
        let by = self.directory.user_ref(&asked.by);
        let target = self.target_ref(&asked.target);
        let course = Course::new(target.clone(), by.clone(), agent.map(|a| a.user.clone()));
        let from = agent.map(|a| a.user.clone());
        call.news = Some(format!("{} {} {}", by.name, did(asked.kind), target.name()));
        self.step(
            call,
            JourneyEvent::TransferStarted {
                transfer: asked.id.clone(),
                by: by.clone(),
                from: from.clone(),
                to: target.clone(),
                kind: asked.kind,
                note: asked.note.clone(),
            },
        );
        Box::new(Transfer {
            id: asked.id,
            kind: asked.kind,
            course,
            by,
            from,
            device: agent.and_then(|a| self.legs.get(&a.leg)).and_then(|of| of.device.clone()),
            because: match &target {
                TargetRef::User(_) | TargetRef::Outside { .. } => Reason::Unreachable,
                TargetRef::Department(_) => Reason::NobodyFree,
            },
            target,
            note: asked.note,
            since: self.now,
            bounced_after_ms: None,
            kept: None,
            answers_itself: None,
        })
    }

    /// Straight to the mailbox of the target.
    fn go_to_mailbox(&mut self, call: &mut Call, transfer: Transfer, mailbox: Mailbox) {
        let rule = format!("voicemail of {}", mailbox.name);
        let because = Reason::SentToVoicemail;
        let settled = self.settle(call, transfer, AuditOutcome::Completed, rule, ReferProgress::Done);
        self.leave_voicemail(call, mailbox, because, Some(Box::new(settled)));
    }

    /// Who transfers their own outgoing internal call moves the other side, so the two change places.
    pub(crate) fn turn_round(&mut self, call: &mut Call, by: &UserId) {
        let State::Talking { with, held, .. } = &mut call.state else { return };
        if call.caller.user.as_ref() != Some(by) {
            return;
        }
        let me = Other::Agent(AgentLeg { leg: call.caller.leg, user: self.directory.user_ref(by) });
        std::mem::swap(&mut call.caller.holds, held);
        match std::mem::replace(with, me) {
            Other::Agent(AgentLeg { leg, user }) => {
                let number = self.directory.users.get(&user.id).map(|u| u.config.extension.clone());
                call.caller.party = Party { name: user.name, number: number.unwrap_or_default() };
                call.caller.user = Some(user.id);
                call.caller.leg = leg;
            }
            Other::Outside { leg, party } => {
                call.caller.party = party;
                call.caller.user = None;
                call.caller.leg = leg;
            }
        }
        call.agent = call.state.agent_leg().map(|a| a.user.clone());
    }

    /// The target as it will be shown and dialled.
    pub(crate) fn normal(target: &Target) -> Target {
        match target {
            Target::Outside(written) => {
                Target::Outside(dialable(written).unwrap_or_else(|| crate::arrive::bounded(written)))
            }
            Target::User(_) | Target::Department(_) => target.clone(),
        }
    }

    /// Gives the transfer its number.
    pub(crate) fn number_transfer(&mut self, call: &Call) -> TransferId {
        self.counters.transfer += 1;
        let id = TransferId(format!("{}-t{}", self.instance, self.counters.transfer));
        self.by_transfer.insert(id.clone(), call.key);
        id
    }
}

fn did(kind: TransferKind) -> &'static str {
    match kind {
        TransferKind::Blind => "transferred it to",
        TransferKind::Consult => "consulted",
        TransferKind::Voicemail => "sent it to the voicemail of",
    }
}
