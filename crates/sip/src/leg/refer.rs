//! REFER in and out with its subscription (RFC 3515, RFC 5589).

use std::time::Duration;

use rsipstack::sip::{Method, StatusCode};
use tokio::time::Instant;

use super::{Leg, State};
use crate::{
    LegEvent, LegKey, NameAddr, Replaced,
    io::Io,
    message::{Message, param_of},
    replaces,
    timer::{GIVE_UP, Timer},
    transaction::Outcome,
};

/// How long the first NOTIFY may take (RFC 6665 section 4.1.2.4, timer N).
const FIRST_NOTIFY: Duration = GIVE_UP;
/// How long a subscription may last that does not say it, and the longest that is believed, seconds.
const EXPIRES: u64 = 180;
const MAX_EXPIRES: u64 = 600;

/// Our REFER, until its last NOTIFY.
pub(super) struct ReferOut {
    /// Its CSeq number, which a NOTIFY may name as the event's id.
    number: u32,
    /// When we stop to wait for the next NOTIFY.
    until: Option<Instant>,
}

/// Their REFER.
pub(super) enum ReferIn {
    None,
    /// The owner has to accept it or not.
    Asked {
        tx: u64,
        number: u32,
    },
    /// Accepted: NOTIFYs follow until a final status.
    Subscribed {
        number: u32,
    },
}

impl Leg {
    pub(super) fn refer(&mut self, to: &str, referred_by: Option<String>, io: &mut Io) {
        let target = to.parse::<NameAddr>();
        let status = match (&self.state, &self.refer_out, &target) {
            (State::Up, None, Ok(_)) => None,
            (State::Up, Some(_), _) => Some(491),
            (State::Up, None, Err(_)) => Some(400),
            (_, _, _) => Some(481),
        };
        if let Some(status) = status {
            return self.tell(LegEvent::ReferProgress { status }, io);
        }
        let Ok(target) = target else { return };
        let mut m = self.numbered_request(Method::Refer, 0, io);
        m.add("Refer-To", format!("<{}>", target.uri));
        if let Some(by) = referred_by.and_then(|b| b.parse::<NameAddr>().ok()) {
            m.add("Referred-By", by.to_string());
        }
        self.refer_out = Some(ReferOut { number: 0, until: None });
        self.send_in_turn(m, io);
    }

    pub(super) fn refer_sent(&mut self) {
        if let Some(refer) = &mut self.refer_out {
            refer.number = self.local_cseq;
        }
    }

    pub(super) fn refer_outcome(&mut self, outcome: &Outcome, io: &mut Io) {
        let status = outcome.response.status();
        let Some(refer) = &mut self.refer_out else { return };
        if status < 300 {
            refer.number = outcome.response.cseq().0;
            let until = io.timer(FIRST_NOTIFY, Timer::Leg(self.key));
            refer.until.get_or_insert(until);
            self.tell(LegEvent::ReferProgress { status: 100 }, io);
        } else {
            self.refer_over(status, io);
        }
    }

    /// The transferee says nothing any more: as far as we know, the transfer has failed.
    pub(super) fn refer_timed_out(&mut self, due: Instant, io: &mut Io) {
        if self.refer_out.as_ref().is_some_and(|r| r.until == Some(due)) {
            self.refer_over(408, io);
        }
    }

    pub(super) fn refer_over(&mut self, status: u16, io: &mut Io) {
        self.refer_out = None;
        self.tell(LegEvent::ReferProgress { status }, io);
    }

    /// A NOTIFY within the dialog.
    pub(super) fn notified(&mut self, tx: u64, request: &Message, io: &mut Io) {
        let event = request.get("Event").unwrap_or_default();
        if !event.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("refer") {
            return self.reply(tx, 489, io);
        }
        let Some(refer) = &self.refer_out else { return self.reply(tx, 481, io) };
        // The first NOTIFY may overtake the 202, and a REFER sent again with credentials has another number.
        let other = param_of(event, "id").and_then(|id| id.parse().ok()).is_some_and(|id: u32| id < refer.number);
        if other {
            return self.reply(tx, 481, io);
        }
        self.reply(tx, 200, io);
        let state = request.get("Subscription-State").unwrap_or_default();
        let terminated = state.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("terminated");
        match sipfrag_status(&request.body) {
            Some(status) if status >= 200 => self.refer_over(status, io),
            // Ended without a result: nobody knows how it went.
            _ if terminated => self.refer_over(408, io),
            Some(status) if status > 100 => self.tell(LegEvent::ReferProgress { status }, io),
            Some(_) | None => {}
        }
        if let Some(refer) = &mut self.refer_out {
            let seconds = param_of(state, "expires").and_then(|s| s.parse().ok()).unwrap_or(EXPIRES);
            let lasts = Duration::from_secs(seconds.clamp(1, MAX_EXPIRES));
            refer.until = Some(io.timer(lasts, Timer::Leg(self.key)));
        }
    }

    /// `leg` is whose dialog the Refer-To wants replaced.
    pub(super) fn refer_received(&mut self, tx: u64, request: &Message, leg: Option<LegKey>, io: &mut Io) {
        if !matches!(self.state, State::Up) || !matches!(self.refer_in, ReferIn::None) {
            return self.reply(tx, 491, io);
        }
        let one = request.all("Refer-To").count() == 1;
        let to = request.name_addr("Refer-To").filter(|_| one);
        let Some((mut to, Ok(dialog))) = to.map(|to| (to.clone(), replaces::of_uri(&to.uri))) else {
            return self.reply(tx, 400, io);
        };
        to.uri.headers = None;
        self.refer_in = ReferIn::Asked { tx, number: request.cseq().0 };
        let referred_by = request.name_addr("Referred-By");
        let replaces = dialog.map(|dialog| Replaced { dialog, leg });
        self.tell(LegEvent::Refer { to, referred_by, replaces }, io);
    }

    pub(super) fn accept_refer(&mut self, accept: Result<(), u16>, io: &mut Io) {
        let ReferIn::Asked { tx, number } = self.refer_in else { return };
        if let Err(status) = accept {
            self.refer_in = ReferIn::None;
            return self.reply(tx, if (300..700).contains(&status) { status } else { 603 }, io);
        }
        let contact = self.flow.map(|f| io.contact(&self.local_user, &f)).unwrap_or_default();
        let tag = self.local_tag.clone();
        io.respond(tx, 202, &tag, |mut m| {
            m.add("Contact", contact);
            m
        });
        self.refer_in = ReferIn::Subscribed { number };
        // RFC 3515 section 2.4.4: one NOTIFY at once.
        self.notify_refer(100, io);
    }

    pub(super) fn notify_refer(&mut self, status: u16, io: &mut Io) {
        let ReferIn::Subscribed { number } = self.refer_in else { return };
        if !matches!(self.state, State::Up) || !(100..700).contains(&status) {
            return;
        }
        let mut m = self.numbered_request(Method::Notify, 0, io);
        m.add("Event", format!("refer;id={number}"));
        m.add("Subscription-State", if status < 200 { "active;expires=180" } else { "terminated;reason=noresource" });
        m.add("Content-Type", "message/sipfrag;version=2.0");
        m.body = format!("SIP/2.0 {status} {}\r\n", StatusCode::from(status).text());
        if status >= 200 {
            self.refer_in = ReferIn::None;
        }
        self.send_in_turn(m, io);
    }

    /// The transferor does not want to hear any more.
    pub(super) fn notify_failed(&mut self, status: u16) {
        if matches!(self.refer_in, ReferIn::Subscribed { .. }) && status == 481 {
            self.refer_in = ReferIn::None;
        }
    }
}

/// The status of a `message/sipfrag` (RFC 3420).
fn sipfrag_status(body: &str) -> Option<u16> {
    let mut words = body.lines().next()?.split_ascii_whitespace();
    let status = words.next().filter(|v| v.starts_with("SIP/")).and_then(|_| words.next())?.parse().ok()?;
    (100..700).contains(&status).then_some(status)
}
