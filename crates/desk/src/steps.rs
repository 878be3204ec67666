//! Undo, complete, swap: asked of the exchange, pending until it answers, and offered for as long as they make sense.

use protocol::{LiveRow, TransferId, TransferKind, TransferProgress, TransferRight, TransferStage};

use crate::control::ControlError;
use crate::owner::{Happening, Owner};
use crate::rings::name;
use crate::session::State;

/// What may be asked of a transfer that goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Cancel,
    Complete,
    Swap,
}

impl Owner {
    pub(crate) fn step_transfer(&mut self, transfer: TransferId, step: Step) {
        if self.own_step(&transfer, step) {
            return;
        }
        let State::In(session) = &self.state else { return };
        if self.view.asking.contains(&transfer) {
            return; // pressed twice
        }
        let control = session.control.clone();
        if step == Step::Cancel {
            self.expect_back(&transfer);
            self.taken_back.insert(transfer.clone());
        }
        self.view.asking.push(transfer.clone());
        self.begin(async move {
            let result = control.step_transfer(&transfer, step.path()).await;
            Happening::Stepped { transfer, result }
        });
    }

    /// Whoever takes back a call of their own need not answer it again: their phone does.
    fn expect_back(&self, transfer: &TransferId) {
        let mine = |row: &&LiveRow| {
            let progress = row.call.transfer.as_ref().filter(|progress| progress.id == *transfer);
            progress.and_then(|progress| progress.from.as_ref()).is_some_and(|from| self.me() == Some(&from.id))
        };
        if let Some(row) = self.view.live.calls.iter().find(mine) {
            let call = row.call.id.clone();
            self.with_phone(|phone| phone.expect(call));
        }
    }

    /// The exchange has answered; what came of it shows in the live list.
    pub(crate) fn stepped(&mut self, transfer: &TransferId, result: Result<(), ControlError>) {
        self.view.asking.retain(|asked| asked != transfer);
        if let Err(error) = result {
            self.taken_back.remove(transfer);
            self.failed(&error);
        }
    }

    /// Keeps the offers to undo in step with the live list.
    pub(crate) fn offer_undos(&mut self) {
        let live = &self.view.live.calls;
        let open = |id: &TransferId| live.iter().any(|row| undoable(row).is_some_and(|transfer| transfer.id == *id));
        self.view.notices.retain(|notice| notice.undo.as_ref().is_none_or(&open));
        self.undo_dismissed.retain(&open);
        let offered = |id: &TransferId| self.view.notices.iter().any(|notice| notice.undo.as_ref() == Some(id));
        let new: Vec<_> = live
            .iter()
            .filter_map(|row| Some((undoable(row)?, name(&row.call.caller))))
            .filter(|(transfer, _)| self.me() == Some(&transfer.by.id))
            .filter(|(transfer, _)| !offered(&transfer.id) && !self.undo_dismissed.contains(&transfer.id))
            .map(|(transfer, caller)| (sentence(transfer, &caller), transfer.id.clone()))
            .collect();
        for (sentence, transfer) in new {
            self.offer_undo(sentence, transfer);
        }
    }
}

impl Step {
    fn path(self) -> &'static str {
        match self {
            Self::Cancel => "cancel",
            Self::Complete => "complete",
            Self::Swap => "swap",
        }
    }
}

fn sentence(transfer: &TransferProgress, caller: &str) -> String {
    let target = transfer.target.name();
    match transfer.from {
        Some(_) => format!("You transferred {caller} to {target}."),
        None => format!("You diverted {caller} to {target}."),
    }
}

/// The transfer of this call, if it can still be taken back. A consultation is cancelled from the phone strip.
fn undoable(row: &LiveRow) -> Option<&TransferProgress> {
    let transfer = row.call.transfer.as_ref()?;
    let rings = match transfer.stage {
        TransferStage::Holding
        | TransferStage::Ringing { .. }
        | TransferStage::NextAgent { .. }
        | TransferStage::Queued { .. } => true,
        TransferStage::Recalling { .. }
        | TransferStage::Voicemail { .. }
        | TransferStage::ConsultRinging { .. }
        | TransferStage::Consulting { .. }
        | TransferStage::Swapped { .. } => false,
    };
    let kind = match transfer.kind {
        TransferKind::Blind | TransferKind::Consult => true,
        TransferKind::Voicemail => false,
    };
    (rings && kind && row.undo_right == Some(TransferRight::Allowed)).then_some(transfer)
}
