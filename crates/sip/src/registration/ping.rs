//! Whether the registrar is still there, still the same, and still sees us where it did.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use rsipstack::sip::Method;
use tokio::time::Instant;

use super::{Client, State};
use crate::{
    Flow, RegistrationState, Transport,
    io::{Io, RUN, random_tag},
    message::Message,
    transaction::{Outcome, Owner},
};

/// How often it is asked. Keeps a NAT's door open too (RFC 5626 section 4.4.2 asks for less than 29 s with UDP).
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How long it may take to answer that, or a REGISTER over a connection.
pub(super) const PING: Duration = Duration::from_secs(6);
/// A NAT that gives every packet another address, or a registrar that makes them up, is not followed more often.
const MOVES_EVERY: Duration = Duration::from_secs(60);

/// Whether the registrar answers OPTIONS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pings {
    Untried,
    Answered,
    /// It never did: then silence says nothing, and only the NAT is kept open.
    Ignored,
}

/// Where the registrar sees us (RFC 3581).
#[derive(Debug, Default)]
pub(super) struct Seen {
    from: Option<(Flow, SocketAddr)>,
    moved_at: Option<Instant>,
}

impl Seen {
    /// Whether a NAT on the way has us at another address than before, while we are where we were.
    pub fn moves(&mut self, flow: Option<Flow>, response: &Message, now: Instant) -> bool {
        // A connection does not outlive its mapping.
        let Some(flow) = flow.filter(|flow| flow.transport == Transport::Udp) else { return false };
        let Some(seen) = response.seen_from() else { return false };
        let moves = self.from.is_some_and(|(by, before)| by == flow && before != seen);
        if moves && self.moved_at.is_some_and(|at| now.saturating_duration_since(at) < MOVES_EVERY) {
            return false;
        }
        self.from = Some((flow, seen));
        if moves {
            tracing::debug!(%seen, "seen from another address than before");
            self.moved_at = Some(now);
        }
        moves
    }
}

impl Client {
    /// OPTIONS to the registrar; to one that ignores it, an empty packet.
    pub(super) fn ping(&mut self, io: &mut Io) {
        let Some(flow) = self.flow else { return };
        if self.pings == Pings::Ignored {
            let _lost = io.net.send(&flow, &Bytes::from_static(b"\r\n\r\n"));
            return;
        }
        let aor = &self.registration.aor;
        let mut m = Message::request(Method::Options, self.request_uri());
        m.add("Max-Forwards", "70");
        m.add("From", format!("{aor};tag={}", random_tag()));
        m.add("To", format!("<{}>", self.request_uri()));
        m.add("Call-ID", random_tag());
        m.add("CSeq", "1 OPTIONS");
        let tx = io.send(Owner::Registration(self.key), flow, m);
        io.txs.limit(&mut io.timers, io.now, (tx, PING));
    }

    /// `moves`: the registrar sees us elsewhere, where it does not yet call us.
    pub(super) fn pinged(&mut self, outcome: &Outcome, moves: bool, io: &mut Io) {
        if !outcome.from_network {
            self.pings = Pings::Answered;
            let run = outcome.response.get(RUN);
            let is_new = run.is_some() && run != self.run.as_deref();
            if matches!(self.state, State::Registered { .. }) && (is_new || moves) {
                self.ask_again(io);
            }
            return;
        }
        let undelivered = outcome.response.status() == 503;
        match self.pings {
            Pings::Untried if !undelivered => self.pings = Pings::Ignored,
            Pings::Untried | Pings::Answered if matches!(self.state, State::Registered { .. }) => {
                self.server.iter().for_each(|server| io.is_down(server, &outcome.response));
                if let Some(flow) = self.flow.take() {
                    io.net.abandon(&flow);
                }
                self.tell(io, RegistrationState::Registering);
                self.ask_again(io);
            }
            Pings::Untried | Pings::Answered | Pings::Ignored => {}
        }
    }
}
