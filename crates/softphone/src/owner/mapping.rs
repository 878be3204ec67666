//! Calls that wait for what a STUN server says of their sound's address.

use std::net::SocketAddr;

use sip::{CallHeaders, Uri};

use super::{Line, Owner};
use crate::event::{CallEvent, CallKey};
use crate::session::Session;
use crate::stun::{self, Failed};
use crate::voice::{Order, Sockets};

/// What a server said for a call.
pub(super) type Mapped = (CallKey, Result<SocketAddr, Failed>);

/// A call of ours that is still to be placed.
pub(super) struct Placing {
    pub(super) to: Uri,
    pub(super) headers: CallHeaders,
    pub(super) follows: Option<CallKey>,
    pub(super) sockets: Sockets,
    pub(super) session: Session,
}

/// A call of theirs rings, and its sockets wait for the response.
pub(super) struct Waiting {
    sockets: Sockets,
    /// The person has not waited.
    pub(super) answered: bool,
}

impl Owner {
    /// Whether there is a server to wait for.
    pub(super) fn ask_stun(&mut self, call: CallKey, sockets: &Sockets) -> bool {
        let Some(server) = self.stun.clone() else { return false };
        match sockets.rtp.try_clone() {
            Ok(socket) => {
                self.asking.spawn(async move { (call, stun::ask(socket, &server).await) });
                true
            }
            Err(error) => {
                self.not_mapped(call, &error.into());
                false
            }
        }
    }

    /// As [`Self::open`], for a call of theirs. What is on their own network needs no mapping.
    pub(super) fn open_theirs(&mut self, call: CallKey, mut line: Line, sockets: Sockets) {
        if line.of_stranger || !self.ask_stun(call, &sockets) {
            return self.open(call, line, sockets);
        }
        line.mapping = Some(Waiting { sockets, answered: false });
        self.legs.insert(line.leg, call);
        self.lines.insert(call, line);
    }

    pub(super) fn mapped(&mut self, (call, found): Mapped) {
        let mapped = found.as_ref().ok().copied();
        if let Some(mut placing) = self.placing.remove(&call) {
            mapped.into_iter().for_each(|mapped| placing.session.mapped(mapped));
            self.place(call, placing);
        } else if let Some(waiting) = self.lines.get_mut(&call).and_then(|line| line.mapping.take()) {
            self.go_on(call, waiting, mapped);
        } else {
            return; // it has ended
        }
        if let Err(failed) = found {
            self.not_mapped(call, &failed);
        }
    }

    fn go_on(&mut self, call: CallKey, waiting: Waiting, mapped: Option<SocketAddr>) {
        let Some(line) = self.lines.get_mut(&call) else { return };
        if let Some(mapped) = mapped {
            line.session.mapped(mapped);
            let anew = line.offer.as_ref().and_then(|offer| line.session.answer(offer, false).ok());
            line.answer = anew.or(line.answer.take());
        }
        // What the voice thread was told of a call that it did not have yet.
        let (heard, flow, muted) = (line.heard.clone(), line.flow, line.muted);
        self.voice.order(Order::Open { call, sockets: waiting.sockets, heard });
        self.voice.order(Order::Flow { call, flow });
        self.voice.order(Order::Mute { call, muted });
        if waiting.answered {
            self.accept(call);
        }
    }

    /// Given up before it was placed.
    pub(super) fn not_placed(&mut self, call: CallKey) -> bool {
        let Some(placing) = self.placing.remove(&call) else { return false };
        self.never_was(call, "given up".to_owned());
        if let Some(referrer) = placing.follows {
            self.follow_failed(referrer, 487);
        }
        true
    }

    fn not_mapped(&self, call: CallKey, failed: &Failed) {
        let server = self.stun.as_deref().unwrap_or_default();
        tracing::warn!(server, %failed, "no address from the STUN server: the far end is told our own");
        let sentence = format!(
            "The STUN server {server} was of no help ({failed}), so the other side is told this machine's own address. If \
             you hear nothing, check the server in the account."
        );
        self.tell_call(call, CallEvent::Trouble { sentence });
    }
}
