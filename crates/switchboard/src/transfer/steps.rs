//! Undo, complete, swap: what may be done with a transfer that goes on. Each is answered exactly once, first of all.

use std::collections::VecDeque;

use protocol::{AuditAction, AuditOutcome, Denied, TransferId, UserId};

use super::ask::rule_of;
use crate::{
    Fact, Fault, Refusal, Switchboard,
    audit::Attempt,
    call::{Call, CallKey, ConsultStage, Stage, State, Transfer},
    rules::Kind,
};

/// How many settled transfers are remembered, to say what became of them.
const REMEMBERED: usize = 1_000;

/// What may be done with a transfer that goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Request {
    Cancel,
    Complete,
    Swap,
}

/// Transfers that are over, the newest last.
#[derive(Debug, Default)]
pub(crate) struct Settled(VecDeque<Outcome>);

#[derive(Debug)]
struct Outcome {
    id: TransferId,
    by: UserId,
    call: CallKey,
    rule: String,
}

impl Settled {
    pub(crate) fn remember(&mut self, transfer: &Transfer, call: CallKey, rule: &str) {
        if self.0.len() == REMEMBERED {
            self.0.pop_front();
        }
        let (id, by) = (transfer.id.clone(), transfer.by.id.clone());
        self.0.push_back(Outcome { id, by, call, rule: rule.to_owned() });
    }
}

impl Switchboard {
    pub(crate) fn step_transfer(&mut self, by: &UserId, id: &TransferId, request: Request) {
        let Some(key) = self.by_transfer.get(id).copied() else {
            return self.too_late(by, id, request);
        };
        self.with_call(key, |board, call| {
            let target = call.state.transfer().map(|t| t.target.name().to_owned());
            let judged = board.may_step(by, call, request).map_err(Refusal::Denied);
            let answer = judged.as_ref().map(drop).map_err(Clone::clone);
            board.fact(Fact::StepAnswer { transfer: id.clone(), answer });
            let (outcome, rule) = match &judged {
                Ok(rule) => (AuditOutcome::Accepted, rule.clone()),
                Err(refusal) => (AuditOutcome::Refused, rule_of(refusal)),
            };
            if judged.is_ok() || !board.planted(Fault::SkipAuditOfRefusal) {
                let action = request.action();
                board.audit_call(call, Attempt { user: by, action, target, outcome, rule });
            }
            if judged.is_ok() {
                board.do_step(call, by, request);
            }
        });
    }

    /// Whether `by` may do this with the transfer that goes on, and the rule that says so.
    pub(crate) fn may_step(&self, by: &UserId, call: &Call, request: Request) -> Result<String, Denied> {
        let kind = match request {
            Request::Cancel => Kind::TakeBack,
            Request::Complete | Request::Swap => Kind::Complete,
        };
        let rule = self.may_touch(by, Some(call), kind)?;
        match (request, &call.state) {
            (Request::Cancel, State::Transferring { stage: Stage::Recalling(_), .. }) => Err(Denied::ComingBack),
            (Request::Cancel, _) | (Request::Complete, State::Consulting { .. }) => Ok(rule),
            (Request::Swap, State::Consulting { stage, .. }) => match stage {
                ConsultStage::Ringing(_) | ConsultStage::Dialling(_) => Err(Denied::NotConnectedYet),
                ConsultStage::Speaking(_) | ConsultStage::Swapped(_) => Ok(rule),
            },
            (Request::Complete | Request::Swap, _) => Err(Denied::NotConsulting),
        }
    }

    fn do_step(&mut self, call: &mut Call, by: &UserId, request: Request) {
        match (request, &call.state) {
            (Request::Cancel, State::Consulting { .. }) => self.cancel_consult(call),
            (Request::Cancel, _) => self.take_back(call, by),
            (Request::Complete, _) => self.complete(call),
            (Request::Swap, _) => self.swap(call),
        }
    }

    /// There is no such transfer, or none any more. What became of it is told to who may know it.
    fn too_late(&mut self, by: &UserId, id: &TransferId, request: Request) {
        let past = self.settled.0.iter().rfind(|past| past.id == *id);
        let known = past.filter(|p| p.by == *by || self.may_touch(by, self.calls.get(&p.call), Kind::TakeBack).is_ok());
        let refusal = known
            .map_or(Refusal::UnknownTransfer, |past| Refusal::Denied(Denied::Settled { outcome: past.rule.clone() }));
        let live = past.map(|past| past.call).filter(|key| self.calls.contains_key(key));
        let rule = rule_of(&refusal);
        self.fact(Fact::StepAnswer { transfer: id.clone(), answer: Err(refusal) });
        if self.planted(Fault::SkipAuditOfRefusal) {
            return;
        }
        let (action, outcome) = (request.action(), AuditOutcome::Refused);
        let attempt = Attempt { user: by, action, target: None, outcome, rule };
        match live {
            Some(key) => self.with_call(key, |board, call| board.audit_call(call, attempt)),
            None => drop(self.audit(None, attempt)),
        }
    }
}

impl Request {
    fn action(self) -> AuditAction {
        match self {
            Self::Cancel => AuditAction::CancelTransfer,
            Self::Complete => AuditAction::CompleteTransfer,
            Self::Swap => AuditAction::SwapTransfer,
        }
    }
}
