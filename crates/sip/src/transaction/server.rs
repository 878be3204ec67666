//! The requests of others (RFC 3261 section 17.2).

use std::time::Duration;

use bytes::Bytes;
use rsipstack::sip::Method;
use tokio::time::Instant;

use super::Transactions;
use crate::{
    Flow, LegKey,
    memory::slim,
    message::Message,
    net::Net,
    timer::{GIVE_UP, T1, T2, T4, Timer, Timers},
};

/// Open server transactions at once; beyond it new requests are left to be sent again.
const MAX_SERVER: usize = 50_000;

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

pub(super) struct Server {
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

impl Transactions {
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
