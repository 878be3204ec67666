//! Two clocks are never the same: the sound card's and the one by which calls are paced. What waits in a ring creeps up or down,
//! and is led back by resampling a little more or less, which nobody hears.

/// Weight of the newest look: what lies back 2 s counts little.
const NEWEST: f32 = 0.01;
/// So many parts per million for each millisecond off. Steady after some 10 s, and 5 ms off at 500 ppm.
const PER_MS: f32 = 100.0;
/// Five cents of pitch.
const MOST: f32 = 3000.0;

pub(crate) struct Drift {
    target_ms: f32,
    /// Smoothed.
    waiting_ms: f32,
}

impl Drift {
    /// Keeps this much waiting.
    pub(crate) fn new(target_ms: f32) -> Self {
        Self { target_ms, waiting_ms: target_ms }
    }

    /// How much to bend, for what waits now; asked every 20 ms.
    pub(crate) fn ppm(&mut self, waiting_ms: f32) -> i32 {
        self.waiting_ms += (waiting_ms - self.waiting_ms) * NEWEST;
        ((self.waiting_ms - self.target_ms) * PER_MS).clamp(-MOST, MOST) as i32
    }
}
