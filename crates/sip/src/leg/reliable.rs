//! Provisional answers that must arrive (RFC 3262): PRACK out and in.

use std::time::Duration;

use bytes::Bytes;
use rsipstack::sip::Method;
use tokio::time::Instant;

use super::{Leg, State, refresh::has_option};
use crate::{
    Flow,
    io::Io,
    message::{Message, split_list},
    timer::{GIVE_UP, T1, Timer},
    transaction::Owner,
};

/// Phones that one INVITE may ring at once.
const MAX_FORKS: usize = 8;

/// What we have heard: the last number of each phone that rings, by its tag.
#[derive(Default)]
pub(super) struct Heard(Vec<(String, u32)>);

impl Heard {
    /// Whether a reliable answer is the next one, and not one that came again or too early (section 4).
    fn is_next(&mut self, tag: &str, number: u32) -> bool {
        let Some((_, last)) = self.0.iter_mut().find(|(t, _)| t == tag) else {
            let room = self.0.len() < MAX_FORKS;
            if room {
                self.0.push((tag.to_owned(), number));
            }
            return room;
        };
        let next = number == *last + 1;
        if next {
            *last = number;
        }
        next
    }
}

/// What we have said and nobody has acknowledged yet: sent again with growing pauses (section 3).
pub(super) struct Said {
    number: u32,
    cseq: u32,
    bytes: Bytes,
    flow: Flow,
    interval: Duration,
    resend_at: Instant,
    give_up_at: Instant,
    acknowledged: bool,
}

impl Leg {
    /// A provisional answer to our INVITE: acknowledges it if it wants that. `false` if it is to be ignored.
    pub(super) fn heard_reliably(&mut self, response: &Message, io: &mut Io) -> bool {
        if !has_option(response, "Require", "100rel") {
            return true;
        }
        let number = response.get("RSeq").and_then(|n| n.trim().parse::<u32>().ok()).filter(|n| *n < 1 << 31);
        let Some(number) = number.filter(|n| self.heard.is_next(response.tag_of_to(), *n)) else { return false };
        self.send_prack(response, number, io);
        true
    }

    /// PRACK goes to whoever rang, over the way that the answer recorded, whichever phone will answer in the end.
    fn send_prack(&mut self, response: &Message, number: u32, io: &mut Io) {
        let target = response.contact().map_or_else(|| self.target.clone(), |c| c.to_string());
        let routes: Vec<String> =
            response.all("Record-Route").flat_map(split_list).take(32).map(str::to_owned).collect();
        let kept = (
            std::mem::replace(&mut self.early_tag, response.tag_of_to().to_owned()),
            std::mem::replace(&mut self.target, target),
            std::mem::replace(&mut self.routes, routes.into_iter().rev().collect()),
        );
        let mut prack = self.new_request(Method::PRack, io);
        (self.early_tag, self.target, self.routes) = kept;
        prack.add("RAck", format!("{number} {} INVITE", response.cseq().0));
        if let Some(flow) = self.flow {
            io.send(Owner::Leg(self.key), flow, prack);
        }
    }

    /// 180 to a caller who wants to be sure of it; `false` if the one before is not acknowledged yet (section 3).
    pub(super) fn ring_reliably(&mut self, tx: u64, cseq: u32, contact: String, io: &mut Io) -> bool {
        let Some((_, flow)) = io.txs.pending(tx) else { return false };
        let number = match &self.said {
            Some(said) if !said.acknowledged => return false,
            Some(said) => said.number + 1,
            None => rand::random_range(1..1 << 30),
        };
        let tag = self.local_tag.clone();
        let sent = io.respond(tx, 180, &tag, |mut m| {
            m.add("Contact", contact);
            m.add("Require", "100rel");
            m.add("RSeq", number.to_string());
            m
        });
        let Some(bytes) = sent else { return false };
        let resend_at = io.timer(T1, Timer::Leg(self.key));
        let give_up_at = io.timer(GIVE_UP, Timer::Leg(self.key));
        self.said = Some(Said { number, cseq, bytes, flow, interval: T1, resend_at, give_up_at, acknowledged: false });
        true
    }

    pub(super) fn reliable_due(&mut self, due: Instant, io: &mut Io) {
        let State::Arriving { .. } = self.state else { return };
        let Some(said) = self.said.as_mut().filter(|s| !s.acknowledged) else { return };
        if said.give_up_at == due {
            // Section 3: a caller who never acknowledges is refused.
            return self.refuse(504, None, io);
        }
        if said.resend_at == due {
            let _ = io.net.send(&said.flow, &said.bytes);
            said.interval *= 2;
            said.resend_at = io.timer(said.interval, Timer::Leg(self.key));
        }
    }

    pub(super) fn prack_received(&mut self, tx: u64, request: &Message, io: &mut Io) {
        let rack = request.get("RAck").unwrap_or_default();
        let mut words = rack.split_ascii_whitespace();
        let (number, cseq) = (words.next().and_then(|n| n.parse().ok()), words.next().and_then(|n| n.parse().ok()));
        let invite = words.next() == Some("INVITE");
        let said = self.said.as_mut().filter(|s| invite && number == Some(s.number) && cseq == Some(s.cseq));
        let Some(said) = said.filter(|s| !s.acknowledged) else { return self.reply(tx, 481, io) };
        said.acknowledged = true;
        // What we say before the answer has no description in it, so theirs has nothing to be the answer to, and their
        // first offer waits for its own (section 5).
        self.reply(tx, if request.sdp().is_some() { 488 } else { 200 }, io);
    }
}
