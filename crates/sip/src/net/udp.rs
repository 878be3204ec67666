//! UDP sockets: opening, sending.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use tokio::net::UdpSocket;

pub(super) fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
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

pub(super) fn send(socket: &UdpSocket, bytes: &[u8], remote: SocketAddr) -> io::Result<()> {
    // Not by tokio's `try_send_to`: that refuses until the reactor has seen the socket, and the first packet, most often
    // our REGISTER, would be lost for half a second.
    let send = || socket2::SockRef::from(socket).send_to(bytes, &remote.into());
    match send() {
        // A full send buffer is a lost packet: retransmission answers it.
        Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(()),
        // Linux reports an earlier ICMP here, perhaps of another peer: the next try is clean.
        Err(_) => send().map(drop),
        Ok(_) => Ok(()),
    }
}

pub(super) fn send_later(
    socket: &Arc<UdpSocket>,
    bytes: &Bytes,
    remote: SocketAddr,
    delay: Duration,
) -> io::Result<()> {
    if delay.is_zero() {
        return send(socket, bytes, remote);
    }
    let (socket, bytes) = (socket.clone(), bytes.clone());
    tokio::spawn(async move {
        tokio::time::sleep(delay).await;
        let _lost = send(&socket, &bytes, remote);
    });
    Ok(())
}

/// Whether this machine has an address.
pub(super) fn can_bind(ip: IpAddr) -> bool {
    std::net::UdpSocket::bind(SocketAddr::new(ip, 0)).is_ok()
}
