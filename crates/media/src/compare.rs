//! Telling which of several known recordings arrived, whatever codec, jitter buffer, or level lay between.
//!
//! Both sides become *prints*: every 20 ms the energy in twelve bands from 200 to 3400 Hz (what even G.711 lets through), as
//! logarithms, less each band's own average. A print keeps its shape under codecs, filters and level changes. The
//! recording is cut into pieces of 600 ms; each looks for its place in the source, near where its neighbours found theirs, so that a
//! jitter buffer's stretching does no harm. The score is the mean correlation of the pieces.

use std::f32::consts::{PI, TAU};

use crate::{RATE, Resampler, level_dbfs};

/// Prints are made at this rate.
const PRINT_RATE: u32 = 8000;
const STEP: usize = 160;
/// The stretch that is looked at around each step: 32 ms.
const WINDOW: usize = 256;
const BANDS: usize = 12;
const LOWEST: f32 = 200.0;
const HIGHEST: f32 = 3400.0;
/// Energies more than 50 dB below the loudest are all the same silence, in natural logarithms.
const DEPTH: f32 = 11.5;
/// The least of a source that must be there: 1 s.
const LEAST: usize = 50;
const PIECE: usize = 30;
/// How far a piece may lie from where the whole lies, in steps: 120 ms of stretching.
const SLACK: isize = 6;
/// Below this a recording is silent.
const SILENT_DBFS: f32 = -55.0;
/// What counts as heard: at least this score, and this much above the next best. Measured: right ones 0.85 and more through
/// every codec with loss and jitter, wrong ones at most 0.73 (two prompts by one voice that say half the same).
const CLEAR: f32 = 0.78;
const MARGIN: f32 = 0.1;

/// Which source was heard, and how well.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Match {
    pub name: String,
    /// 0 (nothing alike) to 1 (the same).
    pub score: f32,
    /// Level of the recording, from where the source begins to where it ends, dBFS.
    pub level_dbfs: f32,
    /// Where in the recording the source begins, milliseconds; negative if its start is missing.
    pub offset_ms: i64,
    /// The score of the best other candidate; 0 if there is none.
    pub runner_up: f32,
}

/// Which of `candidates` (name, 48 kHz sound) is in `recorded` (at `rate` hertz), with at least a second of it; `None` if
/// none is, or not clearly.
#[must_use]
pub fn best_match(recorded: &[i16], rate: u32, candidates: &[(&str, &[i16])]) -> Option<Match> {
    Sources::new(candidates).best_match(recorded, rate)
}

/// All candidates with their scores, best first, whether or not any is clear; for a report when nothing was recognised.
#[must_use]
pub fn ranking(recorded: &[i16], rate: u32, candidates: &[(&str, &[i16])]) -> Vec<Match> {
    Sources::new(candidates).ranking(recorded, rate)
}

/// Known recordings, ready to be looked for many times.
pub struct Sources(Vec<(String, Print)>);

impl Sources {
    /// From names and 48 kHz sound.
    #[must_use]
    pub fn new(candidates: &[(&str, &[i16])]) -> Self {
        Self(candidates.iter().map(|&(name, pcm)| (name.to_owned(), print(pcm, RATE))).collect())
    }

    /// See [`best_match`].
    #[must_use]
    pub fn best_match(&self, recorded: &[i16], rate: u32) -> Option<Match> {
        let mut all = self.ranking(recorded, rate);
        let runner_up = all.get(1).map_or(0.0, |second| second.score);
        if all.is_empty() || all[0].score < CLEAR || all[0].score < runner_up + MARGIN {
            return None;
        }
        let mut best = all.swap_remove(0);
        best.runner_up = runner_up;
        Some(best)
    }

    /// See [`ranking`].
    #[must_use]
    pub fn ranking(&self, recorded: &[i16], rate: u32) -> Vec<Match> {
        let heard = print(recorded, rate);
        let judged = self.0.iter().map(|(name, source)| {
            let (score, offset) = align(&heard, source);
            Match {
                name: name.clone(),
                score,
                level_dbfs: level_between(recorded, rate, offset, source.len()),
                offset_ms: offset as i64 * 20,
                runner_up: 0.0,
            }
        });
        let mut all: Vec<Match> = judged.collect();
        all.sort_by(|a, b| b.score.total_cmp(&a.score));
        all
    }
}

type Print = Vec<[f32; BANDS]>;

fn print(pcm: &[i16], rate: u32) -> Print {
    let mut narrow = Vec::with_capacity(pcm.len() / 6 + 1);
    Resampler::new(rate, PRINT_RATE).resample(pcm, &mut narrow);
    if level_dbfs(&narrow) < SILENT_DBFS {
        return Vec::new();
    }
    let tables = Tables::new();
    let mut print: Print = narrow.windows(WINDOW).step_by(STEP).map(|window| tables.bands(window)).collect();
    let loudest = print.iter().flatten().copied().fold(0.0, f32::max);
    for energy in print.iter_mut().flatten() {
        *energy = (energy.max(loudest * (-DEPTH).exp()).max(1e-9)).ln();
    }
    print
}

/// Sines and cosines for the bins of a 256-point transform that lie in the bands.
struct Tables {
    window: Vec<f32>,
    /// Band of each bin, and its turns.
    bins: Vec<(usize, Vec<(f32, f32)>)>,
}

impl Tables {
    fn new() -> Self {
        let window = (0..WINDOW).map(|i| 0.5 - 0.5 * (TAU * i as f32 / WINDOW as f32).cos()).collect();
        let mel = |hertz: f32| (1.0 + hertz / 700.0).ln();
        let (low, high) = (mel(LOWEST), mel(HIGHEST));
        let bins = (0..WINDOW / 2).filter_map(|bin| {
            let hertz = (bin as f32 * PRINT_RATE as f32) / WINDOW as f32;
            let place = (mel(hertz) - low) / (high - low) * BANDS as f32;
            let turns = |i| {
                (
                    (2.0 * PI * (bin * i % WINDOW) as f32 / WINDOW as f32).cos(),
                    (2.0 * PI * (bin * i % WINDOW) as f32 / WINDOW as f32).sin(),
                )
            };
            (0.0..BANDS as f32).contains(&place).then(|| (place as usize, (0..WINDOW).map(turns).collect()))
        });
        Self { window, bins: bins.collect() }
    }

    fn bands(&self, pcm: &[i16]) -> [f32; BANDS] {
        let mut shaped = [0.0; WINDOW];
        for ((out, &sample), weight) in shaped.iter_mut().zip(pcm).zip(&self.window) {
            *out = f32::from(sample) * weight;
        }
        let mut bands = [0.0; BANDS];
        for (band, turns) in &self.bins {
            let (mut re, mut im) = (0.0, 0.0);
            for (&x, &(cos, sin)) in shaped.iter().zip(turns) {
                re += x * cos;
                im += x * sin;
            }
            bands[*band] += re * re + im * im;
        }
        bands
    }
}

/// The best score, and the step of `heard` at which `source` begins.
fn align(heard: &Print, source: &Print) -> (f32, isize) {
    if heard.len() < LEAST || source.len() < LEAST {
        return (0.0, 0);
    }
    let least = LEAST as isize;
    let offsets = least - source.len() as isize..=heard.len() as isize - least;
    let rough = offsets.map(|offset| (correlation(heard, source, offset), offset));
    let Some((_, offset)) = rough.max_by(|a, b| a.0.total_cmp(&b.0)) else { return (0.0, 0) };
    (by_pieces(heard, source, offset), offset)
}

/// Correlates piece by piece, each piece where it fits best near `offset`.
fn by_pieces(heard: &Print, source: &Print, offset: isize) -> f32 {
    let (start, end) = overlap(heard, source, offset);
    let (mut sum, mut weights, mut drift) = (0.0, 0.0, 0_isize);
    for piece in (start..end).step_by(PIECE) {
        let piece = piece..(piece + PIECE).min(end);
        if piece.len() < PIECE / 2 {
            continue;
        }
        let best = (-SLACK..=SLACK)
            .filter_map(|slack| {
                let from = piece.start as isize - offset + drift + slack;
                let from = usize::try_from(from).ok()?;
                let there = source.get(from..from + piece.len())?;
                Some((correlate(&heard[piece.clone()], there), slack))
            })
            .max_by(|a, b| a.0.total_cmp(&b.0));
        if let Some(((alike, slack), weight)) = best.map(|best| (best, piece.len() as f32)) {
            drift += slack;
            sum += alike.max(0.0) * weight;
            weights += weight;
        }
    }
    if weights == 0.0 { 0.0 } else { sum / weights }
}

fn overlap(heard: &Print, source: &Print, offset: isize) -> (usize, usize) {
    let start = offset.max(0) as usize;
    let end = (offset + source.len() as isize).clamp(0, heard.len() as isize) as usize;
    (start.min(end), end)
}

/// The correlation where both overlap, worth less the less of the shorter one overlaps.
fn correlation(heard: &Print, source: &Print, offset: isize) -> f32 {
    let (start, end) = overlap(heard, source, offset);
    let from = (start as isize - offset) as usize;
    let share = (end - start) as f32 / heard.len().min(source.len()) as f32;
    correlate(&heard[start..end], &source[from..from + end - start]) * share.sqrt()
}

/// Mean over the bands of each band's correlation in time.
fn correlate(a: &[[f32; BANDS]], b: &[[f32; BANDS]]) -> f32 {
    let count = a.len() as f32;
    let mean = |print: &[[f32; BANDS]], band: usize| print.iter().map(|energies| energies[band]).sum::<f32>() / count;
    let (mut ab, mut aa, mut bb) = (0.0, 1e-3, 1e-3);
    for band in 0..BANDS {
        let (mean_a, mean_b) = (mean(a, band), mean(b, band));
        for (x, y) in a.iter().zip(b) {
            let (x, y) = (x[band] - mean_a, y[band] - mean_b);
            ab += x * y;
            aa += x * x;
            bb += y * y;
        }
    }
    ab / f32::sqrt(aa * bb)
}

fn level_between(recorded: &[i16], rate: u32, offset: isize, steps: usize) -> f32 {
    let step = rate as usize / 50;
    let start = (offset.max(0) as usize * step).min(recorded.len());
    let end = ((offset + steps as isize).max(0) as usize * step).clamp(start, recorded.len());
    level_dbfs(&recorded[start..end])
}
