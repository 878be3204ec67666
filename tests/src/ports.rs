//! Ports for programs that must be told theirs.

use std::net::{IpAddr, TcpListener, UdpSocket};
use std::ops::RangeInclusive;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU16, Ordering};

use anyhow::{Context, Result};

/// Below what Linux gives to whoever asks for any port (`net.ipv4.ip_local_port_range`): there, some connection out of this machine
/// could take a port before its program has bound it, or meet itself. Below the ports of sound that ours and Asterisk have too.
const PORTS: RangeInclusive<u16> = 10_000..=19_999;
/// The next three go with a port: SIPp sends sound back on two even ones.
const APART: u16 = 4;

/// Given last. Processes begin at different places.
static LAST: LazyLock<AtomicU16> = LazyLock::new(|| AtomicU16::new(rand::random()));

/// A multiple of four that is free for UDP and TCP at all of these addresses, together with the next three, and is given only once.
pub fn free_port<Host: Into<IpAddr> + Copy>(hosts: &[Host]) -> Result<u16> {
    next_free(&LAST, &hosts.iter().map(|host| (*host).into()).collect::<Vec<_>>())
}

fn next_free(last: &AtomicU16, hosts: &[IpAddr]) -> Result<u16> {
    let places = (PORTS.end() - PORTS.start()) / APART + 1;
    let next = || PORTS.start() + last.fetch_add(1, Ordering::Relaxed) % places * APART;
    let is_free = |port: &u16| hosts.iter().all(|host| (*port..port + APART).all(|port| can_bind(*host, port)));
    (0..places).map(|_| next()).find(is_free).with_context(|| format!("no port of {PORTS:?} is free"))
}

fn can_bind(host: IpAddr, port: u16) -> bool {
    UdpSocket::bind((host, port)).is_ok() && TcpListener::bind((host, port)).is_ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    #[test]
    fn a_port_is_given_once_and_the_system_gives_it_to_nobody() {
        let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap();
        let lowest: u16 = range.split_whitespace().next().unwrap().parse().unwrap();
        let first = free_port(&[Ipv4Addr::LOCALHOST]).unwrap();
        let second = free_port(&[IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()]).unwrap();
        assert!(first != second && first.max(second) + APART <= lowest, "{first} {second} {lowest}");
    }

    #[test]
    fn a_port_that_somebody_has_is_not_given() {
        let here = IpAddr::from(Ipv4Addr::LOCALHOST);
        let port = free_port(&[here]).unwrap();
        let _taken = UdpSocket::bind((here, port + 2)).unwrap();
        let before = AtomicU16::new((port - PORTS.start()) / APART);
        assert!(next_free(&before, &[here]).unwrap() > port);
    }
}
