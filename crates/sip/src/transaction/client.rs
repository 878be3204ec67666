//! Our requests (RFC 3261 section 17.1).

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use rsipstack::sip::{Header, Method};
use tokio::time::Instant;

use super::{Owner, Transactions};
use crate::{
    Flow, Transport,
    io::SILENCE,
    memory::slim,
    message::{Message, Start},
    net::Net,
    timer::{GIVE_UP, T1, T2, T4, Timer, Timers},
};

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

pub(super) struct Client {
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

impl Transactions {
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
