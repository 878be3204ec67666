//! The calls of all phones, as a section of the view.

use protocol::{CallId, Direction, LiveRow, Party};
use softphone::{CallEvent, CallKey, Codec, Ended, HeldBy};

use crate::consult;
use crate::device::Device;
use crate::owner::Owner;
use crate::phones::LineNo;
use crate::rings::name;
use crate::{PhoneCall, PhoneCallId, PhoneCallState, RingKind, Tone};

const MAX_NUMBER_CHARS: usize = 200;

impl Owner {
    pub(super) fn call_event(&mut self, id: PhoneCallId, event: CallEvent) {
        match event {
            CallEvent::Calling { to } => self.calling(id, to),
            CallEvent::Ringing => self.change(id, |call| call.state = PhoneCallState::Ringing),
            CallEvent::Answered { codec } => self.answered(id, codec),
            CallEvent::CodecChanged { codec } => self.change(id, |call| call.codec = Some(codec_name(codec).into())),
            CallEvent::Held { by } => self.held(id, by, true),
            CallEvent::Resumed { by } => self.held(id, by, false),
            CallEvent::Muted { muted } => self.change(id, |call| call.muted = muted),
            CallEvent::TransferFailed { status } => {
                self.quiet_others(id.line());
                if !self.own_transfer_failed(id, status) {
                    self.note(Tone::Bad, format!("The transfer failed ({status}). You have the call again."));
                }
            }
            CallEvent::TransferProgress { status } => self.own_progress(id, status),
            CallEvent::Replaced { by, with, referred_by } => {
                self.replaced(id, id.line().id(by), &with, referred_by.as_ref());
            }
            CallEvent::Following { call, to, .. } => {
                let next = id.line().id(call);
                self.calling(next, to.clone());
                self.own_following(id, next, &to);
            }
            CallEvent::Quality(report) => {
                self.own_sounds(id, &report);
                self.change(id, |call| call.quality = Some(report.words(&name(&call.with))));
            }
            CallEvent::Security(security) => self.security(id, security),
            CallEvent::Identity { party } => self.identity(id, party),
            CallEvent::Trouble { sentence } => self.note(Tone::Bad, sentence),
            CallEvent::Ended(ended) => self.ended(id, &ended),
            CallEvent::Dtmf { .. } | CallEvent::FirstAudio | CallEvent::Recording { .. } | CallEvent::Level { .. } => {}
        }
    }

    /// Somebody else is at the other end now: they transferred us, or their system says who answered.
    fn identity(&mut self, id: PhoneCallId, party: Party) {
        self.own_identity(id, &party);
        if !self.caller_is(id, &party) {
            self.change(id, |call| call.with = party);
        }
    }

    /// Another call goes on in the place of this one: to the person it stays the same, with somebody else.
    fn replaced(&mut self, id: PhoneCallId, by: PhoneCallId, with: &Party, referred_by: Option<&Party>) {
        self.own_replaced(id, by, with);
        let Some(call) = self.view.phone.calls.iter_mut().find(|call| call.id == id) else { return };
        let handed_over = referred_by.unwrap_or(&call.with).clone();
        (call.id, call.with, call.held_by_other, call.security) = (by, with.clone(), false, None);
        self.announce(Tone::Plain, format!("{} has handed you over to {}.", name(&handed_over), name(with)));
    }

    fn calling(&mut self, id: PhoneCallId, to: Party) {
        self.own_calling(id, &to);
        if self.view.phone.calls.iter().any(|call| call.id == id) {
            return self.change(id, |call| call.with = to);
        }
        let call = self.new_call(id, to, PhoneCallState::Dialling);
        self.view.phone.calls.push(call);
    }

    fn new_call(&self, id: PhoneCallId, with: Party, state: PhoneCallState) -> PhoneCall {
        PhoneCall {
            id,
            account: self.account_of(id),
            call: None,
            with,
            state,
            since: self.clock.now(),
            muted: false,
            held: false,
            held_by_other: false,
            codec: None,
            quality: None,
            security: None,
            transfer_right: None,
            consult: None,
            about: None,
        }
    }

    fn answered(&mut self, id: PhoneCallId, codec: Codec) {
        if let Some(ring) = self.take_ring(id) {
            // Who is consulted speaks with the colleague first.
            let (with, about) = match (ring.kind, ring.by) {
                (RingKind::Consult, Some(by)) => (by, Some(ring.caller)),
                (RingKind::Consult, None)
                | (RingKind::Outside | RingKind::Internal | RingKind::Transfer | RingKind::Recall, _) => {
                    (ring.caller, None)
                }
            };
            let call = self.new_call(id, with, PhoneCallState::Talking);
            self.view.phone.calls.push(PhoneCall { call: ring.call, security: ring.security, about, ..call });
        }
        self.own_answered(id, codec_name(codec));
        self.quiet_others(id.line());
        let now = self.clock.now();
        self.change(id, |call| {
            call.codec = Some(codec_name(codec).into());
            if call.state != PhoneCallState::Talking {
                call.state = PhoneCallState::Talking;
                call.since = now;
            }
        });
    }

    /// The account by which this call came or went; `None`: the exchange's.
    pub(crate) fn account_of(&self, id: PhoneCallId) -> Option<crate::AccountKey> {
        self.accounts.of_line(id.line()).map(|account| account.settings.key.clone())
    }

    fn held(&mut self, id: PhoneCallId, by: HeldBy, held: bool) {
        if by == HeldBy::Us {
            self.own_held(id, held);
            self.consult_held(id, held);
        }
        self.change(id, |call| match by {
            HeldBy::Us => call.held = held,
            HeldBy::Them => call.held_by_other = held,
        });
    }

    fn change(&mut self, id: PhoneCallId, change: impl FnOnce(&mut PhoneCall)) {
        if let Some(call) = self.view.phone.calls.iter_mut().find(|call| call.id == id) {
            change(call);
        }
    }

    fn ended(&mut self, id: PhoneCallId, ended: &Ended) {
        if let Some(ring) = self.take_ring(id) {
            self.ring_ended(&ring, ended);
        }
        let at = self.view.phone.calls.iter().position(|call| call.id == id);
        let call = at.map(|at| self.view.phone.calls.remove(at));
        let by_us = call.as_ref().is_some_and(|call| call.state == PhoneCallState::Ending);
        // A consultation that comes to nothing says so itself.
        let consults = self.own.get(&id).is_some_and(|own| own.about.is_some());
        self.own_ended(id, ended, by_us);
        let Some(call) = call.filter(|_| !consults) else { return };
        if ended.talked.is_none() && call.state != PhoneCallState::Ending {
            self.note(Tone::Bad, format!("The call to {} did not come about: {}.", name(&call.with), ended.cause));
        }
    }

    /// Calls a number from the account that is chosen for that.
    pub(crate) fn dial(&mut self, typed: &str) {
        self.view.phone.offered = None;
        let account = self.dials_from();
        let line = account.and_then(|key| self.accounts.of_key(&key)).map_or(LineNo::EXCHANGE, |account| account.line);
        self.dial_on(line, typed);
    }

    pub(crate) fn dial_on(&mut self, line: LineNo, typed: &str) {
        let number = dialled(typed);
        if number.is_empty() {
            return self.note(Tone::Bad, "Write a number or a name to call.");
        }
        if self.place(line, &number).is_none() {
            self.note(Tone::Bad, "The phone isn't ready yet. Try again in a moment.");
        }
    }

    /// Places a call; `None` if that phone is not there.
    pub(crate) fn place(&mut self, line: LineNo, number: &str) -> Option<PhoneCallId> {
        let id = line.id(self.device(line)?.call(number));
        self.quiet_others(line);
        self.calling(id, Party { name: String::new(), number: number.to_owned() });
        Some(id)
    }

    /// Ends a call of any kind; a ringing one is declined.
    pub(crate) fn hang_up(&mut self, id: PhoneCallId) {
        if self.view.rings.iter().any(|ring| ring.id == id) {
            return self.decline(id);
        }
        self.with_call(id, Device::hang_up);
        self.change(id, |call| call.state = PhoneCallState::Ending);
    }

    /// Does something to a call that is still there.
    pub(crate) fn with_call(&mut self, id: PhoneCallId, ask: impl FnOnce(&dyn Device, CallKey)) {
        if self.view.phone.calls.iter().any(|call| call.id == id) {
            self.with_phone_of(id, ask);
        }
    }

    pub(crate) fn with_phone_of(&self, id: PhoneCallId, ask: impl FnOnce(&dyn Device, CallKey)) {
        let (line, key) = LineNo::of(id);
        if let Some(device) = self.device(line) {
            ask(device, key);
        }
    }

    /// Asks the exchange's phone.
    pub(crate) fn with_phone(&self, ask: impl FnOnce(&dyn Device)) {
        if let Some(device) = self.device(LineNo::EXCHANGE) {
            ask(device);
        }
    }

    pub(crate) fn hold(&mut self, id: PhoneCallId, held: bool) {
        if !held {
            self.quiet_others(id.line());
        }
        self.with_call(id, |phone, key| phone.hold(key, held));
    }

    /// Finds each phone call's row in the live list, for its transfer button and its consultation.
    pub(crate) fn match_phone_to_live(&mut self) {
        let Some(me) = self.me().cloned() else { return };
        for at in 0..self.view.phone.calls.len() {
            if self.view.phone.calls[at].id.line() != LineNo::EXCHANGE {
                continue;
            }
            if self.view.phone.calls[at].call.is_none() {
                let found = self.only_row_of(&self.view.phone.calls[at], &me);
                self.view.phone.calls[at].call = found;
            }
            let call = &mut self.view.phone.calls[at];
            let row = call.call.as_ref().and_then(|id| self.view.live.row(id));
            call.transfer_right = row.map(|row| row.transfer_right.clone());
            call.consult = row.and_then(|row| consult::of(row, &me, call.consult.as_ref()));
            if row.is_some_and(|row| consult::handed_to(row, &me))
                && let Some(caller) = call.about.take()
            {
                call.with = caller;
            }
        }
    }

    /// A call that we placed carries no id of the account: it is the one row of ours with that number, if there is
    /// but one.
    fn only_row_of(&self, call: &PhoneCall, me: &protocol::UserId) -> Option<CallId> {
        let taken = |id: &CallId| self.view.phone.calls.iter().any(|other| other.call.as_ref() == Some(id));
        let ours = |row: &&LiveRow| match row.call.direction {
            Direction::Outbound => {
                row.call.agent.as_ref().is_some_and(|agent| agent.id == *me)
                    && row.call.caller.number == call.with.number
            }
            // The calling user is the party being served.
            Direction::Internal => {
                row.call.caller.number == me.as_str() || self.is_my_extension(&row.call.caller.number, me)
            }
            Direction::Inbound => false,
        };
        let mut rows = self.view.live.calls.iter().filter(ours).filter(|row| !taken(&row.call.id));
        let first = rows.next()?;
        rows.next().is_none().then(|| first.call.id.clone())
    }

    fn is_my_extension(&self, number: &str, me: &protocol::UserId) -> bool {
        self.view.directory.users.iter().any(|user| user.id == *me && user.extension == number)
    }
}

fn codec_name(codec: Codec) -> &'static str {
    match codec {
        Codec::Opus => "Opus",
        Codec::G722 => "G.722",
        Codec::Pcmu => "G.711 µ-law",
        Codec::Pcma => "G.711 A-law",
    }
}

/// "+44 (20) 7946-0200" as a phone wants it; names and SIP addresses as they are.
pub(crate) fn dialled(typed: &str) -> String {
    let typed: String = typed.trim().chars().filter(|c| !c.is_control()).take(MAX_NUMBER_CHARS).collect();
    if typed.chars().all(|c| c.is_ascii_digit() || "+*# ()-./".contains(c)) {
        return typed.chars().filter(|c| !" ()-./".contains(*c)).collect();
    }
    typed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_tidied_and_names_left_alone() {
        assert_eq!(dialled(" +44 (20) 7946-0200 "), "+442079460200");
        assert_eq!(dialled("ravi"), "ravi");
        assert_eq!(dialled("sip:ravi@desk.example"), "sip:ravi@desk.example");
        assert_eq!(dialled("  "), "");
        assert_eq!(dialled("1\r\n2"), "12");
    }
}
