//! ICMP errors of UDP sockets: which datagram of ours did not arrive. Linux notes them in a queue beside the datagrams;
//! elsewhere only silence tells.

pub(super) use system::{listen, read};

#[cfg(target_os = "linux")]
mod system {
    use std::{
        io::{self, IoSliceMut},
        net::SocketAddr,
        os::fd::AsRawFd,
        sync::Arc,
    };

    use bytes::Bytes;
    use nix::{
        cmsg_space, libc,
        sys::socket::{ControlMessageOwned, MsgFlags, SockaddrIn6, SockaddrStorage, recvmsg, setsockopt, sockopt},
    };
    use tokio::{io::Interest, net::UdpSocket, sync::mpsc};

    use super::super::NetEvent;

    /// As much as the longest quotation has (RFC 4443 section 3.1).
    const QUOTED: usize = 1280;
    /// `SO_EE_ORIGIN_ICMP` and `SO_EE_ORIGIN_ICMP6` of linux/errqueue.h.
    const ICMP: u8 = 2;
    const ICMP6: u8 = 3;

    /// Has the system note the errors of this socket.
    pub fn listen(socket: &UdpSocket, local: SocketAddr) {
        // Refused, as in some sandboxes: then silence tells.
        let _refused = match local {
            SocketAddr::V4(_) => setsockopt(socket, sockopt::Ipv4RecvErr, &true),
            SocketAddr::V6(_) => setsockopt(socket, sockopt::Ipv6RecvErr, &true),
        };
    }

    /// Tells which datagrams did not arrive.
    pub async fn read(socket: Arc<UdpSocket>, inbox: mpsc::Sender<NetEvent>) {
        loop {
            match socket.async_io(Interest::ERROR, || next(&socket)).await {
                Ok(Some((remote, quoted))) => {
                    tracing::debug!(%remote, "ICMP says that a datagram did not arrive");
                    // No room: silence tells as well.
                    let _full = inbox.try_send(NetEvent::Undelivered { remote, quoted });
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::debug!(%error, "UDP error queue");
                    tokio::task::yield_now().await;
                }
            }
        }
    }

    /// The next error: to whom the datagram was sent, and how it began. `None` if it is of another kind.
    fn next(socket: &UdpSocket) -> io::Result<Option<(SocketAddr, Bytes)>> {
        let mut space = [0; QUOTED];
        let mut room = [IoSliceMut::new(&mut space)];
        let mut note = cmsg_space!(libc::sock_extended_err, SockaddrIn6);
        let flags = MsgFlags::MSG_ERRQUEUE;
        let message = recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut room, Some(&mut note), flags)?;
        let undelivered = message.cmsgs()?.any(|control| match control {
            ControlMessageOwned::Ipv4RecvErr(error, _) | ControlMessageOwned::Ipv6RecvErr(error, _) => is_fatal(&error),
            _ => false,
        });
        let (length, remote) = (message.bytes, message.address.as_ref().and_then(address));
        Ok(remote.filter(|_| undelivered).map(|remote| (remote, Bytes::copy_from_slice(&space[..length]))))
    }

    /// Destination unreachable and parameter problem; not that a fragment is wanted, nor that the time ran out (RFC 3261
    /// section 18.4).
    fn is_fatal(error: &libc::sock_extended_err) -> bool {
        match (error.ee_origin, error.ee_type, error.ee_code) {
            (ICMP, 3, code) => code != 4,
            (ICMP, kind, _) => kind == 12,
            (ICMP6, kind, _) => kind == 1 || kind == 4,
            _ => false,
        }
    }

    fn address(of: &SockaddrStorage) -> Option<SocketAddr> {
        let v4 = of.as_sockaddr_in().map(|v4| SocketAddr::V4((*v4).into()));
        v4.or_else(|| of.as_sockaddr_in6().map(|v6| SocketAddr::V6((*v6).into())))
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use std::{net::SocketAddr, sync::Arc};

    use tokio::{net::UdpSocket, sync::mpsc};

    use super::super::NetEvent;

    pub fn listen(_: &UdpSocket, _: SocketAddr) {}

    pub async fn read(_: Arc<UdpSocket>, _: mpsc::Sender<NetEvent>) {
        std::future::pending().await
    }
}
