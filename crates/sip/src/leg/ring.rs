//! Ringing: 180, again and again, and for how long at most.

use std::time::Duration;

use tokio::time::Instant;

use super::{Leg, State, refresh::has_option};
use crate::{EndCause, EndedBy, io::Io, message::Message, timer::Timer};

/// A proxy gives a call up of which it has heard nothing for three minutes, and a 180 may be lost (RFC 3261 section
/// 13.3.1.1). One that cannot be lost need not come as often (RFC 3262 section 3).
const AGAIN: Duration = Duration::from_secs(60);
const AGAIN_RELIABLY: Duration = Duration::from_secs(150);

/// How long a call rings here, and what is due meanwhile.
#[derive(Default)]
pub(super) struct Ringing {
    /// The caller waits no longer (RFC 3261 section 13.3.1).
    expires_at: Option<Instant>,
    /// We ring no longer.
    stops_at: Option<Instant>,
    again_at: Option<Instant>,
    looks_at: Option<Instant>,
}

impl Ringing {
    /// `expires` as [`expires`] reads it.
    pub fn until(expires: Option<u32>, now: Instant) -> Self {
        let expires_at = expires.map(|seconds| now + Duration::from_secs(seconds.into()));
        Self { expires_at, ..Self::default() }
    }
}

/// For how many seconds an INVITE is meant; nothing is said by what is no number of 32 bits (RFC 3261 section 20.19).
pub(super) fn expires(invite: &Message) -> Option<u32> {
    let value = invite.get("Expires")?.trim();
    value.bytes().all(|b| b.is_ascii_digit()).then(|| value.parse().ok())?
}

impl Leg {
    pub(super) fn ring(&mut self, at_most: Option<Duration>, io: &mut Io) {
        let State::Arriving { .. } = self.state else { return };
        if let Some(time) = at_most {
            self.ringing.stops_at.get_or_insert(io.now + time);
        }
        self.say_ringing(io);
        self.look_after_ringing(io);
    }

    fn say_ringing(&mut self, io: &mut Io) {
        let State::Arriving { tx, offered } = self.state else { return };
        let Some((request, flow)) = io.txs.pending(tx) else { return };
        let (cseq, reliably) = (request.cseq().0, has_option(request, "Require", "100rel"));
        let contact = io.contact(&self.local_user, &flow);
        if reliably {
            // Without an offer, the first reliable answer would have to bring ours (RFC 3261 section 13.2.1).
            if offered && self.ring_reliably(tx, cseq, contact, io) {
                self.ringing.again_at = Some(io.now + AGAIN_RELIABLY);
            }
            return;
        }
        let tag = self.local_tag.clone();
        io.respond(tx, 180, &tag, |mut m| {
            m.add("Contact", contact);
            m
        });
        self.ringing.again_at = Some(io.now + AGAIN);
    }

    /// Sets the timer for what is due next. It comes at least every minute: a caller who names a time of years and is gone
    /// leaves no timer for years, since none is ever taken out.
    pub(super) fn look_after_ringing(&mut self, io: &mut Io) {
        let Ringing { expires_at, stops_at, again_at, .. } = self.ringing;
        let next = [expires_at, stops_at, again_at].into_iter().flatten().min();
        self.ringing.looks_at = next.map(|next| io.timers.at(next.min(io.now + AGAIN), Timer::Leg(self.key)));
    }

    pub(super) fn ringing_due(&mut self, due: Instant, io: &mut Io) {
        let State::Arriving { tx, .. } = self.state else { return };
        if self.ringing.looks_at != Some(due) {
            return;
        }
        let over = |at: Option<Instant>| at.is_some_and(|at| at <= due);
        if over(self.ringing.expires_at) {
            self.reply(tx, 487, io);
            self.state = State::Over;
            return self.tell_end(EndCause::new(EndedBy::Them, Some(487), None), io);
        }
        if over(self.ringing.stops_at) {
            return self.refuse(480, None, io);
        }
        if over(self.ringing.again_at) {
            self.ringing.again_at = None;
            self.say_ringing(io);
        }
        self.look_after_ringing(io);
    }
}
