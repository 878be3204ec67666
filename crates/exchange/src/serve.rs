//! Starts everything, in an order in which nothing is half there, and stops it in the reverse order.

use std::{
    collections::HashSet,
    io,
    net::{IpAddr, SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};

use media::Codec;
use serde::Serialize;
use switchboard::{EngineEvent, Switchboard};
use tokio::{sync::mpsc, task::JoinHandle};

use crate::{
    api::{Api, Registrar, Serving},
    brain::Brain,
    config::{Config, Tls, Trunk},
    engine::{
        Engine,
        embedded::{Embedded, EmbeddedConfig, EngineError, Transport, TrunkConfig},
    },
    lamps,
    store::{Store, StoreError, audit, devices::Devices, drafts, records, sessions::random_token},
};

/// What `serve` prints on standard output, as one line of JSON, once everything answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ready {
    pub ready: bool,
    /// `http://…` or `https://…`
    pub api: String,
    pub sip_udp: Option<SocketAddr>,
    pub sip_tcp: Option<SocketAddr>,
    pub sip_tls: Option<SocketAddr>,
    /// Of the certificate, for comparing at the first sign-in.
    pub fingerprint: Option<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("the control API cannot listen on {address}: {cause}; {}", remedy(cause))]
    Listen { address: SocketAddr, cause: io::Error },
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the API could not start: {0}")]
    Api(io::Error),
}

fn remedy(cause: &io::Error) -> &'static str {
    match cause.kind() {
        io::ErrorKind::AddrInUse => "stop the program that uses this port, or change `bind` in [api]",
        io::ErrorKind::PermissionDenied => "ports below 1024 need rights; change `bind` in [api] to a higher port",
        io::ErrorKind::AddrNotAvailable => "this machine has no such address; change `bind` in [api]",
        _ => "change `bind` in [api]",
    }
}

/// Where SIP is heard, the first address of each kind.
#[derive(Debug, Clone, Copy, Default)]
pub struct SipAddresses {
    pub udp: Option<SocketAddr>,
    pub tcp: Option<SocketAddr>,
    pub tls: Option<SocketAddr>,
}

/// After a minute without a single packet a leg is asked whether it still lives.
const QUIET: Duration = Duration::from_secs(60);

/// A running exchange.
pub struct Exchange {
    pub ready: Ready,
    pub store: Store,
    brain: Brain,
    steering: JoinHandle<()>,
    engine: Arc<dyn Engine>,
    api: Serving,
    lamps: Option<JoinHandle<()>>,
}

impl Exchange {
    /// Starts an exchange with the embedded engine.
    ///
    /// # Errors
    /// What could not be started, in a sentence. Nothing is left running then.
    pub async fn start(config: Config) -> Result<Self, ServeError> {
        let listener = listen(&config)?;
        let store = Store::open(&config.data)?;
        let active = config.account.users.iter().filter(|u| !u.disabled).map(|u| u.id.clone());
        let secrets = Arc::new(Devices::new(&store, active.collect::<HashSet<_>>())?);
        let (seen, events) = mpsc::unbounded_channel();
        let engine = Embedded::start(embedded(&config, &store), secrets, seen).await?;
        let sip = SipAddresses {
            udp: engine.local_sip(Transport::Udp),
            tcp: engine.local_sip(Transport::Tcp),
            tls: engine.local_sip(Transport::Tls),
        };
        let lamps = engine.lamps();
        let mut exchange = Self::assemble(config, store, Arc::new(engine), events, listener, sip).await?;
        exchange.lamps = lamps.map(|lamps| tokio::spawn(lamps::tend(lamps, exchange.brain(), exchange.store.clone())));
        Ok(exchange)
    }

    /// Puts an exchange together around any engine; `sip` is where it hears SIP.
    ///
    /// # Errors
    /// As [`Exchange::start`]; the engine is stopped then.
    pub async fn assemble(
        config: Config,
        store: Store,
        engine: Arc<dyn Engine>,
        events: mpsc::UnboundedReceiver<EngineEvent>,
        listener: TcpListener,
        sip: SipAddresses,
    ) -> Result<Self, ServeError> {
        let around = engine.clone();
        let started = Self::around(config, store, around, events, listener, sip).await;
        if started.is_err() {
            engine.stop().await;
        }
        started
    }

    async fn around(
        config: Config,
        store: Store,
        engine: Arc<dyn Engine>,
        events: mpsc::UnboundedReceiver<EngineEvent>,
        listener: TcpListener,
        sip: SipAddresses,
    ) -> Result<Self, ServeError> {
        let registrar = registrar(&config, sip);
        let uri = registrar.uri.clone();
        if let Err(error) = store.write(move |c| crate::store::set_registrar(c, &uri)).await {
            // `device` on the command line will name the address of the last time.
            tracing::warn!(%error, "the registrar's address could not be stored");
        }
        let last = store.read(|c| Ok((audit::last(c)?, records::last_seq(c)?, drafts::all(c)?)));
        let (last_audit, records_seq, drafts) = last.await?;
        // Ids stay unique across restarts without a counter on the disk.
        let instance = random_token()[..12].to_owned();
        let switchboard = Switchboard::new(config.account.clone(), instance, last_audit, records_seq);
        let (brain, steering) = Brain::start(switchboard, engine.clone(), events, store.clone(), records_seq, drafts);
        let api = Api::new(brain.clone(), store.clone(), &config.account, config.passwords, registrar);
        let tls = config.api.tls.as_ref();
        let serving = api
            .and_then(|api| Serving::start(api, listener, tls, config.limits.connections))
            .map_err(ServeError::Api)?;
        let scheme = if tls.is_some() { "https" } else { "http" };
        let ready = Ready {
            ready: true,
            api: format!("{scheme}://{}", serving.address),
            sip_udp: sip.udp,
            sip_tcp: sip.tcp,
            sip_tls: sip.tls,
            fingerprint: tls.map(|t| t.fingerprint.clone()),
        };
        Ok(Self { ready, store, brain, steering, engine, api: serving, lamps: None })
    }

    /// Whoever steers the calls.
    #[must_use]
    pub fn brain(&self) -> Brain {
        self.brain.clone()
    }

    /// Ends every call, completes the records, and stops. Nothing is left running.
    pub async fn stop(self) {
        self.brain.stop().await;
        drop(self.brain);
        if let Some(lamps) = self.lamps {
            // It ends with the brain.
            let _ = lamps.await;
        }
        // The task has ended or is about to; it ends the feeds with it.
        let _ = self.steering.await;
        self.engine.stop().await;
        self.api.stop().await;
        if let Err(error) = self.store.close().await {
            tracing::error!("{error}");
        }
    }
}

/// Takes the API's port, so that a port in use is known before anything else is done.
///
/// # Errors
/// The address can't be listened on.
pub fn listen(config: &Config) -> Result<TcpListener, ServeError> {
    let address = config.api.bind;
    TcpListener::bind(address).map_err(|cause| ServeError::Listen { address, cause })
}

fn embedded(config: &Config, store: &Store) -> EmbeddedConfig {
    let trunk = config.trunk.clone().map(|trunk| match trunk {
        Trunk::Static { peers, dial, number } => TrunkConfig::Static { peers, dial, number },
        Trunk::Register { registrar, user, auth_user, password, number } => {
            TrunkConfig::Register { registrar, user, auth_user, password: password.0, number }
        }
    });
    EmbeddedConfig {
        udp: config.sip.udp.clone(),
        tcp: config.sip.tcp.clone(),
        tls: config.sip.tls.clone(),
        certificate: config.api.tls.as_ref().map(sip_certificate),
        limits: config.limits,
        advertised: config.sip.advertised,
        rtp_ports: config.rtp.ports.clone(),
        rtp_bind: config.rtp.bind,
        realm: config.sip.realm.clone(),
        trunk,
        hold_music: config.sounds.hold_music.clone(),
        greeting: config.sounds.greeting.clone(),
        closing: config.sounds.closing.clone(),
        voicemail_dir: store.voicemail_dir(),
        codecs: vec![Codec::Opus, Codec::G722, Codec::Pcmu, Codec::Pcma],
        quiet: QUIET,
        feature_code: config.account.policy.feature_code.clone().unwrap_or_default(),
    }
}

/// The API's certificate, without the protocols that are spoken over it there.
fn sip_certificate(tls: &Tls) -> Arc<rustls::ServerConfig> {
    let mut config = rustls::ServerConfig::clone(&tls.config);
    config.alpn_protocols.clear();
    Arc::new(config)
}

/// Where phones register: TLS if there is any, else UDP, else TCP.
#[must_use]
pub fn registrar(config: &Config, sip: SipAddresses) -> Registrar {
    let (address, transport) = match sip {
        SipAddresses { tls: Some(tls), .. } => (Some(tls), ";transport=tls"),
        SipAddresses { udp: Some(udp), .. } => (Some(udp), ""),
        SipAddresses { tcp, .. } => (tcp, ";transport=tcp"),
    };
    let port = address.map_or(5060, |a| a.port());
    let bound = address.map(|a| a.ip()).filter(|ip| !ip.is_unspecified());
    // Without a host the device takes that of the control API, which it can evidently reach.
    let host = match config.sip.advertised.or(bound) {
        Some(IpAddr::V4(ip)) => ip.to_string(),
        Some(IpAddr::V6(ip)) => format!("[{ip}]"),
        None => String::new(),
    };
    Registrar { uri: format!("sip:{host}:{port}{transport}"), realm: config.sip.realm.clone() }
}
