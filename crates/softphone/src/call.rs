//! One call as a state machine. Pure: inputs come in, effects go out; the owner carries them out.

use std::mem;

use media::Codec;

use crate::event::{CallEvent, CallKey, HeldBy};

/// Where a call is. Every variant holds exactly what matters in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum State {
    /// Our INVITE is out.
    Dialling {
        far_rings: bool,
    },
    /// Their INVITE rings here.
    Ringing,
    /// Our 200 is out, their ACK is not here yet. `want_held`: another call took the sound in between.
    Answering {
        want_held: bool,
    },
    Up(Up),
    /// Our BYE, CANCEL or refusal is out.
    Ending,
    Over,
}

/// A confirmed call.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Up {
    /// What we want; the sound follows at once.
    want_held: bool,
    /// What the far end has agreed to.
    held: bool,
    held_by_them: bool,
    /// Our re-INVITE that has no answer yet: the hold that it offers.
    offered: Option<bool>,
    /// They have not been told yet where our sound has moved to …
    moved: bool,
    /// … or are being told by the offer that is out.
    telling: bool,
    transfer: Transfer,
    /// We follow their REFER: the call stays until they end it, but the new one has the sound.
    following: bool,
}

/// A blind transfer of ours, RFC 5589 section 6.1.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
enum Transfer {
    #[default]
    None,
    /// Waiting for the hold to be agreed.
    Holding { to: ReferTo },
    /// REFER is out; the dialog is kept until the final NOTIFY.
    Referred { consulted: Option<CallKey> },
}

/// Whom the far end shall call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ReferTo {
    Address(String),
    /// The far end of another call of this phone, in our place (RFC 5589 section 7).
    Call {
        other: CallKey,
        early_only: bool,
    },
}

/// What a person asked, or the far end did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Input {
    Answer,
    Refuse {
        status: u16,
    },
    HangUp,
    Hold {
        held: bool,
    },
    Transfer {
        to: ReferTo,
    },
    /// Send it elsewhere instead of answering it.
    Divert {
        to: String,
    },
    Press {
        digits: String,
    },
    FarRings,
    FarAnswered {
        codec: Codec,
        held_by_them: bool,
    },
    /// They have our answer.
    Acknowledged {
        codec: Codec,
        held_by_them: bool,
    },
    /// They offered anew and we have answered, or we offered and they have.
    Agreed {
        ours: bool,
        held_by_them: bool,
    },
    OfferFailed {
        status: u16,
    },
    /// Our sound has another address, or other keys, now.
    Moved,
    /// They ask us to call somebody else.
    Referred,
    FollowFailed,
    TransferProgress {
        status: u16,
    },
    /// The last there is.
    Gone,
}

/// What the owner has to do, in this order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Effect {
    /// Send 200 with our answer.
    Accept,
    Refuse {
        status: u16,
    },
    HangUp,
    /// The consultation that came to its end: a target that knows no Replaces has taken the transferee as a new call, and would
    /// not end it.
    HangUpOther {
        call: CallKey,
    },
    /// Re-INVITE.
    Offer {
        hold: bool,
    },
    Divert {
        to: String,
    },
    Refer {
        to: ReferTo,
    },
    AcceptRefer {
        accept: bool,
    },
    Press {
        digits: String,
    },
    /// This call gets the sound: others that have it are put on hold.
    TakeSound,
    Tell(CallEvent),
}

/// Which way sound may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Flow {
    pub(crate) send: bool,
    pub(crate) hear: bool,
    /// Our own ringback tone, as long as no early media comes.
    pub(crate) ringback: bool,
}

#[derive(Debug)]
pub(crate) struct Call {
    state: State,
}

impl Call {
    pub(crate) fn outgoing() -> Self {
        Self { state: State::Dialling { far_rings: false } }
    }

    pub(crate) fn incoming() -> Self {
        Self { state: State::Ringing }
    }

    /// An incoming call that takes `replaced`'s place: it is answered at once, and as much held as that was.
    pub(crate) fn instead_of(replaced: &Self) -> Self {
        let want_held = match replaced.state {
            State::Up(_) | State::Answering { .. } => !replaced.has_sound(),
            State::Dialling { .. } | State::Ringing | State::Ending | State::Over => false,
        };
        Self { state: State::Answering { want_held } }
    }

    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    /// Whether the person at this phone is in this call now: it must be put on hold when another takes the sound.
    pub(crate) fn has_sound(&self) -> bool {
        match &self.state {
            State::Answering { want_held } => !want_held,
            State::Up(up) => !up.want_held && !up.following,
            State::Dialling { .. } | State::Ringing | State::Ending | State::Over => false,
        }
    }

    /// Whether our side of an offer or answer says hold.
    pub(crate) fn wants_hold(&self) -> bool {
        match &self.state {
            State::Up(up) => up.offered.unwrap_or(up.want_held),
            State::Dialling { .. } | State::Ringing | State::Answering { .. } | State::Ending | State::Over => false,
        }
    }

    pub(crate) fn flow(&self) -> Flow {
        match &self.state {
            State::Dialling { far_rings } => Flow { send: false, hear: true, ringback: *far_rings },
            State::Answering { want_held } => Flow { send: !want_held, hear: !want_held, ringback: false },
            State::Up(up) => {
                let hear = !up.want_held;
                Flow { send: hear && !up.held_by_them, hear, ringback: false }
            }
            State::Ringing | State::Ending | State::Over => Flow::default(),
        }
    }

    /// Takes one input to its end.
    pub(crate) fn handle(&mut self, input: Input) -> Vec<Effect> {
        let mut effects = Vec::new();
        let state = mem::replace(&mut self.state, State::Over);
        self.state = match state {
            State::Dialling { far_rings } => dialling(far_rings, &input, &mut effects),
            State::Ringing => ringing(&input, &mut effects),
            State::Answering { want_held } => answering(want_held, &input, &mut effects),
            State::Up(up) => up.handle(input, &mut effects),
            State::Ending => ending(&input),
            State::Over => State::Over,
        };
        effects
    }
}

fn trouble(sentence: &str) -> Effect {
    Effect::Tell(CallEvent::Trouble { sentence: sentence.to_owned() })
}

fn dialling(far_rings: bool, input: &Input, effects: &mut Vec<Effect>) -> State {
    match input {
        Input::FarRings => {
            if !far_rings {
                effects.push(Effect::Tell(CallEvent::Ringing));
            }
            State::Dialling { far_rings: true }
        }
        Input::FarAnswered { codec, held_by_them } => {
            effects.push(Effect::TakeSound);
            State::Up(Up::begin(*codec, *held_by_them, effects))
        }
        Input::HangUp | Input::Refuse { .. } => {
            effects.push(Effect::HangUp);
            State::Ending
        }
        Input::Gone => State::Over,
        Input::Answer | Input::Hold { .. } | Input::Transfer { .. } | Input::Divert { .. } | Input::Press { .. } => {
            effects.push(trouble("The other side has not answered yet."));
            State::Dialling { far_rings }
        }
        Input::Referred => {
            effects.push(Effect::AcceptRefer { accept: false });
            State::Dialling { far_rings }
        }
        Input::Acknowledged { .. }
        | Input::Agreed { .. }
        | Input::OfferFailed { .. }
        | Input::Moved
        | Input::FollowFailed
        | Input::TransferProgress { .. } => State::Dialling { far_rings },
    }
}

fn ringing(input: &Input, effects: &mut Vec<Effect>) -> State {
    match input {
        Input::Answer => {
            effects.extend([Effect::TakeSound, Effect::Accept]);
            State::Answering { want_held: false }
        }
        Input::Refuse { status } => {
            effects.push(Effect::Refuse { status: *status });
            State::Ending
        }
        Input::Divert { to } => {
            effects.push(Effect::Divert { to: to.clone() });
            State::Ending
        }
        Input::HangUp => {
            effects.push(Effect::Refuse { status: 603 });
            State::Ending
        }
        Input::Gone => State::Over,
        Input::Hold { .. } | Input::Transfer { .. } | Input::Press { .. } => {
            effects.push(trouble("Answer the call first."));
            State::Ringing
        }
        Input::Referred => {
            effects.push(Effect::AcceptRefer { accept: false });
            State::Ringing
        }
        Input::FarRings
        | Input::FarAnswered { .. }
        | Input::Acknowledged { .. }
        | Input::Agreed { .. }
        | Input::OfferFailed { .. }
        | Input::Moved
        | Input::FollowFailed
        | Input::TransferProgress { .. } => State::Ringing,
    }
}

fn answering(want_held: bool, input: &Input, effects: &mut Vec<Effect>) -> State {
    match input {
        Input::Acknowledged { codec, held_by_them } => {
            let mut up = Up::begin(*codec, *held_by_them, effects);
            up.want(want_held, effects);
            State::Up(up)
        }
        Input::HangUp | Input::Refuse { .. } => {
            effects.push(Effect::HangUp);
            State::Ending
        }
        // A re-INVITE has to wait for the ACK (RFC 3261 section 14.1).
        Input::Hold { held } => State::Answering { want_held: *held },
        Input::Gone => State::Over,
        Input::Transfer { .. } | Input::Divert { .. } | Input::Press { .. } => {
            effects.push(trouble("The call is just being connected."));
            State::Answering { want_held }
        }
        Input::Referred => {
            effects.push(Effect::AcceptRefer { accept: false });
            State::Answering { want_held }
        }
        Input::Answer
        | Input::FarRings
        | Input::FarAnswered { .. }
        | Input::Agreed { .. }
        | Input::OfferFailed { .. }
        | Input::Moved
        | Input::FollowFailed
        | Input::TransferProgress { .. } => State::Answering { want_held },
    }
}

/// Nothing but the end counts any more.
fn ending(input: &Input) -> State {
    match input {
        Input::Gone => State::Over,
        Input::Answer
        | Input::Refuse { .. }
        | Input::HangUp
        | Input::Hold { .. }
        | Input::Transfer { .. }
        | Input::Divert { .. }
        | Input::Press { .. }
        | Input::FarRings
        | Input::FarAnswered { .. }
        | Input::Acknowledged { .. }
        | Input::Agreed { .. }
        | Input::OfferFailed { .. }
        | Input::Moved
        | Input::Referred
        | Input::FollowFailed
        | Input::TransferProgress { .. } => State::Ending,
    }
}

impl Up {
    fn begin(codec: Codec, held_by_them: bool, effects: &mut Vec<Effect>) -> Self {
        effects.push(Effect::Tell(CallEvent::Answered { codec }));
        if held_by_them {
            effects.push(Effect::Tell(CallEvent::Held { by: HeldBy::Them }));
        }
        Self { held_by_them, ..Self::default() }
    }

    fn handle(mut self, input: Input, effects: &mut Vec<Effect>) -> State {
        match input {
            Input::HangUp | Input::Refuse { .. } => {
                effects.push(Effect::HangUp);
                return State::Ending;
            }
            Input::Gone => return State::Over,
            Input::Hold { held } => self.person_holds(held, effects),
            Input::Transfer { to } => self.start_transfer(to, effects),
            Input::Press { digits } => effects.push(Effect::Press { digits }),
            Input::Divert { .. } => effects.push(trouble("The call is answered already.")),
            Input::Agreed { ours, held_by_them } => self.agreed(ours, held_by_them, effects),
            Input::OfferFailed { status } => self.offer_failed(status, effects),
            Input::Moved => {
                self.moved = true;
                self.want(self.want_held, effects);
            }
            Input::Referred => self.referred(effects),
            Input::FollowFailed => self.following = false,
            Input::TransferProgress { status } => return self.transfer_progress(status, effects),
            Input::Answer | Input::FarRings | Input::FarAnswered { .. } | Input::Acknowledged { .. } => {}
        }
        State::Up(self)
    }

    fn person_holds(&mut self, held: bool, effects: &mut Vec<Effect>) {
        if !held {
            // Taken back by hand: what the transferee still reports is of no interest any more.
            self.transfer = Transfer::None;
            effects.push(Effect::TakeSound);
        }
        self.want(held, effects);
    }

    /// Offers what is wanted, unless an offer is out: then its answer brings us back here (RFC 3261 section 14.1).
    fn want(&mut self, held: bool, effects: &mut Vec<Effect>) {
        self.want_held = held;
        if self.offered.is_none() && (self.held != held || self.moved) {
            self.telling = std::mem::take(&mut self.moved);
            self.offered = Some(held);
            effects.push(Effect::Offer { hold: held });
        }
    }

    fn start_transfer(&mut self, to: ReferTo, effects: &mut Vec<Effect>) {
        if self.transfer != Transfer::None || self.following {
            effects.push(trouble("This call is being transferred already."));
            return;
        }
        if self.held && self.offered.is_none() {
            self.refer(to, effects);
        } else {
            self.transfer = Transfer::Holding { to };
            self.want(true, effects);
        }
    }

    fn refer(&mut self, to: ReferTo, effects: &mut Vec<Effect>) {
        let consulted = match to {
            ReferTo::Address(_) => None,
            ReferTo::Call { other, .. } => Some(other),
        };
        self.transfer = Transfer::Referred { consulted };
        effects.push(Effect::Refer { to });
    }

    fn agreed(&mut self, ours: bool, held_by_them: bool, effects: &mut Vec<Effect>) {
        if held_by_them != self.held_by_them {
            self.held_by_them = held_by_them;
            effects.push(Effect::Tell(match held_by_them {
                true => CallEvent::Held { by: HeldBy::Them },
                false => CallEvent::Resumed { by: HeldBy::Them },
            }));
        }
        let Some(held) = self.offered.filter(|_| ours) else { return };
        self.offered = None;
        self.telling = false;
        if held != self.held {
            self.held = held;
            effects.push(Effect::Tell(match held {
                true => CallEvent::Held { by: HeldBy::Us },
                false => CallEvent::Resumed { by: HeldBy::Us },
            }));
        }
        self.want(self.want_held, effects);
        if self.held && self.offered.is_none() {
            self.refer_if_waiting(effects);
        }
    }

    fn refer_if_waiting(&mut self, effects: &mut Vec<Effect>) {
        match mem::take(&mut self.transfer) {
            Transfer::Holding { to } => self.refer(to, effects),
            referred @ Transfer::Referred { .. } => self.transfer = referred,
            Transfer::None => {}
        }
    }

    fn offer_failed(&mut self, status: u16, effects: &mut Vec<Effect>) {
        let Some(tried) = self.offered.take() else { return };
        if std::mem::take(&mut self.telling) && tried == self.held {
            let sentence = format!("The other side did not take our new network address, or keys ({status}).");
            effects.push(Effect::Tell(CallEvent::Trouble { sentence }));
            return self.want(self.want_held, effects);
        }
        // A far end that refuses the hold still must not hear us; one that refuses to be taken back stays held.
        self.want_held = true;
        effects.push(Effect::Tell(CallEvent::Trouble {
            sentence: match tried {
                true => format!("The other side did not accept the hold ({status}). It hears nothing from here."),
                false => format!("The other side did not accept to be taken back ({status})."),
            },
        }));
        match mem::take(&mut self.transfer) {
            Transfer::Holding { .. } => {
                self.want_held = self.held;
                effects.push(Effect::Tell(CallEvent::TransferFailed { status }));
            }
            referred @ Transfer::Referred { .. } => self.transfer = referred,
            Transfer::None => {}
        }
    }

    fn referred(&mut self, effects: &mut Vec<Effect>) {
        let accept = !self.following && self.transfer == Transfer::None;
        self.following |= accept;
        effects.push(Effect::AcceptRefer { accept });
    }

    fn transfer_progress(mut self, status: u16, effects: &mut Vec<Effect>) -> State {
        let consulted = match self.transfer {
            Transfer::Referred { consulted } => consulted,
            Transfer::None | Transfer::Holding { .. } => return State::Up(self),
        };
        match status {
            ..200 => effects.push(Effect::Tell(CallEvent::TransferProgress { status })),
            200..300 => {
                effects.extend([Effect::Tell(CallEvent::TransferProgress { status }), Effect::HangUp]);
                effects.extend(consulted.map(|call| Effect::HangUpOther { call }));
                return State::Ending;
            }
            300.. => {
                self.transfer = Transfer::None;
                effects.extend([Effect::Tell(CallEvent::TransferFailed { status }), Effect::TakeSound]);
                self.want(false, effects);
            }
        }
        State::Up(self)
    }
}

#[cfg(test)]
#[path = "call_tests.rs"]
mod tests;
