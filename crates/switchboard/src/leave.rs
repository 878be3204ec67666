//! Where a caller comes to rest when nobody takes the call: a mailbox, or the closing announcement.

use protocol::{CallOutcome, JourneyEvent, LegId, Reason, VoicemailRef};

use crate::{
    Order, Prompt, Switchboard,
    call::{Call, Mailbox, State, Transfer},
};

/// The longest message.
const MESSAGE_SECONDS: u32 = 180;
/// What greeting and beep may take on top of it before we call the engine overdue.
const GREETING_MS: u64 = 60_000;
/// How long the closing announcement may take before we call the engine overdue.
const CLOSING_MS: u64 = 60_000;
/// How long the engine may take to hand over a message after the caller has hung up.
const HAND_OVER_MS: u64 = 10_000;

impl Switchboard {
    /// `from` is the settled transfer that led here, kept to be shown.
    pub(crate) fn leave_voicemail(
        &mut self,
        call: &mut Call,
        mailbox: Mailbox,
        because: Reason,
        from: Option<Box<Transfer>>,
    ) {
        self.answer_caller(call);
        self.order(Order::RecordVoicemail {
            leg: call.caller.leg,
            call: call.id.clone(),
            mailbox: mailbox.id.clone(),
            max_seconds: MESSAGE_SECONDS,
        });
        self.step(call, JourneyEvent::VoicemailStarted { mailbox: mailbox.name.clone() });
        let until = self.now.plus_ms(u64::from(MESSAGE_SECONDS) * 1_000 + GREETING_MS);
        call.enter(self.now, State::Voicemail { mailbox, because, from, until });
    }

    pub(crate) fn announce_closing(&mut self, call: &mut Call, because: Reason) {
        self.answer_caller(call);
        self.order(Order::PlayPrompt { leg: call.caller.leg, prompt: Prompt::Closing });
        self.step(call, JourneyEvent::Announced);
        call.rests = Some(CallOutcome::Announced);
        call.enter(self.now, State::Closing { because, until: self.now.plus_ms(CLOSING_MS) });
    }

    pub(crate) fn prompt_finished(&mut self, call: &mut Call, leg: LegId) {
        if let (State::Closing { because, .. }, true) = (&call.state, leg == call.caller.leg) {
            let because = *because;
            self.end(call, because);
        }
    }

    /// The caller hung up while leaving a message; the engine still has to say what it holds.
    pub(crate) fn left_voicemail(&mut self, call: &mut Call) {
        if let State::Voicemail { mailbox, .. } = self.take(call) {
            let until = self.now.plus_ms(HAND_OVER_MS);
            // The leg is over; only its number lives on, for the engine to name the message by.
            self.forget_leg(call.caller.leg);
            self.know_outside_leg(call.caller.leg, call.key, &call.caller.party);
            call.caller.user = None;
            call.enter(self.now, State::AwaitingRecording { mailbox, because: Reason::CallerGone, until });
        }
    }

    pub(crate) fn recorded(&mut self, call: &mut Call, leg: LegId, duration_ms: u64) {
        if leg != call.caller.leg {
            return;
        }
        let (mailbox, because) = match &call.state {
            State::Voicemail { mailbox, because, .. } | State::AwaitingRecording { mailbox, because, .. } => {
                (mailbox.name.clone(), *because)
            }
            State::Dialling { .. }
            | State::Ringing { .. }
            | State::Talking { .. }
            | State::Queued(_)
            | State::Transferring { .. }
            | State::Consulting { .. }
            | State::Closing { .. }
            | State::Over { .. } => return,
        };
        if duration_ms > 0 {
            self.step(call, JourneyEvent::VoicemailLeft { mailbox: mailbox.clone(), duration_ms });
            call.rests = Some(CallOutcome::Voicemail);
            call.voicemail = Some(VoicemailRef { mailbox, duration_ms, heard: None });
        }
        self.end(call, because);
    }

    /// The engine never told us the end of an announcement or recording.
    pub(crate) fn overdue(&mut self, call: &mut Call) {
        match &call.state {
            State::Voicemail { because, .. }
            | State::Closing { because, .. }
            | State::AwaitingRecording { because, .. } => {
                let because = *because;
                self.end(call, because);
            }
            State::Dialling { .. }
            | State::Ringing { .. }
            | State::Talking { .. }
            | State::Queued(_)
            | State::Transferring { .. }
            | State::Consulting { .. }
            | State::Over { .. } => {}
        }
    }
}
