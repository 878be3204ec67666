//! Notices that this machine's network has changed, or that it has slept.

use std::{
    future::pending,
    io,
    time::{Duration, SystemTime},
};

use tokio::{
    sync::mpsc,
    time::{Instant, sleep, timeout},
};

use crate::endpoint::Order;

/// A change comes as a burst: addresses go, others come, routes follow. One is told when it is over …
const QUIET: Duration = Duration::from_millis(250);
/// … or has lasted so long.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often it is looked whether the machine has slept, where the system does not tell …
const LOOK: Duration = Duration::from_secs(1);
/// … and where it does: in case it has not.
const LOOK_AGAIN: Duration = Duration::from_secs(10);
/// The clock on the wall may be put right by so much without anybody having slept.
const JUMP: Duration = Duration::from_secs(4);

/// Tells the endpoint until it is gone.
pub(crate) async fn watch(endpoint: mpsc::WeakUnboundedSender<Order>) {
    let mut ear = system::Ear::open().inspect_err(|error| tracing::warn!(%error, "network changes are not heard of"));
    let alarm = system::Alarm::open().inspect_err(|error| tracing::debug!(%error, "clock changes are not heard of"));
    let mut clock = Clock::now();
    loop {
        let changed = tokio::select! {
            () = changed(&mut ear) => true,
            () = look(&alarm) => false,
        };
        if changed && let Ok(ear) = &mut ear {
            settle(ear).await;
        }
        let slept = clock.jumped(Instant::now(), SystemTime::now());
        let Some(endpoint) = endpoint.upgrade() else { return };
        if changed || slept {
            tracing::debug!(slept, "the network has changed, or we have slept");
            let _gone = endpoint.send(Order::NetworkChanged { slept });
        }
    }
}

async fn changed(ear: &mut io::Result<system::Ear>) {
    match ear {
        Ok(ear) => ear.changed().await,
        Err(_) => pending().await,
    }
}

/// Until it is time to look at the clocks.
async fn look(alarm: &io::Result<system::Alarm>) {
    match alarm {
        // Time that ran out is as good a reason.
        Ok(alarm) => drop(timeout(LOOK_AGAIN, alarm.clock_set()).await),
        Err(_) => sleep(LOOK).await,
    }
}

/// Waits for the end of a burst.
async fn settle(changes: &mut impl Changes) {
    let over = Instant::now() + PATIENCE;
    while Instant::now() < over && timeout(QUIET, changes.changed()).await.is_ok() {}
}

/// What one change after the other is heard from.
trait Changes {
    fn changed(&mut self) -> impl Future<Output = ()> + Send;
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
    use std::{
        fs::File,
        io::{self, Read},
        os::fd::OwnedFd,
        time::Duration,
    };

    use netlink_sys::{AsyncSocket, AsyncSocketExt, SocketAddr, TokioSocket, protocols::NETLINK_ROUTE};
    use nix::sys::{
        time::TimeSpec,
        timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags},
    };
    use tokio::io::{Interest, unix::AsyncFd};

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
    }

    impl super::Changes for Ear {
        async fn changed(&mut self) {
            // An overrun (ENOBUFS) is news too: there was more than fits.
            let _news = self.0.recv_from_full().await;
        }
    }

    /// Goes off when the wall clock is set, which waking up does too (TFD_TIMER_CANCEL_ON_SET, timerfd_create(2)).
    pub(super) struct Alarm(AsyncFd<File>);

    impl Alarm {
        pub fn open() -> io::Result<Self> {
            // A time that does not come: the year 2242.
            Self::at(Duration::from_secs(1 << 33))
        }

        /// Goes off at that time of the wall clock, too.
        pub(super) fn at(wall: Duration) -> io::Result<Self> {
            let timer = TimerFd::new(ClockId::CLOCK_REALTIME, TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC)?;
            let how = TimerSetTimeFlags::TFD_TIMER_ABSTIME | TimerSetTimeFlags::TFD_TIMER_CANCEL_ON_SET;
            timer.set(Expiration::OneShot(TimeSpec::from_duration(wall)), how)?;
            #[expect(
                deprecated,
                reason = "its safe successor is not there yet; a File keeps its descriptor open, as is asked for"
            )]
            let timer = AsyncFd::with_interest(File::from(OwnedFd::from(timer)), Interest::READABLE)?;
            Ok(Self(timer))
        }

        pub async fn clock_set(&self) {
            let read = |mut timer: &File| timer.read(&mut [0; 8]);
            // ECANCELED is the news.
            let _news = self.0.async_io(Interest::READABLE, read).await;
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
    }

    impl super::Changes for Ear {
        async fn changed(&mut self) {
            loop {
                tokio::time::sleep(super::LOOK / 2).await;
                let now = ways_out();
                if std::mem::replace(&mut self.0, now.clone()) != now {
                    return;
                }
            }
        }
    }

    /// Nothing tells when the clock is set.
    pub(super) enum Alarm {}

    impl Alarm {
        pub fn open() -> io::Result<Self> {
            Err(io::ErrorKind::Unsupported.into())
        }

        pub async fn clock_set(&self) {
            match *self {}
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
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn the_alarm_is_heard_when_it_goes_off_and_not_before() {
        let quiet = system::Alarm::open().unwrap();
        let past = system::Alarm::at(Duration::from_secs(1)).unwrap();
        tokio::select! {
            biased;
            () = quiet.clock_set() => panic!("nobody has set the clock"),
            () = past.clock_set() => {}
        }
    }

    impl Changes for mpsc::UnboundedReceiver<()> {
        async fn changed(&mut self) {
            let _news = self.recv().await;
        }
    }

    /// When one is told of changes that come then, milliseconds.
    async fn told(changes: impl Iterator<Item = u64> + Send + 'static) -> Vec<u64> {
        let (begun, (news, mut heard)) = (Instant::now(), mpsc::unbounded_channel());
        tokio::spawn(async move {
            for at in changes {
                tokio::time::sleep_until(begun + Duration::from_millis(at)).await;
                news.send(()).unwrap();
            }
            pending::<()>().await;
        });
        let mut told = Vec::new();
        while timeout(Duration::from_secs(60), heard.recv()).await.is_ok() {
            settle(&mut heard).await;
            told.push(u64::try_from(begun.elapsed().as_millis()).unwrap());
        }
        told
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_of_changes_is_told_once_soon_after_its_end_and_a_long_one_once_a_second() {
        assert_eq!(told(std::iter::once(0)).await, [250]);
        assert_eq!(told((0..20).map(|n| n * 10)).await, [190 + 250]);
        let long = told((0..1000).map(|n| n * 10)).await;
        assert!(long.windows(2).all(|two| two[1] - two[0] >= 900) && long.len() <= 11, "{long:?}");
        assert!((9_990..=10_240).contains(long.last().unwrap()), "{long:?}");
    }

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
