//! Doors for the fuzz targets only: bytes into the reader, and into a whole endpoint in a time of its own.
//!
//! Nothing is sent and no time passes outside: an input that breaks something breaks it again.

use std::{
    net::SocketAddr,
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use bytes::BytesMut;
use tokio::{sync::mpsc, time::Instant};

use super::Core;
use crate::{
    CallHeaders, Endpoint, EndpointConfig, Event, Flow, LegEvent, Notice, Transport, Uri,
    dialog_info::Watched,
    endpoint::Order,
    message::Message,
    message_summary,
    net::Net,
    wire::{self, Received},
};

const HERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1)), 5060);
const THERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2)), 5060);
const SDP: &str = "v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n";

/// Reads `bytes` as a datagram and as a stream cut at `cut`. What can be read must be read alike from what we write.
///
/// # Panics
/// If a message does not survive being written and read again, or a cut stream gives something else.
pub fn message(bytes: &[u8], cut: usize) {
    if let Ok(Received::Message(message)) = wire::read_datagram(bytes) {
        look(&message);
        let written = message.to_bytes();
        match wire::read_datagram(&written) {
            Ok(Received::Message(again)) => assert_eq!(again.to_bytes(), written, "written otherwise the second time"),
            Ok(Received::Refuse { status, .. }) => panic!("what was accepted is refused with {status}"),
            Err(why) => panic!("what was accepted is garbage: {why}"),
        }
    }
    let whole = stream(&[bytes]);
    let (before, after) = bytes.split_at(cut.min(bytes.len()));
    assert_eq!(stream(&[before, after]), whole, "a cut changes what is read");
}

/// How many messages a stream gave, and whether it was closed for garbage.
fn stream(parts: &[&[u8]]) -> (usize, bool) {
    let (mut buffer, mut count) = (BytesMut::new(), 0);
    for part in parts {
        buffer.extend_from_slice(part);
        loop {
            match wire::read_stream(&mut buffer) {
                Ok(Some(_)) => count += 1,
                Ok(None) => break,
                Err(_) => return (count, true),
            }
        }
    }
    (count, false)
}

/// Everything that is read from a message somewhere, the note of the transferor too.
fn look(message: &Message) {
    let headers = CallHeaders::read(message);
    if let Some(note) = &headers.user_to_user {
        assert!(!note.chars().any(|c| matches!(c, '\r' | '\n')), "a note breaks out of its line");
    }
    let mut written = Message::request(rsipstack::sip::Method::Invite, "sip:x@y".into());
    headers.write(&mut written);
    let _ = (message.contact(), message.reason(), message.cseq(), message.sdp(), message.sent_by(), message.branch());
    for header in &message.headers {
        if let Some(address) = message.name_addr(header.name()) {
            // Escaped, it may have become too long.
            if let Ok(again) = address.to_string().parse::<crate::NameAddr>() {
                assert_eq!(again, address, "an address is written as another");
            }
        }
    }
}

/// An endpoint that hears what an attacker says. It rings, answers, and agrees to whatever it is asked. An attacker who
/// listens can say `{tag}`, `{branch}` and `{call-id}`: those of the last message that the endpoint sent.
pub struct Attacked {
    core: Core,
    endpoint: Endpoint,
    said: [(&'static [u8], Vec<u8>); 3],
    orders: mpsc::UnboundedReceiver<Order>,
    events: mpsc::UnboundedReceiver<Event>,
}

impl Attacked {
    /// Must be called within a tokio runtime, which need not run.
    #[must_use]
    #[allow(clippy::new_without_default, reason = "needs a runtime around it")]
    pub fn new() -> Self {
        let (net, inbox) = Net::caught_at(HERE, &EndpointConfig::default());
        let (tell, events) = mpsc::unbounded_channel();
        let keys = Arc::new(AtomicU64::new(1));
        let (endpoint, orders) = Endpoint::loose(keys.clone());
        let core = Core::new(EndpointConfig::default(), net, inbox, tell, keys);
        let said = [&b"{tag}"[..], b"{branch}", b"{call-id}"].map(|what| (what, Vec::new()));
        Self { core, endpoint, said, orders, events }
    }

    /// A datagram arrives, and `after` passes.
    pub fn datagram(&mut self, bytes: &[u8], after: Duration) {
        if let Ok(received) = wire::read_datagram(&self.with_what_was_said(bytes)) {
            let flow = Flow { transport: Transport::Udp, local: HERE, remote: THERE, connection: 0 };
            self.core.received(flow, received);
        }
        self.react();
        let until = self.core.io.now + after;
        self.pass(until);
    }

    /// All that is left runs down.
    ///
    /// # Panics
    /// If a transaction is kept for ever.
    pub fn end(mut self) {
        let until = self.core.io.now + Duration::from_secs(3600);
        self.pass(until);
        for leg in self.core.legs.keys().copied().collect::<Vec<_>>() {
            self.endpoint.hang_up(leg, None);
        }
        self.react();
        self.pass(until + Duration::from_secs(3600));
        assert!(self.core.legs.is_empty(), "a leg is kept for ever");
        assert!(self.core.io.txs.is_empty(), "a transaction is kept for ever");
    }

    fn pass(&mut self, until: Instant) {
        while let Some((when, timer)) = self.core.io.timers.pop_due(until) {
            self.core.io.now = self.core.io.now.max(when);
            self.core.timer(when, timer);
            self.react();
        }
        self.core.io.now = until;
    }

    fn react(&mut self) {
        loop {
            while let Ok(order) = self.orders.try_recv() {
                self.core.order(order);
            }
            let Ok(event) = self.events.try_recv() else { break };
            match event {
                Event::Incoming(call) => {
                    self.endpoint.ring(call.leg);
                    self.endpoint.answer(call.leg, SDP.into());
                }
                Event::Register(register) => self.endpoint.accept_register(register.request, register.contacts),
                Event::Leg { leg, event: LegEvent::Offer { .. } } => {
                    self.endpoint.answer_offer(leg, Ok(SDP.into()));
                }
                Event::Leg { leg, event: LegEvent::Refer { .. } } => {
                    self.endpoint.accept_refer(leg, true);
                    self.endpoint.notify_refer(leg, 200);
                }
                Event::Watch(watch) => self.endpoint.notify(watch.watcher, Notice::Dialogs(Vec::new())),
                Event::Unwatched(_)
                | Event::Leg { .. }
                | Event::Registration { .. }
                | Event::Subscription { .. }
                | Event::Messages { .. }
                | Event::NetworkChanged => {}
            }
        }
        let caught = self.core.io.net.caught.as_mut().map(std::mem::take).unwrap_or_default();
        if let Some(Ok(Received::Message(last))) = caught.last().map(|(_, bytes)| wire::read_datagram(bytes)) {
            let ours = if last.method().is_some() { last.tag_of_from() } else { last.tag_of_to() };
            for ((_, said), now) in self.said.iter_mut().zip([ours, last.branch(), last.call_id()]) {
                *said = now.as_bytes().to_vec();
            }
        }
    }

    fn with_what_was_said(&self, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(bytes.len());
        let mut rest = bytes;
        while let Some(first) = rest.first() {
            if let Some((what, said)) = self.said.iter().find(|(what, _)| rest.starts_with(what)) {
                out.extend_from_slice(said);
                rest = &rest[what.len()..];
            } else {
                out.push(*first);
                rest = &rest[1..];
            }
        }
        out
    }
}

/// Bodies that a watched line or a mailbox sends, one after the other.
///
/// # Panics
/// If a body that can't be used changes what is known.
pub fn notified(bodies: &str) {
    let mut line = Watched::default();
    for body in bodies.split('\0') {
        let before = line.dialogs();
        if line.take(body).is_err() {
            assert_eq!(line.dialogs(), before, "what can't be used changes something");
        }
        let _ = message_summary::parse(body);
    }
}

/// A caller's or link's text as an address: whatever it is read as is written on one line and read back the same.
///
/// # Panics
/// If it is not.
pub fn address(text: &str) {
    if let Ok(uri) = text.parse::<Uri>() {
        let written = uri.to_string();
        assert!(!written.contains(['\r', '\n']), "an address breaks out of its line");
        // Escaped, it may have become too long.
        if let Ok(again) = written.parse::<Uri>() {
            assert_eq!(again, uri, "an address is written as another");
        }
    }
}
