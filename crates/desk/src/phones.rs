//! The phones of this desk: the exchange's, and one for each plain account. To the person they are one phone: one call
//! talks, whichever account it came by, and the others are held.

use std::collections::HashSet;

use softphone::{CallEvent, CallKey, PhoneEvent};
use tokio::sync::{mpsc, watch};

use crate::device::Device;
use crate::owner::Owner;
use crate::session::State;
use crate::{Levels, PhoneCall, PhoneCallId, PhoneCallState};

/// Names one start of one phone. A phone that is started anew has another number, so that what the one before still
/// reports is known to be old.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct LineNo(u32);

/// Calls of one run of one phone: a million.
const CALL_BITS: u32 = 20;
const LAST_LINE: u32 = (1 << (32 - CALL_BITS)) - 1;

impl LineNo {
    /// The phone of the session.
    pub(crate) const EXCHANGE: Self = Self(0);

    /// Never the exchange's.
    pub(crate) fn next(self) -> Self {
        Self(if self.0 >= LAST_LINE { 1 } else { self.0 + 1 })
    }

    /// How a call of this phone is called on the screen.
    pub(crate) fn id(self, key: CallKey) -> PhoneCallId {
        PhoneCallId(self.0 << CALL_BITS | (key.0 & ((1 << CALL_BITS) - 1)))
    }

    pub(crate) fn of(id: PhoneCallId) -> (Self, CallKey) {
        (Self(id.0 >> CALL_BITS), CallKey(id.0 & ((1 << CALL_BITS) - 1)))
    }
}

/// Passes on what a phone reports, but for the meters, which come 25 times a second and are no part of the view.
pub(crate) async fn listen(
    mut events: mpsc::UnboundedReceiver<PhoneEvent>,
    levels: watch::Sender<Levels>,
    tell: impl Fn(PhoneEvent),
) {
    while let Some(event) = events.recv().await {
        if let PhoneEvent::Call { event: CallEvent::Level { microphone, speaker }, .. } = event {
            levels.send_replace(Levels::new(microphone, speaker));
        } else {
            tell(event);
        }
    }
}

impl PhoneCallId {
    pub(crate) fn line(self) -> LineNo {
        LineNo::of(self).0
    }
}

impl PhoneCall {
    pub(crate) fn talks(&self) -> bool {
        self.state == PhoneCallState::Talking && !self.held
    }
}

impl Owner {
    pub(crate) fn device(&self, line: LineNo) -> Option<&dyn Device> {
        if line != LineNo::EXCHANGE {
            return self.accounts.of_line(line).and_then(|account| account.device.as_deref());
        }
        match &self.state {
            State::In(session) => session.phone.device.as_deref(),
            State::Out | State::Resuming(_) | State::SigningIn(_) | State::Confirming { .. } => None,
        }
    }

    fn devices(&self) -> impl Iterator<Item = (LineNo, &dyn Device)> {
        let plain = self.accounts.all().map(|account| account.line);
        std::iter::once(LineNo::EXCHANGE).chain(plain).filter_map(|line| Some((line, self.device(line)?)))
    }

    pub(crate) fn each_phone(&self, ask: impl Fn(&dyn Device)) {
        self.devices().for_each(|(_, device)| ask(device));
    }

    /// A call of this phone gets the sound: whoever is talked with on another one is held. Within one phone, the phone
    /// itself sees to it.
    pub(crate) fn quiet_others(&self, line: LineNo) {
        for call in self.view.phone.calls.iter().filter(|call| call.talks() && call.id.line() != line) {
            let (other, key) = LineNo::of(call.id);
            if let Some(device) = self.device(other) {
                device.hold(key, true);
            }
        }
    }

    /// Tells every phone whether the person talks on another one, so that its calls only knock and none answers itself;
    /// and whether another one rings already, so that two tones do not become a noise.
    pub(crate) fn tell_phones_of_each_other(&mut self) {
        let talking: Vec<LineNo> = self.view.phone.calls.iter().filter(|c| c.talks()).map(|c| c.id.line()).collect();
        let rings = self.view.rings.first().map(|ring| ring.id.line());
        let now: Vec<(LineNo, bool, bool)> = self
            .devices()
            .map(|(line, _)| {
                (line, talking.iter().any(|talks| *talks != line), rings.is_some_and(|rings| rings != line))
            })
            .collect();
        for (line, talks, rings) in now {
            let (tell_talks, tell_rings) = self.elsewhere.differs(line, talks, rings);
            let Some(device) = self.device(line) else { continue };
            if tell_talks {
                device.talking_elsewhere(talks);
            }
            if tell_rings {
                device.ringing_elsewhere(rings);
            }
        }
    }
}

/// Phones that were told that the person talks, or is rung, on another one.
#[derive(Default)]
pub(crate) struct Elsewhere {
    talks: HashSet<LineNo>,
    rings: HashSet<LineNo>,
}

impl Elsewhere {
    pub(crate) fn forget(&mut self, line: LineNo) {
        self.talks.remove(&line);
        self.rings.remove(&line);
    }

    /// Which of both is news to this phone; from now on it knows.
    fn differs(&mut self, line: LineNo, talks: bool, rings: bool) -> (bool, bool) {
        (news(&mut self.talks, line, talks), news(&mut self.rings, line, rings))
    }
}

fn news(told: &mut HashSet<LineNo>, line: LineNo, now: bool) -> bool {
    if now { told.insert(line) } else { told.remove(&line) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_calls_name_leads_back_to_its_phone() {
        let line = LineNo::EXCHANGE.next().next();
        assert_eq!(LineNo::of(line.id(CallKey(7))), (line, CallKey(7)));
        assert_eq!(LineNo::EXCHANGE.id(CallKey(7)), PhoneCallId(7));
        assert_eq!(LineNo(LAST_LINE).next(), LineNo::EXCHANGE.next());
        assert_eq!(LineNo::of(LineNo(LAST_LINE).id(CallKey(3))), (LineNo(LAST_LINE), CallKey(3)));
    }
}
