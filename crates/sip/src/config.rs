use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use crate::{Impairment, Limits, Secrets, Trace, Trust, Zone};

/// Where an endpoint listens and how it presents itself.
#[derive(Clone, Default)]
pub struct EndpointConfig {
    /// UDP addresses to listen on; port 0 takes a free one (see [`crate::Endpoint::local_addr`]).
    pub udp: Vec<SocketAddr>,
    /// TCP addresses to listen on. TCP connections can be opened outwards even if this is empty.
    pub tcp: Vec<SocketAddr>,
    /// TLS addresses to listen on, with the `certificate`. As with TCP, none is needed for connections outwards.
    pub tls: Vec<SocketAddr>,
    /// What to show to whoever connects by TLS.
    pub certificate: Option<Arc<rustls::ServerConfig>>,
    /// Which certificates to accept of servers that we connect to by TLS.
    pub trust: Trust,
    /// Value of the User-Agent and Server headers.
    pub user_agent: String,
    /// What to write into Contact and Via instead of the local address, e.g. when bound to 0.0.0.0 behind a NAT.
    pub advertised: Option<IpAddr>,
    /// Where names are looked up; the system's own name service if absent. For tests.
    pub zone: Option<Arc<dyn Zone>>,
    /// Notice by itself when the machine's network changes or it has slept, as if told by
    /// [`crate::Endpoint::network_changed`].
    pub watch_network: bool,
    /// With it set, REGISTER and INVITE from sources that are not trusted are challenged.
    pub challenge: Option<Arc<dyn Secrets>>,
    /// How much of us one address, one device and one user may take up.
    pub limits: Limits,
    /// Whether a new call may take the place of one that goes on here (RFC 3891), as [`crate::Incoming::replaces`] says.
    /// Otherwise whoever tries is refused.
    pub replaceable: bool,
    /// Whether others may subscribe to what lines do and what waits in mailboxes: [`crate::Event::Watch`]. Otherwise SUBSCRIBE
    /// is refused with 405.
    pub notifies: bool,
    /// Is shown every message.
    pub trace: Option<Trace>,
    /// Makes UDP as bad as this, both ways. For tests.
    pub impairment: Option<Impairment>,
}

impl fmt::Debug for EndpointConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndpointConfig")
            .field("udp", &self.udp)
            .field("tcp", &self.tcp)
            .field("tls", &self.tls)
            .field("trust", &self.trust)
            .field("user_agent", &self.user_agent)
            .field("advertised", &self.advertised)
            .field("challenge", &self.challenge.is_some())
            .field("limits", &self.limits)
            .field("impairment", &self.impairment)
            .finish_non_exhaustive()
    }
}
