//! The tasks that read and write: one per UDP socket, listener and connection.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream, UdpSocket},
    sync::mpsc,
    time::Instant,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{Ids, NetEvent, OUTBOX, report_closed, until};
use crate::{
    Flow, Trace, Transport, Way,
    door::Door,
    guard::Kind,
    impair::Impaired,
    trace::is_keep_alive,
    wire::{self, Received},
};

/// Open connections at once, of each listener.
const MAX_CONNECTIONS: usize = 4096;
/// How long a peer may take to shake hands.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// How long a peer may take to send a message once it has begun one; whoever connects has begun its first.
const PATIENCE: Duration = Duration::from_secs(20);

/// Where what arrives goes.
#[derive(Clone)]
pub(super) struct Ear {
    pub inbox: mpsc::Sender<NetEvent>,
    pub door: Door,
    pub trace: Option<Trace>,
}

impl Ear {
    /// # Errors
    /// If the endpoint is gone.
    async fn hear(&self, flow: Flow, received: Received, bytes: &[u8]) -> Result<(), ()> {
        if let Some(trace) = &self.trace {
            trace.show(Way::In, bytes);
        }
        self.inbox.send(NetEvent::Received { flow, received: Box::new(received) }).await.map_err(drop)
    }

    /// # Errors
    /// If the endpoint is gone.
    async fn datagram(&self, flow: Flow, bytes: &[u8]) -> Result<(), ()> {
        match wire::read_datagram(bytes) {
            Ok(received) => self.hear(flow, received, bytes).await,
            Err(why) => {
                tracing::debug!(remote = %flow.remote, %why, "datagram thrown away");
                Ok(())
            }
        }
    }
}

pub(super) async fn read_udp(socket: Arc<UdpSocket>, local: SocketAddr, ear: Ear, mut impaired: Option<Impaired>) {
    let mut buffer = vec![0; 65_536];
    loop {
        let (n, remote) = match socket.recv_from(&mut buffer).await {
            Ok(got) => got,
            // ICMP errors of earlier sends surface here; the socket itself is fine.
            Err(error) => {
                tracing::debug!(%local, %error, "UDP receive");
                tokio::task::yield_now().await;
                continue;
            }
        };
        let bytes = &buffer[..n];
        if is_keep_alive(bytes) {
            continue;
        }
        let flow = Flow { transport: Transport::Udp, local, remote, connection: 0 };
        if !ear.door.admits(Instant::now(), &flow, Kind::of(bytes)) {
            continue;
        }
        for delay in impaired.as_mut().map_or_else(|| vec![Duration::ZERO], Impaired::fate) {
            if delay.is_zero() {
                if ear.datagram(flow, bytes).await.is_err() {
                    return;
                }
            } else {
                let (ear, bytes) = (ear.clone(), bytes.to_vec());
                tokio::spawn(async move {
                    tokio::time::sleep(delay).await;
                    let _gone = ear.datagram(flow, &bytes).await;
                });
            }
        }
    }
}

pub(super) async fn accept(
    (listener, acceptor): (TcpListener, Option<TlsAcceptor>),
    ear: Ear,
    ids: Ids,
    all: CancellationToken,
    tasks: TaskTracker,
) {
    let room = Arc::new(tokio::sync::Semaphore::new(MAX_CONNECTIONS));
    let transport = if acceptor.is_some() { Transport::Tls } else { Transport::Tcp };
    loop {
        let (stream, remote) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file handles: give others time to close theirs.
                tracing::warn!(%error, "TCP accept");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        // Without a place it is closed at once: the next in line may be somebody else.
        let Some(place) = ear.door.enter(Instant::now(), remote) else { continue };
        let (Ok(room), Ok(local)) = (room.clone().try_acquire_owned(), stream.local_addr()) else { continue };
        let flow = Flow { transport, local, remote, connection: ids.next() };
        let (writer, outbox) = mpsc::channel(OUTBOX);
        let stop = all.child_token();
        let event = NetEvent::Accepted { flow, writer, stop: stop.clone() };
        if ear.inbox.send(event).await.is_err() {
            return;
        }
        let (ear_of_stream, acceptor) = (ear.clone(), acceptor.clone());
        tasks.spawn(until(stop.clone(), async move {
            let _places = (place, room);
            run_accepted(stream, acceptor, flow, outbox, ear_of_stream).await;
        }));
        tasks.spawn(report_closed(stop, all.clone(), flow.connection, ear.inbox.clone()));
    }
}

async fn run_accepted(
    stream: TcpStream,
    acceptor: Option<TlsAcceptor>,
    flow: Flow,
    outbox: mpsc::Receiver<Bytes>,
    ear: Ear,
) {
    keep_alive(&stream);
    let first = Some(Instant::now() + PATIENCE);
    let Some(acceptor) = acceptor else { return run_stream(stream, flow, outbox, (ear, first)).await };
    match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => run_stream(stream, flow, outbox, (ear, first)).await,
        Ok(Err(error)) => tracing::debug!(remote = %flow.remote, %error, "TLS handshake failed"),
        Err(_) => tracing::debug!(remote = %flow.remote, "TLS handshake not finished in time"),
    }
}

/// So that a peer that vanished without a word is noticed, and small messages go at once.
pub(super) fn keep_alive(stream: &TcpStream) {
    let _ = stream.set_nodelay(true);
    let every = socket2::TcpKeepalive::new().with_time(Duration::from_secs(60)).with_interval(Duration::from_secs(10));
    let _ = socket2::SockRef::from(stream).set_tcp_keepalive(&every);
}

/// Reads and writes one connection until either side ends. `first`: by when the first message must have come.
pub(super) async fn run_stream<S: AsyncRead + AsyncWrite>(
    stream: S,
    flow: Flow,
    outbox: mpsc::Receiver<Bytes>,
    (ear, first): (Ear, Option<Instant>),
) {
    let (reader, writer) = tokio::io::split(stream);
    tokio::select! {
        () = write_stream(writer, outbox) => {}
        () = read_stream(reader, flow, ear, first) => {}
    }
}

async fn write_stream(mut writer: impl AsyncWrite + Unpin, mut outbox: mpsc::Receiver<Bytes>) {
    while let Some(bytes) = outbox.recv().await {
        if writer.write_all(&bytes).await.is_err() || writer.flush().await.is_err() {
            return;
        }
    }
    let _ = writer.shutdown().await;
}

async fn read_stream(mut reader: impl AsyncRead + Unpin, flow: Flow, ear: Ear, mut due: Option<Instant>) {
    let mut buffer = BytesMut::with_capacity(4096);
    loop {
        let read = reader.read_buf(&mut buffer);
        let read = match due {
            Some(due) => tokio::time::timeout_at(due, read).await,
            None => Ok(read.await),
        };
        match read {
            Ok(Ok(1..)) => {}
            Ok(Ok(0) | Err(_)) => return,
            Err(_) => {
                tracing::debug!(remote = %flow.remote, "no whole message in time: closed");
                return;
            }
        }
        let Ok(heard) = hear_frames(&mut buffer, flow, &ear).await else { return };
        due = match due {
            _ if buffer.is_empty() && heard => None,
            Some(due) if !heard => Some(due),
            None if buffer.is_empty() => None,
            Some(_) | None => Some(Instant::now() + PATIENCE),
        };
    }
}

/// Whether there was a whole message.
///
/// # Errors
/// The connection is to be closed.
async fn hear_frames(buffer: &mut BytesMut, flow: Flow, ear: &Ear) -> Result<bool, ()> {
    let mut heard = false;
    loop {
        let whole = if ear.trace.is_some() { buffer.clone() } else { BytesMut::new() };
        let kind = Kind::of(buffer);
        match wire::read_stream(buffer) {
            Ok(Some(received)) => {
                // Who floods a connection loses it: a message that is left out would never be sent again.
                if !ear.door.admits(Instant::now(), &flow, kind) {
                    return Err(());
                }
                heard = true;
                let frame = &whole[..whole.len().saturating_sub(buffer.len())];
                ear.hear(flow, received, frame).await?;
            }
            Ok(None) => return Ok(heard),
            Err(why) => {
                tracing::debug!(remote = %flow.remote, %why, "stream lost its frames: closed");
                return Err(());
            }
        }
    }
}
