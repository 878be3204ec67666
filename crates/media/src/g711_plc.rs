//! Concealment for codecs that have none of their own, in the manner of ITU-T G.711 Appendix I: repeat the last pitch
//! period, fade, and cross-fade back into the real sound. Works on decoded sound at 48 kHz, so G.722 shares it.

use crate::stretch::{cross_fade, similarity};

/// History to find a pitch period in: 40 ms.
const HISTORY: usize = 1920;
/// Pitch periods from 2.5 ms (400 Hz) to 15 ms (66 Hz).
const PERIODS: std::ops::RangeInclusive<usize> = 120..=720;
/// What is compared to find the period: 10 ms.
const WINDOW: usize = 480;
/// G.711 Appendix I.2.8: full level for 10 ms, then down to nothing over the next 50 ms.
const FULL: usize = 480;
const FADE: usize = 2400;
/// Back to real sound: 5 ms.
const RETURN: usize = 240;

pub(crate) struct Concealer {
    /// The last sound, newest last.
    history: Vec<i16>,
    /// The period being repeated; empty while nothing is missing.
    period: Vec<i16>,
    /// How many samples were made up since real sound ended.
    made_up: usize,
}

impl Concealer {
    pub(crate) fn new() -> Self {
        Self { history: vec![0; HISTORY], period: Vec::with_capacity(*PERIODS.end()), made_up: 0 }
    }

    /// Takes note of real sound, and blends its start with what was made up before it.
    pub(crate) fn heard(&mut self, pcm: &mut [i16]) {
        if !self.period.is_empty() {
            let count = RETURN.min(pcm.len());
            let mut made_up = [0; RETURN];
            for slot in &mut made_up[..count] {
                *slot = self.next_made_up();
            }
            cross_fade(&made_up[..count], &mut pcm[..count]);
            self.period.clear();
        }
        let kept = pcm.len().min(HISTORY);
        self.history.copy_within(kept.., 0);
        self.history[HISTORY - kept..].copy_from_slice(&pcm[pcm.len() - kept..]);
    }

    /// Appends `samples` of made-up sound.
    pub(crate) fn conceal(&mut self, samples: usize, out: &mut Vec<i16>) {
        if self.period.is_empty() {
            self.begin();
        }
        for _ in 0..samples {
            let sample = self.next_made_up();
            out.push(sample);
        }
    }

    fn begin(&mut self) {
        let newest = &self.history[HISTORY - WINDOW..];
        let mut best = (*PERIODS.start(), f32::MIN);
        for period in PERIODS.step_by(4) {
            let older = &self.history[HISTORY - WINDOW - period..][..WINDOW];
            let alike = similarity(newest, older, 4);
            if alike > best.1 {
                best = (period, alike);
            }
        }
        self.period.extend_from_slice(&self.history[HISTORY - best.0..]);
        // The period's end meets its own start: blend the last quarter towards what came before the period.
        let overlap = best.0 / 4;
        let before = &self.history[HISTORY - best.0 - overlap..HISTORY - best.0];
        let tail = best.0 - overlap;
        let mut end = before.to_vec();
        cross_fade(&self.period[tail..], &mut end);
        self.period[tail..].copy_from_slice(&end);
        self.made_up = 0;
    }

    fn next_made_up(&mut self) -> i16 {
        let sample = self.period[self.made_up % self.period.len()];
        let faded = self.made_up.saturating_sub(FULL).min(FADE);
        self.made_up = self.made_up.saturating_add(1);
        (i32::from(sample) * (FADE - faded) as i32 / FADE as i32) as i16
    }
}
