//! Whose packets of a stream are taken: those of the far end that was negotiated, and of nobody else who has found the port.
//!
//! The address that the first packet comes from is kept (latching, RFC 7362): behind a NAT it is not the one that SDP named.
//! So is its SSRC, which whoever forges the address still has to guess.

use core::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::Header;

/// The far end may begin another stream without a word (Asterisk does after a transfer): believed if the one before has
/// been quiet for this long …
const QUIET: Duration = Duration::from_millis(50);
/// … and so many packets of the new one have come in order.
const IN_ORDER: u8 = 3;
/// A NAT may give the far end another port: believed after this long without a packet from the one before.
const MOVED: Duration = Duration::from_secs(2);
/// By how much the next packet's number may be ahead: what lies between was lost.
const AHEAD: u16 = 100;

/// Knows one far end.
#[derive(Debug, Clone)]
pub struct Latch {
    told: SocketAddr,
    hosts: [IpAddr; 2],
    held: Option<Stream>,
    /// Was held before, and went quiet. If it goes on after all, what took its place was a guest.
    before: Option<Stream>,
    /// Wants to take the place of the one held; so many packets of it have come in order.
    rival: Option<(Stream, u8)>,
}

/// The newest packet of one source.
#[derive(Debug, Clone, Copy)]
struct Stream {
    from: SocketAddr,
    ssrc: u32,
    sequence: u16,
    at: Duration,
}

impl Latch {
    /// `told` is where SDP says that the far end is; `signalling` the host that its signalling comes from: its sound may
    /// come from there as well.
    #[must_use]
    pub fn new(told: SocketAddr, signalling: Option<IpAddr>) -> Self {
        let hosts = [told.ip(), signalling.unwrap_or(told.ip())];
        Self { told, hosts, held: None, before: None, rival: None }
    }

    /// Takes over what was negotiated anew. Another address begins afresh; the same one, or none (hold), leaves all as it is.
    pub fn renew(&mut self, told: SocketAddr, signalling: Option<IpAddr>) {
        let new = Self::new(told, signalling);
        let somewhere = !told.ip().is_unspecified() && told.port() != 0;
        if somewhere && (new.told, new.hosts) != (self.told, self.hosts) {
            *self = new;
        }
    }

    /// Whether what comes from there at `now` may be the far end's. Nothing is remembered: see first whether the packet is
    /// authentic, then [`accept`](Self::accept) it.
    #[must_use]
    pub fn expects(&self, now: Duration, from: SocketAddr) -> bool {
        let known = |held: &Stream| held.from == from || now.saturating_sub(held.at) > MOVED;
        from == self.told
            || self.before.is_some_and(|before| before.from == from)
            || (self.hosts.contains(&from.ip()) && self.held.as_ref().is_none_or(known))
    }

    /// Whether an authentic packet is the far end's. If so, its source is the one to listen to and to send to.
    pub fn accept(&mut self, now: Duration, from: SocketAddr, header: &Header) -> bool {
        if !self.expects(now, from) {
            return false;
        }
        let new = Stream { from, ssrc: header.ssrc, sequence: header.sequence, at: now };
        let Some(held) = self.held else {
            self.held = Some(new);
            return true;
        };
        if held.ssrc == new.ssrc && held.may_be_at(from, self.told, now) {
            self.held = Some(held.followed_by(new));
            self.rival = None;
            return true;
        }
        // What came first may have been a late packet of somebody before: the very address that was named has precedence.
        let named = from == self.told && held.from != from;
        let back = named || self.before.is_some_and(|before| before.goes_on_with(&new));
        let taken = back || self.succeeds(&new);
        if taken {
            self.before = self.held.replace(new).filter(|_| !back);
            self.rival = None;
        }
        taken
    }

    /// Whether RTCP from there, written by `ssrc`, is the far end's. `told` is where SDP says that its RTCP comes from; behind a
    /// NAT it may be any port.
    #[must_use]
    pub fn accepts_report(&self, from: SocketAddr, told: SocketAddr, ssrc: Option<u32>) -> bool {
        let behind_nat = self.held.is_some_and(|held| held.from != self.told && held.from.ip() == from.ip());
        let expected = from == told || from == self.told || behind_nat;
        expected && self.held.is_none_or(|held| ssrc == Some(held.ssrc))
    }

    /// Where the far end's packets come from, once one has.
    #[must_use]
    pub fn source(&self) -> Option<SocketAddr> {
        Some(self.held?.from)
    }

    /// The far end's stream, once a packet of it has come.
    #[must_use]
    pub fn ssrc(&self) -> Option<u32> {
        Some(self.held?.ssrc)
    }

    /// Counts a packet of another stream than the one held. True if that one's place is free, and the new one's.
    fn succeeds(&mut self, new: &Stream) -> bool {
        let count = self.rival.filter(|(rival, _)| rival.goes_on_with(new)).map_or(1, |(_, count)| count + 1);
        self.rival = Some((*new, count));
        let quiet = self.held.is_none_or(|held| new.at.saturating_sub(held.at) >= QUIET);
        quiet && count >= IN_ORDER
    }
}

impl Stream {
    /// Whether `next` is one of this source's next packets.
    fn goes_on_with(&self, next: &Self) -> bool {
        let ahead = next.sequence.wrapping_sub(self.sequence);
        (self.from, self.ssrc) == (next.from, next.ssrc) && (1..=AHEAD).contains(&ahead)
    }

    /// Whether this source may have moved there.
    fn may_be_at(&self, from: SocketAddr, told: SocketAddr, now: Duration) -> bool {
        from == self.from || from == told || now.saturating_sub(self.at) > MOVED
    }

    fn followed_by(&self, new: Self) -> Self {
        let newer = new.sequence.wrapping_sub(self.sequence) as i16 > 0 || new.from != self.from;
        Self { sequence: if newer { new.sequence } else { self.sequence }, ..new }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const TOLD: &str = "192.0.2.1:4000";
    const NAT: &str = "192.0.2.1:61000";
    const STRANGER: &str = "203.0.113.9:4000";

    fn at(address: &str) -> SocketAddr {
        address.parse().unwrap()
    }

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    /// One packet: when, in ms; from where; SSRC; number.
    fn packet(latch: &mut Latch, now: u64, from: &str, ssrc: u32, sequence: u16) -> bool {
        let header = Header { ssrc, sequence, timestamp: 0, payload_type: 0, marker: false };
        latch.accept(ms(now), at(from), &header)
    }

    fn latch() -> Latch {
        Latch::new(at(TOLD), None)
    }

    #[test]
    fn neither_another_address_nor_another_ssrc_is_heard_beside_the_far_end() {
        let mut latch = latch();
        for n in 0..500 {
            let now = u64::from(n) * 20;
            assert!(packet(&mut latch, now, TOLD, 7, n));
            for from in [STRANGER, NAT] {
                assert!(!packet(&mut latch, now + 5, from, 7, n + 1), "{from}");
                assert!(!packet(&mut latch, now + 5, from, 8, n), "{from}");
            }
            assert!(!packet(&mut latch, now + 5, TOLD, 666, n + 9000), "packet {n}");
        }
        assert_eq!((latch.source(), latch.ssrc()), (Some(at(TOLD)), Some(7)));
    }

    #[test]
    fn another_stream_of_the_far_end_is_taken_when_the_old_one_has_stopped() {
        let mut latch = latch();
        assert!(packet(&mut latch, 0, TOLD, 7, 65_534));
        let taken: Vec<bool> = (0..4).map(|n| packet(&mut latch, 20 + 20 * n, TOLD, 8, 100 + n as u16)).collect();
        assert_eq!(taken, [false, false, true, true]);
        // Long silence makes no difference: three are needed.
        let taken: Vec<bool> = (0..4).map(|n| packet(&mut latch, 9000 + 20 * n, TOLD, 9, n as u16)).collect();
        assert_eq!(taken, [false, false, true, true]);
    }

    #[test]
    fn what_used_a_pause_is_put_out_again_when_the_far_end_goes_on() {
        let mut latch = latch();
        assert!(packet(&mut latch, 0, TOLD, 7, 65_534));
        let taken = (0..5).filter(|n| packet(&mut latch, 3000 + 20 * n, NAT, 666, *n as u16)).count();
        assert_eq!((taken, latch.ssrc()), (3, Some(666)));
        assert!(packet(&mut latch, 3100, TOLD, 7, 1));
        assert!(!packet(&mut latch, 3101, NAT, 666, 5));
        assert!(!packet(&mut latch, 3120, TOLD, 667, 5));
        assert!(packet(&mut latch, 3120, TOLD, 7, 2));
    }

    #[test]
    fn behind_a_nat_the_first_packet_decides_until_the_named_address_or_a_long_silence_says_otherwise() {
        let mut latch = latch();
        assert!(packet(&mut latch, 0, NAT, 7, 0));
        assert_eq!(latch.source(), Some(at(NAT)));
        assert!(!packet(&mut latch, 20, "192.0.2.1:7000", 7, 1));
        assert!(packet(&mut latch, 2100, "192.0.2.1:7000", 7, 90), "the NAT has forgotten its port");
        assert!(packet(&mut latch, 2120, TOLD, 9, 0), "it is there after all");
        assert!(!packet(&mut latch, 2140, NAT, 7, 91));
        let mut behind = Latch::new(at(TOLD), Some(at(STRANGER).ip()));
        assert!(packet(&mut behind, 0, "203.0.113.9:9", 7, 0), "sound may come from where the signalling does");
    }

    #[test]
    fn a_new_address_begins_afresh_and_a_hold_changes_nothing() {
        let mut latch = latch();
        assert!(packet(&mut latch, 0, TOLD, 7, 0));
        latch.renew(at("0.0.0.0:4000"), None);
        latch.renew(at(TOLD), None);
        assert_eq!(latch.ssrc(), Some(7));
        latch.renew(at(STRANGER), None);
        assert_eq!(latch.source(), None);
        assert!(!packet(&mut latch, 20, TOLD, 7, 1));
        assert!(packet(&mut latch, 20, STRANGER, 8, 0));
    }

    #[test]
    fn reports_are_believed_of_the_far_end_alone() {
        let (mut latch, told) = (latch(), at("192.0.2.1:4001"));
        assert!(latch.accepts_report(told, told, Some(1)));
        assert!(packet(&mut latch, 0, TOLD, 7, 0));
        for (from, ssrc, right) in [
            ("192.0.2.1:4001", Some(7), true),
            (TOLD, Some(7), true),
            ("192.0.2.1:4001", Some(8), false),
            ("192.0.2.1:4001", None, false),
            (NAT, Some(7), false),
            (STRANGER, Some(7), false),
        ] {
            assert_eq!(latch.accepts_report(at(from), told, ssrc), right, "{from} {ssrc:?}");
        }
        let mut behind = Latch::new(at(TOLD), None);
        assert!(packet(&mut behind, 0, NAT, 7, 0));
        assert!(behind.accepts_report(at("192.0.2.1:61001"), told, Some(7)));
    }
}
