//! Transactions (RFC 3261 section 17, with RFC 6026 for accepted INVITEs): retransmission and matching, nothing of calls.

use std::{collections::HashMap, net::SocketAddr, time::Duration};

use bytes::Bytes;
use rsipstack::sip::{Header, Method};
use tokio::time::Instant;

use crate::{
    Flow, LegKey, RegistrationKey, SubscriptionKey, Transport, WatcherKey,
    io::SILENCE,
    memory::slim,
    message::{Message, Start},
    net::Net,
    timer::{GIVE_UP, T1, T2, T4, Timer, Timers},
};

/// Who wants to know what became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    Leg(LegKey),
    Registration(RegistrationKey),
    Subscription(SubscriptionKey),
    Watcher(WatcherKey),
    Nobody,
}

/// Open server transactions at once; beyond it new requests are left to be sent again.
const MAX_SERVER: usize = 50_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ClientState {
    /// Calling or Trying: nothing heard yet.
    Waiting,
    Proceeding,
    /// Final refusal received: absorbs its retransmissions (and, for an INVITE, acknowledges them).
    Completed,
    /// 2xx to an INVITE: its retransmissions are acknowledged again.
    Accepted,
}

struct Client {
    key: String,
    owner: Owner,
    request: Message,
    bytes: Bytes,
    flow: Flow,
    state: ClientState,
    interval: Duration,
    resend_at: Option<Instant>,
    end_at: Option<Instant>,
    /// It did not arrive, says the network.
    undelivered: bool,
    /// ACKs to send again: by the tag of the 2xx; the one to a refusal has an empty tag.
    acks: Vec<(String, Bytes, Flow)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ServerState {
    Proceeding,
    /// Final answer sent; for an INVITE: a refusal that waits for its ACK.
    Completed,
    /// The ACK to a refusal has come: absorbs more of them.
    Confirmed,
    /// 2xx to an INVITE sent; the leg sends it again, this absorbs the INVITE's retransmissions.
    Accepted,
}

struct Server {
    key: String,
    call: Option<String>,
    method: Method,
    /// Kept until the final answer.
    request: Option<Message>,
    last: Option<Bytes>,
    flow: Flow,
    state: ServerState,
    /// Of an INVITE that made a call: whose it is.
    leg: Option<LegKey>,
    interval: Duration,
    resend_at: Option<Instant>,
    end_at: Option<Instant>,
}

/// What became of a request of ours.
pub(crate) struct Outcome {
    pub tx: u64,
    pub owner: Owner,
    /// The answer; one made up with 408 or 503 if none came.
    pub response: Message,
    pub from_network: bool,
    /// The request that was sent, for another try with credentials.
    pub request: Option<Message>,
}

impl Outcome {
    /// Whether another server should be asked: this one does not answer, cannot be reached, or says that it cannot
    /// serve.
    pub fn is_no_service(&self) -> bool {
        self.from_network || self.response.status() == 503
    }
}

/// What a request that arrived is.
pub(crate) enum Arrived {
    New {
        tx: u64,
    },
    /// An INVITE that a proxy sent here twice, on two ways (RFC 3261 section 8.2.2.2).
    Merged {
        tx: u64,
    },
    /// A retransmission, answered.
    Again,
    /// An ACK to a 2xx: belongs to a dialog.
    Ack(Message),
    Overload,
}

#[derive(Default)]
pub(crate) struct Transactions {
    clients: HashMap<u64, Client>,
    client_keys: HashMap<String, u64>,
    servers: HashMap<u64, Server>,
    server_keys: HashMap<String, u64>,
    /// INVITEs outside of a dialog, whatever way they came: Call-ID, tag of From, CSeq.
    calls: HashMap<String, u64>,
    last_id: u64,
}

impl Transactions {
    fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// How many there are.
    pub fn kept(&self) -> usize {
        self.clients.len() + self.servers.len()
    }

    #[cfg(any(test, feature = "fuzzing"))]
    pub fn is_empty(&self) -> bool {
        self.clients.is_empty() && self.servers.is_empty() && self.client_keys.is_empty() && self.server_keys.is_empty()
    }

    #[cfg(test)]
    pub fn open_servers(&self) -> usize {
        self.servers.len()
    }

    /// Requests of ours that wait for a final answer.
    pub fn waiting(&self) -> usize {
        let open = |c: &&Client| matches!(c.state, ClientState::Waiting | ClientState::Proceeding);
        self.clients.values().filter(open).count()
    }

    /// Sends a request that has its Via. A transport failure is reported by the end timer, at once.
    pub fn send(
        &mut self,
        net: &mut Net,
        timers: &mut Timers,
        now: Instant,
        (owner, flow): (Owner, Flow),
        request: Message,
    ) -> u64 {
        let id = self.next_id();
        let method = request.method().unwrap_or(Method::Options);
        let bytes = Bytes::from(request.to_bytes());
        let sent = net.send(&flow, &bytes);
        let udp = !flow.transport.is_stream();
        let key = client_key(request.branch(), &method.to_string());
        self.client_keys.insert(key.clone(), id);
        let wait = if sent.is_ok() { GIVE_UP } else { Duration::ZERO };
        let client = Client {
            key,
            owner,
            request,
            bytes,
            flow,
            state: ClientState::Waiting,
            interval: T1,
            resend_at: udp.then(|| timers.at(now + T1, Timer::ClientResend(id))),
            end_at: Some(timers.at(now + wait, Timer::ClientEnd(id))),
            undelivered: false,
            acks: Vec::new(),
        };
        self.clients.insert(id, client);
        id
    }

    /// Gives a request another time to end: an INVITE that is being cancelled (RFC 3261 section 9.1), a probe.
    pub fn limit(&mut self, timers: &mut Timers, now: Instant, (tx, after): (u64, Duration)) {
        if let Some(client) = self.clients.get_mut(&tx) {
            // One that could not even be sent has ended.
            let until = (now + after).min(client.end_at.filter(|at| *at <= now).unwrap_or(now + after));
            client.end_at = Some(timers.at(until, Timer::ClientEnd(tx)));
        }
    }

    /// The request of a client transaction and where it went: for its CANCEL.
    pub fn sent(&self, tx: u64) -> Option<(&Message, Flow)> {
        self.clients.get(&tx).map(|c| (&c.request, c.flow))
    }

    /// Whether a provisional answer has come.
    pub fn is_proceeding(&self, tx: u64) -> bool {
        self.clients.get(&tx).is_some_and(|c| c.state == ClientState::Proceeding)
    }

    /// Remembers the ACK to a 2xx, for its retransmissions.
    pub fn remember_ack(&mut self, tx: u64, to_tag: &str, ack: Bytes, flow: Flow) {
        if let Some(client) = self.clients.get_mut(&tx)
            && client.acks.len() < 8
        {
            client.acks.push((to_tag.to_owned(), ack, flow));
        }
    }

    /// A response; `None` if it is a retransmission or belongs to nothing.
    pub fn response(&mut self, net: &mut Net, timers: &mut Timers, now: Instant, response: Message) -> Option<Outcome> {
        let key = client_key(response.branch(), response.cseq().1);
        let id = *self.client_keys.get(&key)?;
        let client = self.clients.get_mut(&id)?;
        let invite = client.request.method() == Some(Method::Invite);
        let status = response.status();
        let udp = !client.flow.transport.is_stream();
        match client.state {
            ClientState::Completed | ClientState::Accepted => {
                let tag = if client.state == ClientState::Accepted { response.tag_of_to() } else { "" };
                if let Some((_, ack, flow)) = client.acks.iter().find(|(t, _, _)| t == tag) {
                    let _ = net.send(flow, ack);
                    return None;
                }
                let another_fork = client.state == ClientState::Accepted && (200..300).contains(&status);
                return another_fork.then(|| outcome(id, client, response));
            }
            ClientState::Waiting | ClientState::Proceeding => {}
        }
        if status < 200 {
            client.state = ClientState::Proceeding;
            if invite {
                client.resend_at = None;
                client.end_at = None;
            }
            return Some(outcome(id, client, response));
        }
        client.resend_at = None;
        let linger = match (invite, status < 300) {
            (true, true) => {
                client.state = ClientState::Accepted;
                GIVE_UP
            }
            (true, false) => {
                client.state = ClientState::Completed;
                let ack = Bytes::from(ack_to_refusal(&client.request, &response).to_bytes());
                let _ = net.send(&client.flow, &ack);
                client.acks.push((String::new(), ack, client.flow));
                if udp { GIVE_UP } else { Duration::ZERO }
            }
            (false, _) => {
                client.state = ClientState::Completed;
                if udp { T4 } else { Duration::ZERO }
            }
        };
        client.end_at = Some(timers.at(now + linger, Timer::ClientEnd(id)));
        let mut out = outcome(id, client, response);
        out.request = Some(client.request.clone());
        Some(out)
    }

    pub fn client_resend(&mut self, net: &mut Net, timers: &mut Timers, due: Instant, id: u64) {
        let Some(client) = self.clients.get_mut(&id).filter(|c| c.resend_at == Some(due)) else { return };
        let _ = net.send(&client.flow, &client.bytes);
        let invite = client.request.method() == Some(Method::Invite);
        client.interval = match (invite, client.state) {
            (true, _) => client.interval * 2,
            (false, ClientState::Proceeding) => T2,
            (false, ClientState::Waiting | ClientState::Completed | ClientState::Accepted) => {
                (client.interval * 2).min(T2)
            }
        };
        client.resend_at = Some(timers.at(due + client.interval, Timer::ClientResend(id)));
    }

    /// The end of a client transaction; an outcome if no final answer has come.
    pub fn client_end(&mut self, due: Instant, id: u64, net: &Net) -> Option<Outcome> {
        self.clients.get(&id).filter(|c| c.end_at == Some(due))?;
        let client = self.clients.remove(&id)?;
        self.client_keys.remove(&client.key);
        slim(&mut self.clients);
        slim(&mut self.client_keys);
        match client.state {
            ClientState::Waiting | ClientState::Proceeding => {
                let gone = client.undelivered || !net.is_open(&client.flow);
                let status = if gone { 503 } else { 408 };
                let response = Message::response(&client.request, status, "none");
                let mut out = outcome(id, &client, response);
                out.from_network = true;
                out.request = Some(client.request);
                Some(out)
            }
            ClientState::Completed | ClientState::Accepted => None,
        }
    }

    /// All that waits for an answer over a connection that has closed ends now.
    pub fn connection_closed(&mut self, timers: &mut Timers, now: Instant, connection: u64) {
        for (id, client) in &mut self.clients {
            if client.flow.connection == connection && connection != 0 {
                client.end_at = Some(timers.at(now, Timer::ClientEnd(*id)));
            }
        }
    }

    /// ICMP says that nobody got a request of ours (RFC 3261 section 18.4): it ends now, or, where nobody else can be
    /// asked, after the third try in vain, since a program that is just starting may hear the next one. Believed only if it
    /// quotes the branch, which nobody off the way knows, and where there is nothing to lose: a dialog outlives a server
    /// that is being started anew, and whoever has answered once is there.
    pub fn undelivered(&mut self, timers: &mut Timers, now: Instant, remote: SocketAddr, quoted: &[u8]) {
        let Some(id) = quoted_key(quoted).and_then(|key| self.client_keys.get(&key).copied()) else { return };
        let Some(client) = self.clients.get_mut(&id) else { return };
        let to_them = client.flow.transport == Transport::Udp && client.flow.remote == remote;
        let others = client.end_at.is_some_and(|at| at <= now + SILENCE);
        let asked_enough = others || client.interval >= T1 * 8;
        if to_them && asked_enough && client.state == ClientState::Waiting && client.request.tag_of_to().is_empty() {
            client.undelivered = true;
            client.end_at = Some(timers.at(now, Timer::ClientEnd(id)));
        }
    }

    /// A request that arrived, its Via already stamped.
    pub fn request(
        &mut self,
        net: &mut Net,
        timers: &mut Timers,
        now: Instant,
        flow: Flow,
        request: Message,
    ) -> Arrived {
        let Some(method) = request.method() else { return Arrived::Again };
        let matching = if method == Method::Ack { Method::Invite } else { method };
        let key = server_key(&request, matching);
        if let Some(id) = self.server_keys.get(&key)
            && let Some(server) = self.servers.get_mut(id)
        {
            if method != Method::Ack {
                if let Some(last) = &server.last {
                    // A NAT may have moved it since.
                    let _ = net.send(&flow, last);
                }
                return Arrived::Again;
            }
            match server.state {
                ServerState::Completed => {
                    server.state = ServerState::Confirmed;
                    server.resend_at = None;
                    let linger = if server.flow.transport.is_stream() { Duration::ZERO } else { T4 };
                    server.end_at = Some(timers.at(now + linger, Timer::ServerEnd(*id)));
                    return Arrived::Again;
                }
                ServerState::Confirmed => return Arrived::Again,
                ServerState::Proceeding | ServerState::Accepted => {}
            }
        }
        if method == Method::Ack {
            return Arrived::Ack(request);
        }
        if self.servers.len() >= MAX_SERVER {
            return Arrived::Overload;
        }
        let id = self.next_id();
        self.server_keys.insert(key.clone(), id);
        let call = call_key(&request, method);
        let merged = call.as_ref().is_some_and(|call| self.calls.contains_key(call));
        if let Some(call) = call.clone().filter(|_| !merged) {
            self.calls.insert(call, id);
        }
        let server = Server {
            key,
            call: call.filter(|_| !merged),
            method,
            request: Some(request),
            last: None,
            flow,
            state: ServerState::Proceeding,
            leg: None,
            interval: T1,
            resend_at: None,
            end_at: None,
        };
        self.servers.insert(id, server);
        if merged { Arrived::Merged { tx: id } } else { Arrived::New { tx: id } }
    }

    /// The request that waits in a server transaction, with the flow it came by; `None` once it has its final answer.
    pub fn pending(&self, tx: u64) -> Option<(&Message, Flow)> {
        let server = self.servers.get(&tx)?;
        server.request.as_ref().map(|r| (r, server.flow))
    }

    /// Notes whose call an INVITE made.
    pub fn made(&mut self, tx: u64, leg: LegKey) {
        if let Some(server) = self.servers.get_mut(&tx) {
            server.leg = Some(leg);
        }
    }

    /// The INVITE transaction that a CANCEL means, and whose call it made.
    pub fn cancelled_by(&self, cancel: &Message) -> Option<(u64, Option<LegKey>)> {
        let tx = *self.server_keys.get(&server_key(cancel, Method::Invite))?;
        self.servers.get(&tx).map(|server| (tx, server.leg))
    }

    /// Answers. `with` may add headers and a body. Gives the bytes, for a 2xx that a leg must send again.
    pub fn respond(
        &mut self,
        net: &mut Net,
        timers: &mut Timers,
        now: Instant,
        (tx, status, to_tag): (u64, u16, &str),
        with: impl FnOnce(Message) -> Message,
    ) -> Option<Bytes> {
        let server = self.servers.get_mut(&tx)?;
        let response = with(Message::response(server.request.as_ref()?, status, to_tag));
        let bytes = Bytes::from(response.to_bytes());
        let _ = net.send(&server.flow, &bytes);
        server.last = Some(bytes.clone());
        if status < 200 {
            return Some(bytes);
        }
        server.request = None;
        let udp = !server.flow.transport.is_stream();
        let wait = match (server.method == Method::Invite, status < 300) {
            (true, true) => {
                server.state = ServerState::Accepted;
                GIVE_UP
            }
            (true, false) => {
                server.state = ServerState::Completed;
                server.resend_at = udp.then(|| timers.at(now + T1, Timer::ServerResend(tx)));
                GIVE_UP
            }
            (false, _) => {
                server.state = ServerState::Completed;
                if udp { GIVE_UP } else { Duration::ZERO }
            }
        };
        server.end_at = Some(timers.at(now + wait, Timer::ServerEnd(tx)));
        Some(bytes)
    }

    pub fn server_resend(&mut self, net: &mut Net, timers: &mut Timers, due: Instant, id: u64) {
        let Some(server) = self.servers.get_mut(&id).filter(|s| s.resend_at == Some(due)) else { return };
        if let Some(last) = &server.last {
            let _ = net.send(&server.flow, last);
        }
        server.interval = (server.interval * 2).min(T2);
        server.resend_at = Some(timers.at(due + server.interval, Timer::ServerResend(id)));
    }

    pub fn server_end(&mut self, due: Instant, id: u64) {
        if self.servers.get(&id).is_some_and(|s| s.end_at == Some(due)) {
            self.forget(id);
        }
    }

    /// Forgets a request that has its final answer: if it comes again, it is answered anew (RFC 3261 section 8.2.7).
    pub fn forget_answered(&mut self, id: u64) {
        if self.servers.get(&id).is_some_and(|s| s.request.is_none()) {
            self.forget(id);
        }
    }

    fn forget(&mut self, id: u64) {
        if let Some(server) = self.servers.remove(&id) {
            self.server_keys.remove(&server.key);
            server.call.iter().for_each(|call| _ = self.calls.remove(call));
            slim(&mut self.servers);
            slim(&mut self.server_keys);
            slim(&mut self.calls);
        }
    }
}

fn outcome(tx: u64, client: &Client, response: Message) -> Outcome {
    Outcome { tx, owner: client.owner, response, from_network: false, request: None }
}

fn client_key(branch: &str, method: &str) -> String {
    format!("{branch}|{method}")
}

/// The key of a request of ours, out of how it begins: we write the Via first. An ICMP error may quote less than that.
fn quoted_key(quoted: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(quoted);
    let (method, rest) = text.split_once(' ')?;
    let (via, _) = rest.split_once("\r\n")?.1.split_once("\r\n")?;
    Some(client_key(via.split_once(";branch=")?.1, method))
}

/// RFC 3261 section 17.2.3; without the magic cookie, what old implementations keep equal.
fn server_key(request: &Message, method: Method) -> String {
    let branch = request.branch();
    // The cookie alone names nothing.
    if branch.strip_prefix("z9hG4bK").is_some_and(|id| !id.is_empty()) {
        return format!("{branch}|{}|{method}", request.sent_by());
    }
    let number = request.cseq().0;
    format!("{branch}|{}|{method}|{}|{number}|{}", request.sent_by(), request.call_id(), request.tag_of_from())
}

fn call_key(request: &Message, method: Method) -> Option<String> {
    let outside = method == Method::Invite && request.tag_of_to().is_empty();
    outside.then(|| format!("{}|{}|{}", request.call_id(), request.tag_of_from(), request.cseq().0))
}

/// The ACK to a refusal belongs to the INVITE's transaction (RFC 3261 section 17.1.1.3).
fn ack_to_refusal(invite: &Message, response: &Message) -> Message {
    let mut ack = Message::request(Method::Ack, invite.uri().to_owned());
    ack.add("Via", invite.top_via());
    ack.add("Max-Forwards", "70");
    for name in ["From", "Call-ID"] {
        ack.add(name, invite.get(name).unwrap_or_default());
    }
    ack.add("To", response.get("To").unwrap_or_default());
    ack.add("CSeq", format!("{} ACK", invite.cseq().0));
    ack.headers.extend(invite.headers.iter().filter(|h| matches!(h, Header::Route(_))).cloned());
    ack
}

/// The CANCEL of an INVITE (RFC 3261 section 9.1).
pub(crate) fn cancel_of(invite: &Message) -> Message {
    let mut cancel = ack_to_refusal(invite, invite);
    if let Start::Request { method, .. } = &mut cancel.start {
        *method = Method::Cancel;
    }
    cancel.set("CSeq", format!("{} CANCEL", invite.cseq().0));
    cancel
}
