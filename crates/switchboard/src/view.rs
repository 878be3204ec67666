//! How a call looks from outside.

use protocol::{CallState, LiveCall, TransferProgress, TransferStage, UserRef};

use crate::call::{Call, ConsultStage, Other, Stage, State, Transfer};

impl Call {
    /// `None` once the caller has left.
    pub(crate) fn view(&self) -> Option<LiveCall> {
        let (state, transfer) = match &self.state {
            State::Dialling { until, .. } => (CallState::Ringing { towards: Vec::new(), until: *until }, None),
            State::Ringing { ring, .. } => {
                (CallState::Ringing { towards: ring.towards.clone(), until: ring.until }, None)
            }
            State::Talking { with, held, .. } => (self.talking(with, *held), None),
            State::Queued(wait) => match &wait.offer {
                Some(ring) => (CallState::Ringing { towards: ring.towards.clone(), until: ring.until }, None),
                None => {
                    let department = wait.department.clone();
                    (CallState::Queued { department, position: wait.position, until: wait.until }, None)
                }
            },
            State::Transferring { transfer, stage } => {
                (CallState::Transferring, Some(progress(transfer, shown_stage(transfer, stage), self)))
            }
            State::Consulting { transfer, agent, held, stage } => {
                let state = match stage {
                    ConsultStage::Ringing(_) | ConsultStage::Dialling(_) | ConsultStage::Speaking(_) => {
                        CallState::Transferring
                    }
                    ConsultStage::Swapped(_) => self.talking(&Other::Agent(agent.clone()), *held),
                };
                (state, Some(progress(transfer, consult_stage(stage), self)))
            }
            State::Voicemail { mailbox, because, from, .. } => {
                let mailbox = mailbox.name.clone();
                let stage = TransferStage::Voicemail { mailbox: mailbox.clone(), because: *because };
                (CallState::Voicemail { mailbox }, from.as_ref().map(|t| progress(t, stage, self)))
            }
            State::Closing { .. } => (CallState::Closing, None),
            State::AwaitingRecording { .. } | State::Over { .. } => return None,
        };
        Some(LiveCall {
            id: self.id.clone(),
            revision: self.shown.as_ref().map_or(1, |shown| shown.revision),
            direction: self.direction,
            caller: self.caller.party.clone(),
            state,
            state_since: self.state_since,
            agent: self.agent.clone(),
            department: self.department.clone(),
            started_at: self.started_at,
            answered_at: self.answered_at,
            transfer,
            bounces: self.bounces.clone(),
        })
    }

    fn talking(&self, with: &Other, held: bool) -> CallState {
        match (with, &self.caller.user) {
            (Other::Agent(agent), _) if held => CallState::Held { by: agent.user.clone() },
            (_, Some(user)) if self.caller.holds => {
                CallState::Held { by: UserRef { id: user.clone(), name: self.caller.party.name.clone() } }
            }
            (Other::Agent(agent), Some(_) | None) => CallState::Talking { with: agent.user.clone() },
            (Other::Outside { party, .. }, Some(_) | None) => CallState::TalkingOutside { with: party.clone() },
        }
    }
}

fn progress(transfer: &Transfer, stage: TransferStage, call: &Call) -> TransferProgress {
    TransferProgress {
        id: transfer.id.clone(),
        by: transfer.by.clone(),
        from: transfer.from.clone(),
        target: transfer.target.clone(),
        kind: transfer.kind,
        stage,
        since: call.state_since,
        note: transfer.note.clone(),
    }
}

fn shown_stage(transfer: &Transfer, stage: &Stage) -> TransferStage {
    let because = transfer.because;
    match stage {
        Stage::Holding => TransferStage::Holding,
        Stage::Ringing(ring) => TransferStage::Ringing { towards: ring.towards.clone(), until: ring.until },
        Stage::Dialling(dial) => TransferStage::Ringing { towards: Vec::new(), until: dial.until },
        Stage::Recalling(ring) => {
            let towards = ring.towards.first().or(transfer.from.as_ref()).unwrap_or(&transfer.by).clone();
            TransferStage::Recalling { towards, until: ring.until, because }
        }
        Stage::NextAgent(ring) => {
            TransferStage::NextAgent { towards: ring.towards.clone(), until: ring.until, because }
        }
        Stage::Queued(wait) => match &wait.offer {
            Some(ring) if transfer.bounced_after_ms.is_some() => {
                TransferStage::NextAgent { towards: ring.towards.clone(), until: ring.until, because }
            }
            Some(ring) => TransferStage::Ringing { towards: ring.towards.clone(), until: ring.until },
            None => {
                let department = wait.department.clone();
                TransferStage::Queued { department, position: wait.position, until: wait.until }
            }
        },
    }
}

fn consult_stage(stage: &ConsultStage) -> TransferStage {
    match stage {
        ConsultStage::Ringing(ring) => {
            TransferStage::ConsultRinging { towards: ring.towards.clone(), until: ring.until }
        }
        ConsultStage::Dialling(dial) => TransferStage::ConsultRinging { towards: Vec::new(), until: dial.until },
        ConsultStage::Speaking(target) => TransferStage::Consulting { with: target.side.target() },
        ConsultStage::Swapped(target) => TransferStage::Swapped { with: target.side.target() },
    }
}
