//! What a person asks, and what a call's state machine has the owner do.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::ControlFlow;
use std::sync::atomic::Ordering;
use std::time::Instant;

use protocol::Party;
use sip::sdp::{Crypto, Protection};
use sip::{CallHeaders, Credentials, Host, Invite, NameAddr, Trust, Uri};
use tokio::sync::oneshot;

use super::mapping::{Placing, Then, Waiting};
use super::{Asked, Command, Line, MAX_CALLS, Owner};
use crate::call::{Call, Effect, Flow, Input, ReferTo, State};
use crate::config::{Encryption, SoundChoice};
use crate::dialled;
use crate::event::{CallEvent, CallKey, Ended, Security};
use crate::incoming::party;
use crate::session::{Agreed, Session};
use crate::voice::{Heard, Order, Ring, Sockets};

/// Said of a call that was not placed.
const NOT_ENCRYPTED: &str = "Only encrypted calls are allowed here, and this phone is not connected over TLS. \
     Choose TLS for the account, or allow calls that are not encrypted.";

impl Owner {
    pub(super) fn obey(&mut self, command: Command) -> ControlFlow<oneshot::Sender<()>> {
        match command {
            Command::Call { call, to } => match self.target(&to) {
                Ok(to) => self.dial(call, to, CallHeaders::default(), None),
                Err(sentence) => self.never_was(call, sentence),
            },
            Command::OnCall { call, input } => self.input(call, input),
            Command::Mute { call, muted } => self.mute(call, muted),
            Command::Transfer { call, to } => match self.target(&to) {
                Ok(to) => self.input(call, Input::Transfer { to: ReferTo::Address(to.to_string()) }),
                Err(sentence) => self.tell_call(call, CallEvent::Trouble { sentence }),
            },
            Command::Divert { call, to } => match self.target(&to) {
                Ok(to) => self.input(call, Input::Divert { to: to.to_string() }),
                Err(sentence) => self.tell_call(call, CallEvent::Trouble { sentence }),
            },
            Command::RenewKeys { call } => {
                self.lines.get_mut(&call).into_iter().for_each(|line| line.session.renew_keys());
                self.input(call, Input::Moved);
            }
            Command::InfoKeys { call, digits } => self.press_by_info(call, &digits),
            Command::RegisterNow => self.register_now(),
            Command::Watch { number } => self.watch_line(number),
            Command::Unwatch { number } => self.unwatch_line(&number),
            Command::WatchMessages => self.watch_messages(),
            Command::Expect(call) => self.answers.expect(call),
            Command::ChooseSound(choice) => self.choose_sound(choice),
            Command::RingTone(tone) => self.ring_tone = tone,
            Command::TalkingElsewhere(elsewhere) => {
                self.talking_elsewhere = elsewhere;
                self.ring();
            }
            Command::RingingElsewhere(elsewhere) => {
                self.ringing_elsewhere = elsewhere;
                self.ring();
            }
            Command::RingLevel(level) => self.ringing.iter().for_each(|ringing| ringing.level(level)),
            Command::Stop(done) => return ControlFlow::Break(done),
        }
        ControlFlow::Continue(())
    }

    /// Whom a person means.
    pub(super) fn target(&self, to: &str) -> Result<Uri, String> {
        let uri = dialled::target(to, self.registrar())?;
        Ok(self.transport.into_iter().fold(uri, Uri::over))
    }

    pub(super) fn registrar(&self) -> Option<&Uri> {
        self.account.as_ref().map(|account| &account.registrar)
    }

    /// Places a call; `follows` is the call whose REFER asked for it.
    pub(super) fn dial(&mut self, call: CallKey, to: Uri, headers: CallHeaders, follows: Option<CallKey>) {
        if self.lines.len() + self.placing.len() >= MAX_CALLS {
            return self.never_was(call, "Too many calls at once.".to_owned());
        }
        let secure = match self.account_for(&to) {
            Some(_) => self.account.as_ref().is_some_and(|account| account.secure),
            None => to.transport() == sip::Transport::Tls,
        };
        if !secure && self.encryption == Encryption::Required {
            return self.never_was(call, NOT_ENCRYPTED.to_owned());
        }
        let (sockets, session) = match self.media(secure) {
            Ok(media) => media,
            Err(error) => return self.never_was(call, format!("No port for the sound: {error}.")),
        };
        let placing = Placing { to, headers, follows, sockets, session };
        if self.ask_stun(call, &placing.sockets) {
            self.placing.insert(call, placing);
        } else {
            self.place(call, placing);
        }
    }

    pub(super) fn place(&mut self, call: CallKey, placing: Placing) {
        let Placing { to, headers, follows, sockets, mut session } = placing;
        let signalling = self.signalled_at(&to);
        let shown = Party { name: String::new(), number: party(&NameAddr::new(None, to.clone())).number };
        let leg = self.endpoint.invite(Invite {
            credentials: self.credentials_for(&to),
            through: self.account_for(&to),
            to,
            from: self.us.clone(),
            to_display: None,
            sdp: session.offer(false),
            via_flow: None,
            routes: Vec::new(),
            headers,
        });
        self.open(call, Line { follows, signalling, ..Line::new(leg, Call::outgoing(), session) }, sockets);
        self.tell_call(call, CallEvent::Calling { to: shown });
        self.take_sound(call);
        self.settle(call);
    }

    /// Whom the INVITE reaches, if its address says so: a machine with several addresses may name another in its SDP.
    fn signalled_at(&self, to: &Uri) -> Option<IpAddr> {
        let by_proxy = self.account.as_ref().is_some_and(|account| account.has_proxy);
        match to.host {
            Host::Ip(ip) if !by_proxy => Some(ip),
            Host::Ip(_) | Host::Name(_) => None,
        }
    }

    /// Only our own registrar may ask for our password's digest.
    pub(super) fn credentials_for(&self, to: &Uri) -> Option<Credentials> {
        self.account.as_ref().filter(|a| is_at(&a.registrar, to)).map(|a| a.credentials.clone())
    }

    /// The account whose way a request to this address goes: to its own host, or anywhere if it has a proxy.
    pub(super) fn account_for(&self, to: &Uri) -> Option<sip::RegistrationKey> {
        let at = |uri: &Uri| (uri.host.clone(), uri.port_or_default());
        self.account.as_ref().filter(|a| a.has_proxy || at(&a.registrar) == at(to)).map(|a| a.key)
    }

    /// Ports and our side of the SDP for a new call.
    pub(super) fn media(&self, secure: bool) -> io::Result<(Sockets, Session)> {
        let sockets = Sockets::bind(self.reach.bind())?;
        let rtp = SocketAddr::new(self.reach.from(), sockets.rtp_port()?);
        // Fits what other implementations read into 64 bits with a sign (RFC 8866 section 5.2).
        Ok((sockets, Session::new(rtp, &self.codecs, rand::random::<u64>() >> 2, self.protection(secure))))
    }

    /// `secure`: over TLS.
    fn protection(&self, secure: bool) -> Protection {
        match self.encryption {
            Encryption::Required => Protection::Required(Crypto::fresh()),
            Encryption::WhenPossible if secure => Protection::Possible(Crypto::fresh()),
            Encryption::WhenPossible | Encryption::Off => Protection::Off,
        }
    }

    /// Keys are only ever agreed on over TLS: [`Self::protection`] sees to that at a call's beginning, and the endpoint keeps it there.
    /// Each connection was let in by the one `trust`.
    pub(super) fn security(&self, agreed: &Agreed) -> Security {
        match (&agreed.srtp, &self.trust) {
            (None, _) => Security::Clear,
            (Some(_), Trust::Pinned(_)) => Security::Pinned,
            (Some(_), Trust::System) => Security::Verified,
        }
    }

    pub(super) fn open(&mut self, call: CallKey, line: Line, sockets: Sockets) {
        let heard = line.heard.clone();
        self.legs.insert(line.leg, call);
        self.lines.insert(call, line);
        self.voice.order(Order::Open { call, sockets, heard });
    }

    pub(super) fn new_key(&self) -> CallKey {
        CallKey(self.next_call.fetch_add(1, Ordering::Relaxed))
    }

    /// Every call that was given a key ends.
    pub(super) fn never_was(&self, call: CallKey, sentence: String) {
        let ended = Ended { cause: sentence, status: None, answered_elsewhere: false, talked: None };
        self.tell_call(call, CallEvent::Ended(ended));
    }

    pub(super) fn mute(&mut self, call: CallKey, muted: bool) {
        if let Some(line) = self.lines.get_mut(&call) {
            line.muted = muted;
            self.voice.order(Order::Mute { call, muted });
            self.tell_call(call, CallEvent::Muted { muted });
        }
    }

    /// Gives a call's state machine one input and does what it says.
    pub(super) fn input(&mut self, call: CallKey, input: Input) {
        if matches!(input, Input::HangUp) && self.not_placed(call) {
            return;
        }
        let Some(line) = self.lines.get_mut(&call) else { return };
        let effects = line.call.handle(input);
        let answered = effects.iter().any(|effect| matches!(effect, Effect::Tell(CallEvent::Answered { .. })));
        for effect in effects {
            self.carry_out(call, effect);
        }
        self.settle(call);
        if answered {
            self.network_changed();
        }
    }

    fn carry_out(&mut self, call: CallKey, effect: Effect) {
        let Some(line) = self.lines.get_mut(&call) else { return };
        let leg = line.leg;
        match effect {
            Effect::Accept => self.accept(call),
            Effect::Refuse { status } => self.endpoint.refuse(leg, status, None),
            Effect::HangUp => self.endpoint.hang_up(leg, None),
            Effect::HangUpOther { call } => self.input(call, Input::HangUp),
            Effect::Offer { hold } => self.endpoint.offer(leg, line.session.offer(hold)),
            Effect::Refer { to } => self.refer(leg, to),
            // It was an address when it was ordered.
            Effect::Divert { to } => match to.parse() {
                Ok(to) => self.endpoint.divert(leg, to),
                Err(_) => self.endpoint.refuse(leg, 603, None),
            },
            Effect::AcceptRefer { accept } => self.decide_refer(call, accept),
            Effect::Press { digits } => self.press(call, digits),
            Effect::TakeSound => self.take_sound(call),
            Effect::Tell(event) => {
                if matches!(event, CallEvent::Answered { .. }) {
                    line.answered_at = Some(Instant::now());
                    if line.kind.is_none() {
                        self.voice.order(Order::Record { call });
                    }
                    self.report_to_referrer(call, 200);
                }
                self.tell_call(call, event);
            }
        }
    }

    pub(super) fn accept(&mut self, call: CallKey) {
        let Some(line) = self.lines.get_mut(&call) else { return };
        if let Some(Waiting { then: Then::Open { answered }, .. }) = &mut line.mapping {
            *answered = true;
            return;
        }
        let leg = line.leg;
        let (sdp, agreed) = match line.answer.take() {
            Some((sdp, agreed)) => (sdp, Some(agreed)),
            // They left the offer to us; their answer comes with the ACK (RFC 3261 section 13.2.1).
            None => (line.session.offer(false), None),
        };
        self.endpoint.answer(leg, sdp);
        if let Some(agreed) = agreed {
            self.agree(call, agreed);
        }
        self.voice.order(Order::Record { call });
    }

    /// Tells the voice thread what was agreed, and remembers what the owner needs of it.
    pub(super) fn agree(&mut self, call: CallKey, mut agreed: Agreed) {
        let security = self.security(&agreed);
        let Some(line) = self.lines.get_mut(&call) else { return };
        let codec = agreed.codec;
        agreed.signalling = line.signalling;
        line.rtp_keys = agreed.dtmf.is_some();
        line.held_by_them = agreed.held_by_them;
        let told = line.security.replace(security);
        let before = line.codec.replace(codec);
        let changed = line.answered_at.is_some() && before.is_some_and(|before| before != codec);
        self.voice.order(Order::Agree { call, agreed });
        if told != Some(security) {
            self.tell_call(call, CallEvent::Security(security));
        }
        if changed {
            self.tell_call(call, CallEvent::CodecChanged { codec });
        }
    }

    fn refer(&self, leg: sip::LegKey, to: ReferTo) {
        let referred_by = Some(self.us.to_string());
        match to {
            ReferTo::Address(to) => self.endpoint.refer(leg, to, referred_by),
            ReferTo::Call { other, early_only } => match self.lines.get(&other) {
                Some(other) => self.endpoint.refer_replacing(leg, other.leg, early_only, referred_by),
                // It has ended: refused as an address that is none, and the transfer has failed.
                None => self.endpoint.refer(leg, String::new(), referred_by),
            },
        }
    }

    /// Presses keys by SIP INFO, whatever was agreed.
    fn press_by_info(&self, call: CallKey, digits: &str) {
        let Some(line) = self.lines.get(&call) else { return };
        for digit in digits.chars().filter(|c| "0123456789*#ABCD".contains(*c)) {
            self.endpoint.info_dtmf(line.leg, digit);
        }
    }

    fn press(&self, call: CallKey, digits: String) {
        let Some(line) = self.lines.get(&call) else { return };
        if line.rtp_keys {
            self.voice.order(Order::Press { call, digits });
        } else {
            self.press_by_info(call, &digits);
        }
    }

    /// One call has the sound at a time.
    pub(super) fn take_sound(&mut self, taker: CallKey) {
        let others = self.lines.iter().filter(|(call, line)| **call != taker && line.call.has_sound());
        let others: Vec<CallKey> = others.map(|(call, _)| *call).collect();
        for call in others {
            self.input(call, Input::Hold { held: true });
        }
    }

    /// Their REFER: `asked` says whom to call.
    fn decide_refer(&mut self, call: CallKey, accept: bool) {
        let Some(line) = self.lines.get_mut(&call) else { return };
        self.endpoint.accept_refer(line.leg, accept);
        let Some(Asked { to, referred_by, replaces }) = line.asked.take().filter(|_| accept) else { return };
        let next = self.new_key();
        let shown = party(&NameAddr::new(None, to.clone()));
        let by = referred_by.as_ref().map(party);
        self.tell_call(call, CallEvent::Following { call: next, to: shown, referred_by: by });
        let headers = CallHeaders { referred_by, replaces, ..CallHeaders::default() };
        self.dial(next, to, headers, Some(call));
        if !self.lines.contains_key(&next) && !self.placing.contains_key(&next) {
            self.follow_failed(call, 500);
        }
    }

    pub(super) fn report_to_referrer(&self, call: CallKey, status: u16) {
        let referrer = self.lines.get(&call).and_then(|line| self.lines.get(&line.follows?));
        if let Some(referrer) = referrer {
            self.endpoint.notify_refer(referrer.leg, status);
        }
    }

    pub(super) fn follow_failed(&mut self, referrer: CallKey, status: u16) {
        let Some(line) = self.lines.get(&referrer) else { return };
        self.endpoint.notify_refer(line.leg, status);
        self.input(referrer, Input::FollowFailed);
    }

    /// After each step: the sound follows the state.
    pub(super) fn settle(&mut self, call: CallKey) {
        if let Some(line) = self.lines.get_mut(&call) {
            let flow = line.call.flow();
            if flow != line.flow {
                line.flow = flow;
                self.voice.order(Order::Flow { call, flow });
            }
        }
        self.ring();
    }

    fn choose_sound(&self, choice: SoundChoice) {
        if let Some(ringing) = &self.ringing {
            ringing.devices(choice.bells());
        }
        self.voice.order(Order::Choose(choice));
    }

    /// The oldest ringing call decides the ring tone; while the person talks it is only a beep.
    fn ring(&mut self) {
        let Some(ringing) = &mut self.ringing else { return };
        let kind = self.lines.values().filter(|line| *line.call.state() == State::Ringing).find_map(|line| line.kind);
        let talking = self.talking_elsewhere || self.lines.values().any(|line| line.call.has_sound());
        let tone = self.ring_tone;
        let kind = kind.filter(|_| !self.ringing_elsewhere);
        ringing.ring(kind.map(|kind| if talking { Ring::Waiting } else { Ring::Tone(kind, tone) }));
    }

    /// Ends what the network has not reported as ended, when the phone stops.
    pub(super) fn abandon_all(&mut self) {
        for (call, line) in std::mem::take(&mut self.lines) {
            let cause = sip::EndCause::new(sip::EndedBy::Us, None, None);
            self.close(call, &line, &cause);
        }
    }

    pub(super) fn close(&self, call: CallKey, line: &Line, cause: &sip::EndCause) {
        let talked = line.answered_at.map(|since| since.elapsed());
        let ended = crate::ended::ended(cause, line.kind.map(|_| line.begun_at.elapsed()), talked);
        self.voice.order(Order::Close { call, ended });
    }
}

impl Line {
    pub(super) fn new(leg: sip::LegKey, call: Call, session: Session) -> Self {
        Self {
            leg,
            call,
            session,
            mapping: None,
            kind: None,
            of_stranger: false,
            signalling: None,
            offer: None,
            answer: None,
            rtp_keys: false,
            held_by_them: false,
            security: None,
            muted: false,
            codec: None,
            begun_at: Instant::now(),
            answered_at: None,
            asked: None,
            heard: Heard::default(),
            heard_before: 0,
            follows: None,
            flow: Flow::default(),
        }
    }
}

impl Owner {
    /// Whether a REFER's target can be called: an address, and not our own.
    pub(super) fn can_follow(&self, to: &Uri) -> bool {
        let here = to.host == Host::Ip(self.listen.ip()) && to.port.unwrap_or(5060) == self.listen.port();
        let us = &self.us.uri;
        let ours = to.user == us.user && to.host == us.host && to.port.unwrap_or(5060) == us.port.unwrap_or(5060);
        dialled::is_somewhere(to) && !here && !ours
    }
}

/// Whether a request to `to` reaches this registrar. An address without a port may have been meant for it, whatever its port.
fn is_at(registrar: &Uri, to: &Uri) -> bool {
    registrar.host == to.host && to.port.is_none_or(|port| port == registrar.port_or_default())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_password_is_for_the_registrar_only() {
        for (registrar, to, ours) in [
            ("sip:office.example", "sip:200@office.example", true),
            ("sip:office.example", "sip:200@office.example:5060", true),
            ("sip:office.example", "sip:200@office.example:5070", false),
            ("sip:office.example:5070", "sip:200@office.example", true),
            ("sip:office.example:5070", "sip:200@office.example:5070", true),
            ("sip:office.example:5070", "sip:200@office.example:5060", false),
            ("sip:office.example", "sip:200@office.example.evil", false),
            ("sip:[2001:db8::1]:5070", "sip:200@[2001:db8::1]:5070", true),
            ("sip:[2001:db8::1]", "sip:200@[2001:db8::2]", false),
        ] {
            assert_eq!(is_at(&registrar.parse().unwrap(), &to.parse().unwrap()), ours, "{to} at {registrar}");
        }
    }
}
