//! The one task that owns all legs. It takes orders, SIP events and what the lines heard, one at a time.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;

use protocol::{DeviceId, LegId, Reason};
use sip::sdp::{LocalMedia, Session, TheirKey};
use sip::{Endpoint, Event, LegKey, RegistrationState, Transport};
use switchboard::{EngineEvent, Order};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::lamps::Lamp;
use super::ports::PortPool;
use super::reasons::{self, Side};
use super::registrar::{Answer, Change, Registrar};
use super::sound::{Heard, Library, Line};
use super::trunk::Trunk;
use super::{DeviceSecrets, EmbeddedConfig};

/// In the time after which a silent leg is suspicious, it is looked at this often.
pub const LOOKS: u32 = 4;

pub struct Core {
    pub config: EmbeddedConfig,
    pub secrets: Arc<dyn DeviceSecrets>,
    pub events: mpsc::UnboundedSender<EngineEvent>,
    pub endpoint: Endpoint,
    pub trunk: Option<Trunk>,
    pub ports: PortPool,
    pub library: Arc<Library>,
    pub legs: HashMap<LegId, Leg>,
    keys: HashMap<LegKey, LegId>,
    pub registrar: Registrar,
    /// To whoever says what lamps show.
    pub lamps: mpsc::UnboundedSender<Lamp>,
    heard: mpsc::UnboundedSender<FromLine>,
    /// Lines that are completing their recording.
    closing: JoinSet<()>,
    /// What all lines count time from.
    epoch: Instant,
    arrivals: u64,
    /// When to look for legs that have gone quiet.
    pub next_look: Instant,
}

/// What comes from the lines, in the order in which it happened.
pub enum FromLine {
    Heard(Heard),
    /// The leg's last events.
    Closed(Vec<EngineEvent>),
}

pub struct Leg {
    pub key: LegKey,
    pub side: Side,
    pub stage: Stage,
    /// Of a user's device, not of the trunk.
    pub of_device: bool,
    /// From the moment on that ports are needed.
    pub line: Option<Line>,
    /// Our last offer or answer.
    pub local: Option<LocalMedia>,
    pub their_key: TheirKey,
    /// The leg that this one is bridged with.
    pub partner: Option<LegId>,
    /// Put on hold by the far end.
    pub held: bool,
    /// The SDP that we sent last.
    pub said: String,
    /// The far end has asked for an attended transfer with a call that is gone.
    pub refers_to_nothing: bool,
    /// Its signalling goes over TLS.
    pub secure: bool,
    /// Where its signalling goes; decides which of our addresses to name.
    pub remote: SocketAddr,
}

pub enum Stage {
    /// They call, we have not answered.
    Arrived {
        offer: Option<Session>,
    },
    /// Our 200 is on its way, the ACK is not here yet.
    Answering,
    /// We call.
    Calling {
        rang: bool,
    },
    Up,
    /// We ended it; the far end has not confirmed.
    Ending {
        reason: Reason,
    },
}

/// The channels into the task.
pub struct Inbox {
    pub orders: mpsc::UnboundedReceiver<Order>,
    pub sip: mpsc::UnboundedReceiver<Event>,
    pub lines: mpsc::UnboundedReceiver<FromLine>,
}

/// What the task is made of.
pub struct Parts {
    pub config: EmbeddedConfig,
    pub secrets: Arc<dyn DeviceSecrets>,
    pub events: mpsc::UnboundedSender<EngineEvent>,
    pub endpoint: Endpoint,
    pub trunk: Option<Trunk>,
    pub ports: PortPool,
    pub library: Library,
    pub lamps: mpsc::UnboundedSender<Lamp>,
    pub heard: mpsc::UnboundedSender<FromLine>,
}

impl Core {
    pub fn new(parts: Parts) -> Self {
        let next_look = Instant::now() + parts.config.quiet / LOOKS;
        Self {
            config: parts.config,
            secrets: parts.secrets,
            events: parts.events,
            endpoint: parts.endpoint,
            trunk: parts.trunk,
            ports: parts.ports,
            library: Arc::new(parts.library),
            legs: HashMap::new(),
            keys: HashMap::new(),
            registrar: Registrar::default(),
            lamps: parts.lamps,
            heard: parts.heard,
            closing: JoinSet::new(),
            epoch: Instant::now(),
            arrivals: 0,
            next_look,
        }
    }

    /// Runs until the orders' sender is gone, then ends everything.
    pub async fn run(mut self, mut inbox: Inbox) {
        if let Some(registration) = self.trunk.as_ref().and_then(Trunk::registration) {
            // Kept until `shut_down`.
            let _ = self.endpoint.register(registration);
        }
        loop {
            let expiry = self.registrar.next_expiry();
            let next_look = self.next_look;
            tokio::select! {
                order = inbox.orders.recv() => match order {
                    Some(order) => self.carry_out(order),
                    None => break,
                },
                event = inbox.sip.recv() => match event {
                    Some(event) => self.sip(event),
                    None => {
                        tracing::error!("the SIP endpoint has ended; so does the engine");
                        break;
                    }
                },
                Some(from_line) = inbox.lines.recv() => self.line(from_line),
                () = at(expiry) => {
                    for change in self.registrar.expire(Instant::now()) {
                        self.announce(change);
                    }
                }
                () = sleep_until(next_look) => self.look_for_the_lost(),
                Some(_) = self.closing.join_next() => {}
            }
        }
        self.wind_down(inbox).await;
    }

    async fn wind_down(mut self, mut inbox: Inbox) {
        let legs: Vec<LegId> = self.legs.keys().copied().collect();
        for leg in legs {
            self.hang_up(leg, Reason::Shutdown);
        }
        // Waits for the far ends, at most 2 s; what they say meanwhile is still heard.
        let mut down = std::pin::pin!(self.endpoint.clone().shut_down());
        loop {
            tokio::select! {
                () = &mut down => break,
                Some(event) = inbox.sip.recv() => self.sip_while_stopping(event),
                Some(from_line) = inbox.lines.recv() => self.line(from_line),
            }
        }
        while let Ok(event) = inbox.sip.try_recv() {
            self.sip_while_stopping(event);
        }
        let rest: Vec<LegId> = self.legs.keys().copied().collect();
        for leg in rest {
            self.ended(leg, Reason::Shutdown);
        }
        while self.closing.join_next().await.is_some() {}
        while let Ok(from_line) = inbox.lines.try_recv() {
            self.line(from_line);
        }
    }

    fn sip_while_stopping(&mut self, event: Event) {
        match event {
            Event::Incoming(call) => self.endpoint.refuse(call.leg, 503, reasons::header(Reason::Shutdown)),
            Event::Register(register) => self.endpoint.refuse_register(register.request, 503, None),
            Event::Watch(watch) => self.endpoint.refuse_watcher(watch.watcher, 480),
            Event::Unwatched(_) => {}
            event @ (Event::Leg { .. }
            | Event::NetworkChanged
            | Event::Registration { .. }
            | Event::Subscription { .. }
            | Event::Messages { .. }) => self.sip(event),
        }
    }

    fn sip(&mut self, event: Event) {
        match event {
            Event::Incoming(call) => self.incoming(&call),
            Event::Leg { leg: key, event } => {
                // Unknown: refused before it was reported.
                if let Some(leg) = self.keys.get(&key) {
                    self.leg_event(*leg, event);
                }
            }
            Event::Registration { key: _, state } => log_registration(&state),
            // We subscribe to nothing, and a trunk's mailbox is nobody's here.
            Event::NetworkChanged | Event::Subscription { .. } | Event::Messages { .. } => {}
            Event::Register(register) => self.register(&register),
            Event::Watch(watch) => self.watch(&watch),
            Event::Unwatched(watcher) => self.ask_lamps(Lamp::Gone(watcher)),
        }
    }

    fn register(&mut self, request: &sip::Register) {
        let device = DeviceId(request.auth_user.clone());
        // A trunk has no business registering here, and a device may have been revoked since the digest.
        let owner = if request.auth_user.is_empty() { None } else { self.secrets.secret(device.as_str()) };
        let Some((user, _)) = owner else {
            self.endpoint.refuse_register(request.request, 403, None);
            return;
        };
        let (answer, change) = self.registrar.register(Instant::now(), request, &device, &user);
        match answer {
            Answer::Accept { bindings, left } => {
                self.endpoint.accept_register(request.request, bindings);
                self.endpoint.end_watchers(request.auth_user.clone(), left);
            }
            Answer::Refuse { status, min_expires } => {
                tracing::info!(%device, aor = ?request.user, status, "registration refused");
                self.endpoint.refuse_register(request.request, status, min_expires);
            }
        }
        if let Some(change) = change {
            self.announce(change);
        }
    }

    fn announce(&self, change: Change) {
        self.report(match change {
            Change::Registered { user, device } => EngineEvent::DeviceRegistered { user, device },
            Change::Gone { user, device } => EngineEvent::DeviceGone { user, device },
        });
    }

    fn line(&mut self, from_line: FromLine) {
        match from_line {
            FromLine::Heard(Heard::PromptFinished { leg }) => self.report(EngineEvent::PromptFinished { leg }),
            FromLine::Heard(Heard::Recorded { leg, duration_ms, file }) => {
                self.report(EngineEvent::Recorded { leg, duration_ms, file: file.display().to_string() });
            }
            FromLine::Heard(Heard::Failed { leg, detail }) => self.failed(leg, detail, false),
            FromLine::Heard(Heard::Digit { leg, digit }) => self.report(EngineEvent::Digit { leg, digit }),
            FromLine::Closed(last) => last.into_iter().for_each(|event| self.report(event)),
        }
    }

    /// The id of a leg that arrives: odd.
    pub fn next_arrival(&mut self) -> LegId {
        self.arrivals += 1;
        LegId(2 * self.arrivals - 1)
    }

    /// Which leg the endpoint's `key` is.
    pub fn leg_of(&self, key: LegKey) -> Option<LegId> {
        self.keys.get(&key).copied()
    }

    pub fn add(&mut self, id: LegId, leg: Leg) {
        self.keys.insert(leg.key, id);
        self.legs.insert(id, leg);
    }

    /// Takes ports and starts the task of a leg's sound.
    pub fn open_line(&mut self, leg: LegId, of_device: bool) -> Result<Line, String> {
        let pair = self.ports.take().map_err(|e| {
            let (first, last) = (self.config.rtp_ports.start(), self.config.rtp_ports.end());
            tracing::error!("no RTP port is free in {first}-{last}: {e}");
            format!("no RTP port is free in {first}-{last}: {e}")
        })?;
        // The far end of the trunk means whom it talks with, whatever it presses.
        let code = if of_device { self.config.feature_code.as_str() } else { "" };
        Ok(Line::open(leg, code, pair, self.epoch, self.library.clone(), self.heard.clone()))
    }

    /// Forgets a leg that has ended.
    pub fn ended(&mut self, id: LegId, reason: Reason) {
        self.over(id, EngineEvent::Ended { leg: id, reason });
    }

    /// Forgets a leg that is over. `last` is reported when its sound has stopped and its recording is complete.
    pub fn over(&mut self, id: LegId, last: EngineEvent) {
        self.unbridge(id);
        let Some(leg) = self.legs.remove(&id) else { return };
        self.keys.remove(&leg.key);
        let heard = self.heard.clone();
        self.closing.spawn(async move {
            let quality = match leg.line {
                Some(line) => line.close().await.map(|quality| EngineEvent::Quality { leg: id, quality }),
                None => None,
            };
            // Nobody listens any more only when the engine has ended.
            let _ = heard.send(FromLine::Closed(quality.into_iter().chain([last]).collect()));
        });
    }

    /// Takes a leg out of its bridge; the other leg is left with silence until the next order.
    pub fn unbridge(&mut self, id: LegId) {
        let partner = self.legs.get_mut(&id).and_then(|leg| leg.partner.take());
        if let Some(partner) = partner.and_then(|p| self.legs.get_mut(&p)) {
            partner.partner = None;
            if let Some(line) = &partner.line {
                line.silence();
            }
        }
    }

    pub fn report(&self, event: EngineEvent) {
        // The exchange drops its end only when it is going down.
        let _ = self.events.send(event);
    }

    pub fn failed(&self, leg: LegId, detail: String, fatal: bool) {
        tracing::warn!(%leg, fatal, "order failed: {detail}");
        self.report(EngineEvent::OrderFailed { leg, detail, fatal });
    }

    /// How this exchange is addressed by whoever is at `remote`.
    pub fn here(&self, transport: Transport, remote: SocketAddr) -> SocketAddr {
        let bound = self.endpoint.local_addr(transport).or_else(|| self.endpoint.local_addr(Transport::Udp));
        let bound = bound.or_else(|| self.endpoint.local_addr(Transport::Tcp)).unwrap_or(remote);
        SocketAddr::new(self.present(bound.ip(), remote), bound.port())
    }

    /// Where whoever is at `remote` should send the sound of a line.
    pub fn sound_address(&self, line: &Line, remote: SocketAddr) -> SocketAddr {
        SocketAddr::new(self.present(self.config.rtp_bind, remote), line.rtp_port())
    }

    fn present(&self, bound: IpAddr, remote: SocketAddr) -> IpAddr {
        self.config.advertised.unwrap_or_else(|| if bound.is_unspecified() { facing(remote) } else { bound })
    }
}

impl Leg {
    pub fn new(key: LegKey, side: Side, stage: Stage, remote: SocketAddr) -> Self {
        Self {
            key,
            side,
            stage,
            of_device: side == Side::Colleague,
            line: None,
            local: None,
            their_key: TheirKey::default(),
            partner: None,
            held: false,
            said: String::new(),
            refers_to_nothing: false,
            secure: false,
            remote,
        }
    }
}

/// Which of this machine's addresses faces `remote`: the system's routing knows; no packet is sent.
fn facing(remote: SocketAddr) -> IpAddr {
    let any = if remote.is_ipv4() { IpAddr::from([0; 4]) } else { IpAddr::from([0; 16]) };
    let probe = UdpSocket::bind((any, 0)).and_then(|socket| {
        socket.connect(remote)?;
        socket.local_addr()
    });
    probe.map_or(remote.ip(), |a| a.ip())
}

async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}

fn log_registration(state: &RegistrationState) {
    match state {
        RegistrationState::Registering => tracing::debug!("registering with the trunk"),
        RegistrationState::Registered { expires, secure: _ } => tracing::info!(expires, "registered with the trunk"),
        RegistrationState::Failed { status, retry_in_seconds, why: None } => {
            tracing::warn!(status, ?retry_in_seconds, "the trunk refuses our registration");
        }
        RegistrationState::Failed { status: _, retry_in_seconds, why: Some(why) } => {
            tracing::warn!(?retry_in_seconds, "not registered with the trunk: {why}");
        }
        RegistrationState::Unregistered => tracing::info!("unregistered from the trunk"),
    }
}
