//! Calls that ring here: from the INVITE to the ring card, and away again.

use protocol::{Party, Reason};
use softphone::{Ended, IncomingCall, Recalled, Security};

use crate::device::Device;
use crate::owner::Owner;
use crate::phones::LineNo;
use crate::session::State;
use crate::{LinkState, PhoneCallId, RingKind, RingView, Tone};

impl Owner {
    /// The ring tone is on already; now the card.
    pub(crate) fn incoming(&mut self, line: LineNo, call: IncomingCall) {
        let id = line.id(call.key);
        self.own_incoming(line, &call);
        let own = self.own.get(&id).map(|own| own.id.clone());
        self.view.rings.push(RingView {
            id,
            account: self.account_of(id),
            kind: kind(call.kind),
            headline: headline(&call),
            call: own.or_else(|| call.call_id.clone()),
            caller: call.caller,
            by: call.transferred_by,
            department: call.department,
            note: call.note,
            since: self.clock.now(),
            // One that answers itself is only shown until it has.
            answering: call.answers_itself,
            security: call.security,
        });
        if let (State::In(session), LineNo::EXCHANGE) = (&self.state, line)
            && !matches!(self.view.link.control, LinkState::Up)
        {
            session.wake.notify_one();
        }
    }

    pub(crate) fn answer(&mut self, id: PhoneCallId) {
        let Some(ring) = self.view.rings.iter_mut().find(|ring| ring.id == id && !ring.answering) else { return };
        ring.answering = true;
        self.quiet_others(id.line());
        self.with_phone_of(id, Device::answer);
    }

    pub(crate) fn decline(&mut self, id: PhoneCallId) {
        let Some(ring) = self.take_ring(id) else { return };
        self.own_declined(id);
        self.with_phone_of(id, Device::decline);
        self.note(Tone::Plain, format!("You declined: {}, {}.", ring.headline, name(&ring.caller)));
    }

    /// The caller has been transferred while it rings here; `false` if nothing rings.
    pub(crate) fn caller_is(&mut self, id: PhoneCallId, caller: &Party) -> bool {
        let Some(ring) = self.view.rings.iter_mut().find(|ring| ring.id == id) else { return false };
        if ring.headline == call_from(&ring.caller) {
            ring.headline = call_from(caller);
        }
        ring.caller.clone_from(caller);
        true
    }

    pub(crate) fn security(&mut self, id: PhoneCallId, security: Security) {
        if let Some(ring) = self.view.rings.iter_mut().find(|ring| ring.id == id) {
            ring.security = Some(security);
        }
        let Some(call) = self.view.phone.calls.iter_mut().find(|call| call.id == id) else { return };
        let before = call.security.replace(security);
        let with = name(&call.with);
        if security == Security::Clear && before.is_some_and(|before| before != Security::Clear) {
            self.note(
                Tone::Bad,
                format!("The call with {with} is not encrypted any more: whoever is on the way can listen in."),
            );
        }
    }

    /// Removes a card; `None` if it is gone already.
    pub(crate) fn take_ring(&mut self, id: PhoneCallId) -> Option<RingView> {
        let at = self.view.rings.iter().position(|ring| ring.id == id)?;
        Some(self.view.rings.remove(at))
    }

    /// A ring that nobody took here.
    pub(crate) fn ring_ended(&mut self, ring: &RingView, ended: &Ended) {
        let caller = name(&ring.caller);
        if ended.answered_elsewhere {
            self.note(Tone::Plain, format!("Answered on another phone: {caller}."));
        } else if ring.answering {
            self.announce(Tone::Bad, format!("The call with {caller} could not be answered: {}.", ended.cause));
        } else {
            self.announce(Tone::Bad, format!("Missed: {}, {caller}.", ring.headline));
        }
    }
}

fn kind(kind: softphone::RingKind) -> RingKind {
    match kind {
        softphone::RingKind::Outside => RingKind::Outside,
        softphone::RingKind::Internal => RingKind::Internal,
        softphone::RingKind::Transfer => RingKind::Transfer,
        softphone::RingKind::Recall => RingKind::Recall,
        softphone::RingKind::Consult => RingKind::Consult,
    }
}

fn headline(call: &IncomingCall) -> String {
    match call.kind {
        softphone::RingKind::Transfer => match &call.transferred_by {
            Some(by) => format!("Internal transfer from {}", name(by)),
            None => "Internal transfer".into(),
        },
        softphone::RingKind::Consult => match &call.transferred_by {
            Some(by) => format!("{} wants to speak with you about {}", name(by), name(&call.caller)),
            None => format!("A colleague wants to speak with you about {}", name(&call.caller)),
        },
        softphone::RingKind::Recall => match &call.back {
            Some(back) => came_back(back),
            None => "Your transfer came back".into(),
        },
        softphone::RingKind::Outside => match &call.department {
            Some(department) => format!("Call for {department}"),
            None => plain_headline(call),
        },
        softphone::RingKind::Internal => plain_headline(call),
    }
}

/// Other systems say only this much of a call that was handed on.
fn plain_headline(call: &IncomingCall) -> String {
    match (&call.transferred_by, &call.forwarded) {
        (Some(by), _) => format!("Transferred by {}", name(by)),
        (None, Some(Recalled { from, because: Some(because), .. })) => {
            format!("Forwarded from {}: {}", name(from), because.phrase())
        }
        (None, Some(Recalled { from, because: None, .. })) => format!("Forwarded from {}", name(from)),
        (None, None) => call_from(&call.caller),
    }
}

fn call_from(caller: &Party) -> String {
    format!("Call from {}", name(caller))
}

/// "Back from Ravi Kumar: no answer after 20 s". Only an unanswered ring is told with its length.
fn came_back(back: &Recalled) -> String {
    let from = name(&back.from);
    match (back.because, back.after) {
        (Some(Reason::NoAnswer), Some(after)) => {
            format!("Back from {from}: no answer after {} s", after.as_secs())
        }
        (Some(because), _) => format!("Back from {from}: {}", because.phrase()),
        (None, _) => format!("Back from {from}"),
    }
}

/// A person in a sentence.
pub(crate) fn name(party: &Party) -> String {
    let known = [&party.name, &party.number].into_iter().map(|s| s.trim()).find(|s| !s.is_empty());
    known.unwrap_or("an unknown caller").to_owned()
}
