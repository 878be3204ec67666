//! Ending: BYE in and out, CANCEL, and calls that nobody acknowledged.

use rsipstack::sip::Method;

use super::{Leg, Modify, State};
use crate::{EndCause, EndedBy, ReasonHeader, io::Io, message::Message};

impl Leg {
    pub fn hang_up(&mut self, reason: Option<ReasonHeader>, io: &mut Io) {
        let cause = EndCause::new(EndedBy::Us, None, reason.clone());
        match std::mem::replace(&mut self.state, State::Over) {
            State::Resolving(_) => self.tell_end(cause, io),
            State::Calling { tx, .. } => {
                let heard = io.txs.is_proceeding(tx);
                if heard {
                    io.cancel(tx, reason.as_ref());
                }
                self.state = State::Cancelling { tx, reason, sent: heard };
                self.tell_end(cause, io);
            }
            State::Arriving { tx, offered } => {
                self.state = State::Arriving { tx, offered };
                self.refuse(603, reason, io);
            }
            State::Up => {
                self.bye(reason, io);
                self.tell_end(cause, io);
            }
            other @ (State::Cancelling { .. } | State::HangUpLater(_) | State::Closing | State::Over) => {
                self.state = other;
            }
        }
    }

    /// Sends BYE, after what has to be said before it; the leg lives on until its answer.
    pub(super) fn bye(&mut self, reason: Option<ReasonHeader>, io: &mut Io) {
        self.drop_their_offer(io);
        self.turns.keep_last_words();
        self.state = State::HangUpLater(reason);
        self.hurry(io);
        self.next_turn(io);
        self.bye_if_said(io);
    }

    /// Sends the BYE that waits, if nothing has to be said before it any more and they have acknowledged our answer.
    pub(super) fn bye_if_said(&mut self, io: &mut Io) {
        let State::HangUpLater(reason) = &self.state else { return };
        let reason = reason.clone();
        if !self.turns.is_free() || self.confirming.as_ref().is_some_and(|c| c.first) || !self.has_way(io) {
            return;
        }
        let mut bye = self.new_request(Method::Bye, io);
        if let Some(reason) = reason {
            bye.add("Reason", reason.to_string());
        }
        let sent = self.send(bye, io);
        self.state = if sent.is_some() { State::Closing } else { State::Over };
    }

    pub(super) fn bye_received(&mut self, tx: u64, request: &Message, io: &mut Io) {
        self.reply(tx, 200, io);
        self.drop_their_offer(io);
        let reason = request.reason();
        let status = match self.state {
            // A BYE of the early dialog (RFC 3261 section 15.1.2): the INVITE still needs its end.
            State::Arriving { tx: invite, .. } => {
                self.reply(invite, 487, io);
                Some(487)
            }
            State::Calling { .. } | State::Cancelling { .. } => return,
            State::Resolving(_) | State::Up | State::HangUpLater(_) | State::Closing | State::Over => None,
        };
        self.state = State::Over;
        self.tell_end(EndCause::new(EndedBy::Them, status, reason), io);
    }

    /// No ACK came to our 2xx (RFC 3261 section 13.3.1.4): the peer is gone, say goodbye all the same.
    pub(super) fn never_acknowledged(&mut self, io: &mut Io) {
        self.bye(None, io);
        self.tell_end(EndCause::new(EndedBy::Network, Some(408), None), io);
    }

    /// A re-INVITE of theirs that we have not answered dies with the dialog.
    fn drop_their_offer(&mut self, io: &mut Io) {
        if let Modify::Theirs { tx, .. } = std::mem::replace(&mut self.modify, Modify::Idle) {
            self.reply(tx, 487, io);
        }
        self.next_offer = None;
    }
}
