//! Changing a standing session: re-INVITE out and in, UPDATE in, glare (RFC 3261 section 14, RFC 3311).

use std::time::Duration;

use rand::Rng;
use rsipstack::sip::Method;
use tokio::time::Instant;

use super::{Leg, State};
use crate::{LegEvent, io::Io, message::Message, timer::Timer, transaction::Outcome};

/// How often an offer is tried again after glare.
const GLARE_TRIES: u8 = 5;

/// A change that is under way.
pub(super) enum Modify {
    Idle,
    Ours {
        tx: u64,
        sdp: String,
        tries: u8,
    },
    /// Both offered at once: trying again after a while of chance.
    Glare {
        until: Instant,
        sdp: String,
        tries: u8,
    },
    /// They offered; the owner has to answer. `invite` is false for an UPDATE.
    Theirs {
        tx: u64,
        invite: bool,
    },
}

impl Modify {
    pub fn is_ours(&self, outcome: u64) -> bool {
        matches!(self, Self::Ours { tx, .. } if *tx == outcome)
    }

    pub fn replaced(&mut self, old: u64, new: u64) {
        if let Self::Ours { tx, .. } = self
            && *tx == old
        {
            *tx = new;
        }
    }
}

impl Leg {
    pub(super) fn offer(&mut self, sdp: String, io: &mut Io) {
        match self.state {
            State::Up => {
                self.next_offer = Some(sdp);
                self.try_next_offer(io);
            }
            State::Resolving(_) | State::Calling { .. } | State::Arriving { .. } => {
                self.tell(LegEvent::OfferFailed { status: 491 }, io);
            }
            State::Cancelling { .. } | State::HangUpLater(_) | State::Closing | State::Over => {}
        }
    }

    /// Sends the offer that waits, if nothing is under way.
    pub(super) fn try_next_offer(&mut self, io: &mut Io) {
        let free = matches!(self.state, State::Up)
            && matches!(self.modify, Modify::Idle)
            && self.confirming.is_none()
            && self.turns.is_free();
        if free && let Some(sdp) = self.next_offer.take() {
            self.send_offer(sdp, 0, io);
        }
    }

    fn send_offer(&mut self, sdp: String, tries: u8, io: &mut Io) {
        let m = self.new_request(Method::Invite, io);
        let m = m.with_sdp(sdp.clone());
        match self.send(m, io) {
            Some(tx) => self.modify = Modify::Ours { tx, sdp, tries },
            None => self.tell(LegEvent::OfferFailed { status: 503 }, io),
        }
    }

    pub(super) fn offer_outcome(&mut self, outcome: &Outcome, io: &mut Io) {
        let status = outcome.response.status();
        if status < 200 {
            return;
        }
        let Modify::Ours { sdp, tries, .. } = std::mem::replace(&mut self.modify, Modify::Idle) else { return };
        if status < 300 {
            self.learn_target(&outcome.response, io);
            self.acknowledge(outcome, io);
        }
        if !matches!(self.state, State::Up) {
            return;
        }
        match status {
            200..300 => {
                self.local_sdp = sdp;
                let answer = outcome.response.sdp().unwrap_or_default().to_owned();
                self.tell(LegEvent::OfferAnswered { sdp: answer }, io);
            }
            491 if tries < GLARE_TRIES => {
                // RFC 3261 section 14.1: the owner of the Call-ID waits longer.
                let range = if self.we_called { 2100..4000 } else { 0..2000 };
                let wait = Duration::from_millis(rand::rng().random_range(range) / 10 * 10);
                let until = io.timer(wait, Timer::Leg(self.key));
                self.modify = Modify::Glare { until, sdp, tries: tries + 1 };
                return;
            }
            // The peer knows no such dialog, or is gone (RFC 3261 section 12.2.1.2).
            408 | 481 => return self.dialog_lost(status, io),
            _ => self.tell(LegEvent::OfferFailed { status }, io),
        }
        self.try_next_offer(io);
    }

    pub(super) fn glare_over(&mut self, due: Instant, io: &mut Io) {
        match std::mem::replace(&mut self.modify, Modify::Idle) {
            Modify::Glare { until, sdp, tries } if until == due => {
                // A later offer of the owner stands in for the one that met glare.
                let sdp = self.next_offer.take().unwrap_or(sdp);
                self.send_offer(sdp, tries, io);
            }
            other @ (Modify::Idle | Modify::Ours { .. } | Modify::Glare { .. } | Modify::Theirs { .. }) => {
                self.modify = other;
            }
        }
    }

    /// A re-INVITE or UPDATE.
    pub(super) fn offered(&mut self, tx: u64, method: Method, request: &Message, io: &mut Io) {
        let invite = method == Method::Invite;
        if !matches!(self.state, State::Up) {
            return self.reply(tx, if invite || request.sdp().is_some() { 491 } else { 200 }, io);
        }
        let busy = match &self.modify {
            Modify::Ours { .. } => Some(491),
            // Theirs is pending: RFC 3261 section 14.2 asks for 500 with Retry-After.
            Modify::Theirs { .. } => Some(500),
            Modify::Idle | Modify::Glare { .. } => self.confirming.as_ref().map(|_| 491),
        };
        if let Some(status) = busy.filter(|_| invite || request.sdp().is_some()) {
            let tag = self.local_tag.clone();
            io.respond(tx, status, &tag, |mut m| {
                if status == 500 {
                    m.add("Retry-After", "1");
                }
                m
            });
            return;
        }
        self.learn_target(request, io);
        match request.sdp() {
            Some(sdp) => {
                if let Modify::Glare { sdp, .. } = std::mem::replace(&mut self.modify, Modify::Theirs { tx, invite }) {
                    self.next_offer.get_or_insert(sdp);
                }
                self.tell(LegEvent::Offer { sdp: sdp.to_owned() }, io);
            }
            // They ask for our offer: what we have stands; their answer comes with the ACK.
            None if invite => {
                let sdp = self.local_sdp.clone();
                self.confirm(tx, sdp, false, true, io);
            }
            None => self.reply(tx, 200, io),
        }
    }

    pub(super) fn answer_offer(&mut self, answer: Result<String, u16>, io: &mut Io) {
        let Modify::Theirs { tx, invite } = self.modify else { return };
        self.modify = Modify::Idle;
        match answer {
            Ok(sdp) if invite => {
                self.confirm(tx, sdp, false, false, io);
            }
            Ok(sdp) => {
                let tag = self.local_tag.clone();
                self.local_sdp.clone_from(&sdp);
                let contact = self.flow.map(|f| io.contact(&self.local_user, &f)).unwrap_or_default();
                io.respond(tx, 200, &tag, |mut m| {
                    m.add("Contact", contact);
                    m.with_sdp(sdp)
                });
            }
            Err(status) => self.reply(tx, if (300..700).contains(&status) { status } else { 488 }, io),
        }
        self.try_next_offer(io);
    }
}
