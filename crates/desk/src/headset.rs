//! The headset's buttons and lamps, joined to the calls.

use headset::{Action, Button, Event, Lamps, Situation, Talk};

use crate::device::{Device, HeadsetLamps};
use crate::owner::{Input, Owner};
use crate::{HeadsetView, PhoneCall, PhoneCallState};

/// The headset, as far as the desk knows it.
#[derive(Default)]
pub(crate) struct HeadsetSlot {
    lamps: Option<HeadsetLamps>,
    shown: Lamps,
}

impl Owner {
    pub(crate) fn listen_to_headset(&mut self) {
        if !self.config.sound {
            return;
        }
        let inbox = self.inbox.clone();
        let ears = move |event| {
            // The desk that is gone needs no buttons.
            let _gone = inbox.send(Input::Headset(event));
        };
        self.headset.lamps = self.config.devices.headset(Box::new(ears));
    }

    pub(crate) fn headset_event(&mut self, event: Event) {
        match event {
            Event::Found { name } => self.view.sound.headset = Some(HeadsetView { name, trouble: None }),
            Event::Refused { name, sentence } => {
                self.view.sound.headset = Some(HeadsetView { name, trouble: Some(sentence) });
            }
            Event::Gone => self.view.sound.headset = None,
            Event::Button(button) => self.pressed(button),
        }
    }

    fn pressed(&mut self, button: Button) {
        let Some(action) = headset::meaning(button, self.situation()) else { return };
        let ring = self.view.rings.iter().find(|ring| !ring.answering).map(|ring| ring.id);
        let talk = self.view.phone.calls.iter().find(|call| talks(call)).map(|call| (call.id, call.muted));
        let held = self.view.phone.calls.iter().find(|call| call.held).map(|call| call.id);
        match (action, ring, talk, held) {
            (Action::Answer, Some(ring), ..) => self.answer(ring),
            (Action::Decline, Some(ring), ..) => self.decline(ring),
            (Action::HangUp, _, Some((call, _)), _) => self.hang_up(call),
            (Action::ToggleMute, _, Some((call, muted)), _) => {
                self.with_call(call, |phone: &dyn Device, key| phone.mute(key, !muted));
            }
            (Action::Hold, _, Some((call, _)), _) => self.hold(call, true),
            (Action::Resume, _, _, Some(call)) => self.hold(call, false),
            // What it was about is not there.
            (
                Action::Answer | Action::Decline | Action::HangUp | Action::ToggleMute | Action::Hold | Action::Resume,
                ..,
            ) => {}
        }
    }

    fn situation(&self) -> Situation {
        let calls = &self.view.phone.calls;
        Situation {
            ringing: self.view.rings.iter().any(|ring| !ring.answering),
            talk: calls.iter().find(|call| talks(call)).map(|call| Talk { muted: call.muted }),
            held: calls.iter().any(|call| call.held),
        }
    }

    /// The lamps follow the calls.
    pub(crate) fn light_headset(&mut self) {
        let lamps = headset::lamps(self.situation());
        if let Some(show) = self.headset.lamps.as_ref().filter(|_| lamps != self.headset.shown) {
            show(lamps);
            self.headset.shown = lamps;
        }
    }
}

/// It has the sound, or is being placed.
fn talks(call: &PhoneCall) -> bool {
    match call.state {
        PhoneCallState::Dialling | PhoneCallState::Ringing | PhoneCallState::Talking => !call.held,
        PhoneCallState::Ending => false,
    }
}
