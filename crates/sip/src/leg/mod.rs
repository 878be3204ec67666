//! One call leg: an INVITE dialog (RFC 3261 sections 12 to 15) from its first message to its last. One file per verb.

mod arrive;
mod call;
mod end;
mod identity;
mod modify;
mod refer;
mod refresh;
mod reliable;
mod ring;
mod turn;
mod way;

use std::collections::VecDeque;

use bytes::Bytes;
use rsipstack::sip::Method;
use tokio::time::Instant;

use crate::{
    Credentials, EndCause, Flow, Invite, LegEvent, LegKey, ReasonHeader, Replaces, Uri,
    auth::answer_challenge,
    endpoint::LegOrder,
    io::Io,
    message::Message,
    net::Hop,
    session_id::SessionId,
    timer::{GIVE_UP, T1, T2, Timer},
    transaction::{Outcome, Owner},
};
use modify::Modify;
use refer::{ReferIn, ReferOut};
use refresh::{Asked, Expiry, Granted};
pub(crate) use refresh::{has_option, refuses_as_too_brief};
use turn::{Retry, Turns};

pub(crate) struct Leg {
    pub key: LegKey,
    call_id: String,
    local_tag: String,
    /// Empty until the dialog exists.
    remote_tag: String,
    /// The tag of whoever rings, until somebody answers.
    early_tag: String,
    /// From and To as we write them, without tags.
    local: String,
    remote: String,
    local_user: String,
    local_cseq: u32,
    remote_cseq: u32,
    /// The remote target: what in-dialog requests are addressed to.
    target: String,
    routes: Vec<String>,
    flow: Option<Flow>,
    /// Whether to stay on `flow` whatever the Contact says: the peer is behind a NAT, or we were told so.
    stay_on_flow: bool,
    /// Where to connect to anew if a TCP connection that we opened is lost.
    reconnect_to: Option<Hop>,
    /// The server that the INVITE went to, and those that can be tried instead.
    server: Option<Hop>,
    servers: VecDeque<Hop>,
    /// Who called whom: the owner of the Call-ID waits longer after glare.
    we_called: bool,
    credentials: Option<Credentials>,
    /// The last description of ours, for a re-INVITE that brings no offer.
    local_sdp: String,
    state: State,
    /// Our 2xx to an INVITE, until its ACK.
    confirming: Option<Confirming>,
    modify: Modify,
    next_offer: Option<String>,
    turns: Turns,
    refer_out: Option<ReferOut>,
    refer_in: ReferIn,
    expiry: Expiry,
    /// Reliable provisional answers to our INVITE, and ours to theirs.
    heard: reliable::Heard,
    said: Option<reliable::Said>,
    ringing: ring::Ringing,
    far: identity::Far,
    session_id: SessionId,
    told_end: bool,
}

enum State {
    /// The name of the target is being looked up.
    Resolving(Box<Invite>),
    Calling {
        tx: u64,
        rang: bool,
        early: Option<String>,
        /// `early` came reliably: offer and answer are complete, and either side may change the session by UPDATE (RFC
        /// 3311 section 5.1).
        agreed: bool,
    },
    /// We gave up; waiting for the 487, or a 200 that crossed the CANCEL. A CANCEL may only follow a provisional answer.
    Cancelling {
        tx: u64,
        reason: Option<ReasonHeader>,
        sent: bool,
    },
    /// They call; not answered yet.
    Arriving {
        tx: u64,
        offered: bool,
    },
    /// The dialog stands (their ACK may still be due).
    Up,
    /// We hung up before their ACK came (RFC 3261 section 15), or before they answered what we sent: BYE follows.
    HangUpLater(Option<ReasonHeader>),
    /// BYE sent.
    Closing,
    Over,
}

/// A 2xx to an INVITE, sent again until its ACK comes (RFC 3261 section 13.3.1.4).
struct Confirming {
    cseq: u32,
    bytes: Bytes,
    flow: Flow,
    interval: std::time::Duration,
    resend_at: Instant,
    give_up_at: Instant,
    /// The INVITE brought no offer: our 2xx had it, the ACK has the answer.
    answer_in_ack: bool,
    /// The first INVITE's, not a re-INVITE's.
    first: bool,
}

impl Leg {
    pub fn dialog(&self) -> (String, String) {
        (self.call_id.clone(), self.local_tag.clone())
    }

    /// Whether this is the living dialog that a `Replaces` names. Some devices write the tags from their own side.
    pub fn is_meant_by(&self, replaces: &Replaces) -> bool {
        let (to, from) = (replaces.to_tag.as_str(), replaces.from_tag.as_str());
        let tags = (self.local_tag.as_str(), self.tag_of_theirs());
        (tags == (to, from) || tags == (from, to)) && self.is_early().is_some()
    }

    /// Whether a new call with this `Replaces` may take our far end's place (RFC 3891 section 3); otherwise the status that
    /// says why not.
    pub fn yields_to(&self, replaces: &Replaces, flow: &Flow) -> Result<(), u16> {
        if self.tag_of_theirs() != replaces.from_tag {
            return Err(481);
        }
        match &self.state {
            // Only a call that we have placed can be taken over while it rings.
            State::Resolving(_) | State::Arriving { .. } => return Err(481),
            State::Up if replaces.early_only => return Err(486),
            State::Calling { .. } | State::Up => {}
            State::Cancelling { .. } | State::HangUpLater(_) | State::Closing | State::Over => return Err(603),
        }
        if self.opens(flow) { Err(403) } else { Ok(()) }
    }

    /// Whether the dialog is not answered yet; `None` if it is none, or none any more.
    pub fn is_early(&self) -> Option<bool> {
        match &self.state {
            State::Arriving { .. } => Some(true),
            State::Calling { .. } if !self.early_tag.is_empty() => Some(true),
            State::Up => Some(false),
            State::Resolving(_)
            | State::Calling { .. }
            | State::Cancelling { .. }
            | State::HangUpLater(_)
            | State::Closing
            | State::Over => None,
        }
    }

    fn tag_of_theirs(&self) -> &str {
        if self.remote_tag.is_empty() { &self.early_tag } else { &self.remote_tag }
    }

    /// A Refer-To that has somebody take our place in this dialog.
    pub fn refer_to(&self, early_only: bool) -> Option<String> {
        self.is_early()?;
        let replaces = Replaces {
            call_id: self.call_id.clone(),
            to_tag: self.tag_of_theirs().to_owned(),
            from_tag: self.local_tag.clone(),
            early_only,
        };
        let mut target: Uri = self.target.parse().ok()?;
        target.headers = Some(format!("Replaces={}", replaces.escaped()));
        Some(format!("<{target}>"))
    }

    pub fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    pub fn order(&mut self, order: LegOrder, io: &mut Io) {
        match order {
            LegOrder::Ring { at_most } => self.ring(at_most, io),
            LegOrder::Answer(sdp) => self.answer(sdp, io),
            LegOrder::Refuse { status, reason } => self.refuse(status, reason, io),
            LegOrder::Divert(to) => self.divert(&to, io),
            LegOrder::HangUp(reason) => self.hang_up(reason, io),
            LegOrder::Offer(sdp) => self.offer(sdp, io),
            LegOrder::AnswerOffer(sdp) => self.answer_offer(sdp, io),
            LegOrder::Refer { to, referred_by } => self.refer(&to, referred_by, io),
            LegOrder::AcceptRefer(accept) => self.accept_refer(accept, io),
            LegOrder::NotifyRefer(status) => self.notify_refer(status, io),
            LegOrder::Dtmf(digit) => self.dtmf(digit, io),
            LegOrder::Probe => self.probe(io),
        }
    }

    /// A request within the dialog.
    pub fn request(&mut self, tx: u64, method: Method, (request, replaced): (&Message, Option<LegKey>), io: &mut Io) {
        let theirs = self.tag_of_theirs();
        if !theirs.is_empty() && request.tag_of_from() != theirs {
            return io.refuse(tx, 481);
        }
        let came_by = io.txs.pending(tx).map(|(_, flow)| flow);
        if came_by.is_some_and(|flow| self.opens(&flow)) {
            return io.refuse(tx, 403);
        }
        let number = request.cseq().0;
        if number <= self.remote_cseq {
            return io.refuse(tx, 500); // RFC 3261 section 12.2.2
        }
        self.remote_cseq = number;
        self.session_id.learn(request);
        // A peer that only its flow leads to may have moved: its network has changed.
        let has_moved = self.stay_on_flow && self.routes.is_empty() && came_by != self.flow;
        if has_moved || self.flow.is_none_or(|f| !io.net.is_open(&f)) {
            self.flow = came_by;
            self.reached(io);
        }
        match method {
            Method::Bye => self.bye_received(tx, request, io),
            Method::Invite | Method::Update => self.offered(tx, method, request, io),
            Method::Refer => self.refer_received(tx, request, replaced, io),
            Method::Notify => self.notified(tx, request, io),
            Method::Info => self.info_received(tx, request, io),
            Method::Options => self.reply(tx, 200, io),
            Method::PRack => self.prack_received(tx, request, io),
            Method::Ack | Method::Cancel | Method::Message | Method::Publish | Method::Register | Method::Subscribe => {
                self.reply(tx, 405, io);
            }
        }
    }

    /// What became of a request of this leg.
    pub fn outcome(&mut self, outcome: &Outcome, io: &mut Io) {
        let method = outcome.response.cseq().1.to_owned();
        let status = outcome.response.status();
        self.session_id.learn(&outcome.response);
        if matches!(status, 401 | 407)
            && let Some(tx) = self.retry_with_credentials(outcome, io)
        {
            return self.transaction_replaced(outcome.tx, tx);
        }
        if outcome.from_network
            && let Some(retry) = self.retry_elsewhere(outcome, io)
        {
            return match retry {
                Retry::Sent(tx) => self.transaction_replaced(outcome.tx, tx),
                Retry::Kept => {}
            };
        }
        match method.as_str() {
            "INVITE" | "UPDATE" if self.modify.is_ours(outcome.tx) => self.offer_outcome(outcome, io),
            "INVITE" if status == 422 && self.call_again(outcome, io) => return,
            "UPDATE" if status >= 200 => self.update_answered(outcome, io),
            "INVITE" => self.invite_outcome(outcome, io),
            "BYE" if status >= 200 => self.state = State::Over,
            "REFER" if status >= 200 => self.refer_outcome(outcome, io),
            "NOTIFY" if status >= 300 => self.notify_failed(status),
            _ => {}
        }
        if status >= 200 {
            self.turn_over(outcome, io);
        }
    }

    pub fn timer(&mut self, due: Instant, io: &mut Io) {
        if let Some(c) = &mut self.confirming {
            if due == c.give_up_at {
                self.confirming = None;
                return self.never_acknowledged(io);
            }
            if due == c.resend_at {
                let _ = io.net.send(&c.flow, &c.bytes);
                c.interval = (c.interval * 2).min(T2);
                c.resend_at = io.timer(c.interval, Timer::Leg(self.key));
            }
        }
        self.glare_over(due, io);
        self.refer_timed_out(due, io);
        self.reliable_due(due, io);
        self.ringing_due(due, io);
        self.expiry_due(due, io);
        self.given_up(due, io);
    }

    /// An ACK to a 2xx of ours.
    pub fn acknowledged(&mut self, ack: &Message, io: &mut Io) {
        let Some(c) = self.confirming.take_if(|c| c.cseq == ack.cseq().0) else { return };
        let answer = ack.sdp().filter(|_| c.answer_in_ack).map(str::to_owned);
        match &self.state {
            State::HangUpLater(_) => return self.bye_if_said(io),
            State::Up if c.first => self.tell(LegEvent::Confirmed { sdp: answer }, io),
            State::Up => {
                if let Some(sdp) = answer {
                    self.tell(LegEvent::OfferAnswered { sdp }, io);
                }
            }
            State::Resolving(_)
            | State::Calling { .. }
            | State::Cancelling { .. }
            | State::Arriving { .. }
            | State::Closing
            | State::Over => {}
        }
        self.try_next_offer(io);
    }

    /// Sends a 2xx to an INVITE and keeps sending it.
    fn confirm(&mut self, tx: u64, sdp: String, first: bool, answer_in_ack: bool, io: &mut Io) -> bool {
        let Some((request, flow)) = io.txs.pending(tx) else { return false };
        let (cseq, asked) = (request.cseq().0, Asked::read(request));
        let contact = io.contact(&self.local_user, &flow);
        let tag = self.local_tag.clone();
        self.local_sdp.clone_from(&sdp);
        let (granted, supported) = (self.grant_session(asked, io), io.supported);
        let sent = io.respond(tx, 200, &tag, |mut m| {
            m.add("Contact", contact);
            m.add("Supported", supported);
            Granted::write(granted.as_ref(), &mut m);
            m.with_sdp(sdp)
        });
        let Some(bytes) = sent else { return false };
        let resend_at = io.timer(T1, Timer::Leg(self.key));
        let give_up_at = io.timer(GIVE_UP, Timer::Leg(self.key));
        self.confirming =
            Some(Confirming { cseq, bytes, flow, interval: T1, resend_at, give_up_at, answer_in_ack, first });
        true
    }

    fn reply(&mut self, tx: u64, status: u16, io: &mut Io) {
        let tag = self.local_tag.clone();
        io.respond(tx, status, &tag, |m| m);
    }

    /// A request within the dialog, ready to send but for its Via.
    fn new_request(&mut self, method: Method, io: &mut Io) -> Message {
        self.local_cseq += 1;
        let number = self.local_cseq;
        self.numbered_request(method, number, io)
    }

    fn numbered_request(&self, method: Method, number: u32, io: &mut Io) -> Message {
        let mut m = Message::request(method, self.target.clone());
        for route in &self.routes {
            m.add("Route", route.clone());
        }
        m.add("Max-Forwards", "70");
        m.add("From", format!("{};tag={}", self.local, self.local_tag));
        let tag = self.tag_of_theirs();
        let to_tag = if tag.is_empty() { String::new() } else { format!(";tag={tag}") };
        m.add("To", format!("{}{to_tag}", self.remote));
        m.add("Call-ID", self.call_id.clone());
        m.add("CSeq", format!("{number} {method}"));
        self.session_id.write(&mut m);
        if let Some(flow) = self.flow
            && matches!(method, Method::Invite | Method::Refer | Method::Notify | Method::Update)
        {
            m.add("Contact", io.contact(&self.local_user, &flow));
        }
        m
    }

    fn send(&mut self, request: Message, io: &mut Io) -> Option<u64> {
        let flow = self.open_flow(io)?;
        Some(io.send(Owner::Leg(self.key), flow, request))
    }

    /// Sends a refused request again with an answer to its challenge, once.
    fn retry_with_credentials(&mut self, outcome: &Outcome, io: &mut Io) -> Option<u64> {
        if matches!(self.state, State::Cancelling { .. } | State::Over) {
            return None;
        }
        let credentials = self.credentials.clone()?;
        let mut again = outcome.request.clone()?;
        let tried = if outcome.response.status() == 401 { "Authorization" } else { "Proxy-Authorization" };
        let realms = io.realms_of(&credentials);
        if again.get(tried).is_some() || !answer_challenge(&mut again, &outcome.response, &credentials, &realms) {
            return None;
        }
        self.local_cseq += 1;
        let method = again.method()?;
        again.set("CSeq", format!("{} {method}", self.local_cseq));
        self.send(again, io)
    }

    fn transaction_replaced(&mut self, old: u64, new: u64) {
        if let State::Calling { tx, .. } = &mut self.state
            && *tx == old
        {
            *tx = new;
        }
        self.modify.replaced(old, new);
        self.turns.replaced(old, new);
    }

    fn info_received(&mut self, tx: u64, request: &Message, io: &mut Io) {
        let kind = request.get("Content-Type").unwrap_or_default().to_ascii_lowercase();
        let text = match kind.split(';').next().unwrap_or_default().trim() {
            "application/dtmf-relay" => request.body.lines().find_map(|l| {
                let (name, value) = l.split_once('=')?;
                name.trim().eq_ignore_ascii_case("signal").then(|| value.trim())
            }),
            "application/dtmf" => Some(request.body.trim()),
            "" => return self.reply(tx, 200, io),
            _ => return self.reply(tx, 415, io),
        };
        self.reply(tx, 200, io);
        if let Some(digit) = text.and_then(key)
            && matches!(self.state, State::Up)
        {
            self.tell(LegEvent::Dtmf { digit }, io);
        }
    }

    fn dtmf(&mut self, digit: char, io: &mut Io) {
        let Some(digit) = key(&digit.to_string()).filter(|_| matches!(self.state, State::Up)) else { return };
        let mut info = self.numbered_request(Method::Info, 0, io);
        info.add("Content-Type", "application/dtmf-relay");
        info.body = format!("Signal={digit}\r\nDuration=160\r\n");
        self.send_in_turn(info, io);
    }

    /// Tells the owner, unless the end has been told.
    fn tell(&self, event: LegEvent, io: &Io) {
        if !self.told_end {
            io.leg_event(self.key, event);
        }
    }

    /// Tells the end, once.
    fn tell_end(&mut self, cause: EndCause, io: &mut Io) {
        if !std::mem::replace(&mut self.told_end, true) {
            io.leg_event(self.key, LegEvent::Ended { cause });
        }
    }
}

/// The key that an INFO means: its character, or the number of its RFC 4733 event.
fn key(text: &str) -> Option<char> {
    let mut characters = text.chars();
    match (characters.next()?.to_ascii_uppercase(), characters.next()) {
        (c @ ('0'..='9' | '*' | '#' | 'A'..='D'), None) => Some(c),
        ('1', Some('0')) => Some('*'),
        ('1', Some('1')) => Some('#'),
        ('1', Some(c @ '2'..='5')) => char::from_digit(c.to_digit(10)? + 8, 16).map(|c| c.to_ascii_uppercase()),
        _ => None,
    }
}
