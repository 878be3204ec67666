//! Being called: the INVITE that arrives, answering, refusing, and its CANCEL.

use super::{
    Leg, Modify, ReferIn, State,
    identity::Far,
    ring::{self, Ringing},
};
use crate::{
    CallHeaders, EndCause, EndedBy, Event, Flow, Incoming, LegKey, ReasonHeader, Uri,
    address::parse_host_port,
    headers::presented,
    io::{Io, random_tag},
    message::Message,
    session_id::SessionId,
};

impl Leg {
    /// Makes a leg of an INVITE and tells of it; one that cannot be read, or that nobody could answer in time, is refused.
    pub fn arrive(
        key: LegKey,
        tx: u64,
        flow: Flow,
        request: &Message,
        (authenticated_as, replaces): (Option<String>, Option<LegKey>),
        io: &mut Io,
    ) -> Option<Self> {
        let read =
            (request.name_addr("From"), request.name_addr("To"), request.contact(), request.uri().parse::<Uri>());
        let (Some(mut from), Some(to), Some(contact), Ok(request_uri)) = read else {
            io.refuse(tx, 400);
            return None;
        };
        let expires = ring::expires(request);
        if expires == Some(0) {
            io.refuse(tx, 487);
            return None;
        }
        let remote_tag = request.tag_of_from().to_owned();
        from.params.retain(|(n, _)| n != "tag");
        let far = Far::new(presented(request).unwrap_or_else(|| from.clone()), from.clone());
        let local_tag = random_tag();
        let mut leg = Self {
            key,
            call_id: request.call_id().to_owned(),
            session_id: SessionId::answering(request, &local_tag),
            local_tag,
            remote_tag,
            early_tag: String::new(),
            local_user: request_uri.user().to_owned(),
            local: to.to_string(),
            remote: from.to_string(),
            local_cseq: 0,
            remote_cseq: request.cseq().0,
            target: contact.to_string(),
            routes: Vec::new(),
            flow: Some(flow),
            stay_on_flow: behind_nat(request, &flow),
            reconnect_to: io.net.opened_to(&flow),
            servers: Default::default(),
            server: None,
            we_called: false,
            credentials: None,
            local_sdp: String::new(),
            state: State::Arriving { tx, offered: request.sdp().is_some() },
            confirming: None,
            modify: Modify::Idle,
            next_offer: None,
            turns: super::Turns::default(),
            refer_out: None,
            refer_in: ReferIn::None,
            expiry: super::Expiry::new(),
            heard: Default::default(),
            said: None,
            ringing: Ringing::until(expires, io.now),
            far,
            told_end: false,
        };
        leg.expiry.learn_allow(request);
        leg.learn_routes(request, io);
        leg.learn_target(request, io);
        io.respond(tx, 100, "", |m| m);
        leg.look_after_ringing(io);
        let incoming = Incoming {
            leg: key,
            from,
            to,
            request_uri,
            source: flow,
            headers: CallHeaders::read(request),
            sdp: request.sdp().map(str::to_owned),
            authenticated_as,
            replaces,
            from_stranger: io.net.door.is_stranger(io.now, &flow),
        };
        let _ = io.events.send(Event::Incoming(Box::new(incoming)));
        Some(leg)
    }

    pub(super) fn answer(&mut self, sdp: String, io: &mut Io) {
        let State::Arriving { tx, offered } = self.state else { return };
        if self.confirm(tx, sdp, true, !offered, io) {
            self.state = State::Up;
        }
    }

    pub(super) fn refuse(&mut self, status: u16, reason: Option<ReasonHeader>, io: &mut Io) {
        let State::Arriving { tx, .. } = self.state else { return };
        let status = if (300..700).contains(&status) { status } else { 603 };
        let tag = self.local_tag.clone();
        io.respond(tx, status, &tag, |mut m| {
            if let Some(reason) = &reason {
                m.add("Reason", reason.to_string());
            }
            m
        });
        self.state = State::Over;
        self.tell_end(EndCause::new(EndedBy::Us, Some(status), reason), io);
    }

    pub(super) fn divert(&mut self, to: &Uri, io: &mut Io) {
        let State::Arriving { tx, .. } = self.state else { return };
        let tag = self.local_tag.clone();
        io.respond(tx, 302, &tag, |mut m| {
            m.add("Contact", format!("<{to}>"));
            m
        });
        self.state = State::Over;
        self.tell_end(EndCause::new(EndedBy::Us, Some(302), None), io);
    }

    /// The caller gave up; too late if it has been answered.
    pub fn cancelled(&mut self, invite: u64, reason: Option<ReasonHeader>, io: &mut Io) {
        if !matches!(self.state, State::Arriving { tx, .. } if tx == invite) {
            return;
        }
        self.reply(invite, 487, io);
        self.state = State::Over;
        self.tell_end(EndCause::new(EndedBy::Them, Some(487), reason), io);
    }
}

/// Whether the request did not come from where its Via says: then only its flow leads back.
fn behind_nat(request: &Message, flow: &Flow) -> bool {
    if flow.transport.is_stream() {
        return true;
    }
    // Only the first Via's sender sent this packet; what a proxy passes on is reached by Record-Route or Contact.
    match parse_host_port(request.sent_by()) {
        Ok((crate::Host::Ip(ip), port)) => ip != flow.remote.ip() || port.unwrap_or(5060) != flow.remote.port(),
        Ok((crate::Host::Name(_), _)) => false,
        Err(_) => true,
    }
}
