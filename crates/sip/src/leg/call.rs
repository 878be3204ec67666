//! Calling somebody: INVITE, what answers it, ACK.

use rsipstack::sip::Method;

use super::{Confirming, Leg, Modify, ReferIn, State};
use crate::{
    EndCause, EndedBy, Flow, Invite, LegEvent, LegKey, Transport,
    auth::foreign_realm,
    io::{Io, random_tag},
    message::Message,
    net::Hop,
    sdp,
    session_id::SessionId,
    transaction::{Outcome, Owner},
};

/// A Request-URI: headers and a method have no place there (RFC 3261 section 19.1.1), whoever asked for them.
fn request_target(mut to: crate::Uri) -> String {
    to.headers = None;
    to.params.retain(|(name, _)| name != "method");
    to.to_string()
}

impl Leg {
    pub fn call(key: LegKey, invite: Invite, io: &mut Io) -> Self {
        let way = io.way(invite.through);
        let mut from = invite.from.clone();
        from.params.retain(|(n, _)| n != "tag");
        let mut to_uri = invite.to.clone();
        to_uri.params.retain(|(n, _)| n != "transport");
        to_uri.headers = None;
        let to = crate::NameAddr::new(invite.to_display.as_deref(), to_uri);
        let far = super::identity::Far::new(to.clone(), to.clone());
        let (call_id, local_tag) = (random_tag() + &random_tag(), random_tag());
        let mut leg = Self {
            key,
            session_id: SessionId::begin(invite.headers.session_id.as_deref(), &call_id, &local_tag),
            call_id,
            local_tag,
            remote_tag: String::new(),
            early_tag: String::new(),
            local_user: from.uri.user().to_owned(),
            local: from.to_string(),
            remote: to.to_string(),
            local_cseq: 0,
            remote_cseq: 0,
            target: request_target(invite.to.clone()),
            routes: if invite.via_flow.is_some() { invite.routes.clone() } else { way.routes },
            flow: invite.via_flow.or(way.flow),
            stay_on_flow: invite.via_flow.is_some(),
            reconnect_to: None,
            servers: way.others.into(),
            server: way.server,
            we_called: true,
            credentials: invite.credentials.clone(),
            local_sdp: invite.sdp.clone(),
            state: State::Over,
            confirming: None::<Confirming>,
            modify: Modify::Idle,
            next_offer: None,
            turns: super::Turns::default(),
            refer_out: None,
            refer_in: ReferIn::None,
            expiry: super::Expiry::new(),
            heard: Default::default(),
            said: None,
            ringing: Default::default(),
            far,
            told_end: false,
        };
        let to = way.proxy.unwrap_or_else(|| invite.to.clone());
        leg.state = State::Resolving(Box::new(invite));
        match leg.flow {
            Some(flow) => leg.start(Some(flow), io),
            None => {
                if let Some(hops) = io.servers_of(Owner::Leg(key), &to) {
                    leg.resolved(hops, io);
                }
            }
        }
        leg
    }

    /// The servers of the target are known.
    pub fn resolved(&mut self, hops: Vec<Hop>, io: &mut Io) {
        if matches!(self.state, State::Resolving(_)) {
            self.servers = io.in_order(hops);
            let flow = self.next_server(io);
            self.start(flow, io);
        }
    }

    fn next_server(&mut self, io: &mut Io) -> Option<Flow> {
        while let Some(hop) = self.servers.pop_front() {
            if self.may_go(hop.transport)
                && let Some(flow) = io.net.flow_to(&hop)
            {
                self.server = Some(hop);
                return Some(flow);
            }
        }
        None
    }

    /// The keys to its sound go over TLS alone.
    fn may_go(&self, by: Transport) -> bool {
        by == Transport::Tls || !sdp::has_keys(&self.local_sdp)
    }

    /// The way to the target is known (or there is none): off with the INVITE.
    fn start(&mut self, hop: Option<Flow>, io: &mut Io) {
        let State::Resolving(invite) = std::mem::replace(&mut self.state, State::Over) else { return };
        self.flow = hop.filter(|flow| self.may_go(flow.transport));
        self.reconnect_to = self.flow.and_then(|flow| io.net.opened_to(&flow));
        if self.flow.is_none() {
            let cause = EndCause::new(EndedBy::Network, Some(503), None);
            return self.tell_end(cause, io);
        }
        let mut m = self.new_request(Method::Invite, io);
        m.add("Allow", crate::message::ALLOW);
        self.wish_session(&mut m, io);
        invite.headers.write(&mut m);
        let m = m.with_sdp(invite.sdp);
        if let Some(tx) = self.send(m, io) {
            self.state = State::Calling { tx, rang: false, early: None, agreed: false };
            self.hurry_if_others(tx, io);
        }
    }

    fn hurry_if_others(&self, tx: u64, io: &mut Io) {
        if !self.servers.is_empty() {
            io.hurry(tx);
        }
    }

    /// A server that does not answer or cannot serve is left for the next one (RFC 3263 section 4.3), unless the call
    /// has rung already.
    fn try_next_server(&mut self, outcome: &Outcome, io: &mut Io) -> bool {
        let calling = matches!(self.state, State::Calling { tx, rang: false, .. } if tx == outcome.tx);
        let (true, Some(request)) = (calling && outcome.is_no_service(), &outcome.request) else { return false };
        if let Some(server) = &self.server {
            io.is_down(server, &outcome.response);
        }
        io.keep_instead_of(self.server.as_ref(), &mut self.servers);
        let Some(flow) = self.next_server(io) else { return false };
        (self.flow, self.reconnect_to) = (Some(flow), io.net.opened_to(&flow));
        let mut again = request.clone();
        self.local_cseq += 1;
        again.set("CSeq", format!("{} INVITE", self.local_cseq));
        again.set("Contact", io.contact(&self.local_user, &flow));
        let tx = io.send(Owner::Leg(self.key), flow, again);
        self.state = State::Calling { tx, rang: false, early: None, agreed: false };
        self.hurry_if_others(tx, io);
        true
    }

    pub(super) fn invite_outcome(&mut self, outcome: &Outcome, io: &mut Io) {
        let status = outcome.response.status();
        match status {
            100..200 => self.provisional(outcome, io),
            200..300 => self.accepted(outcome, io),
            _ => self.rejected(outcome, io),
        }
    }

    fn provisional(&mut self, outcome: &Outcome, io: &mut Io) {
        let (response, key) = (&outcome.response, self.key);
        let reliable = response.get("RSeq").is_some();
        if response.status() > 100 && !self.heard_reliably(response, io) {
            return;
        }
        match &mut self.state {
            State::Calling { rang, early, agreed, .. } => {
                if response.status() == 100 {
                    return io.leg_event(key, LegEvent::Trying);
                }
                self.expiry.learn_allow(response);
                response.tag_of_to().clone_into(&mut self.early_tag);
                // Where its dialog's requests would go; the answer says it again.
                if let Some(contact) = response.contact() {
                    self.target = contact.to_string();
                }
                if !std::mem::replace(rang, true) {
                    io.leg_event(key, LegEvent::Ringing);
                }
                if let Some(sdp) = response.sdp() {
                    *agreed |= reliable;
                    if early.as_deref() != Some(sdp) {
                        *early = Some(sdp.to_owned());
                        io.leg_event(key, LegEvent::EarlyMedia { sdp: sdp.to_owned() });
                    }
                }
                self.learn_identity(response, io);
            }
            State::Cancelling { tx, reason, sent } => {
                if !std::mem::replace(sent, true) {
                    io.cancel(*tx, reason.as_ref());
                }
            }
            State::Resolving(_)
            | State::Arriving { .. }
            | State::Up
            | State::HangUpLater(_)
            | State::Closing
            | State::Over => {}
        }
    }

    fn accepted(&mut self, outcome: &Outcome, io: &mut Io) {
        let response = &outcome.response;
        if !self.remote_tag.is_empty() && response.tag_of_to() != self.remote_tag {
            return self.end_fork(outcome, io);
        }
        let state = std::mem::replace(&mut self.state, State::Up);
        let (early, cancelled) = match state {
            State::Calling { early, .. } => (early, None),
            State::Cancelling { reason, .. } => (None, Some(reason)),
            other @ (State::Resolving(_)
            | State::Arriving { .. }
            | State::Up
            | State::HangUpLater(_)
            | State::Closing
            | State::Over) => {
                self.state = other;
                return;
            }
        };
        response.tag_of_to().clone_into(&mut self.remote_tag);
        self.learn_routes(response, io);
        self.learn_target(response, io);
        self.acknowledge(outcome, io);
        self.session_answered(response, io);
        // A 200 that crossed our CANCEL: the call stands, so it is ended as one (RFC 3261 section 9.1).
        if let Some(reason) = cancelled {
            return self.bye(reason, io);
        }
        match response.sdp().map(str::to_owned).or(early) {
            Some(sdp) => {
                io.leg_event(self.key, LegEvent::Answered { sdp });
                self.learn_identity(response, io);
            }
            None => {
                self.bye(None, io);
                self.tell_end(EndCause::new(EndedBy::Us, Some(488), None), io);
            }
        }
    }

    /// ACK to a 2xx: a request of its own, sent again by the transaction for every repeated 2xx.
    pub(super) fn acknowledge(&mut self, outcome: &Outcome, io: &mut Io) {
        let response = &outcome.response;
        let ack = self.numbered_request(Method::Ack, response.cseq().0, io);
        self.send_ack(outcome, ack, io);
    }

    fn send_ack(&mut self, outcome: &Outcome, mut ack: Message, io: &mut Io) {
        if let Some(request) = &outcome.request {
            for name in ["Authorization", "Proxy-Authorization"] {
                if let Some(value) = request.get(name) {
                    ack.add(name, value);
                }
            }
        }
        if let Some(flow) = self.open_flow(io) {
            let bytes = io.send_ack(&flow, ack);
            io.txs.remember_ack(outcome.tx, outcome.response.tag_of_to(), bytes, flow);
        }
    }

    /// Another phone answered the same INVITE too (a proxy forked it): take it off the line again.
    fn end_fork(&mut self, outcome: &Outcome, io: &mut Io) {
        let response = &outcome.response;
        let target = response.contact().map_or_else(|| self.target.clone(), |c| c.to_string());
        let kept = (
            std::mem::replace(&mut self.remote_tag, response.tag_of_to().to_owned()),
            std::mem::replace(&mut self.target, target),
        );
        let ack = self.numbered_request(Method::Ack, response.cseq().0, io);
        let bye = self.new_request(Method::Bye, io);
        (self.remote_tag, self.target) = kept;
        self.send_ack(outcome, ack, io);
        if let Some(flow) = self.flow {
            io.send(Owner::Nobody, flow, bye);
        }
    }

    /// 422: the session timer is too short for somebody on the way (RFC 4028 section 7.3).
    pub(super) fn call_again(&mut self, outcome: &Outcome, io: &mut Io) -> bool {
        let ours = matches!(self.state, State::Calling { tx, .. } if tx == outcome.tx);
        let Some(mut again) = outcome.request.clone().filter(|_| ours && self.raise_session(&outcome.response)) else {
            return false;
        };
        self.local_cseq += 1;
        again.set("CSeq", format!("{} INVITE", self.local_cseq));
        self.wish_session(&mut again, io);
        match self.send(again, io) {
            Some(tx) => {
                self.transaction_replaced(outcome.tx, tx);
                true
            }
            None => false,
        }
    }

    fn rejected(&mut self, outcome: &Outcome, io: &mut Io) {
        if self.try_next_server(outcome, io) {
            return;
        }
        match self.state {
            State::Calling { tx, .. } | State::Cancelling { tx, .. } if tx == outcome.tx => {
                self.state = State::Over;
                let by = if outcome.from_network { EndedBy::Network } else { EndedBy::Them };
                let response = &outcome.response;
                let status = response.status();
                let diverted_to = (300..=302).contains(&status).then(|| response.name_addr("Contact")).flatten();
                let realms = self.credentials.as_ref().map(|own| io.realms_of(own)).unwrap_or_default();
                let foreign_realm = matches!(status, 401 | 407).then(|| foreign_realm(response, &realms)).flatten();
                let cause =
                    EndCause { diverted_to, foreign_realm, ..EndCause::new(by, Some(status), response.reason()) };
                self.tell_end(cause, io);
            }
            State::Calling { .. }
            | State::Cancelling { .. }
            | State::Resolving(_)
            | State::Arriving { .. }
            | State::Up
            | State::HangUpLater(_)
            | State::Closing
            | State::Over => {}
        }
    }
}
