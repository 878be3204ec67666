//! What a button means, and what the headset shows, in each situation.

use crate::Button;

/// The person's calls, as far as a headset has a word in them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Situation {
    /// A call rings here.
    pub ringing: bool,
    /// The call that has the sound, or is being placed.
    pub talk: Option<Talk>,
    /// Another call waits on hold.
    pub held: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Talk {
    pub muted: bool,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// The ringing call.
    Answer,
    Decline,
    /// The call that has the sound.
    HangUp,
    ToggleMute,
    Hold,
    /// The call that waits.
    Resume,
}

/// Lights and signals of a headset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lamps {
    pub ring: bool,
    pub off_hook: bool,
    pub mute: bool,
    pub hold: bool,
}

/// What a button means. A headset also reports its hook switch when the lamp "off hook" was set from here: that must mean
/// nothing, and does, since the call is then in that state already.
#[must_use]
pub fn meaning(button: Button, situation: Situation) -> Option<Action> {
    let Situation { ringing, talk, held } = situation;
    match (button, talk) {
        (Button::OffHook, None) if ringing => Some(Action::Answer),
        (Button::OffHook, None) if held => Some(Action::Resume),
        (Button::OffHook, None | Some(_)) | (Button::OnHook | Button::Mute, None) => None,
        (Button::OnHook, Some(_)) => Some(Action::HangUp),
        (Button::Mute, Some(_)) => Some(Action::ToggleMute),
        (Button::Hook, None) => match (ringing, held) {
            (true, _) => Some(Action::Answer),
            (false, true) => Some(Action::Resume),
            (false, false) => None,
        },
        (Button::Hook, Some(_)) => Some(Action::HangUp),
        (Button::Flash, None | Some(_)) if ringing => Some(Action::Answer),
        (Button::Flash, None) => held.then_some(Action::Resume),
        (Button::Flash, Some(_)) => Some(Action::Hold),
        (Button::Drop, None | Some(_)) if ringing => Some(Action::Decline),
        (Button::Drop, None) => None,
        (Button::Drop, Some(_)) => Some(Action::HangUp),
    }
}

/// What the headset shows.
#[must_use]
pub fn lamps(situation: Situation) -> Lamps {
    let Situation { ringing, talk, held } = situation;
    Lamps {
        ring: ringing && talk.is_none(),
        off_hook: talk.is_some(),
        mute: talk.is_some_and(|talk| talk.muted),
        hold: held && talk.is_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: Situation = Situation { ringing: false, talk: None, held: false };
    const RINGING: Situation = Situation { ringing: true, ..IDLE };
    const TALKING: Situation = Situation { talk: Some(Talk { muted: false }), ..IDLE };
    const SECOND: Situation = Situation { ringing: true, ..TALKING };
    const HELD: Situation = Situation { held: true, ..IDLE };

    #[test]
    fn each_button_in_each_situation() {
        use Action as A;
        use Button as B;
        let table = [
            (IDLE, [None; 6]),
            (RINGING, [Some(A::Answer), None, Some(A::Answer), None, Some(A::Answer), Some(A::Decline)]),
            (TALKING, [None, Some(A::HangUp), Some(A::HangUp), Some(A::ToggleMute), Some(A::Hold), Some(A::HangUp)]),
            (SECOND, [None, Some(A::HangUp), Some(A::HangUp), Some(A::ToggleMute), Some(A::Answer), Some(A::Decline)]),
            (HELD, [Some(A::Resume), None, Some(A::Resume), None, Some(A::Resume), None]),
        ];
        for (situation, actions) in table {
            for (button, action) in
                [B::OffHook, B::OnHook, B::Hook, B::Mute, B::Flash, B::Drop].into_iter().zip(actions)
            {
                assert_eq!(meaning(button, situation), action, "{button:?} in {situation:?}");
            }
        }
    }

    /// Answering and hanging up on the screen sets the lamp, which the headset repeats as if somebody had pressed.
    #[test]
    fn what_the_headset_repeats_means_nothing() {
        for situation in [IDLE, TALKING, SECOND] {
            let echo = if lamps(situation).off_hook { Button::OffHook } else { Button::OnHook };
            assert_eq!(meaning(echo, situation), None, "{situation:?}");
        }
    }

    #[test]
    fn the_lamps_follow() {
        assert_eq!(lamps(IDLE), Lamps::default());
        assert_eq!(lamps(RINGING), Lamps { ring: true, ..Lamps::default() });
        // A second call beeps in the ear; the headset does not ring into the conversation.
        assert_eq!(lamps(SECOND), Lamps { off_hook: true, ..Lamps::default() });
        let muted = Situation { talk: Some(Talk { muted: true }), ..IDLE };
        assert_eq!(lamps(muted), Lamps { off_hook: true, mute: true, ..Lamps::default() });
        assert_eq!(lamps(HELD), Lamps { hold: true, ..Lamps::default() });
    }
}
