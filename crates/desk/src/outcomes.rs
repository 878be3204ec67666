//! What became of the transfers that this user began or took back, in sentences.

use protocol::{CallState, LiveRow, Reason, TransferKind, TransferProgress, TransferStage};

use crate::Tone;
use crate::owner::Owner;
use crate::rings::name;

type Outcome = Option<(Tone, String)>;

impl Owner {
    /// Says what a change of the live list means for a transfer that was begun or taken back here.
    pub(crate) fn tell_outcome(&mut self, before: &LiveRow, after: Option<&LiveRow>) {
        let Some(transfer) = &before.call.transfer else { return self.tell_mailbox(after) };
        let goes_on = after.and_then(|row| row.call.transfer.as_ref()).filter(|now| now.id == transfer.id);
        if self.me() == Some(&transfer.by.id) || self.taken_back.contains(&transfer.id) {
            let caller = name(&before.call.caller);
            let outcome = match (after, goes_on) {
                // Settled long ago.
                (None, _) if matches!(transfer.stage, TransferStage::Voicemail { .. }) => None,
                (None, _) => Some((
                    Tone::Plain,
                    format!("The call with {caller} ended during the transfer to {}.", transfer.target.name()),
                )),
                (Some(_), Some(now)) => self.stage_outcome(transfer, now, &caller),
                (Some(row), None) => self.settled(transfer, row, &caller),
            };
            if let Some((tone, sentence)) = outcome {
                self.announce(tone, sentence);
            }
        }
        if goes_on.is_none() {
            self.taken_back.remove(&transfer.id);
        }
    }

    /// Straight to a mailbox is settled as soon as it begins.
    fn tell_mailbox(&mut self, row: Option<&LiveRow>) {
        let Some((row, transfer)) = row.and_then(|row| Some((row, row.call.transfer.as_ref()?))) else { return };
        let sent = matches!(transfer.stage, TransferStage::Voicemail { because: Reason::SentToVoicemail, .. });
        if sent && self.me() == Some(&transfer.by.id) {
            self.announce(Tone::Good, may_leave_message(transfer, &name(&row.call.caller)));
        }
    }

    /// A step of a transfer that goes on.
    fn stage_outcome(&self, before: &TransferProgress, now: &TransferProgress, caller: &str) -> Outcome {
        if std::mem::discriminant(&before.stage) == std::mem::discriminant(&now.stage) {
            return None;
        }
        let target = now.target.name();
        match &now.stage {
            TransferStage::Holding
            | TransferStage::Ringing { .. }
            | TransferStage::ConsultRinging { .. }
            | TransferStage::Consulting { .. }
            | TransferStage::Swapped { .. } => None,
            TransferStage::Recalling { towards, because: Reason::Cancelled, .. } => {
                Some((Tone::Plain, format!("Taken back: {caller} goes back to {}.", self.you_or(towards))))
            }
            TransferStage::Recalling { towards, because, .. } => {
                let whom = self.you_or(towards);
                Some((Tone::Bad, format!("{target}: {}. {caller} goes back to {whom}.", because.phrase())))
            }
            TransferStage::NextAgent { because, .. } => Some((
                Tone::Plain,
                format!("{target}: {}. The next free colleague is rung for {caller}.", because.phrase()),
            )),
            TransferStage::Queued { department, .. } => {
                Some((Tone::Plain, format!("{caller} waits in {} for the next free colleague.", department.name)))
            }
            TransferStage::Voicemail { because: Reason::SentToVoicemail, .. } => {
                Some((Tone::Good, may_leave_message(now, caller)))
            }
            TransferStage::Voicemail { because, .. } => {
                Some((Tone::Plain, format!("{target}: {}. {caller} may leave a message.", because.phrase())))
            }
        }
    }

    fn you_or<'a>(&self, user: &'a protocol::UserRef) -> &'a str {
        if self.me() == Some(&user.id) { "you" } else { &user.name }
    }

    /// The transfer is over and the call goes on.
    fn settled(&self, transfer: &TransferProgress, row: &LiveRow, caller: &str) -> Outcome {
        match &row.call.state {
            CallState::Talking { with } | CallState::Held { by: with } if self.me() == Some(&with.id) => {
                Some(self.back_with_me(transfer, row, caller))
            }
            CallState::Talking { with } if self.taken_back.contains(&transfer.id) => {
                Some((Tone::Good, format!("{caller} is back with {}.", with.name)))
            }
            CallState::Talking { with } => Some((Tone::Good, format!("{} has the call with {caller}.", with.name))),
            CallState::TalkingOutside { with } => {
                Some((Tone::Good, format!("{} has the call with {caller}.", name(with))))
            }
            CallState::Queued { department, .. } => {
                Some((Tone::Plain, format!("{caller} waits in {}.", department.name)))
            }
            CallState::Voicemail { .. } => Some(match transfer.kind {
                TransferKind::Voicemail => (Tone::Good, may_leave_message(transfer, caller)),
                TransferKind::Blind | TransferKind::Consult => (
                    Tone::Plain,
                    format!("{} could not take the call. {caller} may leave a message.", transfer.target.name()),
                ),
            }),
            CallState::Closing => {
                Some((Tone::Bad, format!("Nobody could take the call of {caller}; it is being closed.")))
            }
            CallState::Ringing { .. } | CallState::Held { .. } | CallState::Transferring => None,
        }
    }

    /// A consultation that came to nothing says why; anything else has said so when it turned back.
    fn back_with_me(&self, transfer: &TransferProgress, row: &LiveRow, caller: &str) -> (Tone, String) {
        let spoke_with = match &transfer.stage {
            TransferStage::ConsultRinging { .. } => None,
            TransferStage::Consulting { with } | TransferStage::Swapped { with } => Some(with),
            TransferStage::Holding
            | TransferStage::Ringing { .. }
            | TransferStage::Recalling { .. }
            | TransferStage::NextAgent { .. }
            | TransferStage::Queued { .. }
            | TransferStage::Voicemail { .. } => return self.back(transfer, caller),
        };
        if self.taken_back.contains(&transfer.id) {
            return self.back(transfer, caller);
        }
        let target = transfer.target.name();
        let bounce = row.call.bounces.last().filter(|bounce| bounce.at >= transfer.since);
        let why = match (bounce.map(|bounce| bounce.reason), spoke_with) {
            (Some(Reason::AgentGone), Some(with)) => format!("{} hung up", with.name()),
            (Some(reason), _) => format!("{target}: {}", reason.phrase()),
            (None, _) => format!("{target} is not there any more"),
        };
        (Tone::Bad, format!("{why}. {caller} is back with you."))
    }

    fn back(&self, transfer: &TransferProgress, caller: &str) -> (Tone, String) {
        let by_wish = self.taken_back.contains(&transfer.id);
        (if by_wish { Tone::Good } else { Tone::Plain }, format!("{caller} is back with you."))
    }
}

fn may_leave_message(transfer: &TransferProgress, caller: &str) -> String {
    format!("{caller} may leave a message for {}.", transfer.target.name())
}
