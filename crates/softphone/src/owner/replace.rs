//! Being handed over: somebody takes the place of our far side (RFC 3891).

use sip::{Incoming, LegKey};

use super::{Line, Owner};
use crate::call::{Call, Input};
use crate::event::CallEvent;
use crate::incoming::IncomingCall;
use crate::voice::Sockets;

impl Owner {
    /// Nothing rings, and what the person has set stays: a call that was held or muted comes back to nobody's ear.
    pub(super) fn replace(&mut self, replaced: LegKey, invite: &Incoming, line: Line, sockets: Sockets) {
        let before = self.legs.get(&replaced).copied();
        let Some((old, before)) = before.and_then(|old| Some((old, self.lines.get_mut(&old)?))) else {
            // It has just ended.
            return self.endpoint.refuse(invite.leg, 603, None);
        };
        let call = Call::instead_of(&before.call);
        // Whoever had us make that call hears of this one.
        let (muted, follows, has_sound) = (before.muted, before.follows.take(), call.has_sound());
        let new = self.new_key();
        let card = IncomingCall::read(new, invite);
        self.open_theirs(new, Line { call, kind: Some(card.kind), follows, ..line }, sockets);
        let (with, referred_by) = (card.caller, card.transferred_by);
        self.tell_call(old, CallEvent::Replaced { by: new, with, referred_by });
        if muted {
            self.mute(new, true);
        }
        self.accept(new);
        self.input(old, Input::HangUp);
        if has_sound {
            self.take_sound(new);
        }
        self.settle(new);
    }
}
