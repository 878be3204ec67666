//! A socket of a call: what comes to it, and when.
//!
//! Nothing wakes up for a datagram. They are taken just before the next 20 ms are played, which is soon enough, and the kernel
//! notes when each came (`SO_TIMESTAMPNS`, socket(7)), so that jitter is measured and not made. On systems that don't, the time
//! of taking counts.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Datagrams taken at a time, so that a flood does not keep the others and the clock waiting: more than the kernel keeps by
/// default.
const DATAGRAMS_AT_ONCE: usize = 512;
/// Longer ones are no sound and no report that anyone sends.
const LONGEST: usize = 2048;

pub(super) struct Intake {
    socket: UdpSocket,
    inbox: system::Inbox,
    /// When the last one came. The next came later, even if the wall clock was set meanwhile.
    last: Duration,
}

impl Intake {
    /// # Errors
    /// If the socket can't be set up.
    pub(super) fn new(socket: UdpSocket) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self { inbox: system::Inbox::of(&socket), socket, last: Duration::ZERO })
    }

    /// Sends now or never: a full socket buffer loses this packet, as the network may.
    pub(super) fn send(&self, packet: &[u8], to: SocketAddr) {
        let _lost = self.socket.send_to(packet, to);
    }

    /// What has come so far, with when it came.
    pub(super) fn waiting(&mut self, now: Duration, take: impl FnMut(Duration, SocketAddr, &[u8])) {
        self.taken_at(now, SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(), take);
    }

    /// The kernel tells by the wall clock, which says `wall` now.
    fn taken_at(&mut self, now: Duration, wall: Duration, mut take: impl FnMut(Duration, SocketAddr, &[u8])) {
        let Self { socket, inbox, last } = self;
        for _ in 0..DATAGRAMS_AT_ONCE / system::BATCH {
            let taken = inbox.take(socket, |Datagram { bytes, from, stamp }| {
                let age = stamp.map_or(Duration::ZERO, |stamp| wall.saturating_sub(stamp));
                *last = now.saturating_sub(age).max(*last).min(now);
                if let Some(from) = from {
                    take(*last, from, bytes);
                }
            });
            match taken {
                // Fewer than there was room for: none is left.
                Ok(count) if count < system::BATCH => break,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                // Or an ICMP "port unreachable" of something we sent: the far end may still come up.
                Ok(_) | Err(_) => {}
            }
        }
    }
}

struct Datagram<'a> {
    bytes: &'a [u8],
    from: Option<SocketAddr>,
    /// When the wall clock said it came.
    stamp: Option<Duration>,
}

#[cfg(target_os = "linux")]
mod system {
    use std::io::{self, IoSliceMut};
    use std::net::{SocketAddr, UdpSocket};
    use std::os::fd::AsRawFd;
    use std::time::Duration;

    use nix::cmsg_space;
    use nix::sys::socket::{
        ControlMessageOwned, MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg, setsockopt, sockopt,
    };
    use nix::sys::time::TimeSpec;

    use super::{Datagram, LONGEST};

    /// Taken with one system call, which says by their number that no more are there: a call brings one or two in 20 ms.
    pub(super) const BATCH: usize = 4;

    pub(super) struct Inbox {
        headers: MultiHeaders<SockaddrStorage>,
        space: Box<[[u8; LONGEST]; BATCH]>,
    }

    impl Inbox {
        pub(super) fn of(socket: &UdpSocket) -> Self {
            // Refused, as in some sandboxes: there are no notes.
            let _refused = setsockopt(socket, sockopt::ReceiveTimestampns, &true);
            Self { headers: headers(), space: Box::new([[0; LONGEST]; BATCH]) }
        }

        /// Up to [`BATCH`] that wait; says how many.
        pub(super) fn take(&mut self, socket: &UdpSocket, mut each: impl FnMut(Datagram<'_>)) -> io::Result<usize> {
            let (mut count, mut all_noted) = (0, true);
            let mut room = self.space.each_mut().map(|space| [IoSliceMut::new(space)]);
            for message in recvmmsg(socket.as_raw_fd(), &mut self.headers, &mut room, MsgFlags::empty(), None)? {
                let stamp = message.cmsgs().ok().into_iter().flatten().find_map(|control| {
                    if let ControlMessageOwned::ScmTimestampns(at) = control { Some(Duration::from(at)) } else { None }
                });
                count += 1;
                all_noted &= stamp.is_some();
                let bytes = message.iovs().next().unwrap_or_default();
                each(Datagram { bytes, from: message.address.as_ref().and_then(address), stamp });
            }
            if !all_noted {
                // The kernel wrote "no note" where the room for the next one's was told.
                self.headers = headers();
            }
            Ok(count)
        }
    }

    fn headers() -> MultiHeaders<SockaddrStorage> {
        MultiHeaders::preallocate(BATCH, Some(cmsg_space!(TimeSpec)))
    }

    fn address(from: &SockaddrStorage) -> Option<SocketAddr> {
        let v4 = from.as_sockaddr_in().map(|v4| SocketAddr::V4((*v4).into()));
        v4.or_else(|| from.as_sockaddr_in6().map(|v6| SocketAddr::V6((*v6).into())))
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use std::io;
    use std::net::UdpSocket;

    use super::{Datagram, LONGEST};

    /// Whether more are there is only known by asking.
    pub(super) const BATCH: usize = 1;

    pub(super) struct Inbox(Box<[u8; LONGEST]>);

    impl Inbox {
        pub(super) fn of(_: &UdpSocket) -> Self {
            Self(Box::new([0; LONGEST]))
        }

        /// One that waits.
        pub(super) fn take(&mut self, socket: &UdpSocket, mut each: impl FnMut(Datagram<'_>)) -> io::Result<usize> {
            let (length, from) = socket.recv_from(&mut *self.0)?;
            each(Datagram { bytes: &self.0[..length], from: Some(from), stamp: None });
            Ok(BATCH)
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(60);

    fn wall() -> Duration {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
    }

    /// The kernel begins to note times a moment after the first socket on the machine has asked for it.
    fn until_times_are_noted(intake: &mut Intake, far: &UdpSocket) {
        let noted = (0..100_000).any(|_| {
            far.send_to(b"?", intake.socket.local_addr().unwrap()).unwrap();
            let sent = wall();
            std::thread::yield_now();
            let mut noted = false;
            let _nothing_yet = intake.inbox.take(&intake.socket, |datagram| {
                noted |= datagram.stamp.is_some_and(|stamp| stamp < sent);
            });
            noted
        });
        assert!(noted, "the kernel notes no times");
    }

    /// Sends `count` datagrams to a new one.
    fn with_datagrams(count: u8) -> (Intake, UdpSocket) {
        let socket = UdpSocket::bind("[::1]:0").unwrap();
        let far = UdpSocket::bind("[::1]:0").unwrap();
        let mut intake = Intake::new(socket).unwrap();
        until_times_are_noted(&mut intake, &far);
        for number in 0..count {
            far.send_to(&[number], intake.socket.local_addr().unwrap()).unwrap();
        }
        (intake, far)
    }

    fn taken(count: usize, intake: &mut Intake, now: Duration, wall: Duration) -> Vec<(Duration, SocketAddr, Vec<u8>)> {
        let mut all = Vec::new();
        // A busy machine delivers a moment later.
        while all.len() < count {
            intake.taken_at(now, wall, |at, from, bytes| {
                if bytes != b"?" {
                    all.push((at, from, bytes.to_vec()));
                }
            });
        }
        all
    }

    #[test]
    fn each_came_when_it_came_and_not_when_it_is_taken() {
        let (mut intake, far) = with_datagrams(3);
        let later = wall() + Duration::from_millis(15);
        let all = taken(3, &mut intake, NOW, later);
        assert_eq!(all.iter().map(|(.., bytes)| bytes[0]).collect::<Vec<_>>(), [0, 1, 2]);
        assert!(all.iter().all(|(_, from, _)| *from == far.local_addr().unwrap()));
        assert!(all.iter().all(|(at, ..)| *at <= NOW - Duration::from_millis(15)), "{all:?}");
        assert!(all.is_sorted_by_key(|(at, ..)| *at), "{all:?}");
    }

    #[test]
    fn a_wall_clock_that_is_set_moves_nothing_out_of_the_time_since_the_last_was_taken() {
        let (mut intake, far) = with_datagrams(1);
        let before = taken(1, &mut intake, NOW, wall())[0].0;
        let (address, now) = (intake.socket.local_addr().unwrap(), NOW + Duration::from_millis(20));
        for hours in [-5_i64, 5] {
            far.send_to(b"x", address).unwrap();
            let set = Duration::from_secs(hours.unsigned_abs() * 3600);
            let wall = if hours < 0 { wall() - set } else { wall() + set };
            let at = taken(1, &mut intake, now, wall)[0].0;
            assert!(before <= at && at <= now, "{hours}: {at:?}");
        }
    }
}
