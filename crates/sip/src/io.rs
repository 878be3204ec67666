//! What every call and registration needs to act: sockets, transactions, timers, and the owner's ear.

use std::{
    collections::{HashMap, VecDeque},
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use rsipstack::sip::headers::make_header;
use tokio::{sync::mpsc, time::Instant};

use crate::{
    Credentials, Event, Flow, Host, LegEvent, LegKey, RegistrationKey, Transport, Uri, Zone,
    auth::hex,
    dns,
    message::{ALLOW, Message},
    net::{Hop, Net, NetEvent},
    session_id,
    timer::{GIVE_UP, Timer, Timers},
    transaction::{Owner, Transactions},
};

/// Header of our own in answers to REGISTER and OPTIONS: another value than before means that the registrar has been
/// started anew and knows no bindings any more.
pub(crate) const RUN: &str = "X-Patchcord-Run";

pub(crate) struct Io {
    pub net: Net,
    pub txs: Transactions,
    pub timers: Timers,
    pub now: Instant,
    pub user_agent: String,
    /// The option tags that we say we have.
    pub supported: &'static str,
    /// Tells one run of this endpoint from the next.
    pub run: String,
    pub events: mpsc::UnboundedSender<Event>,
    pub inbox: mpsc::Sender<NetEvent>,
    pub zone: Arc<dyn Zone>,
    /// Servers that did not answer, and until when they are tried last.
    pub down: HashMap<Hop, Instant>,
    /// Servers whose certificate was not believed, and until when nobody is asked in the clear instead.
    pub unbelieved: HashMap<Hop, Instant>,
    /// How requests of our accounts go.
    pub ways: HashMap<RegistrationKey, Way>,
}

/// How requests of an account go.
#[derive(Debug, Clone, Default)]
pub(crate) struct Way {
    /// The one that the registration uses.
    pub flow: Option<Flow>,
    /// Route headers.
    pub routes: Vec<String>,
    pub proxy: Option<Uri>,
    /// Servers that could take its place.
    pub others: Vec<Hop>,
    /// The server at the other end of the flow.
    pub server: Option<Hop>,
    /// The password that the registrar took, and the realm that it was for.
    pub password: Option<(Credentials, String)>,
}

/// How long a server that does not answer is tried last, if it does not say so itself.
const DOWN: Duration = Duration::from_secs(60);
/// How long a certificate that was not believed keeps us from those behind it: longer than its server is tried last.
const UNBELIEVED: Duration = Duration::from_secs(120);
/// How long a server may be silent if there is another one.
pub(crate) const SILENCE: Duration = Duration::from_secs(3);

/// When whoever was refused for want of room may try again, seconds.
const RETRY_AFTER: u32 = 10;

impl Io {
    /// The servers that can be reached from here, those that are down last.
    pub fn in_order(&mut self, mut hops: Vec<Hop>) -> VecDeque<Hop> {
        let now = self.now;
        self.down.retain(|_, until| *until > now);
        self.unbelieved.retain(|_, until| *until > now);
        let mut in_the_clear = true;
        hops.retain(|hop| {
            in_the_clear &= !self.unbelieved.contains_key(hop);
            (in_the_clear || hop.transport == Transport::Tls) && self.net.can_reach(hop)
        });
        hops.sort_by_key(|hop| self.down.contains_key(hop));
        hops.into()
    }

    /// A server did not answer, or said that it cannot serve; `retry_after` seconds, if it said so.
    pub fn is_down(&mut self, hop: &Hop, response: &Message) {
        let wished = response.get("Retry-After").and_then(|v| v.split([' ', ';', '(']).next()?.trim().parse().ok());
        let time = wished.map_or(DOWN, |seconds: u32| Duration::from_secs(seconds.clamp(1, 600).into()));
        self.down.insert(hop.clone(), self.now + time);
    }

    /// It showed a certificate that is not to be believed: whoever stands there must not bring us out into the open.
    pub fn is_not_believed(&mut self, hop: Hop) {
        self.unbelieved.insert(hop, self.now + UNBELIEVED);
    }

    /// Those who may be asked when `hop` could not be.
    pub fn keep_instead_of(&self, hop: Option<&Hop>, others: &mut VecDeque<Hop>) {
        if hop.is_some_and(|hop| self.unbelieved.contains_key(hop)) {
            others.retain(|other| other.transport == Transport::Tls);
        }
    }

    pub fn is_up(&mut self, hop: &Hop) {
        self.down.remove(hop);
        self.unbelieved.remove(hop);
    }

    pub fn seems_up(&self, hop: &Hop) -> bool {
        self.down.get(hop).is_none_or(|until| *until <= self.now)
    }

    /// How a request of this account goes now.
    pub fn way(&self, account: Option<RegistrationKey>) -> Way {
        let mut way = account.and_then(|account| self.ways.get(&account)).cloned().unwrap_or_default();
        way.flow = way.flow.filter(|flow| self.net.is_open(flow));
        way
    }

    /// For which realms registrars have taken these credentials; empty if none has asked for them yet.
    pub fn realms_of(&self, credentials: &Credentials) -> Vec<String> {
        let taken = self.ways.values().filter_map(|way| way.password.as_ref());
        taken.filter(|(of, _)| of == credentials).map(|(_, realm)| realm.clone()).collect()
    }

    pub fn leg_event(&self, leg: LegKey, event: LegEvent) {
        // Nobody listens any more: the owner is going away, and the endpoint with it.
        let _ = self.events.send(Event::Leg { leg, event });
    }

    /// Sends a request in a transaction of its own.
    pub fn send(&mut self, owner: Owner, flow: Flow, mut request: Message) -> u64 {
        self.stamp(&flow, &mut request);
        // We turn to them: what they say is no stranger's.
        if request.tag_of_to().is_empty() {
            self.net.door.vouch(self.now, &flow);
        }
        self.txs.send(&mut self.net, &mut self.timers, self.now, (owner, flow), request)
    }

    /// Sends a request that is never answered: the ACK to a 2xx.
    pub fn send_ack(&mut self, flow: &Flow, mut ack: Message) -> Bytes {
        self.stamp(flow, &mut ack);
        let bytes = Bytes::from(ack.to_bytes());
        let _ = self.net.send(flow, &bytes);
        bytes
    }

    /// Sends the CANCEL of an INVITE transaction.
    pub fn cancel(&mut self, tx: u64, reason: Option<&crate::ReasonHeader>) {
        let Some((invite, flow)) = self.txs.sent(tx) else { return };
        let mut cancel = crate::transaction::cancel_of(invite);
        if let Some(reason) = reason {
            cancel.add("Reason", reason.to_string());
        }
        self.txs.send(&mut self.net, &mut self.timers, self.now, (Owner::Nobody, flow), cancel);
        self.txs.limit(&mut self.timers, self.now, (tx, GIVE_UP));
    }

    /// A fresh Via with a branch of its own, and who we are.
    fn stamp(&mut self, flow: &Flow, request: &mut Message) {
        request.remove("Via");
        let via = format!(
            "SIP/2.0/{} {};rport;branch=z9hG4bK{}",
            flow.transport,
            self.net.advertised(flow),
            hex(&rand::random::<[u8; 10]>())
        );
        request.headers.insert(0, make_header("Via", via));
        request.set("User-Agent", self.user_agent.clone());
    }

    /// Answers a request that waits in a server transaction. Gives the bytes that were sent.
    pub fn respond(
        &mut self,
        tx: u64,
        status: u16,
        to_tag: &str,
        with: impl FnOnce(Message) -> Message,
    ) -> Option<Bytes> {
        let server = &self.user_agent;
        let asked = self.txs.pending(tx).filter(|_| !to_tag.is_empty());
        let session_id = asked.and_then(|(request, _)| session_id::answer(request, to_tag));
        let with = |mut m: Message| {
            m.add("Server", server.clone());
            if let Some(session_id) = session_id {
                m.add("Session-ID", session_id);
            }
            if status == 405 || status == 200 {
                m.add("Allow", ALLOW);
            }
            if status == 415 || status == 406 {
                m.add("Accept", "application/sdp");
            }
            with(m)
        };
        self.txs.respond(&mut self.net, &mut self.timers, self.now, (tx, status, to_tag), with)
    }

    /// Answers a request outside of any dialog, with nothing to add.
    pub fn refuse(&mut self, tx: u64, status: u16) {
        self.respond(tx, status, &random_tag(), |m| m);
    }

    /// Refuses for want of room, for a little while.
    pub fn refuse_for_now(&mut self, tx: u64, status: u16) {
        self.respond(tx, status, &random_tag(), |mut m| {
            m.add("Retry-After", RETRY_AFTER.to_string());
            m
        });
    }

    /// Our Contact for what goes over `flow`.
    pub fn contact(&mut self, user: &str, flow: &Flow) -> String {
        format!("<{}>", Uri::at(user, self.net.advertised(flow), flow.transport))
    }

    pub fn timer(&mut self, after: std::time::Duration, timer: Timer) -> Instant {
        self.timers.at(self.now + after, timer)
    }

    /// The servers of a URI; `None` while its name is looked up: [`NetEvent::Resolved`] follows.
    pub fn servers_of(&mut self, owner: Owner, uri: &Uri) -> Option<Vec<Hop>> {
        match &uri.host {
            Host::Ip(ip) => Some(vec![Hop::new(uri.transport(), SocketAddr::new(*ip, uri.port_or_default()))]),
            Host::Name(name) if name.is_empty() => Some(Vec::new()),
            Host::Name(_) => {
                let (uri, zone, inbox) = (uri.clone(), self.zone.clone(), self.inbox.clone());
                tokio::spawn(async move {
                    let hops = dns::locate(zone, uri).await;
                    let _ = inbox.send(NetEvent::Resolved { owner, hops }).await;
                });
                None
            }
        }
    }

    /// The first of these servers that can be reached from here.
    pub fn first_flow(&mut self, hops: Vec<Hop>) -> Option<Flow> {
        self.in_order(hops).iter().find_map(|hop| self.net.flow_to(hop))
    }

    /// What was said of servers does not hold any more: the network was to blame, or may have been.
    pub fn forgive(&mut self) {
        self.down.clear();
    }

    /// Does not wait as long for an answer as it could, since there is somebody else to ask.
    pub fn hurry(&mut self, tx: u64) {
        self.txs.limit(&mut self.timers, self.now, (tx, SILENCE));
    }
}

pub(crate) fn random_tag() -> String {
    hex(&rand::random::<[u8; 8]>())
}

/// Whether `ip` cannot be the address of a peer that we hear from `source`: it is behind a NAT, or nowhere.
pub(crate) fn unreachable_from(ip: IpAddr, source: IpAddr) -> bool {
    let private = |ip: IpAddr| match ip {
        IpAddr::V4(a) => a.is_private() || a.is_loopback() || a.is_link_local(),
        IpAddr::V6(a) => a.is_loopback() || a.is_unique_local() || a.is_unicast_link_local(),
    };
    ip.is_unspecified()
        || ip.is_multicast()
        || ip.is_ipv4() != source.is_ipv4()
        || (private(ip) && ip != source && !private(source))
}
