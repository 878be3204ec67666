//! From a configuration to a running owner.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use sip::{
    Credentials, Endpoint, EndpointConfig, Host, Instance, Limit, Limits, NameAddr, Registration, Scheme, Uri, Zone,
};
use tokio::sync::mpsc;

use super::{Command, Owner, Registered};
use crate::answers::Answers;
use crate::config::{Account, Identity, PhoneConfig, Play, Sound, Transport};
use crate::event::PhoneEvent;
use crate::phone::Error;
use crate::voice::{Files, Gear, Material, Ringing, Voice};

/// What we ask of a registrar, seconds: short enough that a device that vanished is noticed.
const EXPIRES: u32 = 300;
/// Longest WAV to be played: ten minutes at 48 kHz, 16 bit, stereo.
const MAX_WAV: u64 = 10 * 60 * 48_000 * 4;

impl Owner {
    /// Opens sockets and sound, starts the task, and says where SIP listens.
    pub(crate) async fn start(
        config: PhoneConfig,
        devices: audio::Sound,
        next_call: Arc<AtomicU32>,
        inbox: mpsc::UnboundedReceiver<Command>,
        events: mpsc::UnboundedSender<PhoneEvent>,
    ) -> Result<SocketAddr, Error> {
        let transport = transport(config.transport);
        let registrar = config.account.as_ref().map(|a| server(&a.registrar, transport)).transpose()?;
        let proxy = config.account.as_ref().and_then(|a| a.outbound_proxy.as_deref());
        let proxy = proxy.map(|proxy| server(proxy, transport)).transpose()?;
        let reach = Reach::towards(&config, proxy.as_ref().or(registrar.as_ref())).await;
        let (endpoint, network) = bind(&config, transport).await?;
        let listen = endpoint.local_addr(transport.unwrap_or(sip::Transport::Udp)).unwrap_or(config.listen);
        let contact = SocketAddr::new(reach.from(), listen.port());
        let us = identity(&config.identity, config.account.as_ref(), registrar.as_ref(), contact);
        let sound = config.sound;
        let gear =
            tokio::task::spawn_blocking(|| gear(sound, devices)).await.map_err(|e| Error::Thread(e.into()))??;
        let ringing = ringing(&gear, &events).map_err(Error::Thread)?;
        let voice = Voice::start(gear, events.clone()).map_err(Error::Thread)?;
        let account = config.account.zip(registrar);
        let account = account.map(|(account, registrar)| register(&endpoint, account, (registrar, proxy), &us));
        let owner = Self {
            endpoint,
            voice,
            ringing,
            events,
            next_call,
            lines: Default::default(),
            legs: Default::default(),
            codecs: config.codecs,
            encryption: config.encryption,
            trust: config.trust,
            reach,
            stun: config.stun,
            stun_limit: config.stun_limit,
            asking: Default::default(),
            placing: Default::default(),
            us,
            transport,
            account,
            is_registered: false,
            watches: Default::default(),
            answers: Answers::new(config.answer_mode),
            ring_tone: Default::default(),
            talking_elsewhere: false,
            ringing_elsewhere: false,
            follows_outside: config.follows_outside,
            listen: contact,
            patience: config.patience.max(Duration::from_millis(10)),
            rings_at_most: config.rings_at_most,
        };
        tokio::spawn(owner.run(inbox, network));
        Ok(listen)
    }
}

fn transport(transport: Transport) -> Option<sip::Transport> {
    match transport {
        Transport::Udp => Some(sip::Transport::Udp),
        Transport::Tcp => Some(sip::Transport::Tcp),
        Transport::Tls => Some(sip::Transport::Tls),
        Transport::Auto => None,
    }
}

/// Nobody but its servers has much to say to a phone.
const LIMITS: Limits = Limits {
    messages: Limit { spare: 500, refill: Duration::from_millis(20) },
    wrong_passwords: Limit { spare: 10, refill: Duration::from_secs(10) },
    connections: 50,
    calls: 50,
};

async fn bind(
    config: &PhoneConfig,
    transport: Option<sip::Transport>,
) -> Result<(Endpoint, mpsc::UnboundedReceiver<sip::Event>), Error> {
    let (udp, tcp) = match transport {
        Some(sip::Transport::Udp) | None => (vec![config.listen], Vec::new()),
        Some(sip::Transport::Tcp) => (Vec::new(), vec![config.listen]),
        Some(sip::Transport::Tls) => (Vec::new(), Vec::new()),
    };
    let user_agent = concat!("patchcord-phone/", env!("CARGO_PKG_VERSION")).to_owned();
    let endpoint = EndpointConfig {
        udp,
        tcp,
        user_agent,
        watch_network: true,
        replaceable: true,
        trust: config.trust.clone(),
        trace: config.trace.clone(),
        zone: config.names.clone().map(|names| Arc::new(names) as Arc<dyn sip::Zone>),
        impairment: config.impairment,
        limits: LIMITS,
        ..EndpointConfig::default()
    };
    Endpoint::bind(endpoint).await.map_err(|e| Error::Listen { address: config.listen, why: e.to_string() })
}

/// A server's URI: `host`, `host:port`, `sip:host:port` or `sips:host:port`, with our transport.
fn server(text: &str, transport: Option<sip::Transport>) -> Result<Uri, Error> {
    let wrong = || Error::Registrar(text.to_owned());
    let text = text.trim();
    let has_scheme = text.starts_with("sip:") || text.starts_with("sips:");
    let text = if has_scheme { text.to_owned() } else { format!("sip:{text}") };
    let mut uri: Uri = text.parse().map_err(|_| wrong())?;
    if uri.scheme == Scheme::Tel || uri.user.is_some() || uri.headers.is_some() {
        return Err(wrong());
    }
    if uri.scheme == Scheme::Sips {
        // TLS to the server is what is wanted, and not the promise of it on every hop (RFC 5630 section 3.1.3).
        uri.scheme = Scheme::Sip;
        uri = uri.over(sip::Transport::Tls);
    }
    Ok(transport.into_iter().fold(uri, Uri::over))
}

/// By which address of ours the far ends can reach us.
pub(super) struct Reach {
    bind: IpAddr,
    /// The registrar, or whoever else shows the way out.
    towards: SocketAddr,
}

impl Reach {
    /// The registrar, or, if it cannot be found, a documentation address (RFC 5737, RFC 3849), which shows the default
    /// route.
    async fn towards(config: &PhoneConfig, registrar: Option<&Uri>) -> Self {
        let bind = config.listen.ip();
        let anywhere = match bind {
            IpAddr::V4(_) => IpAddr::from([192, 0, 2, 1]),
            IpAddr::V6(_) => IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1]),
        };
        let host = registrar.map(|uri| uri.host.to_string()).unwrap_or_default();
        let found: Vec<SocketAddr> = match (host.trim_matches(['[', ']']), &config.names) {
            ("", _) => Vec::new(),
            (host, None) => tokio::net::lookup_host((host, 5060)).await.map(Iterator::collect).unwrap_or_default(),
            (host, Some(names)) => {
                names.addresses(host).await.into_iter().map(|ip| SocketAddr::new(ip, 5060)).collect()
            }
        };
        let towards = found.into_iter().find(|a| a.is_ipv4() == bind.is_ipv4());
        Self { bind, towards: towards.unwrap_or(SocketAddr::new(anywhere, 5060)) }
    }

    /// Whether we were told to listen on every address.
    pub(super) fn is_everywhere(&self) -> bool {
        self.bind.is_unspecified()
    }

    /// What to bind sound to: what we were told to, as long as this machine has it.
    pub(super) fn bind(&self) -> IpAddr {
        let there = UdpSocket::bind(SocketAddr::new(self.bind, 0)).is_ok();
        match self.bind {
            bind if there => bind,
            IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        }
    }

    /// What the far end is told. Bound to every address, it is the one that the way to the registrar starts from.
    /// Nothing is sent: `connect` on UDP only asks the routing table.
    pub(super) fn from(&self) -> IpAddr {
        let bind = self.bind();
        if !bind.is_unspecified() {
            return bind;
        }
        let route = || {
            let socket = UdpSocket::bind(SocketAddr::new(bind, 0)).ok()?;
            socket.connect(self.towards).ok()?;
            socket.local_addr().ok()
        };
        route().map_or(bind, |local| local.ip())
    }
}

fn identity(own: &Identity, account: Option<&Account>, registrar: Option<&Uri>, contact: SocketAddr) -> NameAddr {
    match (account, registrar) {
        (Some(account), Some(registrar)) => {
            NameAddr::new(account.display.as_deref(), Uri::sip(&account.user, registrar.host.clone(), registrar.port))
        }
        _ => NameAddr::new(own.display.as_deref(), Uri::sip(&own.number, Host::Ip(contact.ip()), Some(contact.port()))),
    }
}

fn register(
    endpoint: &Endpoint,
    account: Account,
    (registrar, outbound_proxy): (Uri, Option<Uri>),
    us: &NameAddr,
) -> Registered {
    let has_proxy = outbound_proxy.is_some();
    let secure = outbound_proxy.as_ref().unwrap_or(&registrar).transport() == sip::Transport::Tls;
    let credentials = Credentials {
        user: account.auth_user.unwrap_or_else(|| account.user.clone()),
        password: account.password.reveal().to_owned(),
    };
    let key = endpoint.register(Registration {
        registrar: registrar.clone(),
        outbound_proxy,
        insists: account.insists,
        aor: us.clone(),
        credentials: Some(credentials.clone()),
        instance: account.device.as_deref().map(Instance::named),
        expires: EXPIRES,
    });
    Registered { key, registrar, has_proxy, secure, credentials }
}

fn ringing(gear: &Gear, events: &mpsc::UnboundedSender<PhoneEvent>) -> std::io::Result<Option<Ringing>> {
    match gear {
        Gear::Devices { sound, choice } => Ringing::start(sound, choice.bells(), events.clone()).map(Some),
        Gear::Files(_) => Ok(None),
    }
}

/// Reads what is to be played, and makes sure that recordings can be written.
fn gear(sound: Sound, devices: audio::Sound) -> Result<Gear, Error> {
    let (play, record, loopback) = match sound {
        Sound::Files { play, record, loopback } => (play, record, loopback),
        Sound::Devices(choice) => return Ok(Gear::Devices { sound: devices, choice }),
    };
    let material = match play {
        Play::Silence => Material::Silence,
        Play::Tone => Material::Tone,
        Play::Wav(path) => Material::Wav(wav(&path)?),
    };
    if let Some(path) = &record {
        let folder = path.parent().filter(|f| !f.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if !folder.is_dir() {
            return Err(Error::Record { path: path.clone(), why: "its folder does not exist".to_owned() });
        }
    }
    Ok(Gear::Files(Files { material, record, loopback }))
}

fn wav(path: &Path) -> Result<Arc<[i16]>, Error> {
    let unreadable = |why: String| Error::Play { path: path.to_owned(), why };
    let size = std::fs::metadata(path).map_err(|e| unreadable(e.to_string()))?.len();
    if size > MAX_WAV {
        return Err(unreadable(format!("longer than ten minutes ({size} bytes)")));
    }
    let bytes = std::fs::read(path).map_err(|e| unreadable(e.to_string()))?;
    let pcm = media::wav::parse(&bytes).map_err(|e| unreadable(e.to_string()))?;
    Ok(pcm.into())
}
