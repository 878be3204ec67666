//! The embedded engine: registrar, B2BUA and RTP relay in one process.

mod calls;
mod card;
mod config;
mod core;
mod lamps;
mod lost;
mod orders;
mod ports;
mod reasons;
mod registrar;
mod sound;
mod terms;
mod trunk;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::future::BoxFuture;
use sip::Endpoint;
use switchboard::{EngineEvent, Order};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

pub use config::{DeviceSecrets, EmbeddedConfig, Transport, TrunkConfig};
pub use lamps::{Lamp, Lamps};

use self::core::{Core, Inbox, Parts};
use self::ports::PortPool;
use self::sound::Library;
use self::trunk::Trunk;
use super::Engine;

/// Why the embedded engine could not start.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error("SIP cannot be heard: {0}")]
    Sip(#[from] sip::Error),
    #[error("the sound file {file} cannot be used: {detail}")]
    Sound { file: String, detail: String },
    #[error("the trunk's registrar {registrar} cannot be found: {detail}")]
    Registrar { registrar: String, detail: String },
    #[error("the RTP port range {first}-{last} holds no even port with its odd neighbour")]
    PortRange { first: u16, last: u16 },
    #[error("the voicemail folder {folder} cannot be used: {detail}")]
    Voicemail { folder: String, detail: String },
}

/// A running engine. Dropping it without [`Engine::stop`] ends its calls too, without waiting.
pub struct Embedded {
    /// `None` once stopped.
    running: Mutex<Option<Running>>,
    udp: Option<SocketAddr>,
    tcp: Option<SocketAddr>,
    tls: Option<SocketAddr>,
    /// `None` once taken.
    lamps: Mutex<Option<Lamps>>,
}

struct Running {
    orders: mpsc::UnboundedSender<Order>,
    task: JoinHandle<()>,
}

impl Embedded {
    /// Binds the sockets, loads the sounds and starts. Events arrive on `events` until [`Engine::stop`] returns.
    ///
    /// # Errors
    /// If an address is taken, a sound file is unusable, or the configuration can't work.
    pub async fn start(
        config: EmbeddedConfig,
        secrets: Arc<dyn DeviceSecrets>,
        events: mpsc::UnboundedSender<EngineEvent>,
    ) -> Result<Self, EngineError> {
        let (first, last) = (*config.rtp_ports.start(), *config.rtp_ports.end());
        let ports = PortPool::new(config.rtp_bind, &config.rtp_ports).ok_or(EngineError::PortRange { first, last })?;
        let library = Library::load(&config)?;
        std::fs::create_dir_all(&config.voicemail_dir).map_err(|e| EngineError::Voicemail {
            folder: config.voicemail_dir.display().to_string(),
            detail: e.to_string(),
        })?;
        let trunk = match config.trunk.clone() {
            Some(trunk) => Some(Trunk::resolve(trunk).await?),
            None => None,
        };
        let (endpoint, sip) = Endpoint::bind(endpoint_config(&config, secrets.clone(), trunk.clone())).await?;
        let [udp, tcp, tls] = [Transport::Udp, Transport::Tcp, Transport::Tls].map(|t| endpoint.local_addr(t));
        let (orders, ordered) = mpsc::unbounded_channel();
        let (heard, lines) = mpsc::unbounded_channel();
        let (ask, asks) = mpsc::unbounded_channel();
        let lamps = Mutex::new(Some(Lamps { endpoint: endpoint.clone(), asks }));
        let core = Core::new(Parts { config, secrets, events, endpoint, trunk, ports, library, lamps: ask, heard });
        let task = tokio::spawn(core.run(Inbox { orders: ordered, sip, lines }));
        Ok(Self { running: Mutex::new(Some(Running { orders, task })), udp, tcp, tls, lamps })
    }

    /// The lamps of devices, for whoever knows what they show; there is one such.
    pub fn lamps(&self) -> Option<Lamps> {
        self.lamps.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The address that SIP is heard on; with a configured port 0, the one that was given.
    #[must_use]
    pub fn local_sip(&self, transport: Transport) -> Option<SocketAddr> {
        match transport {
            Transport::Udp => self.udp,
            Transport::Tcp => self.tcp,
            Transport::Tls => self.tls,
        }
    }

    fn running(&self) -> MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine for Embedded {
    fn carry_out(&self, order: Order) {
        if let Some(running) = &*self.running() {
            // Fails only if the task has ended: then all legs have, and the order is about an ended one.
            let _ = running.orders.send(order);
        }
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            let running = self.running().take();
            if let Some(Running { orders, task }) = running {
                drop(orders);
                if let Err(e) = task.await {
                    tracing::error!("the engine's task failed: {e}");
                }
            }
        })
    }
}

fn endpoint_config(
    config: &EmbeddedConfig,
    devices: Arc<dyn DeviceSecrets>,
    trunk: Option<Trunk>,
) -> sip::EndpointConfig {
    sip::EndpointConfig {
        udp: config.udp.clone(),
        tcp: config.tcp.clone(),
        tls: config.tls.clone(),
        certificate: config.certificate.clone(),
        limits: config.limits,
        user_agent: format!("Patchcord-Exchange/{}", env!("CARGO_PKG_VERSION")),
        advertised: config.advertised,
        notifies: true,
        challenge: Some(Arc::new(Challenge { realm: config.realm.clone(), devices, trunk })),
        ..sip::EndpointConfig::default()
    }
}

/// Whom the SIP endpoint lets in.
struct Challenge {
    realm: String,
    devices: Arc<dyn DeviceSecrets>,
    trunk: Option<Trunk>,
}

impl sip::Secrets for Challenge {
    fn realm(&self) -> String {
        self.realm.clone()
    }

    fn secret(&self, auth_user: &str) -> Option<String> {
        self.devices.secret(auth_user).map(|(_, password)| password)
    }

    fn trusted(&self, source: SocketAddr) -> bool {
        self.trunk.as_ref().is_some_and(|t| t.trusts(source))
    }
}
