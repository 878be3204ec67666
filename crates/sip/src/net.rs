//! Sockets. They know bytes and frames, nothing of SIP's states.

mod connect;
mod ear;
mod icmp;
mod tls;
mod udp;

use std::{
    collections::HashMap,
    fmt, io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    net::{TcpListener, UdpSocket},
    sync::mpsc,
    time::Instant,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    ConnectError, EndpointConfig, Error, Flow, Trace, Transport, Way, door::Door, impair::Impaired, transaction::Owner,
    wire::Received,
};
use ear::{Ear, accept, read_udp};
use tls::TlsClient;
pub use tls::{Fingerprint, Trust};

/// Messages waiting to be worked on. When the endpoint cannot keep up, UDP loses packets (and is retransmitted) and TCP
/// pushes back: memory stays bounded.
const INBOX: usize = 1024;
/// Messages waiting to be written to one connection; a peer that does not read loses the connection.
const OUTBOX: usize = 512;
/// How long a connection may be open before somebody has signed in over it.
const STRANGER: Duration = Duration::from_secs(60);

pub(crate) enum NetEvent {
    Received {
        flow: Flow,
        received: Box<Received>,
    },
    Accepted {
        flow: Flow,
        writer: mpsc::Sender<Bytes>,
        stop: CancellationToken,
    },
    /// A connection that we wanted did not come about; [`NetEvent::Closed`] follows.
    Unconnected {
        connection: u64,
        hop: Hop,
        why: ConnectError,
    },
    Closed {
        connection: u64,
    },
    /// ICMP says that a datagram of ours did not arrive; `quoted`: how it began.
    Undelivered {
        remote: SocketAddr,
        quoted: Bytes,
    },
    /// A name was looked up: its servers, the first to be tried first.
    Resolved {
        owner: Owner,
        hops: Vec<Hop>,
    },
}

/// A server, and how to reach it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Hop {
    pub transport: Transport,
    pub address: SocketAddr,
    /// For TLS: the name that its certificate must be of; the address itself if there is none.
    pub name: Option<String>,
}

impl Hop {
    pub fn new(transport: Transport, address: SocketAddr) -> Self {
        Self { transport, address, name: None }
    }
}

impl fmt::Display for Hop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{name} ({})", self.address),
            None => write!(f, "{}", self.address),
        }
    }
}

pub(crate) struct Net {
    udp: Vec<Arc<UdpSocket>>,
    udp_addrs: Vec<SocketAddr>,
    udp_stops: Vec<CancellationToken>,
    tcp_addrs: Vec<SocketAddr>,
    tls_addrs: Vec<SocketAddr>,
    connections: HashMap<u64, Connection>,
    by_hop: HashMap<Hop, u64>,
    tls: TlsClient,
    advertised: Option<IpAddr>,
    /// Local address by peer, when listening on all of them.
    routes: HashMap<IpAddr, IpAddr>,
    inbox: mpsc::Sender<NetEvent>,
    ids: Ids,
    stop: CancellationToken,
    tasks: TaskTracker,
    pub door: Door,
    trace: Option<Trace>,
    impaired: Option<Impaired>,
    /// A network of the tests' own instead of sockets.
    #[cfg(any(test, feature = "fuzzing"))]
    pub caught: Option<Vec<(SocketAddr, Bytes)>>,
}

struct Connection {
    writer: mpsc::Sender<Bytes>,
    /// Where we opened it to.
    hop: Option<Hop>,
    /// Our end of one that we opened.
    local: Option<SocketAddr>,
    /// Who opened it to us, and when.
    accepted: Option<(Flow, Instant)>,
    stop: CancellationToken,
}

/// Connection numbers, shared with the tasks that accept.
#[derive(Clone, Default)]
struct Ids(Arc<std::sync::atomic::AtomicU64>);

impl Ids {
    fn next(&self) -> u64 {
        self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1
    }
}

impl Net {
    pub async fn bind(
        config: &EndpointConfig,
    ) -> Result<(Self, mpsc::Sender<NetEvent>, mpsc::Receiver<NetEvent>), Error> {
        if config.certificate.is_none() && !config.tls.is_empty() {
            return Err(Error::NoCertificate);
        }
        let (inbox, events) = mpsc::channel(INBOX);
        let mut net = Self::unbound(config, inbox.clone());
        for address in &config.udp {
            let failed = |source| Error::Bind { transport: "UDP", address: *address, source };
            let socket = Arc::new(udp::bind(*address).map_err(failed)?);
            net.udp_addrs.push(socket.local_addr().map_err(failed)?);
            net.udp.push(socket);
        }
        let mut listeners = Vec::new();
        for (transport, address) in config.tcp.iter().map(|a| ("TCP", a)).chain(config.tls.iter().map(|a| ("TLS", a))) {
            let failed = |source| Error::Bind { transport, address: *address, source };
            let listener = TcpListener::bind(address).await.map_err(failed)?;
            let acceptor = config.certificate.clone().filter(|_| transport == "TLS").map(TlsAcceptor::from);
            let bound = if acceptor.is_some() { &mut net.tls_addrs } else { &mut net.tcp_addrs };
            bound.push(listener.local_addr().map_err(failed)?);
            listeners.push((listener, acceptor));
        }
        for (stream, (socket, local)) in (1..).zip(net.udp.iter().zip(&net.udp_addrs)) {
            let impaired = config.impairment.map(|how| Impaired::new(how, stream));
            let stop = net.read(socket.clone(), *local, impaired);
            net.udp_stops.push(stop);
        }
        for listener in listeners {
            let run = accept(listener, net.ear(), net.ids.clone(), net.stop.clone(), net.tasks.clone());
            net.tasks.spawn(until(net.stop.clone(), run));
        }
        Ok((net, inbox, events))
    }

    fn unbound(config: &EndpointConfig, inbox: mpsc::Sender<NetEvent>) -> Self {
        Self {
            udp: Vec::new(),
            udp_addrs: Vec::new(),
            udp_stops: Vec::new(),
            tcp_addrs: Vec::new(),
            tls_addrs: Vec::new(),
            connections: HashMap::new(),
            by_hop: HashMap::new(),
            tls: TlsClient::new(config.trust.clone()),
            advertised: config.advertised,
            routes: HashMap::new(),
            inbox,
            ids: Ids::default(),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
            door: Door::new(config),
            trace: config.trace.clone(),
            impaired: config.impairment.map(|how| Impaired::new(how, 0)),
            #[cfg(any(test, feature = "fuzzing"))]
            caught: None,
        }
    }

    /// Sends nothing: what would be sent can be taken out of `caught`.
    #[cfg(any(test, feature = "fuzzing"))]
    pub fn caught_at(address: SocketAddr, config: &EndpointConfig) -> (Self, mpsc::Sender<NetEvent>) {
        let (inbox, _) = mpsc::channel(1);
        let mut net = Self::unbound(config, inbox.clone());
        net.udp_addrs.push(address);
        net.caught = Some(Vec::new());
        (net, inbox)
    }

    #[cfg(test)]
    pub fn advertise(&mut self, ip: IpAddr) {
        self.advertised = Some(ip);
    }

    fn ear(&self) -> Ear {
        Ear { inbox: self.inbox.clone(), door: self.door.clone(), trace: self.trace.clone() }
    }

    pub fn local_addr(&self, transport: Transport) -> Option<SocketAddr> {
        match transport {
            Transport::Udp => self.udp_addrs.first().copied(),
            Transport::Tcp => self.tcp_addrs.first().copied(),
            Transport::Tls => self.tls_addrs.first().copied(),
        }
    }

    /// The flow to a peer that is not known yet: the UDP socket of its address family, or a connection, opened if there
    /// is none.
    pub fn flow_to(&mut self, hop: &Hop) -> Option<Flow> {
        let (transport, remote) = (hop.transport, hop.address);
        if transport == Transport::Udp {
            let local = *self.udp_addrs.iter().find(|a| a.is_ipv4() == remote.is_ipv4())?;
            return Some(Flow { transport, local, remote, connection: 0 });
        }
        let connection = self.by_hop.get(hop).copied().unwrap_or_else(|| self.connect(hop));
        Some(Flow { transport, local: self.local_of(connection, hop), remote, connection })
    }

    /// Whether there is a socket for it.
    pub fn can_reach(&self, hop: &Hop) -> bool {
        hop.transport.is_stream() || self.udp_addrs.iter().any(|a| a.is_ipv4() == hop.address.is_ipv4())
    }

    /// Sends over a flow.
    ///
    /// # Errors
    /// If the connection is gone or does not take any more, or the socket refuses at once.
    pub fn send(&mut self, flow: &Flow, bytes: &Bytes) -> io::Result<()> {
        if let Some(trace) = &self.trace {
            trace.show(Way::Out, bytes);
        }
        #[cfg(any(test, feature = "fuzzing"))]
        if let Some(caught) = &mut self.caught {
            caught.push((flow.remote, bytes.clone()));
            return Ok(());
        }
        match flow.transport {
            Transport::Udp => {
                let at = self.udp_addrs.iter().position(|a| *a == flow.local);
                let socket = at.and_then(|i| self.udp.get(i)).ok_or(io::ErrorKind::NotFound)?;
                match &mut self.impaired {
                    None => udp::send(socket, bytes, flow.remote),
                    Some(network) => network
                        .fate()
                        .into_iter()
                        .try_for_each(|delay| udp::send_later(socket, bytes, flow.remote, delay)),
                }
            }
            Transport::Tcp | Transport::Tls => {
                let connection = self.connections.get(&flow.connection).ok_or(io::ErrorKind::NotConnected)?;
                let sent = connection.writer.try_send(bytes.clone());
                // Ended, and not told yet; or it does not take any more, and ends now.
                if sent.is_err() {
                    connection.stop.cancel();
                    self.closed(flow.connection);
                }
                sent.map_err(|_| io::ErrorKind::BrokenPipe.into())
            }
        }
    }

    pub fn is_open(&self, flow: &Flow) -> bool {
        !flow.transport.is_stream() || self.connections.contains_key(&flow.connection)
    }

    /// Where a connection leads that we opened, so that it could be opened again.
    pub fn opened_to(&self, flow: &Flow) -> Option<Hop> {
        self.connections.get(&flow.connection)?.hop.clone()
    }

    /// Gives a connection up that seems dead; [`NetEvent::Closed`] follows.
    pub fn abandon(&mut self, flow: &Flow) {
        if let Some(connection) = self.connections.get(&flow.connection) {
            connection.stop.cancel();
        }
        self.closed(flow.connection);
    }

    pub fn accepted(&mut self, now: Instant, flow: Flow, writer: mpsc::Sender<Bytes>, stop: CancellationToken) {
        let connection = Connection { writer, hop: None, local: None, accepted: Some((flow, now)), stop };
        self.connections.insert(flow.connection, connection);
    }

    /// Closes connections over which nobody has signed in for a while: they would keep others out.
    pub fn close_strangers(&self, now: Instant) {
        for connection in self.connections.values() {
            let Some((flow, since)) = &connection.accepted else { continue };
            if now >= *since + STRANGER && self.door.is_stranger(now, flow) {
                tracing::debug!(remote = %flow.remote, "nobody has signed in over this connection: closed");
                connection.stop.cancel();
            }
        }
    }

    pub fn close_strangers_every() -> Duration {
        STRANGER / 4
    }

    pub fn closed(&mut self, connection: u64) {
        let gone = self.connections.remove(&connection);
        if let Some((flow, _)) = gone.as_ref().and_then(|gone| gone.accepted) {
            self.door.forget(&flow);
        }
        if let Some(hop) = gone.and_then(|gone| gone.hop)
            && self.by_hop.get(&hop) == Some(&connection)
        {
            self.by_hop.remove(&hop);
        }
    }

    /// The address to write into Contact and Via for requests over `flow`.
    pub fn advertised(&mut self, flow: &Flow) -> SocketAddr {
        let mut local = flow.local;
        if local.port() == 0 {
            local.set_port(self.udp_addrs.first().map_or(5060, SocketAddr::port));
        }
        if let Some(ip) = self.advertised {
            local.set_ip(ip);
        } else if local.ip().is_unspecified() {
            if self.routes.len() > 10_000 {
                self.routes.clear();
            }
            let route = || route_to(flow.remote).unwrap_or(local.ip());
            local.set_ip(*self.routes.entry(flow.remote.ip()).or_insert_with(route));
        }
        local
    }

    /// Drops connections from addresses that this machine no longer has, and binds sockets anew that were bound to
    /// one, to all of them: the new address by the old one.
    pub fn network_changed(&mut self) -> HashMap<SocketAddr, SocketAddr> {
        self.routes.clear();
        let mut has = HashMap::new();
        let mut gone = |ip: IpAddr| !*has.entry(ip).or_insert_with(|| ip.is_unspecified() || udp::can_bind(ip));
        for connection in self.connections.values() {
            if connection.local.is_some_and(|local| gone(local.ip())) {
                connection.stop.cancel();
            }
        }
        let bound = self.udp_addrs.iter().zip(&self.udp).map(|(address, _)| *address);
        let lost: Vec<SocketAddr> = bound.filter(|a| gone(a.ip())).collect();
        lost.into_iter().filter_map(|old| Some((old, self.bind_anew(old)?))).collect()
    }

    fn bind_anew(&mut self, old: SocketAddr) -> Option<SocketAddr> {
        let at = self.udp_addrs.iter().position(|a| *a == old)?;
        let any = unspecified(old.ip());
        let bound = udp::bind(SocketAddr::new(any, old.port())).or_else(|_| udp::bind(SocketAddr::new(any, 0)));
        let socket = Arc::new(bound.inspect_err(|error| tracing::warn!(%old, %error, "cannot bind anew")).ok()?);
        let now = socket.local_addr().ok()?;
        // The old reader ends with nothing to read from: its address is gone for good.
        self.udp_stops[at].cancel();
        self.udp_addrs[at] = now;
        self.udp[at] = socket.clone();
        self.udp_stops[at] = self.read(socket, now, None);
        Some(now)
    }

    /// Starts the task that reads a UDP socket.
    fn read(&self, socket: Arc<UdpSocket>, local: SocketAddr, impaired: Option<Impaired>) -> CancellationToken {
        let stop = self.stop.child_token();
        icmp::listen(&socket, local);
        let errors = icmp::read(socket.clone(), self.inbox.clone());
        self.tasks.spawn(until(stop.clone(), errors));
        self.tasks.spawn(until(stop.clone(), read_udp(socket, local, self.ear(), impaired)));
        stop
    }

    pub async fn close(&mut self) {
        self.connections.clear();
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// What we call ourselves on a connection that we open: the address that we listen on, or else its own end.
    fn local_of(&self, connection: u64, hop: &Hop) -> SocketAddr {
        let listening = if hop.transport == Transport::Tls { &self.tls_addrs } else { &self.tcp_addrs };
        let listening = listening.iter().find(|a| a.is_ipv4() == hop.address.is_ipv4()).copied();
        let own_end = || self.connections.get(&connection).and_then(|c| c.local);
        listening.or_else(own_end).unwrap_or(SocketAddr::new(unspecified(hop.address.ip()), 0))
    }

    fn connect(&mut self, hop: &Hop) -> u64 {
        let connection = self.ids.next();
        let (socket, local) = match connect::socket_to(hop.address) {
            Ok((socket, local)) => (Ok(socket), Some(local)),
            Err(error) => (Err(error), None),
        };
        let (writer, outbox) = mpsc::channel(OUTBOX);
        let stop = self.stop.child_token();
        let entry = Connection { writer, hop: Some(hop.clone()), local, accepted: None, stop: stop.clone() };
        self.connections.insert(connection, entry);
        self.by_hop.insert(hop.clone(), connection);
        let local = self.local_of(connection, hop);
        let flow = Flow { transport: hop.transport, local, remote: hop.address, connection };
        let run = connect::run(socket, hop.clone(), flow, outbox, (self.tls.clone(), self.ear()));
        self.tasks.spawn(until(stop.clone(), run));
        self.tasks.spawn(report_closed(stop, self.stop.clone(), connection, self.inbox.clone()));
        connection
    }
}

/// Whatever ends a connection cancels its token: this tells the endpoint.
async fn report_closed(
    stop: CancellationToken,
    all: CancellationToken,
    connection: u64,
    inbox: mpsc::Sender<NetEvent>,
) {
    stop.cancelled().await;
    if !all.is_cancelled() {
        let _ = inbox.send(NetEvent::Closed { connection }).await;
    }
}

/// Runs until done or stopped; either way the token ends cancelled.
async fn until(stop: CancellationToken, run: impl Future<Output = ()>) {
    stop.run_until_cancelled(run).await;
    stop.cancel();
}

fn unspecified(like: IpAddr) -> IpAddr {
    match like {
        IpAddr::V4(_) => std::net::Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => std::net::Ipv6Addr::UNSPECIFIED.into(),
    }
}

/// The local address that the system would use towards `remote`. Connecting a UDP socket sends nothing.
fn route_to(remote: SocketAddr) -> Option<IpAddr> {
    let socket = std::net::UdpSocket::bind(SocketAddr::new(unspecified(remote.ip()), 0)).ok()?;
    socket.connect(remote).ok()?;
    socket.local_addr().ok().map(|a| a.ip())
}
