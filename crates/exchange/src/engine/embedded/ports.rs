//! RTP sockets from the configured range: even port for RTP, the odd one above it for RTCP (RFC 3550 section 11).

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;

use tokio::net::UdpSocket;

/// How often the system is asked for a pair of neighbours before we give up (no range configured).
const SYSTEM_TRIES: usize = 32;

/// The pool of port pairs. The operating system knows which are taken: a pair is free if it can be bound, and is given
/// back by closing its sockets.
#[derive(Debug)]
pub struct PortPool {
    bind: IpAddr,
    /// First and last usable even port; `None` lets the system choose.
    range: Option<(u16, u16)>,
    /// Where to look next. Going round keeps a port unused for as long as possible, so late packets of an ended call do
    /// not reach the next one.
    next: u16,
}

#[derive(Debug)]
pub struct PortPair {
    pub rtp: UdpSocket,
    pub rtcp: UdpSocket,
}

impl PortPool {
    /// `None` if the range holds no pair.
    pub fn new(bind: IpAddr, range: &RangeInclusive<u16>) -> Option<Self> {
        let (start, end) = (*range.start(), *range.end());
        if (start, end) == (0, 0) {
            return Some(Self { bind, range: None, next: 0 });
        }
        let first = start.checked_add(start % 2)?;
        let last = if end % 2 == 1 { end - 1 } else { end.checked_sub(2)? };
        (start > 0 && first <= last).then_some(Self { bind, range: Some((first, last)), next: first })
    }

    /// Takes a pair.
    ///
    /// # Errors
    /// If all are taken, with what the last attempt said.
    pub fn take(&mut self) -> io::Result<PortPair> {
        let Some((first, last)) = self.range else {
            return self.take_any();
        };
        let mut refused = io::Error::from(io::ErrorKind::AddrInUse);
        for _ in 0..=(last - first) / 2 {
            let port = self.next;
            self.next = if port >= last { first } else { port + 2 };
            match self.bind_pair(port) {
                Ok(pair) => return Ok(pair),
                Err(e) => refused = e,
            }
        }
        Err(refused)
    }

    fn take_any(&self) -> io::Result<PortPair> {
        let mut refused = io::Error::from(io::ErrorKind::AddrInUse);
        for _ in 0..SYSTEM_TRIES {
            let probe = bind(self.bind, 0)?;
            let port = probe.local_addr()?.port();
            if port % 2 == 0 {
                match bind(self.bind, port + 1) {
                    Ok(rtcp) => return Ok(PortPair { rtp: probe, rtcp }),
                    Err(e) => refused = e,
                }
            } else {
                match bind(self.bind, port - 1) {
                    Ok(rtp) => return Ok(PortPair { rtp, rtcp: probe }),
                    Err(e) => refused = e,
                }
            }
        }
        Err(refused)
    }

    fn bind_pair(&self, port: u16) -> io::Result<PortPair> {
        Ok(PortPair { rtp: bind(self.bind, port)?, rtcp: bind(self.bind, port + 1)? })
    }
}

fn bind(ip: IpAddr, port: u16) -> io::Result<UdpSocket> {
    let socket = std::net::UdpSocket::bind(SocketAddr::new(ip, port))?;
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const LOOPBACK: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[test]
    fn odd_ranges_are_narrowed_and_empty_ones_refused() {
        let range = |r: RangeInclusive<u16>| PortPool::new(LOOPBACK, &r).and_then(|p| p.range);
        assert_eq!(range(10001..=10010), Some((10002, 10008)));
        assert_eq!(range(10000..=10001), Some((10000, 10000)));
        assert_eq!(range(10001..=10002), None);
        assert_eq!(range(10000..=10000), None);
        assert_eq!(range(65534..=65535), Some((65534, 65534)));
        assert_eq!(range(65535..=65535), None);
    }

    #[tokio::test]
    async fn a_small_pool_runs_out_and_recovers() {
        // A free pair by way of the system, then a pool of just that one.
        let pair = PortPool::new(LOOPBACK, &(0..=0)).unwrap().take().unwrap();
        let port = pair.rtp.local_addr().unwrap().port();
        assert_eq!((port % 2, pair.rtcp.local_addr().unwrap().port()), (0, port + 1));
        let mut pool = PortPool::new(LOOPBACK, &(port..=port + 1)).unwrap();
        assert!(pool.take().is_err());
        drop(pair);
        let again = pool.take().unwrap();
        assert_eq!(again.rtp.local_addr().unwrap().port(), port);
    }
}
