//! How long sound should wait before it is played, learnt from when packets arrive.
//!
//! All times are in samples at 48 kHz. A packet's *transit* is its arrival minus its timestamp; its *lateness* is its transit
//! minus the smallest one seen lately. Sound that waits as long as nearly every packet's lateness is played without holes.

/// A millisecond, in samples.
pub(crate) const MS: i64 = 48;
/// Bins of 5 ms up to half a second.
const BIN: i64 = 5 * MS;
const BINS: usize = 100;
/// The share of packets that shall arrive in time.
const IN_TIME: f32 = 0.98;
/// How much of the past each packet leaves standing: a jitter that ended is forgotten within about 15 s.
const KEEP: f32 = 0.995;
/// On top of what was learnt: the player's own unevenness.
const MARGIN: i64 = 10 * MS;
/// Not less, so that the packet after a lost one is there in time for its FEC.
const LEAST: i64 = 25 * MS;
const MOST: i64 = 400 * MS;
/// Before anything was learnt.
const AT_FIRST: i64 = 40 * MS;
/// The smallest transit is taken over the last one to two of these, so that clock drift and route changes don't add up.
const WINDOW: i64 = 2000 * MS;
/// One very late packet is remembered this long, then let go by 20 ms a second.
const HOLD: i64 = 1000 * MS;
const LET_GO: i64 = 50;

pub(crate) struct Delay {
    shares: [f32; BINS],
    packets: u32,
    /// Smallest transit of this window and of the one before.
    smallest: [i64; 2],
    window_began: i64,
    /// The target that the latest of late packets asked for, and when it did.
    held: i64,
    held_at: i64,
    learnt: i64,
}

impl Delay {
    /// Starts with the first packet of a stream.
    pub(crate) fn new(now: i64, at: i64) -> Self {
        let transit = now - at;
        Self {
            shares: [0.0; BINS],
            packets: 0,
            smallest: [transit; 2],
            window_began: now,
            held: AT_FIRST,
            held_at: now,
            learnt: LEAST,
        }
    }

    /// The smallest recent transit.
    pub(crate) fn base(&self) -> i64 {
        self.smallest[0].min(self.smallest[1])
    }

    /// Learns from a packet with timestamp `at` that arrived `now`.
    pub(crate) fn learn(&mut self, now: i64, at: i64) {
        let transit = now - at;
        if now - self.window_began > WINDOW {
            self.smallest = [transit, self.smallest[0]];
            self.window_began = now;
        }
        self.smallest[0] = self.smallest[0].min(transit);
        let lateness = transit - self.base();
        self.count(lateness);
        let wanted = (lateness + MARGIN).min(MOST);
        if wanted > self.target(now) {
            (self.held, self.held_at) = (wanted, now);
        }
    }

    /// How long sound should wait now.
    pub(crate) fn target(&self, now: i64) -> i64 {
        let since = (now - self.held_at - HOLD).max(0);
        self.learnt.max(self.held - since / LET_GO)
    }

    fn count(&mut self, lateness: i64) {
        self.packets = self.packets.saturating_add(1);
        // The first packets count as much as they can, so that learning is quick.
        let keep = KEEP.min(1.0 - 1.0 / self.packets as f32);
        for share in &mut self.shares {
            *share *= keep;
        }
        let bin = usize::try_from(lateness / BIN).unwrap_or(0).min(BINS - 1);
        self.shares[bin] += 1.0 - keep;
        let mut sum = 0.0;
        let bins = self.shares.iter().take_while(|&&share| {
            sum += share;
            sum < IN_TIME
        });
        let bins = bins.count() as i64 + 1;
        self.learnt = (bins * BIN + MARGIN).clamp(LEAST, MOST);
    }
}
