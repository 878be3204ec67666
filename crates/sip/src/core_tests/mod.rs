//! Endpoints in a network and a time of the tests' own: hours pass in milliseconds, and every packet can be lost.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod calls;
mod floods;
mod lamps;
mod nat;
mod registrations;
mod reliable;
mod ringing;
mod sessions;
mod subscriptions;
mod timers;
mod undelivered;
mod updates;

use std::{collections::BTreeMap, net::SocketAddr};

use super::*;
use crate::{
    CallHeaders, EndCause, Endpoint, Impairment, Incoming, Invite, LegEvent, NameAddr, Transport, Uri, guard::Kind,
    impair::Impaired, wire,
};

const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n";
const ANSWER: &str =
    "v=0\r\no=- 2 1 IN IP4 10.0.0.2\r\ns=-\r\nc=IN IP4 10.0.0.2\r\nt=0 0\r\nm=audio 5000 RTP/AVP 0\r\n";

/// How long every packet takes.
const LATENCY: Duration = Duration::from_millis(10);

/// One endpoint, known by its index.
struct Node {
    core: Core,
    endpoint: Endpoint,
    orders: mpsc::UnboundedReceiver<Order>,
    events: mpsc::UnboundedReceiver<Event>,
    address: SocketAddr,
}

/// A packet that was sent.
#[derive(Debug, Clone)]
struct Packet {
    /// Since the beginning.
    at: Duration,
    from: usize,
    to: usize,
    text: String,
}

impl Packet {
    /// `INVITE`, `200 INVITE`.
    fn what(&self) -> String {
        let first = self.text.lines().next().unwrap();
        let cseq = self.text.lines().find_map(|l| l.strip_prefix("CSeq: ")).unwrap();
        let method = cseq.split(' ').nth(1).unwrap();
        match first.strip_prefix("SIP/2.0 ") {
            Some(status) => format!("{} {method}", &status[..3]),
            None => method.to_owned(),
        }
    }
}

type Loses = Box<dyn FnMut(&Packet) -> bool>;

struct World {
    nodes: Vec<Node>,
    begin: Instant,
    now: Instant,
    /// By arrival, then by order of sending.
    under_way: BTreeMap<(Instant, u64), Packet>,
    sent: Vec<Packet>,
    network: Impaired,
    /// Where the others see node 0, if it is behind a NAT.
    outside: Option<SocketAddr>,
    loses: Loses,
    count: u64,
}

impl World {
    fn new(nodes: usize, how: Impairment) -> Self {
        let now = Instant::now();
        Self {
            nodes: (0..nodes).map(|at| Node::new(at, now, EndpointConfig::default())).collect(),
            begin: now,
            now,
            under_way: BTreeMap::new(),
            sent: Vec::new(),
            network: Impaired::new(how, 0),
            outside: None,
            loses: Box::new(|_| false),
            count: 0,
        }
    }

    fn perfect(nodes: usize) -> Self {
        Self::new(nodes, Impairment::default())
    }

    fn endpoint(&self, node: usize) -> Endpoint {
        self.nodes[node].endpoint.clone()
    }

    /// The packets of a node, as time since the beginning and what they were.
    fn sent_by(&self, node: usize) -> Vec<(u64, String)> {
        let of = self.sent.iter().filter(|p| p.from == node);
        of.map(|p| (u64::try_from(p.at.as_millis()).unwrap(), p.what())).collect()
    }

    /// When a node sent what.
    fn times(&self, node: usize, what: &str) -> Vec<u64> {
        self.sent_by(node).into_iter().filter(|(_, w)| w == what).map(|(at, _)| at).collect()
    }

    /// A new endpoint in the place of the old one, which knows nothing.
    fn restart(&mut self, node: usize) {
        self.nodes[node] = Node::new(node, self.now, EndpointConfig::default());
    }

    /// Carries out orders and sends what came of everything.
    fn settle(&mut self) {
        for at in 0..self.nodes.len() {
            let node = &mut self.nodes[at];
            node.core.io.now = self.now;
            while let Ok(order) = node.orders.try_recv() {
                node.core.order(order);
            }
            let caught = std::mem::take(node.core.io.net.caught.as_mut().unwrap());
            for (remote, bytes) in caught {
                self.send(at, remote, &bytes);
            }
        }
    }

    fn send(&mut self, from: usize, remote: SocketAddr, bytes: &[u8]) {
        let seen = |at: usize| self.outside.filter(|_| at == 0).unwrap_or(self.nodes[at].address);
        let Some(to) = (0..self.nodes.len()).find(|at| seen(*at) == remote) else { return };
        let Ok(text) = String::from_utf8(bytes.to_vec()) else { return };
        let packet = Packet { at: self.now - self.begin, from, to, text };
        if packet.text.trim().is_empty() {
            return;
        }
        self.sent.push(packet.clone());
        if (self.loses)(&packet) {
            return;
        }
        for delay in self.network.fate() {
            self.count += 1;
            self.under_way.insert((self.now + LATENCY + delay, self.count), packet.clone());
        }
    }

    /// Lets the next thing happen; `false` if nothing ever will.
    fn step(&mut self) -> bool {
        self.settle();
        let timers = self.nodes.iter().filter_map(|n| n.core.io.timers.next());
        let packet = self.under_way.first_key_value().map(|((at, _), _)| *at);
        let Some(next) = timers.chain(packet).min() else { return false };
        self.now = self.now.max(next);
        if packet == Some(next)
            && let Some((_, packet)) = self.under_way.pop_first()
        {
            self.arrive(&packet);
        }
        for node in &mut self.nodes {
            node.core.io.now = self.now;
            while let Some((when, timer)) = node.core.io.timers.pop_due(self.now) {
                node.core.timer(when, timer);
            }
        }
        self.settle();
        true
    }

    fn arrive(&mut self, packet: &Packet) {
        let remote = self.outside.filter(|_| packet.from == 0).unwrap_or(self.nodes[packet.from].address);
        let node = &mut self.nodes[packet.to];
        node.core.io.now = self.now;
        let flow = Flow { transport: Transport::Udp, local: node.address, remote, connection: 0 };
        if !node.core.io.net.door.admits(self.now, &flow, Kind::of(packet.text.as_bytes())) {
            return;
        }
        if let Ok(received) = wire::read_datagram(packet.text.as_bytes()) {
            node.core.received(flow, received);
        }
    }

    /// From now on node 1 is played by the test: it gets nothing, and says what [`Self::says`] has it say.
    fn play_1(&mut self) {
        self.loses = Box::new(|p| p.to == 1);
    }

    /// The last packet of node 0.
    fn last(&mut self) -> String {
        self.settle();
        self.sent.iter().rfind(|p| p.from == 0).unwrap().text.clone()
    }

    /// Node 1 says something to node 0, which hears it at once.
    fn says(&mut self, text: &str) {
        self.settle();
        let text = text.replace("\r\n", "\n").replace('\n', "\r\n");
        self.arrive(&Packet { at: self.now - self.begin, from: 1, to: 0, text });
        self.settle();
    }

    fn event(&mut self, node: usize) -> Event {
        loop {
            self.settle();
            if let Ok(event) = self.nodes[node].events.try_recv() {
                return event;
            }
            assert!(self.step(), "nothing happens any more");
        }
    }

    fn incoming(&mut self, node: usize) -> Incoming {
        match self.event(node) {
            Event::Incoming(incoming) => *incoming,
            other => panic!("not an incoming call: {other:?}"),
        }
    }

    /// The next event of a leg; 100 apart.
    fn of(&mut self, node: usize, leg: LegKey) -> LegEvent {
        loop {
            match self.event(node) {
                Event::Leg { leg: of, event } if of == leg && event != LegEvent::Trying => return event,
                Event::Leg { leg: of, event: LegEvent::Trying } if of == leg => {}
                other => panic!("not of {leg:?} of {node}: {other:?}"),
            }
        }
    }

    fn ended(&mut self, node: usize, leg: LegKey) -> EndCause {
        match self.of(node, leg) {
            LegEvent::Ended { cause } => cause,
            other => panic!("not the end: {other:?}"),
        }
    }

    fn seconds(&self) -> u64 {
        (self.now - self.begin).as_secs()
    }

    /// Lets so much time pass.
    fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        self.settle();
        let due = |world: &Self| {
            let timers = world.nodes.iter().filter_map(|n| n.core.io.timers.next());
            timers.chain(world.under_way.first_key_value().map(|((at, _), _)| *at)).min()
        };
        while due(self).is_some_and(|at| at <= until) {
            self.step();
        }
        self.now = until;
    }

    /// Everything runs down; nothing may be left of it, and nothing more be told.
    fn all_over(&mut self) {
        (0..self.nodes.len()).for_each(|at| self.all_over_at(at));
    }

    fn all_over_at(&mut self, at: usize) {
        while self.step() {}
        let node = &mut self.nodes[at];
        assert!(node.events.try_recv().is_err(), "{at} tells more");
        assert!(node.core.legs.is_empty() && node.core.dialogs.is_empty(), "{at} keeps a leg");
        assert!(node.core.io.txs.is_empty(), "{at} keeps a transaction");
    }

    fn invite(&self, from: usize, to: usize) -> Invite {
        let uri = |user, node: usize| Uri::at(user, self.nodes[node].address, Transport::Udp);
        Invite {
            to: uri("bob", to),
            from: NameAddr::new(None, uri("alice", from)),
            to_display: None,
            sdp: OFFER.into(),
            via_flow: None,
            routes: Vec::new(),
            through: None,
            credentials: None,
            headers: CallHeaders::default(),
        }
    }

    /// 0 calls 1, which the test plays from now on; gives the leg and the INVITE.
    fn call_1(&mut self) -> (LegKey, String) {
        self.play_1();
        let out = self.endpoint(0).invite(self.invite(0, 1));
        (out, self.last())
    }

    /// 1, which the test plays, calls 0; `more` are header lines.
    fn call_0(&mut self, more: &str) -> (LegKey, String) {
        self.play_1();
        let invite = request("INVITE", "theirs", 1, "", more, OFFER);
        self.says(&invite);
        let call = self.incoming(0).leg;
        (call, invite)
    }

    /// 0 calls 1, who answers: the caller's leg and the callee's.
    fn talk(&mut self) -> (LegKey, LegKey) {
        let out = self.endpoint(0).invite(self.invite(0, 1));
        let call = self.incoming(1);
        self.endpoint(1).answer(call.leg, ANSWER.into());
        assert_eq!(self.of(0, out), LegEvent::Answered { sdp: ANSWER.into() });
        assert_eq!(self.of(1, call.leg), LegEvent::Confirmed { sdp: None });
        (out, call.leg)
    }
}

/// The value of a header in a packet.
fn header<'a>(text: &'a str, name: &str) -> &'a str {
    let prefix = format!("{name}: ");
    text.lines().find_map(|l| l.strip_prefix(&prefix)).unwrap_or_default()
}

/// A request of node 1, which the test plays. `to_tag` is empty outside of a dialog.
fn request(method: &str, from_tag: &str, number: u32, to_tag: &str, more: &str, body: &str) -> String {
    let to_tag = if to_tag.is_empty() { String::new() } else { format!(";tag={to_tag}") };
    format!(
        "{method} sip:alice@10.0.0.1:5060 SIP/2.0\nVia: SIP/2.0/UDP 10.0.0.2:5060;branch=z9hG4bK{method}{number}\n\
         Max-Forwards: 70\nFrom: \"Bob\" <sip:bob@10.0.0.2>;tag={from_tag}\nTo: <sip:alice@10.0.0.1>{to_tag}\n\
         Call-ID: played\nCSeq: {number} {method}\nContact: <sip:bob@10.0.0.2:5060>\n{more}\n{body}"
    )
}

/// A request of node 1 within a dialog that 0 made by `invite`.
fn within(invite: &str, method: &str, number: u32, more: &str, body: &str) -> String {
    let (from, to) = (header(invite, "From"), header(invite, "To"));
    let text = request(method, "theirs", number, "", more, body);
    text.replace("From: \"Bob\" <sip:bob@10.0.0.2>", &format!("From: {to}"))
        .replace("To: <sip:alice@10.0.0.1>", &format!("To: {from}"))
        .replace("Call-ID: played", &format!("Call-ID: {}", header(invite, "Call-ID")))
}

fn tag(text: &str, name: &str) -> String {
    header(text, name).split(";tag=").nth(1).unwrap_or_default().to_owned()
}

/// An answer to a request of node 0, with more header lines if wanted.
fn answer(request: &str, status: &str, more: &str) -> String {
    let copy = |name| format!("{name}: {}\n", header(request, name));
    let to = header(request, "To");
    let to = if to.contains(";tag=") { to.to_owned() } else { format!("{to};tag=theirs") };
    // A body follows after the header lines.
    let end = if more.contains("\n\n") { "" } else { "\n" };
    format!("SIP/2.0 {status}\n{}{}{}{}To: {to}\n{more}{end}", copy("Via"), copy("From"), copy("Call-ID"), copy("CSeq"))
}

impl Node {
    fn new(at: usize, now: Instant, config: EndpointConfig) -> Self {
        let address = SocketAddr::new([10, 0, 0, at as u8 + 1].into(), 5060);
        let (net, inbox) = Net::caught_at(address, &config);
        let (tell, events) = mpsc::unbounded_channel();
        let keys = Arc::new(AtomicU64::new(1));
        let (endpoint, orders) = Endpoint::loose(keys.clone());
        let mut core = Core::new(config, net, inbox, tell, keys);
        core.io.now = now;
        Self { core, endpoint, orders, events, address }
    }
}
