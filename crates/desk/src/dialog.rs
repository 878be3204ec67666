//! The transfer dialog: open, choose, Go.

use std::time::Duration;

use protocol::{
    CallId, Target, TransferAccepted, TransferId, TransferKind, TransferRequest, TransferRight, TransferTargets,
};

use crate::control::ControlError;
use crate::owner::{Happening, Owner};
use crate::session::State;
use crate::{DialogBody, Tone, TransferDialog};

/// Several changes of presence in a moment ask once.
const SETTLE: Duration = Duration::from_millis(300);
/// As long as a note may be that travels in an INVITE.
const MAX_NOTE_CHARS: usize = 200;

impl Owner {
    pub(crate) fn open_transfer(&mut self, call: CallId) {
        let Some(row) = self.view.live.row(&call) else {
            return self.note(Tone::Bad, "This call has ended. There is nothing left to transfer.");
        };
        self.view.dialog = Some(TransferDialog {
            revision: row.call.revision,
            caller: row.call.caller.clone(),
            error: refusal(&row.transfer_right),
            call,
            body: DialogBody::Loading,
            sending: false,
            changed: None,
        });
        self.fetch_targets();
    }

    /// Asks for the open dialog's targets.
    pub(crate) fn fetch_targets(&mut self) {
        let (Some(dialog), State::In(session)) = (&self.view.dialog, &mut self.state) else { return };
        let (control, call) = (session.control.clone(), dialog.call.clone());
        self.targets_due = false;
        self.begin(async move {
            let targets = control.transfer_targets(&call).await;
            Happening::Targets { call, targets }
        });
    }

    pub(crate) fn targets(&mut self, call: &CallId, targets: Result<TransferTargets, ControlError>) {
        if targets.as_ref().is_err_and(ControlError::is_unauthorized) {
            return self.expel();
        }
        let Some(dialog) = self.view.dialog.as_mut().filter(|dialog| dialog.call == *call) else { return };
        match targets {
            Ok(answer) => {
                dialog.revision = dialog.revision.max(answer.revision);
                dialog.body =
                    DialogBody::Ready { targets: answer.targets, consult: answer.consult, outside: answer.outside };
            }
            // A list that could not be refreshed is better than none.
            Err(_) if matches!(dialog.body, DialogBody::Ready { .. }) => {}
            Err(error) => dialog.body = DialogBody::Failed { sentence: error.to_string() },
        }
    }

    /// Somebody's presence or devices changed: the open dialog may show it wrongly now.
    pub(crate) fn directory_changed(&mut self) {
        if self.view.dialog.is_none() || self.targets_due {
            return;
        }
        self.targets_due = true;
        self.begin(async {
            tokio::time::sleep(SETTLE).await;
            Happening::TargetsDue
        });
    }

    /// Keeps the open dialog in step with its call: the revision follows as long as the call may be moved.
    pub(crate) fn live_changed(&mut self) {
        let Some(dialog) = &mut self.view.dialog else { return };
        let Some(row) = self.view.live.row(&dialog.call) else {
            dialog.error = Some("This call has ended.".into());
            return;
        };
        if dialog.revision == row.call.revision {
            return;
        }
        dialog.revision = row.call.revision;
        // Go may be what changed it; then the answer to Go decides.
        if !dialog.sending {
            dialog.error = refusal(&row.transfer_right);
        }
    }

    pub(crate) fn transfer(
        &mut self,
        call: CallId,
        revision: u32,
        target: Target,
        kind: TransferKind,
        note: Option<String>,
    ) {
        let State::In(session) = &self.state else { return };
        if let Some(dialog) = self.view.dialog.as_mut().filter(|dialog| dialog.call == call) {
            if dialog.sending {
                return; // pressed twice
            }
            dialog.sending = true;
            dialog.error = None;
        }
        let note =
            note.map(|note| note.trim().chars().take(MAX_NOTE_CHARS).collect()).filter(|n: &String| !n.is_empty());
        let (control, request) = (session.control.clone(), TransferRequest { revision, target, kind, note });
        self.begin(async move {
            let result = control.transfer(&call, &request).await;
            Happening::Transferred { call, result }
        });
    }

    pub(crate) fn transferred(&mut self, call: &CallId, result: Result<TransferAccepted, ControlError>) {
        let dialog = self.view.dialog.as_mut().filter(|dialog| dialog.call == *call && dialog.sending);
        match (result, dialog) {
            (Ok(_), Some(_)) => self.view.dialog = None,
            (Ok(_), None) => {}
            (Err(error), Some(dialog)) if !error.is_unauthorized() => {
                dialog.sending = false;
                dialog.error = Some(error.to_string());
                self.fetch_targets();
            }
            (Err(error), _) => self.failed(&error),
        }
    }

    pub(crate) fn cancel_transfer(&mut self, transfer: TransferId) {
        let State::In(session) = &self.state else { return };
        let control = session.control.clone();
        self.begin(async move { Happening::Asked(control.cancel_transfer(&transfer).await) });
    }
}

fn refusal(right: &TransferRight) -> Option<String> {
    match right {
        TransferRight::Allowed => None,
        TransferRight::Refused { sentence, .. } => Some(sentence.clone()),
    }
}
