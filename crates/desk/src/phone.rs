//! The session's phone, started with the SIP account that the exchange gave; and the calls of all phones as a section of
//! the view.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use protocol::{CallId, Direction, LiveRow, Party, SipAccount, Timestamp};
use softphone::{
    Account, CallEvent, CallKey, Codec, Ended, Fingerprint, HeldBy, PhoneConfig, PhoneEvent, RegistrationState, Secret,
    Sound, Transport, Trust,
};

use crate::consult;
use crate::device::{Device, Started};
use crate::owner::{Happening, Owner};
use crate::phones::{self, LineNo};
use crate::rings::name;
use crate::session::State;
use crate::{LinkState, PhoneCall, PhoneCallId, PhoneCallState, RingKind, Tone};

const RETRY: Duration = Duration::from_secs(5);
const SIP_PORT: u16 = 5060;
const SIPS_PORT: u16 = 5061;
const MAX_NUMBER_CHARS: usize = 200;

/// The phone of a session.
#[derive(Default)]
pub(crate) struct PhoneSlot {
    pub(crate) device: Option<Box<dyn Device>>,
}

impl PhoneSlot {
    pub(crate) async fn stop(&mut self) {
        if let Some(device) = self.device.take() {
            device.stop().await;
        }
    }
}

impl Owner {
    /// Starts the phone; tries again until it works.
    pub(crate) fn start_phone(&mut self) {
        let State::In(session) = &self.state else { return };
        self.view.link.registration = match &self.view.link.registration {
            LinkState::Down { since, why, .. } => LinkState::Down { since: *since, why: why.clone(), retry_at: None },
            LinkState::Off | LinkState::Connecting | LinkState::Up => LinkState::Connecting,
        };
        let exchange = session.control.address();
        let registrar = Registrar::of(&session.sip, exchange.host());
        let accepted = self.settings.certificates.get(&exchange.host_port()).and_then(|f| f.parse().ok());
        let (sip, sound) = (session.sip.clone(), self.sound());
        let devices = std::sync::Arc::clone(&self.config.devices);
        let display = self.view_name();
        self.begin(async move {
            Happening::PhoneStarted(match registrar {
                Ok(registrar) => match registrar.config(sip, display, sound, accepted).await {
                    Ok(config) => devices.start(config).await.map_err(|error| error.to_string()),
                    Err(why) => Err(why),
                },
                Err(why) => Err(why),
            })
        });
    }

    fn view_name(&self) -> Option<String> {
        match &self.view.session {
            crate::SessionView::SignedIn { me, .. } => Some(me.name.clone()),
            crate::SessionView::Starting
            | crate::SessionView::SignedOut { .. }
            | crate::SessionView::SigningIn { .. }
            | crate::SessionView::ConfirmFingerprint { .. } => None,
        }
    }

    pub(crate) fn phone_started(&mut self, result: Result<Started, String>) {
        match result {
            Ok((device, events)) => {
                let (post, levels) = (self.poster(), self.levels.clone());
                let State::In(session) = &mut self.state else { return };
                session.phone.device = Some(device);
                self.elsewhere.forget(LineNo::EXCHANGE); // this one has not been told
                self.view.phone.trouble = None;
                self.tasks.spawn(phones::listen(events, levels, move |event| post(Happening::Phone(event))));
            }
            Err(why) => {
                let sentence = format!("The phone can't be started: {}. It is tried again.", why.trim_end_matches('.'));
                self.registration_down(sentence.clone(), Some(RETRY));
                self.view.phone.trouble = Some(sentence);
                self.begin(async {
                    tokio::time::sleep(RETRY).await;
                    Happening::PhoneRetry
                });
            }
        }
    }

    pub(crate) fn phone_event(&mut self, line: LineNo, event: PhoneEvent) {
        if self.device(line).is_none() {
            return; // of a phone that has been ended
        }
        match event {
            PhoneEvent::Registration(state) if line == LineNo::EXCHANGE => self.registration(state),
            PhoneEvent::Registration(state) => self.line_registration(line, state),
            PhoneEvent::Incoming(call) => self.incoming(line, call),
            PhoneEvent::Call { call, event } => self.call_event(line.id(call), event),
            PhoneEvent::Watched { number, state } => self.line_watched(line, number, state),
            PhoneEvent::Messages { waiting, new, old: _ } => self.line_messages(line, waiting, new),
            PhoneEvent::SoundTrouble(trouble) => {
                self.view.sound.trouble = trouble;
                self.list_sound_devices(); // something was plugged in or out
            }
        }
    }

    fn registration(&mut self, state: RegistrationState) {
        if let (State::In(session), RegistrationState::Registered, LinkState::Down { .. }) =
            (&self.state, &state, &self.view.link.registration)
        {
            session.wake.notify_one(); // the network is back, so the feed may be too
        }
        self.view.link.registration = next_link(&self.view.link.registration, self.clock.now(), state);
    }

    fn registration_down(&mut self, why: String, retry_in: Option<Duration>) {
        self.view.link.registration = down(&self.view.link.registration, self.clock.now(), why, retry_in);
    }

    fn call_event(&mut self, id: PhoneCallId, event: CallEvent) {
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
            CallEvent::Following { call, to, .. } => self.calling(id.line().id(call), to),
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
        self.own_replaced(id, by);
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

/// What a registration's news makes of what was shown of it.
pub(crate) fn next_link(link: &LinkState, now: Timestamp, state: RegistrationState) -> LinkState {
    match (state, link) {
        (RegistrationState::Registered, _) => LinkState::Up,
        (RegistrationState::Off, _) => LinkState::Off,
        (RegistrationState::Registering, LinkState::Down { since, why, .. }) => {
            LinkState::Down { since: *since, why: why.clone(), retry_at: None }
        }
        (RegistrationState::Registering, LinkState::Up) => LinkState::Up, // a refresh
        (RegistrationState::Registering, LinkState::Off | LinkState::Connecting) => LinkState::Connecting,
        (RegistrationState::Down { why, retry_in, fingerprint: _ }, link) => {
            let sentence = format!("Calls can't reach this phone: {}.", why.trim_end_matches('.'));
            down(link, now, sentence, retry_in)
        }
    }
}

/// Down since when it went down first.
pub(crate) fn down(link: &LinkState, now: Timestamp, why: String, retry_in: Option<Duration>) -> LinkState {
    let since = match link {
        LinkState::Down { since, .. } => *since,
        LinkState::Off | LinkState::Connecting | LinkState::Up => now,
    };
    let retry_at = retry_in.map(|wait| now.plus_ms(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)));
    LinkState::Down { since, why, retry_at }
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

/// Where the session's SIP account registers.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Registrar {
    host: String,
    port: u16,
    transport: Transport,
}

impl Registrar {
    /// Reads `sip:host:port;transport=tcp`; an empty host is the control API's.
    fn of(sip: &SipAccount, control_host: &str) -> Result<Self, String> {
        let bad = || "the exchange named a registrar that can't be read; ask whoever runs it".to_owned();
        let rest = sip.registrar.strip_prefix("sip:").unwrap_or(&sip.registrar);
        let (place, params) = rest.split_once(';').unwrap_or((rest, ""));
        let over = |wanted: &str| params.split(';').any(|param| param.eq_ignore_ascii_case(wanted));
        let transport = match (over("transport=tls"), over("transport=tcp")) {
            (true, _) => Transport::Tls,
            (false, true) => Transport::Tcp,
            (false, false) => Transport::Udp,
        };
        // The last colon outside brackets parts host and port.
        let (host, port) = match place.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, port.parse().map_err(|_| bad())?),
            Some(_) | None if transport == Transport::Tls => (place, SIPS_PORT),
            Some(_) | None => (place, SIP_PORT),
        };
        let host = if host.is_empty() { control_host } else { host };
        if host.is_empty() || host.contains(['@', '<', '>', ' ']) {
            return Err(bad());
        }
        Ok(Self { host: host.to_owned(), port, transport })
    }

    /// The phone's configuration, with the address by which this machine reaches the registrar. Over TLS it must show the certificate that the person `accepted` of the control API, if they had to.
    async fn config(
        self,
        sip: SipAccount,
        display: Option<String>,
        sound: Sound,
        accepted: Option<Fingerprint>,
    ) -> Result<PhoneConfig, String> {
        let Self { host, port, transport } = self;
        let listen = local_address(&host, port).await.map_err(|error| format!("{host} is not reachable ({error})"))?;
        let account = Account {
            registrar: format!("sip:{host}:{port}"),
            outbound_proxy: None,
            insists: true,
            user: sip.user,
            device: Some(sip.device.0),
            auth_user: Some(sip.auth_user),
            password: Secret::new(sip.password),
            display,
        };
        let trust = accepted.map_or(Trust::System, Trust::Pinned);
        Ok(PhoneConfig { transport, trust, account: Some(account), sound, ..PhoneConfig::new(listen) })
    }
}

/// Every address of ours, so that the phone outlives a change of network; of a registrar on this machine, only its own.
/// The kernel knows which of our addresses a packet to it would carry; nothing is sent.
pub(crate) async fn local_address(host: &str, port: u16) -> std::io::Result<SocketAddr> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let mut found = tokio::net::lookup_host((bare, port)).await?;
    let to = found.next().ok_or_else(|| std::io::Error::other("no address"))?;
    let any: IpAddr = if to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = tokio::net::UdpSocket::bind((any, 0)).await?;
    socket.connect(to).await?;
    let local = socket.local_addr()?.ip();
    Ok(SocketAddr::new(if local.is_loopback() { local } else { any }, 0))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn sip(registrar: &str) -> SipAccount {
        SipAccount {
            device: "d".into(),
            registrar: registrar.into(),
            user: "u".into(),
            auth_user: "a".into(),
            password: "p".into(),
            realm: "r".into(),
        }
    }

    #[test]
    fn a_registrar_is_read_and_an_empty_host_is_the_exchange() {
        let of = |registrar| Registrar::of(&sip(registrar), "desk.example").map(|r| (r.host, r.port, r.transport));
        let is = |host: &str, port, transport| Ok((host.to_owned(), port, transport));
        assert_eq!(of("sip:192.0.2.1:5070"), is("192.0.2.1", 5070, Transport::Udp));
        assert_eq!(of("sip:pbx.example;transport=tcp"), is("pbx.example", 5060, Transport::Tcp));
        assert_eq!(of("sip::5070;transport=tcp"), is("desk.example", 5070, Transport::Tcp));
        assert_eq!(of("sip:pbx.example;transport=tls"), is("pbx.example", 5061, Transport::Tls));
        assert_eq!(of("sip:[2001:db8::1]:5070"), is("[2001:db8::1]", 5070, Transport::Udp));
        assert_eq!(of("sip:[2001:db8::1]"), is("[2001:db8::1]", 5060, Transport::Udp));
        assert!(of("sip:host:port").is_err());
        assert!(of("sip:someone@host").is_err());
    }

    #[test]
    fn numbers_are_tidied_and_names_left_alone() {
        assert_eq!(dialled(" +44 (20) 7946-0200 "), "+442079460200");
        assert_eq!(dialled("ravi"), "ravi");
        assert_eq!(dialled("sip:ravi@desk.example"), "sip:ravi@desk.example");
        assert_eq!(dialled("  "), "");
        assert_eq!(dialled("1\r\n2"), "12");
    }
}
