//! Playing a recording faster or slower, from any place, at its own pitch.
//!
//! WSOLA: W. Verhelst and M. Roelands, "An overlap-add technique based on waveform similarity (WSOLA) for high quality
//! time-scale modification of speech", ICASSP 1993, volume 2, pages 554–557. The sound is put together from pieces that
//! overlap by half. Each piece is taken from near where the speed wants it, and there from where the recording is most
//! like what would have followed the piece before, so that the two fade into one another in phase.

use crate::stretch::{cross_fade, similarity};

/// Pieces begin so often, and are twice as long: 20 ms, as Chromium's player has it for speech.
const HOPS_PER_SECOND: u32 = 100;
/// What is alike shows at 8 kHz already; the search looks no closer until it is near.
const SEARCH_RATE: u32 = 8000;

/// A recording that is being played.
pub struct Wsola {
    /// The recording, and then so much silence that no piece ends beyond it.
    pcm: Vec<i16>,
    /// Samples of the recording itself. From here on there is silence.
    length: usize,
    /// Half a piece, and as far as the search goes either way: 10 ms, so that it finds a place in phase for any voice of
    /// 50 Hz or more.
    hop: usize,
    step: usize,
    /// The second half of the latest piece; in the silence if nothing sounds.
    tail: usize,
    /// Where the speed wants the next piece, in hundredths of a sample.
    place: u64,
}

impl Wsola {
    /// `pcm` at `rate` hertz, at its beginning.
    #[must_use]
    pub fn new(mut pcm: Vec<i16>, rate: u32) -> Self {
        let hop = (rate / HOPS_PER_SECOND).max(1) as usize;
        let length = pcm.len();
        // A piece may begin at the very end, its tail one hop later, and the search looks at two hops from there.
        pcm.resize(length + 3 * hop, 0);
        Self { pcm, length, hop, step: (rate / SEARCH_RATE).max(1) as usize, tail: length, place: 0 }
    }

    /// How many samples the recording has.
    #[must_use]
    pub fn length(&self) -> usize {
        self.length
    }

    /// The sample that is played next.
    #[must_use]
    pub fn position(&self) -> usize {
        ((self.place / 100) as usize).min(self.length)
    }

    #[must_use]
    pub fn at_end(&self) -> bool {
        self.position() == self.length
    }

    /// Plays on from another sample. What sounds fades into it.
    pub fn seek(&mut self, sample: usize) {
        self.place = 100 * sample.min(self.length) as u64;
    }

    /// Appends the next 10 ms to `out`, at `percent` of the recording's speed. `false`: the end was reached, and nothing
    /// is appended.
    pub fn play(&mut self, percent: u32, out: &mut Vec<i16>) -> bool {
        if self.at_end() {
            return self.fade_out(out);
        }
        let start = self.next_piece(percent);
        self.overlap(start, out);
        self.place += u64::from(percent) * self.hop as u64;
        true
    }

    /// Appends 10 ms in which what sounds fades away to `out`. `false`: nothing sounds, and nothing is appended.
    pub fn fade_out(&mut self, out: &mut Vec<i16>) -> bool {
        let sounds = self.tail < self.length;
        if sounds {
            self.overlap(self.length, out);
        }
        sounds
    }

    fn overlap(&mut self, start: usize, out: &mut Vec<i16>) {
        let at = out.len();
        out.extend_from_slice(&self.pcm[start..start + self.hop]);
        cross_fade(&self.pcm[self.tail..self.tail + self.hop], &mut out[at..]);
        self.tail = start + self.hop;
    }

    fn next_piece(&self, percent: u32) -> usize {
        let (tail, place) = (self.tail, self.position());
        if tail >= self.length {
            return place;
        }
        if percent == 100 && tail.abs_diff(place) <= self.hop {
            return tail;
        }
        let rough = self.most_alike(place.saturating_sub(self.hop), place + self.hop, self.step);
        self.most_alike(rough.saturating_sub(self.step), rough + self.step, 1)
    }

    /// Where from `first` to `last` the recording is most like what follows the latest piece.
    fn most_alike(&self, first: usize, last: usize, by: usize) -> usize {
        let piece = |start| &self.pcm[start..start + 2 * self.hop];
        let alike = |&start: &usize| similarity(piece(self.tail), piece(start), self.step);
        let starts = (first..=last.min(self.length)).step_by(by);
        starts.map(|start| (alike(&start), start)).max_by(|a, b| a.0.total_cmp(&b.0)).map_or(first, |(_, start)| start)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::tones;

    fn all(mut sound: Wsola, percent: u32) -> Vec<i16> {
        let mut out = Vec::new();
        while sound.play(percent, &mut out) {}
        out
    }

    fn steepest(pcm: &[i16]) -> i32 {
        pcm.windows(2).map(|w| (i32::from(w[1]) - i32::from(w[0])).abs()).max().unwrap_or(0)
    }

    #[test]
    fn at_its_own_speed_every_sample_is_the_recordings() {
        let tone = tones::sine(440.0, 1000, -6.0);
        let out = all(Wsola::new(tone.clone(), 48_000), 100);
        // Only the first 10 ms fade in.
        assert_eq!(out[480..], tone[480..]);
    }

    #[test]
    fn a_jump_and_a_stop_in_the_middle_of_a_tone_do_not_click() {
        let tone = tones::sine(200.0, 2000, -6.0);
        let mut sound = Wsola::new(tone.clone(), 48_000);
        let mut out = Vec::new();
        for to in [60_123, 1_777, 90_001] {
            for _ in 0..5 {
                sound.play(100, &mut out);
            }
            sound.seek(to);
        }
        sound.play(150, &mut out);
        assert!(sound.fade_out(&mut out) && !sound.fade_out(&mut out));
        assert!(out.last().is_some_and(|s| s.abs() < 100), "{:?}", out.last());
        assert!(steepest(&out) <= steepest(&tone) * 3 / 2, "{} > {}", steepest(&out), steepest(&tone));
    }

    proptest! {
        #[test]
        fn whatever_the_recording_it_ends_on_time(
            pcm in proptest::collection::vec(any::<i16>(), 0..3000), rate in 1_u32..20_000, percent in 25_u32..400,
        ) {
            let (length, hop) = (pcm.len(), (rate / 100).max(1) as usize);
            let out = all(Wsola::new(pcm, rate), percent);
            let due = (length * 100).div_ceil(hop * percent as usize) * hop;
            prop_assert!(out.len() == due || out.len() == due + hop, "{} samples, not {due}", out.len());
        }
    }
}
