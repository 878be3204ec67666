//! Notices that this machine's network has changed, or that it has slept.

use std::time::{Duration, SystemTime};

use tokio::{
    sync::mpsc,
    time::{Instant, sleep, timeout},
};

use crate::endpoint::Order;

/// A change comes as a burst: addresses go, others come, routes follow. One is told when it is over …
const QUIET: Duration = Duration::from_millis(250);
/// … or has lasted so long.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often it is looked whether the machine has slept.
const LOOK: Duration = Duration::from_secs(1);
/// The clock on the wall may be put right by so much without anybody having slept.
const JUMP: Duration = Duration::from_secs(4);

/// Tells the endpoint until it is gone.
pub(crate) async fn watch(endpoint: mpsc::WeakUnboundedSender<Order>) {
    let mut ear = system::Ear::open().inspect_err(|error| tracing::warn!(%error, "network changes are not heard of"));
    let mut clock = Clock::now();
    loop {
        let changed = match &mut ear {
            Ok(ear) => timeout(LOOK, ear.changed()).await.is_ok(),
            Err(_) => {
                sleep(LOOK).await;
                false
            }
        };
        if changed && let Ok(ear) = &mut ear {
            settle(ear).await;
        }
        let slept = clock.jumped(Instant::now(), SystemTime::now());
        let Some(endpoint) = endpoint.upgrade() else { return };
        if changed || slept {
            tracing::debug!(slept, "the network has changed");
            let _gone = endpoint.send(Order::NetworkChanged);
        }
    }
}

/// Waits for the end of a burst.
async fn settle(ear: &mut system::Ear) {
    let over = Instant::now() + PATIENCE;
    while Instant::now() < over && timeout(QUIET, ear.changed()).await.is_ok() {}
}

/// Two clocks, of which one stands still while the machine sleeps.
struct Clock {
    awake: Instant,
    wall: SystemTime,
}

impl Clock {
    fn now() -> Self {
        Self { awake: Instant::now(), wall: SystemTime::now() }
    }

    /// Whether the wall clock has gone on alone since the last time.
    fn jumped(&mut self, awake: Instant, wall: SystemTime) -> bool {
        let by_wall = wall.duration_since(self.wall).unwrap_or_default();
        let by_awake = awake.duration_since(self.awake);
        *self = Self { awake, wall };
        by_wall > by_awake + JUMP
    }
}

#[cfg(target_os = "linux")]
mod system {
    use std::io;

    use netlink_sys::{AsyncSocket, AsyncSocketExt, SocketAddr, TokioSocket, protocols::NETLINK_ROUTE};

    /// RTMGRP_LINK, RTMGRP_IPV4_IFADDR, RTMGRP_IPV4_ROUTE, RTMGRP_IPV6_IFADDR, RTMGRP_IPV6_ROUTE (rtnetlink(7)).
    const GROUPS: u32 = 0x1 | 0x10 | 0x40 | 0x100 | 0x400;

    /// Hears of every change of links, addresses and routes. What has changed is looked up when it matters.
    pub(super) struct Ear(TokioSocket);

    impl Ear {
        pub fn open() -> io::Result<Self> {
            let mut socket = TokioSocket::new(NETLINK_ROUTE)?;
            socket.socket_mut().bind(&SocketAddr::new(0, GROUPS))?;
            Ok(Self(socket))
        }

        pub async fn changed(&mut self) {
            // An overrun (ENOBUFS) is news too: there was more than fits.
            let _news = self.0.recv_from_full().await;
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use std::{
        io,
        net::{IpAddr, SocketAddr, UdpSocket},
    };

    /// Asks every now and then by which address this machine would go out.
    pub(super) struct Ear(Vec<Option<IpAddr>>);

    impl Ear {
        pub fn open() -> io::Result<Self> {
            Ok(Self(ways_out()))
        }

        pub async fn changed(&mut self) {
            loop {
                tokio::time::sleep(super::LOOK / 2).await;
                let now = ways_out();
                if std::mem::replace(&mut self.0, now.clone()) != now {
                    return;
                }
            }
        }
    }

    /// Towards documentation addresses (RFC 5737, RFC 3849): nothing is sent.
    fn ways_out() -> Vec<Option<IpAddr>> {
        let towards = [("0.0.0.0:0", "192.0.2.1:9"), ("[::]:0", "[2001:db8::1]:9")];
        let route = |(from, to): (&str, &str)| {
            let socket = UdpSocket::bind(from).ok()?;
            socket.connect(to.parse::<SocketAddr>().ok()?).ok()?;
            socket.local_addr().ok().map(|a| a.ip())
        };
        towards.into_iter().map(route).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sleep_is_told_from_a_busy_machine_and_a_clock_put_right() {
        let mut clock = Clock::now();
        let (mut awake, mut wall) = (clock.awake, clock.wall);
        let mut after = |by_awake: u64, by_wall: u64| {
            awake += Duration::from_secs(by_awake);
            wall += Duration::from_secs(by_wall);
            clock.jumped(awake, wall)
        };
        assert!(!after(1, 1));
        assert!(!after(60, 60), "a machine that was busy");
        assert!(!after(1, 4), "a clock that was put right");
        assert!(after(1, 8 * 3600), "a night");
        assert!(!after(1, 1), "told once");
        assert!(!clock.jumped(awake, wall - Duration::from_secs(3600)), "put back");
    }
}
