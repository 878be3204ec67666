//! One request of ours within the dialog at a time. A request that is lost and comes later than its successor is refused
//! for its CSeq (RFC 3261 section 12.2.2): a digit or the last NOTIFY of a transfer must not go that way.

use std::{collections::VecDeque, time::Duration};

use rsipstack::sip::Method;
use tokio::time::Instant;

use super::{Leg, Modify, State};
use crate::{
    EndCause, EndedBy, Flow, Uri,
    io::Io,
    message::Message,
    timer::{GIVE_UP, Timer},
    transaction::Outcome,
};

/// How long a peer may take to say that it still knows the call.
const PROBE: Duration = Duration::from_secs(8);
/// How long the goodbye waits for an answer to what was said before it.
const LAST_WORD: Duration = Duration::from_secs(4);
/// Requests that wait; beyond it digits are lost.
const MAX_WAITING: usize = 64;

#[derive(Default)]
pub(super) struct Turns {
    waiting: VecDeque<Message>,
    current: Option<u64>,
    /// A request that was sent again because its connection was lost.
    retried: Option<u64>,
    probing: bool,
    /// How long we wait for a peer whose connection was lost to come back for what we have to say.
    lost_until: Option<Instant>,
}

impl Turns {
    pub fn is_free(&self) -> bool {
        self.current.is_none() && self.waiting.is_empty()
    }

    pub fn replaced(&mut self, old: u64, new: u64) {
        if self.current == Some(old) {
            self.current = Some(new);
        }
    }

    /// What must still be said before BYE.
    pub fn keep_last_words(&mut self) {
        self.waiting.retain(|m| matches!(m.method(), Some(Method::Notify | Method::Info)));
    }

    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

impl Leg {
    /// Sends a request that has no number yet, after those before it have been answered.
    pub(super) fn send_in_turn(&mut self, request: Message, io: &mut Io) {
        if self.turns.waiting.len() < MAX_WAITING || request.method() != Some(Method::Info) {
            self.turns.waiting.push_back(request);
        }
        self.next_turn(io);
    }

    pub(super) fn next_turn(&mut self, io: &mut Io) {
        let busy = self.turns.current.is_some() || matches!(self.modify, Modify::Ours { .. });
        if busy || self.turns.waiting.is_empty() || !self.has_way(io) {
            return;
        }
        while let Some(mut request) = self.turns.waiting.pop_front() {
            let Some(method) = request.method() else { continue };
            self.local_cseq += 1;
            request.set("CSeq", format!("{} {method}", self.local_cseq));
            if method == Method::Refer {
                self.refer_sent();
            }
            self.turns.current = self.send(request, io);
            match self.turns.current {
                Some(tx) if method == Method::Options => {
                    return io.txs.limit(&mut io.timers, io.now, (tx, PROBE));
                }
                Some(_) => return self.hurry(io),
                None if method == Method::Refer => self.refer_over(503, io),
                None if method == Method::Update => _ = self.expiry.not_sent(),
                None => {}
            }
        }
    }

    /// A peer that does not answer must not keep us from hanging up.
    pub(super) fn hurry(&mut self, io: &mut Io) {
        if let (State::HangUpLater(_), Some(tx)) = (&self.state, self.turns.current) {
            io.txs.limit(&mut io.timers, io.now, (tx, LAST_WORD));
        }
    }

    /// A request of ours has been answered for good.
    pub(super) fn turn_over(&mut self, outcome: &Outcome, io: &mut Io) {
        if self.turns.current == Some(outcome.tx) {
            self.turns.current = None;
            self.judge(outcome, io);
        }
        self.next_turn(io);
        self.bye_if_said(io);
        self.try_next_offer(io);
    }

    /// Whether the answer means that the peer has lost the dialog (RFC 3261 section 12.2.1.2, RFC 5057 section 5). A
    /// 481 to a NOTIFY is about its subscription only.
    fn judge(&mut self, outcome: &Outcome, io: &mut Io) {
        let (status, method) = (outcome.response.status(), outcome.response.cseq().1);
        let unknown = status == 481 && method != "NOTIFY";
        let silent = self.turns.probing && outcome.from_network;
        if method == "OPTIONS" {
            self.turns.probing = false;
        }
        if (unknown || silent) && self.is_early().is_some() {
            self.dialog_lost(status, io);
        }
    }

    /// The far end knows nothing of this call any more, or is gone itself.
    pub(super) fn dialog_lost(&mut self, status: u16, io: &mut Io) {
        self.turns.clear();
        self.confirming = None;
        self.tell_end(EndCause::new(EndedBy::Network, Some(status), None), io);
        match self.state {
            State::Arriving { .. } => self.refuse(480, None, io),
            State::Calling { .. }
            | State::Up
            | State::Resolving(_)
            | State::Cancelling { .. }
            | State::HangUpLater(_)
            | State::Closing
            | State::Over => self.hang_up(None, io),
        }
    }

    /// Asks the far end whether it still knows this call (OPTIONS within the dialog).
    pub(super) fn probe(&mut self, io: &mut Io) {
        if self.is_early().is_some() && !std::mem::replace(&mut self.turns.probing, true) {
            let options = self.numbered_request(Method::Options, 0, io);
            self.send_in_turn(options, io);
        }
    }
}

/// When the TCP connection under a dialog is lost.
impl Leg {
    /// Whether the far end can be reached. If only it can come back, it has some time for that.
    pub(super) fn has_way(&mut self, io: &mut Io) -> bool {
        let lost = self.is_orphan(io);
        if lost && self.turns.lost_until.is_none() {
            let patience = if self.turns.probing { PROBE } else { GIVE_UP };
            self.turns.lost_until = Some(io.timer(patience, Timer::Leg(self.key)));
        }
        !lost
    }

    /// Whether this leg's connection is lost and only its peer can come back.
    pub fn is_orphan(&self, io: &Io) -> bool {
        self.reconnect_to.is_none() && self.stay_on_flow && self.flow.is_some_and(|f| !io.net.is_open(&f))
    }

    pub fn uses(&self, connection: u64) -> bool {
        connection != 0 && self.flow.is_some_and(|f| f.connection == connection)
    }

    /// The connection is gone. What is said goes over the next one; but an INVITE that we have not answered has ended
    /// for whoever sent it.
    pub fn connection_lost(&mut self, io: &mut Io) {
        if !matches!(self.state, State::Arriving { .. }) {
            return;
        }
        if self.is_orphan(io) {
            self.dialog_lost(503, io);
        } else {
            self.probe(io);
        }
    }

    /// The peer has a new way to it: it registered again from the same Contact.
    pub fn adopt(&mut self, contact: &Uri, flow: Flow, io: &mut Io) {
        if self.target.parse().is_ok_and(|target: Uri| target.is_same_place(contact)) && !self.opens(&flow) {
            self.flow = Some(flow);
            self.reached(io);
        }
    }

    /// Says what waited for the peer to come back.
    pub(super) fn reached(&mut self, io: &mut Io) {
        self.turns.lost_until = None;
        self.next_turn(io);
        self.bye_if_said(io);
    }

    /// The peer has not come back.
    pub(super) fn given_up(&mut self, due: Instant, io: &mut Io) {
        if self.turns.lost_until != Some(due) {
            return;
        }
        let asked = self.turns.probing;
        self.turns.clear();
        if matches!(self.state, State::HangUpLater(_)) {
            self.state = State::Over;
        } else if asked {
            self.dialog_lost(503, io);
        }
    }

    /// A TCP connection was lost under a request within the dialog: sends it again over another one, once; or keeps it
    /// until the peer comes back. Not a REFER: it may have arrived, and nobody wants to be moved twice.
    pub(super) fn retry_elsewhere(&mut self, outcome: &Outcome, io: &mut Io) -> Option<Retry> {
        let standing = matches!(self.state, State::Up | State::HangUpLater(_) | State::Closing);
        let mut again = outcome.request.clone()?;
        let method = again.method().filter(|m| *m != Method::Refer)?;
        let before = self.flow.filter(|f| f.transport.is_stream() && standing && !io.net.is_open(f))?;
        if outcome.response.status() != 503 || self.turns.retried == Some(outcome.tx) {
            return None;
        }
        if !self.has_way(io) {
            return self.keep(outcome.tx, method, again);
        }
        self.open_flow(io).filter(|now| now.connection != before.connection)?;
        self.local_cseq += 1;
        again.set("CSeq", format!("{} {method}", self.local_cseq));
        let tx = self.send(again, io)?;
        self.turns.retried = Some(tx);
        Some(Retry::Sent(tx))
    }

    fn keep(&mut self, tx: u64, method: Method, request: Message) -> Option<Retry> {
        match method {
            Method::Bye => self.state = State::HangUpLater(request.reason()),
            Method::Notify | Method::Info | Method::Options if self.turns.current == Some(tx) => {
                self.turns.current = None;
                self.turns.waiting.push_front(request);
            }
            _ => return None,
        }
        Some(Retry::Kept)
    }
}

/// What became of a request that lost its connection.
pub(super) enum Retry {
    /// On its way again in this transaction.
    Sent(u64),
    /// Waits for the peer.
    Kept,
}
