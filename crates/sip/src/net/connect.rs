//! Connections that we open.

use std::{io, net::SocketAddr, time::Duration};

use bytes::Bytes;
use tokio::{
    net::{TcpSocket, TcpStream},
    sync::mpsc,
};

use super::{
    Hop, NetEvent,
    ear::{Ear, keep_alive, run_stream},
    route_to,
    tls::TlsClient,
};
use crate::{ConnectError, Flow, Transport};

/// How long it may take until a connection stands: then the next server is tried.
const PATIENCE: Duration = Duration::from_secs(4);

/// A socket whose own address is known before it is connected, so that the first request can name it. Peers that send
/// their requests to our Contact find this connection by it (RFC 5923 section 5).
pub(super) fn socket_to(remote: SocketAddr) -> io::Result<(TcpSocket, SocketAddr)> {
    let from = route_to(remote).ok_or(io::ErrorKind::NetworkUnreachable)?;
    socket_from(SocketAddr::new(from, 0), remote)
}

/// Whoever is given the very port that it wants to reach would find nobody there but itself (RFC 9293 section 3.5,
/// simultaneous open).
fn socket_from(local: SocketAddr, remote: SocketAddr) -> io::Result<(TcpSocket, SocketAddr)> {
    let socket = if remote.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.bind(local)?;
    let local = socket.local_addr()?;
    if local == remote { Err(io::ErrorKind::ConnectionRefused.into()) } else { Ok((socket, local)) }
}

/// Connects, then reads and writes until either side ends; what kept it from connecting is told.
pub(super) async fn run(
    socket: io::Result<TcpSocket>,
    hop: Hop,
    flow: Flow,
    outbox: mpsc::Receiver<Bytes>,
    (tls, ear): (TlsClient, Ear),
) {
    let connected = tokio::time::timeout(PATIENCE, connect(socket, &hop, &tls)).await;
    let why = match connected {
        Ok(Ok(Stream::Tcp(stream))) => return run_stream(stream, flow, outbox, (ear, None)).await,
        Ok(Ok(Stream::Tls(stream))) => return run_stream(*stream, flow, outbox, (ear, None)).await,
        Ok(Err(why)) => why,
        Err(_) => ConnectError::Connect { peer: hop.to_string(), why: "it does not answer".into() },
    };
    tracing::info!("{why}");
    let _ = ear.inbox.send(NetEvent::Unconnected { connection: flow.connection, hop, why }).await;
}

enum Stream {
    Tcp(TcpStream),
    Tls(Box<tokio_rustls::client::TlsStream<TcpStream>>),
}

async fn connect(socket: io::Result<TcpSocket>, hop: &Hop, tls: &TlsClient) -> Result<Stream, ConnectError> {
    let refused = |e: io::Error| ConnectError::Connect { peer: hop.to_string(), why: e.kind().to_string() };
    let stream = socket.map_err(refused)?.connect(hop.address).await.map_err(refused)?;
    keep_alive(&stream);
    match hop.transport {
        Transport::Udp | Transport::Tcp => Ok(Stream::Tcp(stream)),
        Transport::Tls => {
            let name = hop.name.as_deref();
            Ok(Stream::Tls(Box::new(tls.connect(stream, name, hop.address).await?)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_does_not_meet_itself() {
        let to_itself =
            |port| socket_from(([127, 0, 0, 1], port).into(), ([127, 0, 0, 1], port).into()).map(|(_, at)| at);
        let mut told = (9_000..9_100).map(to_itself).map(|socket| socket.map_err(|e| e.kind()));
        let told = told.find(|socket| *socket != Err(io::ErrorKind::AddrInUse));
        assert_eq!(told, Some(Err(io::ErrorKind::ConnectionRefused)));
    }
}
