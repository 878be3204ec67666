//! Changing a session: re-INVITE and UPDATE out and in, glare (RFC 3261 section 14, RFC 3311). A standing one is changed
//! by re-INVITE, which everybody knows; one that still rings can only be by UPDATE.

use std::time::Duration;

use rand::Rng;
use rsipstack::sip::Method;
use tokio::time::Instant;

use super::{Granted, Leg, State, refresh};
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
    /// They offered, or want our offer; the owner has to answer.
    Theirs {
        tx: u64,
        answered: Answered,
    },
}

/// What brings the answer.
#[derive(Clone, Copy)]
pub(super) enum Answered {
    Update,
    Invite,
    /// Ours was the offer: it went out in the 200.
    TheirAck,
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
            State::Calling { agreed: true, .. } if self.expiry.takes_update() => {
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
        let free = matches!(self.state, State::Up | State::Calling { agreed: true, .. })
            && matches!(self.modify, Modify::Idle)
            && self.confirming.is_none()
            && self.turns.is_free();
        if free && let Some(sdp) = self.next_offer.take() {
            self.send_offer(sdp, 0, io);
        }
    }

    fn send_offer(&mut self, sdp: String, tries: u8, io: &mut Io) {
        let up = matches!(self.state, State::Up);
        let mut m = self.new_request(if up { Method::Invite } else { Method::Update }, io);
        m.add("Allow", crate::message::ALLOW);
        self.wish_session(&mut m, io);
        let m = m.with_sdp(sdp.clone());
        match self.send(m, io) {
            Some(tx) => self.modify = Modify::Ours { tx, sdp, tries },
            None if self.expiry.not_sent() => {}
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
            if outcome.response.cseq().1 == "INVITE" {
                self.acknowledge(outcome, io);
            }
            self.session_answered(&outcome.response, io);
        }
        if !matches!(self.state, State::Up | State::Calling { .. }) {
            return;
        }
        match status {
            200..300 => {
                self.local_sdp = sdp;
                let answer = outcome.response.sdp().unwrap_or_default().to_owned();
                self.now_early(&answer);
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
            422 if self.raise_session(&outcome.response) => return self.send_offer(sdp, tries, io),
            _ if status != 481 && self.refresh_failed(status, &outcome.response, io) => {}
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

    /// While it still rings, what they say now is what their answer would say.
    fn now_early(&mut self, sdp: &str) {
        if let State::Calling { early, .. } = &mut self.state
            && !sdp.is_empty()
        {
            *early = Some(sdp.to_owned());
        }
    }

    /// A re-INVITE or UPDATE.
    pub(super) fn offered(&mut self, tx: u64, method: Method, request: &Message, io: &mut Io) {
        let invite = method == Method::Invite;
        if refresh::Asked::read(request).too_brief() {
            return refresh::refuse_too_brief(tx, &self.local_tag.clone(), io);
        }
        self.expiry.learn_allow(request);
        let changes = invite || request.sdp().is_some();
        match self.state {
            State::Up | State::Calling { agreed: true, .. } => {}
            // Our answer to their first offer is due (RFC 3311 section 5.2).
            State::Arriving { .. } if changes => return self.not_now(tx, 500, io),
            State::Calling { .. } | State::Cancelling { .. } if changes => return self.reply(tx, 491, io),
            State::Arriving { .. } | State::Calling { .. } => {
                self.learn_target(request, io);
                self.accept_update(tx, None, io);
                return self.learn_identity(request, io);
            }
            State::Resolving(_) | State::Cancelling { .. } | State::HangUpLater(_) | State::Closing | State::Over => {
                return self.reply(tx, 481, io);
            }
        }
        let busy = match &self.modify {
            Modify::Ours { .. } => Some(491),
            // Theirs is pending: RFC 3261 section 14.2 asks for 500 with Retry-After.
            Modify::Theirs { .. } => Some(500),
            Modify::Idle | Modify::Glare { .. } => self.confirming.as_ref().map(|_| 491),
        };
        if let Some(status) = busy.filter(|_| changes) {
            return self.not_now(tx, status, io);
        }
        self.learn_target(request, io);
        let answered = match request.sdp() {
            Some(_) if invite => Answered::Invite,
            Some(_) => Answered::Update,
            None if invite => Answered::TheirAck,
            None => {
                self.accept_update(tx, None, io);
                return self.learn_identity(request, io);
            }
        };
        if let Modify::Glare { sdp, .. } = std::mem::replace(&mut self.modify, Modify::Theirs { tx, answered }) {
            self.next_offer.get_or_insert(sdp);
        }
        let sdp = request.sdp().unwrap_or_default();
        self.now_early(sdp);
        self.tell(LegEvent::Offer { sdp: sdp.to_owned() }, io);
        self.learn_identity(request, io);
    }

    /// 491 for what crossed ours, 500 for what came too early.
    fn not_now(&mut self, tx: u64, status: u16, io: &mut Io) {
        let tag = self.local_tag.clone();
        io.respond(tx, status, &tag, |mut m| {
            if status == 500 {
                m.add("Retry-After", "1");
            }
            m
        });
    }

    /// 200 to an UPDATE, with our answer if it had an offer.
    fn accept_update(&mut self, tx: u64, sdp: Option<String>, io: &mut Io) {
        let Some((request, flow)) = io.txs.pending(tx) else { return };
        let asked = refresh::Asked::read(request);
        let granted = if matches!(self.state, State::Up) { self.grant_session(asked, io) } else { None };
        let (tag, contact) = (self.local_tag.clone(), io.contact(&self.local_user, &flow));
        io.respond(tx, 200, &tag, |mut m| {
            m.add("Contact", contact);
            Granted::write(granted.as_ref(), &mut m);
            match sdp {
                Some(sdp) => m.with_sdp(sdp),
                None => m,
            }
        });
    }

    pub(super) fn answer_offer(&mut self, answer: Result<String, u16>, io: &mut Io) {
        let Modify::Theirs { tx, answered } = self.modify else { return };
        self.modify = Modify::Idle;
        match (answer, answered) {
            (Ok(sdp), Answered::Invite) => drop(self.confirm(tx, sdp, false, false, io)),
            (Ok(sdp), Answered::TheirAck) => drop(self.confirm(tx, sdp, false, true, io)),
            (Ok(sdp), Answered::Update) => {
                self.local_sdp.clone_from(&sdp);
                self.accept_update(tx, Some(sdp), io);
            }
            (Err(status), _) => self.reply(tx, if (300..700).contains(&status) { status } else { 488 }, io),
        }
        self.try_next_offer(io);
    }
}
