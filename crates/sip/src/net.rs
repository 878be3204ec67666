//! Sockets. They know bytes and frames, nothing of SIP's states.

mod ear;

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    net::{TcpListener, TcpStream, UdpSocket},
    sync::mpsc,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{EndpointConfig, Error, Flow, Trace, Transport, Way, impair::Impaired, transaction::Owner, wire::Received};
use ear::{Ear, accept, read_udp, run_tcp};

/// Messages waiting to be worked on. When the endpoint cannot keep up, UDP loses packets (and is retransmitted) and TCP
/// pushes back: memory stays bounded.
const INBOX: usize = 1024;
/// Messages waiting to be written to one TCP connection; a peer that does not read loses the connection.
const OUTBOX: usize = 512;
pub(crate) enum NetEvent {
    Received {
        flow: Flow,
        received: Box<Received>,
    },
    Accepted {
        connection: u64,
        writer: mpsc::Sender<Bytes>,
        stop: CancellationToken,
    },
    Closed {
        connection: u64,
    },
    /// A name was looked up; `None` if it has no address.
    Resolved {
        owner: Owner,
        transport: Transport,
        address: Option<SocketAddr>,
    },
}

pub(crate) struct Net {
    udp: Vec<Arc<UdpSocket>>,
    udp_addrs: Vec<SocketAddr>,
    tcp_addrs: Vec<SocketAddr>,
    connections: HashMap<u64, Connection>,
    by_remote: HashMap<SocketAddr, u64>,
    advertised: Option<IpAddr>,
    /// Local address by peer, when listening on all of them.
    routes: HashMap<IpAddr, IpAddr>,
    inbox: mpsc::Sender<NetEvent>,
    ids: Ids,
    stop: CancellationToken,
    tasks: TaskTracker,
    trace: Option<Trace>,
    impaired: Option<Impaired>,
    /// A network of the tests' own instead of sockets.
    #[cfg(test)]
    pub caught: Option<Vec<(SocketAddr, Bytes)>>,
}

struct Connection {
    writer: mpsc::Sender<Bytes>,
    remote: Option<SocketAddr>,
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
        if config.udp.is_empty() && config.tcp.is_empty() {
            return Err(Error::NoSocket);
        }
        let (inbox, events) = mpsc::channel(INBOX);
        let mut net = Self {
            udp: Vec::new(),
            udp_addrs: Vec::new(),
            tcp_addrs: Vec::new(),
            connections: HashMap::new(),
            by_remote: HashMap::new(),
            advertised: config.advertised,
            routes: HashMap::new(),
            inbox: inbox.clone(),
            ids: Ids::default(),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
            trace: config.trace.clone(),
            impaired: config.impairment.map(|how| Impaired::new(how, 0)),
            #[cfg(test)]
            caught: None,
        };
        for address in &config.udp {
            let failed = |source| Error::Bind { transport: "UDP", address: *address, source };
            let socket = Arc::new(bind_udp(*address).map_err(failed)?);
            net.udp_addrs.push(socket.local_addr().map_err(failed)?);
            net.udp.push(socket);
        }
        let mut listeners = Vec::new();
        for address in &config.tcp {
            let failed = |source| Error::Bind { transport: "TCP", address: *address, source };
            let listener = TcpListener::bind(address).await.map_err(failed)?;
            net.tcp_addrs.push(listener.local_addr().map_err(failed)?);
            listeners.push(listener);
        }
        for (stream, (socket, local)) in (1..).zip(net.udp.iter().zip(&net.udp_addrs)) {
            let impaired = config.impairment.map(|how| Impaired::new(how, stream));
            let run = read_udp(socket.clone(), *local, net.ear(), impaired);
            net.tasks.spawn(until(net.stop.clone(), run));
        }
        for listener in listeners {
            let run = accept(listener, net.ear(), net.ids.clone(), net.stop.clone(), net.tasks.clone());
            net.tasks.spawn(until(net.stop.clone(), run));
        }
        Ok((net, inbox, events))
    }

    /// Sends nothing: what would be sent can be taken out of `caught`.
    #[cfg(test)]
    pub fn caught_at(address: SocketAddr) -> (Self, mpsc::Sender<NetEvent>) {
        let (inbox, _) = mpsc::channel(1);
        let net = Self {
            udp: Vec::new(),
            udp_addrs: vec![address],
            tcp_addrs: Vec::new(),
            connections: HashMap::new(),
            by_remote: HashMap::new(),
            advertised: None,
            routes: HashMap::new(),
            inbox: inbox.clone(),
            ids: Ids::default(),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
            trace: None,
            impaired: None,
            caught: Some(Vec::new()),
        };
        (net, inbox)
    }

    fn ear(&self) -> Ear {
        Ear { inbox: self.inbox.clone(), trace: self.trace.clone() }
    }

    pub fn local_addr(&self, transport: Transport) -> Option<SocketAddr> {
        match transport {
            Transport::Udp => self.udp_addrs.first().copied(),
            Transport::Tcp => self.tcp_addrs.first().copied(),
        }
    }

    /// The flow to a peer that is not known yet: the UDP socket of its address family, or a TCP connection, opened if
    /// there is none.
    pub fn flow_to(&mut self, transport: Transport, remote: SocketAddr) -> Option<Flow> {
        match transport {
            Transport::Udp => {
                let local = self.udp_addrs.iter().find(|a| a.is_ipv4() == remote.is_ipv4())?;
                Some(Flow { transport, local: *local, remote, connection: 0 })
            }
            Transport::Tcp => {
                let connection = self.by_remote.get(&remote).copied().unwrap_or_else(|| self.connect(remote));
                Some(Flow { transport, local: self.local_to(remote), remote, connection })
            }
        }
    }

    /// Sends over a flow.
    ///
    /// # Errors
    /// If the connection is gone or does not take any more, or the socket refuses at once.
    pub fn send(&mut self, flow: &Flow, bytes: &Bytes) -> io::Result<()> {
        if let Some(trace) = &self.trace {
            trace.show(Way::Out, bytes);
        }
        #[cfg(test)]
        if let Some(caught) = &mut self.caught {
            caught.push((flow.remote, bytes.clone()));
            return Ok(());
        }
        match flow.transport {
            Transport::Udp => {
                let at = self.udp_addrs.iter().position(|a| *a == flow.local);
                let socket = at.and_then(|i| self.udp.get(i)).ok_or(io::ErrorKind::NotFound)?;
                match &mut self.impaired {
                    None => send_udp(socket, bytes, flow.remote),
                    Some(network) => {
                        network.fate().into_iter().try_for_each(|delay| send_later(socket, bytes, flow.remote, delay))
                    }
                }
            }
            Transport::Tcp => {
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
        flow.transport == Transport::Udp || self.connections.contains_key(&flow.connection)
    }

    /// Where a connection leads that we opened, so that it could be opened again.
    pub fn opened_to(&self, flow: &Flow) -> Option<SocketAddr> {
        self.connections.get(&flow.connection)?.remote
    }

    /// Gives a connection up that seems dead; [`NetEvent::Closed`] follows.
    pub fn abandon(&mut self, flow: &Flow) {
        if let Some(connection) = self.connections.get(&flow.connection) {
            connection.stop.cancel();
        }
        self.closed(flow.connection);
    }

    pub fn accepted(&mut self, connection: u64, writer: mpsc::Sender<Bytes>, stop: CancellationToken) {
        self.connections.insert(connection, Connection { writer, remote: None, stop });
    }

    pub fn closed(&mut self, connection: u64) {
        if let Some(gone) = self.connections.remove(&connection)
            && let Some(remote) = gone.remote
            && self.by_remote.get(&remote) == Some(&connection)
        {
            self.by_remote.remove(&remote);
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

    pub async fn close(&mut self) {
        self.connections.clear();
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// What we call ourselves on a TCP connection that we open: the address that we listen on.
    fn local_to(&self, remote: SocketAddr) -> SocketAddr {
        let listening = self.tcp_addrs.iter().find(|a| a.is_ipv4() == remote.is_ipv4());
        listening.copied().unwrap_or(SocketAddr::new(unspecified(remote.ip()), 0))
    }

    fn connect(&mut self, remote: SocketAddr) -> u64 {
        let connection = self.ids.next();
        let flow = Flow { transport: Transport::Tcp, local: self.local_to(remote), remote, connection };
        let (writer, outbox) = mpsc::channel(OUTBOX);
        let stop = self.stop.child_token();
        let entry = Connection { writer, remote: Some(remote), stop: stop.clone() };
        self.connections.insert(connection, entry);
        self.by_remote.insert(remote, connection);
        let (inbox, ear) = (self.inbox.clone(), self.ear());
        self.tasks.spawn(until(stop.clone(), {
            async move {
                match TcpStream::connect(remote).await {
                    Ok(stream) => run_tcp(stream, flow, outbox, ear).await,
                    Err(error) => tracing::debug!(%remote, %error, "TCP connection refused"),
                }
            }
        }));
        self.tasks.spawn(report_closed(stop, self.stop.clone(), connection, inbox));
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

fn bind_udp(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = socket2::Socket::new(
        socket2::Domain::for_address(address),
        socket2::Type::DGRAM,
        Some(socket2::Protocol::UDP),
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // A burst of calls must not be lost while one message is worked on; the system may give less.
    let _ = socket.set_recv_buffer_size(1 << 20);
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    UdpSocket::from_std(socket.into())
}

fn send_udp(socket: &UdpSocket, bytes: &[u8], remote: SocketAddr) -> io::Result<()> {
    // Not by tokio's `try_send_to`: that refuses until the reactor has seen the socket, and the first packet, most often
    // our REGISTER, would be lost for half a second.
    let send = || socket2::SockRef::from(socket).send_to(bytes, &remote.into());
    match send() {
        // A full send buffer is a lost packet: retransmission answers it.
        Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(()),
        // Linux reports an earlier ICMP here, perhaps of another peer: the next try is clean.
        Err(e) if e.kind() == io::ErrorKind::ConnectionRefused => send().map(drop),
        sent => sent.map(drop),
    }
}

fn send_later(socket: &Arc<UdpSocket>, bytes: &Bytes, remote: SocketAddr, delay: Duration) -> io::Result<()> {
    if delay.is_zero() {
        return send_udp(socket, bytes, remote);
    }
    let (socket, bytes) = (socket.clone(), bytes.clone());
    tokio::spawn(async move {
        tokio::time::sleep(delay).await;
        let _lost = send_udp(&socket, &bytes, remote);
    });
    Ok(())
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
