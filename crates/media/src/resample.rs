//! From any sample rate to any other, with 1.5 ms of delay (at 8 kHz; less above) and no clicks.
//!
//! A windowed-sinc polyphase filter. It is our own because the ready-made ones didn't fit: `rubato`'s synchronous
//! resampler wants whole blocks and delays by half of one, and `audio-codec`'s 24 taps let everything from 4 to 8 kHz
//! fold back when going from 48 to 8 kHz.

use std::f64::consts::PI;

use pulp::{Arch, Simd, WithSimd};
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
    arch: Arch,
    simd: SimdBackend,
    /// `phases` filters of `taps` each, newest sample last.
    filters: Vec<f32>,
    /// The same side by side: for each tap that of each filter. Empty where they are not needed all at once.
    side_by_side: Vec<[f32; LANES]>,
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

/// Numbers that are computed at once: a whole ratio up to this gives all samples between two.
const LANES: usize = 8;
/// Windows that are filtered in one go.
const WINDOWS: usize = 4;

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
        let filters = filters(f64::from(from), f64::from(to), phases, taps);
        let of_tap = |tap| std::array::from_fn(|phase| if phase < up { filters[phase * taps + tap] } else { 0.0 });
        let side_by_side = if is_more(up, down) { (0..taps).map(of_tap).collect() } else { Vec::new() };
        Self {
            arch: Arch::new(),
            simd: sonora_simd::detect_backend(),
            filters,
            side_by_side,
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

    /// By how much the next output is later than the last, in units of `position`.
    fn step(&mut self) -> usize {
        self.owed += self.down as i64 * self.ppm;
        let more = self.owed / 1_000_000;
        self.owed -= more * 1_000_000;
        // At least 512 in one that is bent, so that 5,000 ppm less is still forward.
        self.down.saturating_add_signed(more as isize)
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
        match (self.up, self.down) {
            (up, down) if is_more(up, down) => self.each_of_more(input.len(), take),
            (1, down) if is_fewer(self.taps, down) => self.each_of_fewer(input.len(), take),
            _ => self.each_between(input.len(), take),
        }
        self.window.copy_within(input.len().., 0);
        self.window.truncate(self.taps - 1);
    }

    /// As many for each sample.
    fn each_of_more(&mut self, newest: usize, mut take: impl FnMut(&[i16])) {
        // The last go has whole windows, too; what comes of them is not taken.
        self.window.resize(newest.next_multiple_of(WINDOWS) + self.taps - 1, 0.0);
        let mut results = [0; WINDOWS * LANES];
        for first in (0..newest).step_by(WINDOWS) {
            let filters = EveryFilter { window: &self.window[first..], side_by_side: &self.side_by_side };
            let sums = self.arch.dispatch(filters);
            for (results, sums) in results.chunks_exact_mut(self.up).zip(sums) {
                results.copy_from_slice(&sums.map(nearest)[..self.up]);
            }
            take(&results[..WINDOWS.min(newest - first) * self.up]);
        }
    }

    /// One for so many samples.
    fn each_of_fewer(&mut self, newest: usize, mut take: impl FnMut(&[i16])) {
        let step = self.down;
        self.window.resize(newest + WINDOWS * step + self.taps, 0.0);
        while self.position < newest {
            let filter = OneFilter { window: &self.window[self.position..], step, filter: &self.filters };
            let results = self.arch.dispatch(filter).map(nearest);
            let count = WINDOWS.min((newest - self.position).div_ceil(step));
            take(&results[..count]);
            self.position += count * step;
        }
        self.position -= newest;
    }

    /// Those that lie between the newest samples, one after the other.
    fn each_between(&mut self, newest: usize, mut take: impl FnMut(&[i16])) {
        let (mut at, mut position) = (self.position / self.up, self.position % self.up);
        while at < newest {
            // A division takes longer than the filter.
            let phase = if self.phases == self.up { position } else { position * self.phases / self.up };
            let filter = &self.filters[phase * self.taps..][..self.taps];
            take(&[nearest(self.simd.dot_product(&self.window[at..][..self.taps], filter))]);
            position += self.step();
            while position >= self.up {
                (at, position) = (at + 1, position - self.up);
            }
        }
        self.position = (at - newest) * self.up + position;
    }
}

/// Whether each sample becomes so many that all are computed at once. One that bends never is: its positions are finer.
fn is_more(up: usize, down: usize) -> bool {
    down == 1 && (2..=LANES).contains(&up)
}

/// Whether so many samples become one, by a filter without a rest.
fn is_fewer(taps: usize, down: usize) -> bool {
    down > 1 && taps.is_multiple_of(LANES)
}

/// Windows that begin one after the other, each by every filter.
struct EveryFilter<'a> {
    window: &'a [f32],
    side_by_side: &'a [[f32; LANES]],
}

impl WithSimd for EveryFilter<'_> {
    type Output = [[f32; LANES]; WINDOWS];

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Self::Output {
        let mut all = [[0.0; LANES]; WINDOWS];
        for part in 0..LANES / S::F32_LANES {
            let mut sums = [simd.splat_f32s(0.0); WINDOWS];
            for (taps, samples) in self.side_by_side.iter().zip(self.window.windows(WINDOWS)) {
                let taps = S::as_simd_f32s(taps).0[part];
                for (sum, sample) in sums.iter_mut().zip(samples) {
                    *sum = simd.mul_add_f32s(simd.splat_f32s(*sample), taps, *sum);
                }
            }
            all.iter_mut().zip(sums).for_each(|(all, sum)| S::as_mut_simd_f32s(all).0[part] = sum);
        }
        all
    }
}

/// Windows that begin `step` after each other, by one filter.
struct OneFilter<'a> {
    window: &'a [f32],
    step: usize,
    filter: &'a [f32],
}

impl WithSimd for OneFilter<'_> {
    type Output = [f32; WINDOWS];

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Self::Output {
        let window = |nth| S::as_simd_f32s(&self.window[nth * self.step..][..self.filter.len()]).0;
        let windows: [&[S::f32s]; WINDOWS] = std::array::from_fn(window);
        let mut sums = [simd.splat_f32s(0.0); WINDOWS];
        // No rest: see `is_fewer`.
        for (at, taps) in S::as_simd_f32s(self.filter).0.iter().enumerate() {
            for (sum, window) in sums.iter_mut().zip(windows) {
                *sum = simd.mul_add_f32s(window[at], *taps, *sum);
            }
        }
        sums.map(|sum| simd.reduce_sum_f32s(sum))
    }
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    impl Resampler {
        /// The general way, which needs no whole ratio.
        fn between(&mut self, input: &[i16], out: &mut Vec<i16>) {
            self.window.extend(input.iter().map(|&sample| f32::from(sample)));
            self.each_between(input.len(), |samples| out.extend_from_slice(samples));
            self.window.copy_within(input.len().., 0);
            self.window.truncate(self.taps - 1);
        }
    }

    proptest! {
        #[test]
        fn many_at_once_are_as_one_after_the_other(
            rates in prop::sample::select(vec![(8000, 48_000), (16_000, 48_000), (8000, 16_000), (48_000, 8000), (48_000, 16_000)]),
            blocks in prop::collection::vec(prop::collection::vec(any::<i16>(), 0..70), 1..20),
        ) {
            let (mut quick, mut plain) = (Resampler::new(rates.0, rates.1), Resampler::new(rates.0, rates.1));
            let (mut quickly, mut plainly) = (vec![], vec![]);
            for block in &blocks {
                quick.resample(block, &mut quickly);
                plain.between(block, &mut plainly);
                prop_assert_eq!(quickly.len(), plainly.len());
            }
            let differ = |(a, b): (&i16, &i16)| a.abs_diff(*b) > 1;
            prop_assert!(!quickly.iter().zip(&plainly).any(differ), "{:?}\n{:?}", quickly, plainly);
        }
    }
}
