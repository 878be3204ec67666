//! Taking a transfer back: the caller returns to whom they came from.

use protocol::{AuditAction, AuditOutcome, Reason, TransferId, UserId};

use super::{Point, blind::code};
use crate::{
    Switchboard,
    audit::Attempt,
    call::{Call, Stage, State},
};

impl Switchboard {
    /// Allowed to who pressed Go, and to whoever may move the call.
    pub(crate) fn cancel_transfer(&mut self, by: &UserId, id: &TransferId) {
        let cancel =
            |target, outcome, rule| Attempt { user: by, action: AuditAction::CancelTransfer, target, outcome, rule };
        let Some(key) = self.by_transfer.get(id).copied() else {
            self.audit(None, cancel(None, AuditOutcome::Refused, "no such transfer, or it is settled".to_owned()));
            return;
        };
        self.with_call(key, |board, call| {
            let target = call.state.transfer().map(|t| t.target.name().to_owned());
            match board.may_cancel(by, call) {
                Err(rule) => board.audit_call(call, cancel(target, AuditOutcome::Refused, rule)),
                Ok(rule) => {
                    board.audit_call(call, cancel(target, AuditOutcome::Accepted, rule));
                    board.take_back(call);
                }
            }
        });
    }

    fn may_cancel(&self, by: &UserId, call: &Call) -> Result<String, String> {
        let State::Transferring { transfer, stage } = &call.state else {
            return Err("no transfer is going on".to_owned());
        };
        let enabled = self.directory.users.get(by).is_some_and(|u| !u.config.disabled);
        let rule = if enabled && transfer.by.id == *by {
            "who transferred".to_owned()
        } else {
            self.mover(by, Some(call)).map_err(|denied| format!("denied: {}", code(&denied)))?
        };
        match stage {
            Stage::Recalling(_) => Err("it is coming back already".to_owned()),
            Stage::Holding | Stage::Ringing(_) | Stage::NextAgent(_) | Stage::Queued(_) => Ok(rule),
        }
    }

    fn take_back(&mut self, call: &mut Call) {
        let State::Transferring { mut transfer, stage } = self.take(call) else { return };
        let rung = match &stage {
            Stage::Ringing(ring) | Stage::NextAgent(ring) | Stage::Recalling(ring) => Some(ring),
            Stage::Queued(wait) => wait.offer.as_ref(),
            Stage::Holding => None,
        };
        // Who has just been told that the call is gone is not rung for it again, except to take it back.
        let rung = rung.into_iter().flat_map(|r| &r.towards).map(|u| u.id.clone());
        let rung: Vec<_> = rung.filter(|u| !transfer.course.gave_away(u)).collect();
        transfer.course.in_vain.extend(rung);
        transfer.course.point = Point::Back;
        self.end_stage(stage, Reason::Cancelled);
        self.step_failed(call, transfer, Reason::Cancelled);
    }
}
