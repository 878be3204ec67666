//! The transfer dialog: open, choose, Go.

use std::time::Duration;

use protocol::{
    CallId, CallState, LiveRow, MAX_NOTE_CHARS, Role, TransferAccepted, TransferKind, TransferRequest, TransferRight,
    TransferStage, TransferTargets,
};

use crate::control::ControlError;
use crate::owner::{Happening, Owner};
use crate::rings::name;
use crate::session::State;
use crate::{DialogBody, SessionView, Tone, TransferDialog};

/// Several changes of presence in a moment ask once.
const SETTLE: Duration = Duration::from_millis(300);

impl Owner {
    /// Opens the dialog. One that is open is never taken away by another: what is typed in it would be lost.
    pub(crate) fn open_transfer(&mut self, call: CallId) {
        if self.view.dialog.is_some() {
            return;
        }
        let Some(row) = self.view.live.row(&call) else {
            return self.note(Tone::Bad, "This call has ended. There is nothing left to transfer.");
        };
        let call_id = call.clone();
        self.view.dialog = Some(TransferDialog {
            revision: row.call.revision,
            caller: row.call.caller.clone(),
            error: refusal(&row.transfer_right),
            call,
            body: DialogBody::Loading,
            number: None,
            sending: false,
            system: self.own_system(&call_id),
            changed: None,
        });
        self.fetch_targets();
    }

    /// Asks for the open dialog's targets.
    pub(crate) fn fetch_targets(&mut self) {
        self.fetch_number();
        let own = self.view.dialog.as_ref().and_then(|dialog| self.own_targets(&dialog.call));
        if let (Some(dialog), Some(body)) = (&mut self.view.dialog, own) {
            dialog.body = body;
            return;
        }
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
                dialog.body = DialogBody::Ready { targets: answer.targets, outside: answer.outside };
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

    /// Tells an open dialog what became of its call, if `before` holds it as it was. Its revision stays the one that the
    /// person decided on as soon as somebody else has moved the call: the exchange then refuses Go and says who did what,
    /// so that nobody transfers a call away from whom it has just reached.
    pub(crate) fn dialog_follows(&mut self, before: &[LiveRow]) {
        let Some(dialog) = self.view.dialog.as_ref().filter(|dialog| !dialog.sending) else { return };
        let Some(before) = before.iter().find(|row| row.call.id == dialog.call) else { return };
        let changed = match self.view.live.row(&dialog.call) {
            None => Some(self.gone().to_owned()),
            Some(now) => self.moved(before, now),
        };
        let revision = self.view.live.row(&dialog.call).map(|row| row.call.revision);
        let refused = self.view.live.row(&dialog.call).and_then(|row| refusal(&row.transfer_right));
        let Some(dialog) = &mut self.view.dialog else { return };
        match (changed, &dialog.changed) {
            (Some(sentence), _) => {
                dialog.changed = Some(sentence);
                dialog.error = None;
                self.fetch_targets();
            }
            (None, None) => {
                dialog.revision = revision.unwrap_or(dialog.revision);
                dialog.error = refused;
            }
            (None, Some(_)) => {}
        }
    }

    fn gone(&self) -> &'static str {
        match &self.view.session {
            SessionView::SignedIn { me, .. } if me.role == Role::Agent => {
                "This call has ended, or somebody else has it now."
            }
            SessionView::SignedIn { .. }
            | SessionView::Starting
            | SessionView::SignedOut { .. }
            | SessionView::SigningIn { .. }
            | SessionView::ConfirmFingerprint { .. } => "This call has ended.",
        }
    }

    /// Who has done what to the call, if it is not where it was.
    fn moved(&self, before: &LiveRow, now: &LiveRow) -> Option<String> {
        let (old, new) = (before.call.transfer.as_ref(), now.call.transfer.as_ref());
        match (old, new) {
            (_, Some(new)) if old.is_none_or(|old| old.id != new.id) => {
                let (by, is) = match self.me() == Some(&new.by.id) {
                    true => ("You", "are"),
                    false => (new.by.name.as_str(), "is"),
                };
                let (doing, target) = (doing(&new.stage, new.kind), new.target.name());
                Some(format!("{by} {is} {doing} {target}."))
            }
            (Some(old), None) => Some(match &now.call.state {
                CallState::Talking { with } | CallState::Held { by: with }
                    if old.from.as_ref().is_some_and(|from| from.id == with.id) =>
                {
                    format!("The transfer to {} came to nothing: {} has the call again.", old.target.name(), with.name)
                }
                CallState::Talking { with } | CallState::Held { by: with } => {
                    format!("{} transferred it to {}.", old.by.name, with.name)
                }
                CallState::TalkingOutside { with } => format!("{} transferred it to {}.", old.by.name, name(with)),
                CallState::Voicemail { .. } => "The caller may leave a message now.".into(),
                CallState::Closing => "The call is being closed.".into(),
                CallState::Queued { department, .. } => format!("The caller waits in {} now.", department.name),
                CallState::Ringing { .. } | CallState::Transferring => "The call is being moved.".into(),
            }),
            (None, None) => answered(&before.call.state, &now.call.state),
            (Some(_) | None, Some(_)) => None,
        }
    }

    pub(crate) fn transfer(&mut self, call: CallId, request: TransferRequest) {
        if self.own_transfer(&call, &request) {
            return;
        }
        let State::In(session) = &self.state else { return };
        let note = request.note.map(|note| note.trim().to_owned()).filter(|note| !note.is_empty());
        let long = note.as_ref().map(|note| note.chars().count()).filter(|count| *count > MAX_NOTE_CHARS);
        if let Some(dialog) = self.view.dialog.as_mut().filter(|dialog| dialog.call == call) {
            if dialog.sending {
                return; // pressed twice
            }
            dialog.error = long.map(too_long);
            dialog.sending = long.is_none();
        }
        if long.is_some() {
            return;
        }
        let (control, request) = (session.control.clone(), TransferRequest { note, ..request });
        self.begin(async move {
            let result = control.transfer(&call, &request).await;
            Happening::Transferred { call, result }
        });
    }

    pub(crate) fn transferred(&mut self, call: &CallId, result: Result<TransferAccepted, ControlError>) {
        let now = self.view.live.row(call).map(|row| row.call.revision);
        let dialog = self.view.dialog.as_mut().filter(|dialog| dialog.call == *call && dialog.sending);
        match (result, dialog) {
            (Ok(_), Some(_)) => self.view.dialog = None,
            (Ok(_), None) => {}
            (Err(error), Some(dialog)) if !error.is_unauthorized() => {
                dialog.sending = false;
                dialog.error = Some(error.to_string());
                // Whoever has read who moved the call decides anew, on the call as it is.
                dialog.changed = None;
                dialog.revision = now.unwrap_or(dialog.revision);
                self.fetch_targets();
            }
            (Err(error), _) => self.failed(&error),
        }
    }
}

/// "transferring it to", "speaking about it with".
fn doing(stage: &TransferStage, kind: TransferKind) -> &'static str {
    match (kind, stage) {
        (TransferKind::Consult, TransferStage::ConsultRinging { .. }) => "asking to speak about it with",
        (TransferKind::Consult, TransferStage::Consulting { .. } | TransferStage::Swapped { .. }) => {
            "speaking about it with"
        }
        (TransferKind::Voicemail, _) => "sending it to the voicemail of",
        (TransferKind::Blind | TransferKind::Consult, _) => "transferring it to",
    }
}

/// A call that was ringing or waiting has been taken.
fn answered(before: &CallState, now: &CallState) -> Option<String> {
    let waited = matches!(before, CallState::Ringing { .. } | CallState::Queued { .. });
    match now {
        CallState::Talking { with } if waited => Some(format!("{} has answered it.", with.name)),
        CallState::Voicemail { .. } if !matches!(before, CallState::Voicemail { .. }) => {
            Some("Nobody answered; the caller may leave a message now.".into())
        }
        CallState::Closing if !matches!(before, CallState::Closing) => Some("The call is being closed.".into()),
        CallState::Talking { .. }
        | CallState::Ringing { .. }
        | CallState::TalkingOutside { .. }
        | CallState::Held { .. }
        | CallState::Transferring
        | CallState::Queued { .. }
        | CallState::Voicemail { .. }
        | CallState::Closing => None,
    }
}

fn too_long(count: usize) -> String {
    format!("The note has {count} characters. Shorten it to {MAX_NOTE_CHARS}, then press Go.")
}

fn refusal(right: &TransferRight) -> Option<String> {
    match right {
        TransferRight::Allowed => None,
        TransferRight::Refused { sentence, .. } => Some(sentence.clone()),
    }
}
