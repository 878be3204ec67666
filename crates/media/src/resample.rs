//! From any sample rate to any other, with 1.5 ms of delay (at 8 kHz; less above) and no clicks.
//!
//! A windowed-sinc polyphase filter. It is our own because the ready-made ones didn't fit: `rubato`'s synchronous
//! resampler wants whole blocks and delays by half of one, and `audio-codec`'s 24 taps let everything from 4 to 8 kHz
//! fold back when going from 48 to 8 kHz.

use std::f64::consts::PI;

use sonora_simd::SimdBackend;

/// Filter length in periods of the lower of both rates. 24 periods of 8 kHz are 3 ms: 1.5 ms of delay.
const PERIODS: usize = 24;
/// Kaiser's shape parameter for 60 dB of rejection.
const BETA: f64 = 5.65;
/// Phases are rounded to this many per input sample when the rates have no small ratio.
const MAX_PHASES: usize = 640;
/// Rates outside of this are clamped.
const RATES: std::ops::RangeInclusive<u32> = 1000..=768_000;

/// Carries its state from block to block. 20 ms in are exactly 20 ms out whenever both rates allow it.
pub struct Resampler {
    simd: SimdBackend,
    /// `phases` filters of `taps` each, newest sample last.
    filters: Vec<f32>,
    phases: usize,
    taps: usize,
    /// The last `taps - 1` samples of what came before, then the block at hand.
    window: Vec<f32>,
    /// Output position after the newest input sample, in 1/`up` of an input sample.
    position: usize,
    up: usize,
    down: usize,
    /// Parts per million by which it is bent, and what of that has not been done yet, in millionths of `position`'s unit.
    ppm: i64,
    owed: i64,
}

/// A whole ratio up to this gives all samples between two at once.
const MOST_AT_ONCE: usize = 8;

/// Bendable ones have at least so many positions between two samples: 1/512 of a sample more or less is no click.
const BEND_PHASES: usize = 512;

impl Resampler {
    /// From `from` hertz to `to` hertz.
    #[must_use]
    pub fn new(from: u32, to: u32) -> Self {
        let (from, to) = (from.clamp(*RATES.start(), *RATES.end()), to.clamp(*RATES.start(), *RATES.end()));
        let common = gcd(from, to);
        let (up, down) = ((to / common) as usize, (from / common) as usize);
        Self::of_ratio(from, to, up, down, if up == down { 1 } else { (PERIODS * down.max(up)).div_ceil(up) })
    }

    /// One that can follow a clock that is a little off: see [`bend`](Self::bend). The same rate on both sides is filtered too,
    /// which delays by 0.25 ms.
    #[must_use]
    pub fn bendable(from: u32, to: u32) -> Self {
        let (from, to) = (from.clamp(*RATES.start(), *RATES.end()), to.clamp(*RATES.start(), *RATES.end()));
        let common = gcd(from, to);
        let (up, down) = ((to / common) as usize, (from / common) as usize);
        let finer = BEND_PHASES.div_ceil(up);
        Self::of_ratio(from, to, up * finer, down * finer, (PERIODS * down.max(up)).div_ceil(up))
    }

    /// From now on gives so many parts per million fewer samples (negative: more), up to 5,000; without a seam.
    pub fn bend(&mut self, ppm: i32) {
        self.ppm = i64::from(ppm.clamp(-5000, 5000));
    }

    fn of_ratio(from: u32, to: u32, up: usize, down: usize, taps: usize) -> Self {
        let phases = up.min(MAX_PHASES);
        // Room for 100 ms at a time, so that whoever resamples less allocates nothing.
        let mut window = Vec::with_capacity(taps + from as usize / 10);
        window.resize(taps - 1, 0.0);
        Self {
            simd: sonora_simd::detect_backend(),
            filters: filters(f64::from(from), f64::from(to), phases, taps),
            phases,
            taps,
            window,
            position: 0,
            up,
            down,
            ppm: 0,
            owed: 0,
        }
    }

    fn step(&mut self) {
        self.owed += self.down as i64 * self.ppm;
        let more = self.owed / 1_000_000;
        self.owed -= more * 1_000_000;
        // A step is at least 512 in one that is bent, so that 5,000 ppm less is still forward.
        self.position = self.position.saturating_add_signed(self.down as isize + more as isize);
    }

    /// Appends what `input` becomes to `out`.
    pub fn resample(&mut self, input: &[i16], out: &mut Vec<i16>) {
        self.each(input, |samples| out.extend_from_slice(samples));
    }

    /// Like [`resample`](Self::resample), into a slice; what finds no room is dropped. Says how many were written.
    pub fn resample_into(&mut self, input: &[i16], out: &mut [i16]) -> usize {
        let mut written = 0;
        self.each(input, |samples| {
            let room = &mut out[written..];
            let count = samples.len().min(room.len());
            room[..count].copy_from_slice(&samples[..count]);
            written += count;
        });
        written
    }

    fn each(&mut self, input: &[i16], take: impl FnMut(&[i16])) {
        self.window.extend(input.iter().map(|&sample| f32::from(sample)));
        if is_whole(self.up, self.down) {
            self.each_whole(take);
        } else {
            self.each_between(input.len(), take);
        }
        self.window.copy_within(input.len().., 0);
        self.window.truncate(self.taps - 1);
    }

    /// As many for each sample.
    fn each_whole(&self, mut take: impl FnMut(&[i16])) {
        let mut all = [0; MOST_AT_ONCE];
        let all = &mut all[..self.up];
        for window in self.window.windows(self.taps) {
            for (out, filters) in all.chunks_mut(2).zip(self.filters.chunks(2 * self.taps)) {
                if let [one, other] = out {
                    let (first, second) = filters.split_at(self.taps);
                    let (first, second) = self.simd.dual_dot_product(window, first, second);
                    (*one, *other) = (nearest(first), nearest(second));
                } else if let [last] = out {
                    *last = nearest(self.simd.dot_product(window, filters));
                }
            }
            take(all);
        }
    }

    /// Those that lie between the newest samples, one after the other.
    fn each_between(&mut self, newest: usize, mut take: impl FnMut(&[i16])) {
        loop {
            let at = self.position / self.up;
            if at >= newest {
                self.position -= newest * self.up;
                return;
            }
            let phase = self.position % self.up * self.phases / self.up;
            let filter = &self.filters[phase * self.taps..][..self.taps];
            take(&[nearest(self.simd.dot_product(&self.window[at..][..self.taps], filter))]);
            self.step();
        }
    }
}

/// Whether each sample becomes so many that all are computed at once. One that bends never is: its positions are finer.
fn is_whole(up: usize, down: usize) -> bool {
    down == 1 && (2..=MOST_AT_ONCE).contains(&up)
}

/// Half to even, as the processor does it by itself: `round` would be a call into the C library, and a checked conversion many
/// steps for each sample.
fn nearest(sum: f32) -> i16 {
    // 1.5 × 2²³: what is added to it has no place for a fraction, and stands in the lowest bits.
    const WHOLE: f32 = 12_582_912.0;
    (sum.clamp(f32::from(i16::MIN), f32::from(i16::MAX)) + WHOLE).to_bits() as i16
}

/// One row of taps per phase, each row's sum 1 so that no phase hums. Kaiser window, cut-off a little under the
/// lower Nyquist frequency.
fn filters(from: f64, to: f64, phases: usize, taps: usize) -> Vec<f32> {
    if taps == 1 {
        return vec![1.0];
    }
    let cutoff = 0.92 * (to / from).min(1.0);
    let half = taps as f64 / 2.0;
    let mut all = Vec::with_capacity(phases * taps);
    for phase in 0..phases {
        // Tap t weighs the sample that lies `x` input samples away from the output instant, which is `half` behind.
        let row = (0..taps).map(|t| {
            let x = t as f64 + 1.0 - half - phase as f64 / phases as f64;
            let window = bessel_i0(BETA * (1.0 - (x / half).powi(2)).max(0.0).sqrt());
            if x.abs() >= half { 0.0 } else { window * sinc(cutoff * x) }
        });
        let row: Vec<f64> = row.collect();
        let sum: f64 = row.iter().sum();
        all.extend(row.iter().map(|tap| (tap / sum) as f32));
    }
    all
}

fn sinc(x: f64) -> f64 {
    if x.abs() < 1e-9 { 1.0 } else { (PI * x).sin() / (PI * x) }
}

/// The modified Bessel function of order 0, by its series.
fn bessel_i0(x: f64) -> f64 {
    let (mut sum, mut term) = (1.0, 1.0);
    for k in 1..30 {
        term *= (x / 2.0 / f64::from(k)).powi(2);
        sum += term;
    }
    sum
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}
