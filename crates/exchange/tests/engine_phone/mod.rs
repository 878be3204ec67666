//! A phone made of `sip` and `media`, and an engine to call: what the engine's tests need on both sides.
#![allow(clippy::unwrap_used, clippy::expect_used, dead_code)]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use exchange::engine::Engine;
use exchange::engine::embedded::{DeviceSecrets, Embedded, EmbeddedConfig, TrunkConfig};
use media::rtp::Header;
use media::{Codec, FRAME_TIME, ReceiverConfig, RtpReceiver, RtpSender, SILENCE, SenderConfig};
use protocol::{LegId, UserId};
use sip::sdp::{self, CodecLine, Direction, LocalMedia, Negotiated, Protection, Session};
use sip::{
    CallHeaders, Credentials, Endpoint, EndpointConfig, Event, Host, Incoming, Invite, LegEvent, LegKey, NameAddr,
    Registration, RegistrationState, Transport, Uri,
};
use switchboard::{EngineEvent, Order};
use tokio::net::UdpSocket;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

pub const PATIENCE: Duration = Duration::from_secs(20);
const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const DIGITS: u8 = 101;

/// Whom the test office knows: device `<user>-1` of each, with the password `secret-<user>`.
struct Office;

impl DeviceSecrets for Office {
    fn secret(&self, device: &str) -> Option<(UserId, String)> {
        let user = device.strip_suffix("-1").filter(|u| ["ravi", "mina"].contains(u))?;
        Some((user.into(), format!("secret-{user}")))
    }
}

/// An engine with the test in the place of the switchboard.
pub struct House {
    pub engine: Embedded,
    pub address: SocketAddr,
    events: mpsc::UnboundedReceiver<EngineEvent>,
    /// What came while something else was waited for.
    pub past: Vec<EngineEvent>,
}

impl House {
    pub async fn start(trunk: &Phone, voicemail: &Path, change: impl FnOnce(&mut EmbeddedConfig)) -> Self {
        let mut config = EmbeddedConfig {
            limits: sip::Limits::default(),
            udp: vec![(LOOPBACK, 0).into()],
            tcp: vec![(LOOPBACK, 0).into()],
            tls: vec![],
            certificate: None,
            advertised: None,
            rtp_ports: 0..=0,
            rtp_bind: LOOPBACK,
            realm: "office.test".into(),
            trunk: Some(TrunkConfig::Static { peers: vec![], dial: trunk.address(), number: "+442079460000".into() }),
            hold_music: None,
            greeting: None,
            closing: None,
            voicemail_dir: voicemail.to_owned(),
            codecs: Codec::ALL.to_vec(),
            quiet: Duration::from_secs(60),
            feature_code: "*2".into(),
        };
        change(&mut config);
        let (sender, events) = mpsc::unbounded_channel();
        let engine = Embedded::start(config, Arc::new(Office), sender).await.unwrap();
        let address = engine.local_sip(Transport::Udp).unwrap();
        Self { engine, address, events, past: vec![] }
    }

    pub fn order(&self, order: Order) {
        self.engine.carry_out(order);
    }

    pub async fn next(&mut self) -> EngineEvent {
        let event = timeout(PATIENCE, self.events.recv()).await.expect("the engine reported nothing more").unwrap();
        self.past.push(event.clone());
        event
    }

    /// Waits for one event; others are kept in `past`.
    pub async fn until(&mut self, wanted: impl Fn(&EngineEvent) -> bool) -> EngineEvent {
        loop {
            let event = self.next().await;
            if wanted(&event) {
                return event;
            }
        }
    }

    pub async fn expect(&mut self, wanted: EngineEvent) {
        let past = self.past.len();
        let seen = timeout(PATIENCE, self.until(|e| *e == wanted)).await;
        assert!(seen.is_ok(), "no {wanted:?} but {:?}", &self.past[past..]);
    }

    /// Everything that was reported after the engine has stopped.
    pub async fn rest(&mut self) -> Vec<EngineEvent> {
        let mut rest = vec![];
        while let Some(event) = timeout(PATIENCE, self.events.recv()).await.expect("the engine still runs") {
            rest.push(event);
        }
        rest
    }

    pub async fn arrived(&mut self) -> LegId {
        match self.until(|e| matches!(e, EngineEvent::Arrived { .. })).await {
            EngineEvent::Arrived { leg, .. } => leg,
            _ => unreachable!(),
        }
    }

    pub fn uri(&self, user: &str) -> Uri {
        Uri::at(user, self.address, Transport::Udp)
    }
}

/// What a phone has heard.
#[derive(Default, Clone)]
pub struct Ear {
    pub pcm: Vec<i16>,
    pub packets: Vec<Header>,
    pub digits: String,
}

impl Ear {
    /// Whether the last 200 ms are a clear tone of `hertz`.
    pub fn hears(&self, hertz: f64) -> bool {
        let Some(from) = self.pcm.len().checked_sub(9600) else { return false };
        purity(&self.pcm[from..], hertz) > 0.8
    }
}

/// Power of `hertz` in a recording at 48 kHz against all of it: 0 to 1; 0 for silence.
pub fn purity(pcm: &[i16], hertz: f64) -> f64 {
    let (mut re, mut im, mut all) = (0.0, 0.0, 1.0);
    for (n, sample) in pcm.iter().enumerate() {
        let (x, phase) = (f64::from(*sample), std::f64::consts::TAU * hertz * n as f64 / 48_000.0);
        re += x * phase.cos();
        im += x * phase.sin();
        all += x * x;
    }
    if media::level_dbfs(pcm) < -30.0 { 0.0 } else { 2.0 * (re * re + im * im) / (all * pcm.len() as f64) }
}

pub struct Phone {
    pub endpoint: Endpoint,
    pub events: mpsc::UnboundedReceiver<Event>,
    pub local: LocalMedia,
    codec: Codec,
    hertz: f32,
    socket: Arc<UdpSocket>,
    credentials: Option<Credentials>,
    ear: watch::Receiver<usize>,
    heard: Arc<Mutex<Ear>>,
    mouth: Option<JoinHandle<()>>,
    frames: watch::Sender<usize>,
    keys: watch::Sender<String>,
}

impl Phone {
    /// A phone that speaks one codec and says a tone.
    pub async fn start(codec: Codec, hertz: f32) -> Self {
        let config = EndpointConfig {
            udp: vec![(LOOPBACK, 0).into()],
            tcp: vec![],
            user_agent: "test".into(),
            advertised: None,
            ..EndpointConfig::default()
        };
        let (endpoint, events) = Endpoint::bind(config).await.unwrap();
        let socket = Arc::new(UdpSocket::bind((LOOPBACK, 0)).await.unwrap());
        let opus = codec == Codec::Opus;
        let line = CodecLine {
            name: codec.name().into(),
            payload_type: payload_type(codec),
            clock: codec.rtp_clock(),
            channels: if opus { 2 } else { 1 },
            fmtp: None,
        };
        let local = LocalMedia {
            rtp: socket.local_addr().unwrap(),
            codecs: vec![line],
            telephone_event: Some(DIGITS),
            direction: Direction::SendRecv,
            ptime: 20,
            session_id: 1,
            version: 1,
            protection: Protection::Off,
        };
        let (frames, ear) = watch::channel(0);
        let (heard, mouth, credentials, keys) = (Arc::default(), None, None, watch::Sender::default());
        Self { endpoint, events, local, codec, hertz, socket, credentials, ear, heard, mouth, frames, keys }
    }

    pub fn address(&self) -> SocketAddr {
        self.endpoint.local_addr(Transport::Udp).unwrap()
    }

    /// Registers as `user` from their device.
    pub async fn register(&mut self, house: &mut House, user: &str) {
        self.try_register(house, user, user).await;
        let (state, _) = self.registration().await;
        assert!(matches!(state, RegistrationState::Registered { .. }), "{state:?}");
        house.expect(EngineEvent::DeviceRegistered { user: user.into(), device: device(user) }).await;
    }

    /// Begins to register the address of record `aor` with the credentials of `user`'s device.
    pub async fn try_register(&mut self, house: &House, user: &str, aor: &str) -> sip::RegistrationKey {
        let credentials = Credentials { user: device(user).0, password: format!("secret-{user}") };
        self.credentials = Some(credentials.clone());
        self.endpoint.register(Registration {
            registrar: house.uri(""),
            aor: NameAddr::new(None, house.uri(aor)),
            credentials: Some(credentials),
            expires: 60,
            outbound_proxy: None,
            instance: None,
            insists: false,
        })
    }

    /// The next state of a registration that is not `Registering`.
    pub async fn registration(&mut self) -> (RegistrationState, sip::RegistrationKey) {
        loop {
            if let Event::Registration { key, state } = self.event().await
                && state != RegistrationState::Registering
            {
                return (state, key);
            }
        }
    }

    pub fn call(&self, house: &House, from: (&str, &str), to: &str) -> LegKey {
        self.call_with(house, from, to, sdp::offer(&self.local))
    }

    pub fn call_with(&self, house: &House, from: (&str, &str), to: &str, sdp: String) -> LegKey {
        self.endpoint.invite(Invite {
            to: house.uri(to),
            from: NameAddr::new(Some(from.0), Uri::sip(from.1, Host::Ip(LOOPBACK), None)),
            to_display: None,
            sdp,
            via_flow: None,
            routes: Vec::new(),
            through: None,
            credentials: self.credentials.clone(),
            headers: CallHeaders::default(),
        })
    }

    async fn event(&mut self) -> Event {
        timeout(PATIENCE, self.events.recv()).await.expect("nothing came to the phone").unwrap()
    }

    pub async fn rings(&mut self) -> Incoming {
        loop {
            if let Event::Incoming(call) = self.event().await {
                return *call;
            }
        }
    }

    pub async fn until(&mut self, wanted: impl Fn(&LegEvent) -> bool) -> LegEvent {
        loop {
            if let Event::Leg { event, .. } = self.event().await
                && wanted(&event)
            {
                return event;
            }
        }
    }

    /// Waits for the end of a leg: its status and Reason.
    pub async fn ended(&mut self) -> sip::EndCause {
        match self.until(|e| matches!(e, LegEvent::Ended { .. })).await {
            LegEvent::Ended { cause } => cause,
            _ => unreachable!(),
        }
    }

    /// Answers a call and begins to talk.
    pub fn pick_up(&mut self, call: &Incoming) {
        let offer = Session::parse(call.sdp.as_deref().unwrap()).unwrap();
        let (answer, agreed) = sdp::answer(&offer, &self.local).unwrap();
        self.endpoint.answer(call.leg, answer);
        self.talk(&agreed);
    }

    /// Waits until the call was answered and begins to talk.
    pub async fn answered(&mut self) {
        let LegEvent::Answered { sdp } = self.until(|e| matches!(e, LegEvent::Answered { .. })).await else {
            unreachable!()
        };
        let agreed = sdp::accept_answer(&self.local, &Session::parse(&sdp).unwrap()).unwrap();
        self.talk(&agreed);
    }

    /// Offers anew: hold or resume.
    pub fn offer(&mut self, leg: LegKey, direction: Direction) {
        self.local.direction = direction;
        self.local.version += 1;
        self.endpoint.offer(leg, sdp::offer(&self.local));
    }

    fn talk(&mut self, agreed: &Negotiated) {
        let (to, payload_type) = (agreed.remote_rtp, agreed.codecs[0].payload_type);
        let config =
            SenderConfig { codec: self.codec, payload_type, ssrc: rand::random(), dtmf_payload_type: Some(DIGITS) };
        let receives =
            ReceiverConfig { payload_types: vec![(payload_type, self.codec)], dtmf_payload_type: Some(DIGITS) };
        let mouth = Mouth {
            socket: self.socket.clone(),
            to,
            sender: RtpSender::new(config).unwrap(),
            receiver: RtpReceiver::new(&receives),
            tone: media::tones::sine(self.hertz, 1000, -10.0),
            heard: self.heard.clone(),
            frames: self.frames.clone(),
            keys: self.keys.subscribe(),
        };
        if let Some(before) = self.mouth.replace(tokio::spawn(mouth.run())) {
            before.abort();
        }
    }

    /// Presses keys (RFC 4733).
    pub fn press(&self, keys: &str) {
        self.keys.send_replace(keys.to_owned());
    }

    /// Sends nothing and hears nothing from now on.
    pub fn fall_silent(&mut self) {
        if let Some(mouth) = self.mouth.take() {
            mouth.abort();
        }
    }

    /// Waits for the answer to an offer of ours.
    pub async fn agreed(&mut self) -> Negotiated {
        let LegEvent::OfferAnswered { sdp } = self.until(|e| matches!(e, LegEvent::OfferAnswered { .. })).await else {
            unreachable!()
        };
        sdp::accept_answer(&self.local, &Session::parse(&sdp).unwrap()).unwrap()
    }

    /// Waits for an offer and answers it; what is offered.
    pub async fn accept_offer(&mut self, leg: LegKey) -> Negotiated {
        let LegEvent::Offer { sdp } = self.until(|e| matches!(e, LegEvent::Offer { .. })).await else { unreachable!() };
        let (answer, agreed) = sdp::answer(&Session::parse(&sdp).unwrap(), &self.local).unwrap();
        self.endpoint.answer_offer(leg, Ok(answer));
        agreed
    }

    pub fn ear(&self) -> Ear {
        self.heard.lock().unwrap().clone()
    }

    /// Waits until what was heard is as wanted.
    pub async fn hears(&mut self, what: &str, wanted: impl Fn(&Ear) -> bool) {
        let heard = self.heard.clone();
        let done = self.ear.wait_for(|_| wanted(&heard.lock().unwrap()));
        if timeout(PATIENCE, done).await.is_err() {
            panic!("{what} was never heard ({} packets came)", self.ear().packets.len());
        }
    }

    pub async fn hears_tone(&mut self, hertz: f64) {
        self.hears(&format!("{hertz} Hz"), |ear| ear.hears(hertz)).await;
    }

    pub async fn stop(self) {
        if let Some(mouth) = self.mouth {
            mouth.abort();
        }
        self.endpoint.shut_down().await;
    }
}

/// The sound half of a phone, every 20 ms.
struct Mouth {
    socket: Arc<UdpSocket>,
    to: SocketAddr,
    sender: RtpSender,
    receiver: RtpReceiver,
    tone: Vec<i16>,
    heard: Arc<Mutex<Ear>>,
    frames: watch::Sender<usize>,
    keys: watch::Receiver<String>,
}

impl Mouth {
    async fn run(mut self) {
        let (epoch, mut at) = (Instant::now(), 0);
        let mut pace = interval(FRAME_TIME);
        pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut buffer = [0; 2048];
        loop {
            tokio::select! {
                got = self.socket.recv_from(&mut buffer) => {
                    let (n, _) = got.unwrap();
                    if media::rtcp::is_rtcp(&buffer[..n]) {
                        continue;
                    }
                    let header = Header::parse(&buffer[..n]).unwrap();
                    self.heard.lock().unwrap().packets.push(header);
                    self.receiver.packet(epoch.elapsed(), &buffer[..n]).unwrap();
                }
                _ = pace.tick() => {
                    let mut frame = SILENCE;
                    self.receiver.frame(epoch.elapsed(), &mut frame);
                    {
                        let mut heard = self.heard.lock().unwrap();
                        heard.pcm.extend_from_slice(&frame);
                        heard.digits.extend(self.receiver.digits());
                    }
                    frame.copy_from_slice(&self.tone[at..at + 960]);
                    at = (at + 960) % self.tone.len();
                    if self.keys.has_changed().unwrap_or(false) {
                        let keys = self.keys.borrow_and_update().clone();
                        assert_eq!(self.sender.dtmf(&keys), keys.len());
                    }
                    if let Some(packet) = self.sender.frame(&frame) {
                        let _ = self.socket.try_send_to(packet, self.to);
                    }
                    self.frames.send_modify(|n| *n += 1);
                }
            }
        }
    }
}

pub fn device(user: &str) -> protocol::DeviceId {
    protocol::DeviceId(format!("{user}-1"))
}

fn payload_type(codec: Codec) -> u8 {
    codec.static_payload_type().unwrap_or(96)
}
