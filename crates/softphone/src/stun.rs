//! Asks a STUN server (RFC 8489) from a call's own socket where its sound seems to come from: behind a NAT, the far end has
//! to send there.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use media::stun::{StunError, TransactionId, binding_request, mapped_address, requests};
use tokio::net::UdpSocket;
use tokio::time::{Instant, sleep_until, timeout};

/// RFC 3489 section 9.3: the 500 ms of RFC 8489 would leave no time for a second request.
const FIRST: Duration = Duration::from_millis(100);
const PORT: u16 = 3478;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Failed {
    #[error("it does not answer")]
    Silent,
    #[error("it has no address that this call could reach")]
    NotFound,
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Refused(StunError),
}

/// `server` is `host[:port]`. Nobody else may read from the socket meanwhile; it is over after `limit`.
pub(crate) async fn ask(socket: std::net::UdpSocket, server: &str, limit: Duration) -> Result<SocketAddr, Failed> {
    timeout(limit, exchange(socket, server)).await.unwrap_or(Err(Failed::Silent))
}

async fn exchange(socket: std::net::UdpSocket, server: &str) -> Result<SocketAddr, Failed> {
    let socket = UdpSocket::from_std(socket)?;
    let server = find(server, socket.local_addr()?.is_ipv4()).await?;
    let id = TransactionId(rand::random());
    let request = binding_request(&id);
    let begun = Instant::now();
    let mut buffer = [0; 1500];
    for next in requests(FIRST).skip(1) {
        socket.send_to(&request, server).await?;
        let mut next = std::pin::pin!(sleep_until(begun + next));
        loop {
            let (length, from) = tokio::select! {
                () = &mut next => break,
                came = socket.recv_from(&mut buffer) => came?,
            };
            if from != server {
                continue;
            }
            match mapped_address(&id, &buffer[..length]) {
                Ok(mapped) if mapped.is_ipv4() == server.is_ipv4() => return Ok(mapped),
                Ok(mapped) => tracing::debug!(%mapped, "the STUN server says an address of another family"),
                Err(error @ StunError::Refused { .. }) => return Err(Failed::Refused(error)),
                // It may be forged; the right one may still come.
                Err(error) => tracing::debug!(%error, "no response to our STUN request"),
            }
        }
    }
    Err(Failed::Silent)
}

async fn find(server: &str, ipv4: bool) -> Result<SocketAddr, Failed> {
    let has_port = server.rsplit_once(':').is_some_and(|(_, port)| !port.contains(']'));
    let server = if has_port { server.to_owned() } else { format!("{server}:{PORT}") };
    tokio::net::lookup_host(server).await?.find(|found| found.is_ipv4() == ipv4).ok_or(Failed::NotFound)
}
