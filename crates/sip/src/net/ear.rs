//! The tasks that read and write: one per UDP socket, one per TCP listener and connection.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, UdpSocket, tcp},
    sync::mpsc,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{Ids, NetEvent, OUTBOX, report_closed, until};
use crate::{
    Flow, Trace, Transport, Way,
    impair::Impaired,
    trace::is_keep_alive,
    wire::{self, Received},
};

/// Open TCP connections at once.
const MAX_CONNECTIONS: usize = 4096;

/// Where what arrives goes.
#[derive(Clone)]
pub(super) struct Ear {
    pub inbox: mpsc::Sender<NetEvent>,
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

pub(super) async fn accept(listener: TcpListener, ear: Ear, ids: Ids, all: CancellationToken, tasks: TaskTracker) {
    let room = Arc::new(tokio::sync::Semaphore::new(MAX_CONNECTIONS));
    loop {
        let Ok(place) = room.clone().acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of file handles: give others time to close theirs.
                tracing::warn!(%error, "TCP accept");
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                continue;
            }
        };
        let connection = ids.next();
        let (writer, outbox) = mpsc::channel(OUTBOX);
        let stop = all.child_token();
        let event = NetEvent::Accepted { connection, writer, stop: stop.clone() };
        if ear.inbox.send(event).await.is_err() {
            return;
        }
        let ear_of_stream = ear.clone();
        tasks.spawn(until(stop.clone(), async move {
            let _place = place;
            let (Ok(local), Ok(remote)) = (stream.local_addr(), stream.peer_addr()) else { return };
            let flow = Flow { transport: Transport::Tcp, local, remote, connection };
            run_tcp(stream, flow, outbox, ear_of_stream).await;
        }));
        tasks.spawn(report_closed(stop, all.clone(), connection, ear.inbox.clone()));
    }
}

/// Reads and writes one connection until either side ends.
pub(super) async fn run_tcp(stream: TcpStream, flow: Flow, outbox: mpsc::Receiver<Bytes>, ear: Ear) {
    let _ = stream.set_nodelay(true);
    let (reader, writer) = stream.into_split();
    tokio::select! {
        () = write_tcp(writer, outbox) => {}
        () = read_tcp(reader, flow, ear) => {}
    }
}

async fn write_tcp(mut writer: tcp::OwnedWriteHalf, mut outbox: mpsc::Receiver<Bytes>) {
    while let Some(bytes) = outbox.recv().await {
        if writer.write_all(&bytes).await.is_err() {
            return;
        }
    }
    let _ = writer.shutdown().await;
}

async fn read_tcp(mut reader: tcp::OwnedReadHalf, flow: Flow, ear: Ear) {
    let mut buffer = BytesMut::with_capacity(4096);
    loop {
        match reader.read_buf(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        loop {
            let whole = if ear.trace.is_some() { buffer.clone() } else { BytesMut::new() };
            match wire::read_stream(&mut buffer) {
                Ok(Some(received)) => {
                    let frame = &whole[..whole.len().saturating_sub(buffer.len())];
                    if ear.hear(flow, received, frame).await.is_err() {
                        return;
                    }
                }
                Ok(None) => break,
                Err(why) => {
                    tracing::debug!(remote = %flow.remote, %why, "TCP stream lost its frames: closed");
                    return;
                }
            }
        }
    }
}
