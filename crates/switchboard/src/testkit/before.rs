//! What a step has changed, compared with what it was asked for: answers, the trail, and nobody dropped.

use protocol::{AuditOutcome, CallId, LegId, Reason};

use super::Office;
use crate::{
    Command, EngineEvent, Input, Order,
    call::{Call, State},
};

/// What a step must be compared with.
pub(super) struct Before {
    input: Input,
    answers: (usize, usize),
    refused: usize,
    /// The callers who wait for somebody, and their legs.
    waiting: Vec<(CallId, LegId)>,
}

impl Before {
    pub(super) fn of(office: &Office, input: &Input) -> Self {
        let waits = |call: &&Call| match &call.state {
            State::Ringing { .. } | State::Queued(_) | State::Transferring { .. } | State::Consulting { .. } => true,
            State::Dialling { .. }
            | State::Talking { .. }
            | State::Voicemail { .. }
            | State::Closing { .. }
            | State::AwaitingRecording { .. }
            | State::Over { .. } => false,
        };
        Self {
            input: input.clone(),
            answers: (office.answers.len(), office.steps.len()),
            refused: refusals(office),
            waiting: office.board.calls.values().filter(waits).map(|c| (c.id.clone(), c.caller.leg)).collect(),
        }
    }

    /// How many answers to transfers and to steps.
    pub(super) fn owed(&self) -> (usize, usize) {
        match &self.input {
            Input::Command(Command::Transfer { .. }) => (1, 0),
            Input::Command(
                Command::CancelTransfer { .. } | Command::CompleteTransfer { .. } | Command::SwapTransfer { .. },
            ) => (0, 1),
            Input::Command(Command::SetPresence { .. } | Command::SignedIn { .. } | Command::SignedOut { .. })
            | Input::Engine(_)
            | Input::Tick
            | Input::Shutdown => (0, 0),
        }
    }

    pub(super) fn compare(&self, office: &Office) -> Result<(), String> {
        let owed = self.owed();
        let given = (office.answers.len() - self.answers.0, office.steps.len() - self.answers.1);
        if given != owed {
            return Err(format!("answers {given:?} instead of {owed:?}"));
        }
        let no = office.answers[self.answers.0..].iter().any(Result::is_err)
            || office.steps[self.answers.1..].iter().any(Result::is_err)
            || office.orders.iter().any(|o| matches!(o, Order::Notice { .. }));
        if no && refusals(office) != self.refused + 1 {
            return Err("a refusal is not in the trail".to_owned());
        }
        self.waiting.iter().try_for_each(|(call, leg)| self.not_dropped(office, call, *leg))
    }

    /// Who waits for somebody is not hung up on, unless everything stops.
    fn not_dropped(&self, office: &Office, call: &CallId, leg: LegId) -> Result<(), String> {
        let stops = match &self.input {
            Input::Shutdown => true,
            Input::Engine(EngineEvent::OrderFailed { leg: failed, .. }) => *failed == leg,
            Input::Engine(_) | Input::Command(_) | Input::Tick => false,
        };
        let joined = office.records.last().is_some_and(|r| r.id == *call && r.ended_because == Reason::Joined);
        if office.hung_up(leg).is_some() && !stops && !joined {
            return Err(format!("{call}: the caller was hung up on"));
        }
        Ok(())
    }
}

fn refusals(office: &Office) -> usize {
    office.trail.iter().filter(|e| e.outcome == AuditOutcome::Refused).count()
}
