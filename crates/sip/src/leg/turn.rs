//! One request of ours within the dialog at a time. A request that is lost and comes later than its successor is refused
//! for its CSeq (RFC 3261 section 12.2.2): a digit or the last NOTIFY of a transfer must not go that way.

use std::{collections::VecDeque, time::Duration};

use rsipstack::sip::Method;

use super::{Leg, Modify, State};
use crate::{EndCause, EndedBy, io::Io, message::Message, transaction::Outcome};

/// How long a peer may take to say that it still knows the call.
const PROBE: Duration = Duration::from_secs(8);
/// Requests that wait; beyond it digits are lost.
const MAX_WAITING: usize = 64;

#[derive(Default)]
pub(super) struct Turns {
    waiting: VecDeque<Message>,
    current: Option<u64>,
    /// A request that was sent again because its connection was lost.
    retried: Option<u64>,
    probing: bool,
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

    pub fn retried(&mut self, tx: u64) {
        self.retried = Some(tx);
    }

    pub fn was_retried(&self, tx: u64) -> bool {
        self.retried == Some(tx)
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
        if self.turns.waiting.len() < MAX_WAITING {
            self.turns.waiting.push_back(request);
        }
        self.next_turn(io);
    }

    pub(super) fn next_turn(&mut self, io: &mut Io) {
        if self.turns.current.is_some() || matches!(self.modify, Modify::Ours { .. }) {
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
                Some(_) => return,
                None if method == Method::Refer => self.refer_over(503, io),
                None => {}
            }
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
