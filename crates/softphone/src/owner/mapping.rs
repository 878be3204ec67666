//! Calls that wait for what a STUN server says of their sound's address.

use std::net::{IpAddr, SocketAddr};

use sip::{CallHeaders, Uri};

use super::{Line, Owner};
use crate::event::{CallEvent, CallKey};
use crate::session::Session;
use crate::stun::{self, Failed};
use crate::voice::{Order, Sockets};

/// What a server said for a call, and the port of the socket that asked.
pub(super) type Mapped = (CallKey, u16, Result<SocketAddr, Failed>);

/// A call of ours that is still to be placed.
pub(super) struct Placing {
    pub(super) to: Uri,
    pub(super) headers: CallHeaders,
    pub(super) follows: Option<CallKey>,
    pub(super) sockets: Sockets,
    pub(super) session: Session,
}

/// Sockets of a call that wait for the response.
pub(super) struct Waiting {
    pub(super) sockets: Sockets,
    pub(super) then: Then,
}

pub(super) enum Then {
    /// It rings. `answered`: the person has not waited.
    Open { answered: bool },
    /// It goes on from another address of this machine.
    Move { to: SocketAddr },
}

impl Waiting {
    pub(super) fn leads_to(&self, here: IpAddr) -> bool {
        matches!(self.then, Then::Move { to } if to.ip() == here)
    }

    fn is_at(&self, port: u16) -> bool {
        self.sockets.rtp_port().is_ok_and(|rtp| rtp == port)
    }
}

impl Owner {
    /// Whether there is a server to wait for.
    pub(super) fn ask_stun(&mut self, call: CallKey, sockets: &Sockets) -> bool {
        let Some(server) = self.stun.clone() else { return false };
        let limit = self.stun_limit;
        match sockets.rtp.try_clone().and_then(|socket| Ok((socket, sockets.rtp_port()?))) {
            Ok((socket, port)) => {
                self.asking.spawn(async move { (call, port, stun::ask(socket, &server, limit).await) });
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
        line.mapping = Some(Waiting { sockets, then: Then::Open { answered: false } });
        self.legs.insert(line.leg, call);
        self.lines.insert(call, line);
    }

    pub(super) fn mapped(&mut self, (call, port, found): Mapped) {
        let mapped = found.as_ref().ok().copied();
        if let Some(mut placing) = self.placing.remove(&call) {
            mapped.into_iter().for_each(|mapped| placing.session.mapped(mapped));
            self.place(call, placing);
        } else if let Some(waiting) = self.waiting(call, port) {
            match waiting.then {
                Then::Open { answered } => self.go_on(call, waiting.sockets, answered, mapped),
                Then::Move { to } => self.moved(call, waiting.sockets, to, mapped),
            }
        } else {
            return; // it has ended, or moved on
        }
        if let Err(failed) = found {
            self.not_mapped(call, &failed);
        }
    }

    fn waiting(&mut self, call: CallKey, port: u16) -> Option<Waiting> {
        self.lines.get_mut(&call)?.mapping.take_if(|waiting| waiting.is_at(port))
    }

    fn go_on(&mut self, call: CallKey, sockets: Sockets, answered: bool, mapped: Option<SocketAddr>) {
        let Some(line) = self.lines.get_mut(&call) else { return };
        if let Some(mapped) = mapped {
            line.session.mapped(mapped);
            let anew = line.offer.as_ref().and_then(|offer| line.session.answer(offer, false).ok());
            line.answer = anew.or(line.answer.take());
        }
        // What the voice thread was told of a call that it did not have yet.
        let (heard, flow, muted) = (line.heard.clone(), line.flow, line.muted);
        self.voice.order(Order::Open { call, sockets, heard });
        self.voice.order(Order::Flow { call, flow });
        self.voice.order(Order::Mute { call, muted });
        if answered {
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
