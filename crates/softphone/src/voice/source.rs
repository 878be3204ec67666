//! What a phone without a microphone says.

use std::f64::consts::TAU;
use std::sync::Arc;

use media::{FRAME, Frame, RATE, SILENCE};

/// 48 kHz mono, shared by all calls.
#[derive(Debug, Clone)]
pub(crate) enum Material {
    Silence,
    Tone,
    Wav(Arc<[i16]>),
}

const TONE_HERTZ: f64 = 1000.0;
/// −14 dBFS peak: loud enough for any threshold, far from clipping.
const TONE_PEAK: f64 = 6500.0;
/// Between the end of a WAV and its next beginning.
const PAUSE: usize = RATE as usize;

/// One call's place in the material.
#[derive(Debug)]
pub(crate) struct Source {
    material: Material,
    position: usize,
}

impl Source {
    pub(crate) fn new(material: Material) -> Self {
        Self { material, position: 0 }
    }

    /// The next 20 ms.
    pub(crate) fn next(&mut self) -> Frame {
        let mut frame = SILENCE;
        let period = match &self.material {
            Material::Silence => return frame,
            Material::Tone => RATE as usize,
            Material::Wav(pcm) => pcm.len() + PAUSE,
        };
        for (sample, index) in frame.iter_mut().zip(self.position..) {
            *sample = self.material.sample(index % period);
        }
        self.position = (self.position + FRAME) % period;
        frame
    }
}

impl Material {
    fn sample(&self, index: usize) -> i16 {
        match self {
            Self::Silence => 0,
            // One second holds whole periods, so that the seam is not heard.
            Self::Tone => (TONE_PEAK * (TAU * TONE_HERTZ * index as f64 / f64::from(RATE)).sin()) as i16,
            Self::Wav(pcm) => pcm.get(index).copied().unwrap_or(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wav_repeats_after_a_pause_of_one_second() {
        let pcm: Arc<[i16]> = (1..=1500).collect();
        let mut source = Source::new(Material::Wav(pcm));
        let heard: Vec<i16> = (0..60).flat_map(|_| source.next()).collect();
        assert_eq!(heard[..1500], (1..=1500).collect::<Vec<i16>>());
        assert!(heard[1500..1500 + PAUSE].iter().all(|s| *s == 0));
        assert_eq!(heard[1500 + PAUSE..1503 + PAUSE], [1, 2, 3]);
    }

    #[test]
    fn the_tone_is_a_thousand_hertz_without_a_seam() {
        let mut source = Source::new(Material::Tone);
        let heard: Vec<i16> = (0..100).flat_map(|_| source.next()).collect();
        let rises = heard.windows(2).filter(|w| w[0] < 0 && w[1] >= 0).count();
        assert!((1998..=2000).contains(&rises), "{rises} periods in two seconds");
        let steepest = heard.windows(2).map(|w| (i32::from(w[1]) - i32::from(w[0])).abs()).max();
        assert!(steepest < Some(900), "{steepest:?}");
    }
}
