//! How late packets come, learnt from when they do, and so how late they may come and still be played.
//!
//! All times are in samples at 48 kHz. A packet's *transit* is its arrival minus its timestamp; its *lateness* is its transit
//! minus the smallest one seen lately. Players take sound in frames, so a little more delay does not always save a later
//! packet: what counts is by how much a packet may be late and still be there when its frame is taken. That is the *target*.

/// A millisecond, in samples.
pub(crate) const MS: i64 = 48;
/// Bins of 1 ms up to 400 ms: what is learnt is rounded up to a whole one.
const BIN: i64 = MS;
const BINS: usize = 400;
/// The share of frames that may lack what waiting longer would have brought: the packet itself, or, if that is lost, the
/// next one, from which it is repaired.
const LACKING: f32 = 0.01;
/// What a repair is worth beside a packet that comes: the copy inside the next packet is a coarse one.
const REPAIR: f32 = 0.5;
/// Where the next packet is, seen from a lost one.
const NEXT: usize = (20 * MS / BIN) as usize;
/// How much of the past each packet leaves standing: a jitter that ended is forgotten within about 10 s.
const KEEP: f32 = 0.993;
/// Losses are rarer than packets, so what is known of them is kept longer.
const KEEP_LOSS: f32 = 0.997;
/// On top of what was learnt: the clocks' own unevenness.
const MARGIN: i64 = MS;
const MOST: i64 = 400 * MS;
/// Before anything was learnt.
const AT_FIRST: i64 = 20 * MS;
/// The smallest transit is taken over the last one to two of these, so that clock drift and route changes don't add up.
const WINDOW: i64 = 2000 * MS;
/// One very late packet is remembered this long, then let go by 20 ms a second.
const HOLD: i64 = 1000 * MS;
const LET_GO: i64 = 50;

pub(crate) struct Delay {
    shares: [f32; BINS],
    /// The share of packets that never come.
    loss: f32,
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
            loss: 0.0,
            packets: 0,
            smallest: [transit; 2],
            window_began: now,
            held: AT_FIRST,
            held_at: now,
            learnt: MARGIN,
        }
    }

    /// The smallest recent transit.
    pub(crate) fn base(&self) -> i64 {
        self.smallest[0].min(self.smallest[1])
    }

    /// Learns from a packet with timestamp `at` that arrived `now`, and may hold what repairs the one before.
    pub(crate) fn learn(&mut self, now: i64, at: i64, repairs: bool) {
        let transit = now - at;
        if now - self.window_began > WINDOW {
            let base = self.base();
            self.smallest = [transit, self.smallest[0]];
            self.window_began = now;
            self.risen(self.base() - base);
        }
        self.smallest[0] = self.smallest[0].min(transit);
        let lateness = transit - self.base();
        self.count(lateness, if repairs { REPAIR } else { 0.0 });
        let wanted = (lateness + MARGIN).min(MOST);
        if wanted > self.target(now) {
            (self.held, self.held_at) = (wanted, now);
        }
    }

    /// All packets take so much longer than before, as after a sender's pause in which its timestamps stood still: what was
    /// late no longer is.
    fn risen(&mut self, by: i64) {
        let bins = usize::try_from(by / BIN).unwrap_or(0).min(BINS - 1);
        if bins > 0 {
            let on_time: f32 = self.shares[..=bins].iter().sum();
            self.shares.copy_within(bins.., 0);
            self.shares[0] = on_time;
            self.shares[BINS - bins..].fill(0.0);
            self.held -= bins as i64 * BIN;
        }
    }

    /// A packet was given up.
    pub(crate) fn lost(&mut self) {
        self.loss += 1.0 - KEEP_LOSS;
    }

    /// A packet that was given up has come after all.
    pub(crate) fn found(&mut self) {
        self.loss = (self.loss - (1.0 - KEEP_LOSS)).max(0.0);
    }

    /// How late a packet shall be allowed to be now.
    pub(crate) fn target(&self, now: i64) -> i64 {
        let since = (now - self.held_at - HOLD).max(0);
        self.learnt.max(self.held - since / LET_GO)
    }

    fn count(&mut self, lateness: i64, repair: f32) {
        self.packets = self.packets.saturating_add(1);
        // The first packets count as much as they can, so that learning is quick.
        let keep = KEEP.min(1.0 - 1.0 / self.packets as f32);
        for share in &mut self.shares {
            *share *= keep;
        }
        let bin = usize::try_from(lateness / BIN).unwrap_or(0).min(BINS - 1);
        self.shares[bin] += 1.0 - keep;
        self.loss *= KEEP_LOSS;
        self.learnt = (self.enough(repair) as i64 * BIN + MARGIN).min(MOST);
    }

    /// The least number of bins to wait for.
    fn enough(&self, repair: f32) -> usize {
        // Shares of packets that come later than this many bins, and than so many less a frame.
        let (mut later, mut next_later) = (1.0_f32, 1.0_f32);
        for bin in 0..BINS {
            if later + repair * self.loss * next_later <= LACKING {
                return bin;
            }
            later -= self.shares[bin];
            if let Some(before) = bin.checked_sub(NEXT) {
                next_later -= self.shares[before];
            }
        }
        BINS
    }
}
