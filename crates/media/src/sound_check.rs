//! Judging a microphone and a speaker from what they did in a test: plain verdicts, in words that say what to do.

use std::f32::consts::TAU;

use crate::{FRAME, Frame, RATE, level_dbfs};

/// Below this nothing but the electronics is heard, dBFS.
const NOTHING: f32 = -75.0;
/// A voice below this makes a caller ask again, dBFS.
const QUIET: f32 = -45.0;
/// The limits of what 16 bits hold are reached; a converter that clips need not reach the last step.
const FULL: u16 = 32_600;
/// So many samples in a row at the limit are clipped, not just loud.
const CLIPPED_RUN: u32 = 3;
/// More than one sample in a thousand clipped is heard.
const CLIPPED_SHARE: u64 = 1000;
/// A background this loud …
const NOISY: f32 = -45.0;
/// … and this near to the voice makes it hard to follow, dB.
const NEAR: f32 = 12.0;

/// Listens to what a microphone gives, before anything is done to it.
#[derive(Default)]
pub struct MicrophoneCheck {
    /// Of each frame, dBFS.
    levels: Vec<f32>,
    peak: u16,
    /// Samples in a row at the limit.
    run: u32,
    clipped: u64,
}

/// What is to be said of a microphone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MicrophoneVerdict {
    #[error("The microphone is silent. Is it muted, on the headset or in the system's sound settings?")]
    Silent,
    #[error("The microphone hears next to nothing. Speak while it listens; if you did, choose another microphone.")]
    HearsNothing,
    #[error("The microphone is too quiet. Move it nearer, or turn it up in the system's sound settings.")]
    TooQuiet,
    #[error("The microphone is too loud: your voice is distorted. Turn it down in the system's sound settings.")]
    Clipping,
    #[error("There is much noise around you. Move the microphone nearer to your mouth, or switch on Lower noise.")]
    Noisy,
    #[error("The microphone is fine.")]
    Well,
}

impl MicrophoneCheck {
    pub fn hear(&mut self, frame: &Frame) {
        self.levels.push(level_dbfs(frame));
        for sample in frame {
            let size = sample.unsigned_abs();
            self.peak = self.peak.max(size);
            self.run = if size >= FULL { self.run + 1 } else { 0 };
            // The first of a run count once it is known to be one.
            self.clipped += match self.run {
                CLIPPED_RUN => u64::from(CLIPPED_RUN),
                run => u64::from(run > CLIPPED_RUN),
            };
        }
    }

    /// Of all that was heard; meant for some seconds in which somebody spoke.
    #[must_use]
    pub fn verdict(&self) -> MicrophoneVerdict {
        let (voice, background) = (self.level_above(0.9), self.level_above(0.1));
        let samples = (self.levels.len() * FRAME) as u64;
        if self.peak <= 1 {
            MicrophoneVerdict::Silent
        } else if voice < NOTHING {
            MicrophoneVerdict::HearsNothing
        } else if self.clipped * CLIPPED_SHARE > samples {
            MicrophoneVerdict::Clipping
        } else if voice < QUIET {
            MicrophoneVerdict::TooQuiet
        } else if background > NOISY && voice - background < NEAR {
            MicrophoneVerdict::Noisy
        } else {
            MicrophoneVerdict::Well
        }
    }

    /// The level that this share of the frames does not exceed.
    fn level_above(&self, share: f32) -> f32 {
        let mut levels = self.levels.clone();
        levels.sort_by(f32::total_cmp);
        let at = (levels.len() as f32 * share) as usize;
        levels.get(at).copied().unwrap_or(f32::NEG_INFINITY)
    }
}

/// What a speaker did with a tone of [`SpeakerCheck::HERTZ`] that was played on it.
#[derive(Default)]
pub struct SpeakerCheck {
    /// Frames that the device took, and that it did not.
    taken: u32,
    left: u32,
    /// Frames in which the microphone heard the tone.
    heard: u32,
}

/// What is to be said of a speaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SpeakerVerdict {
    #[error("No sound comes from the speaker: it takes none. Choose another, or plug it in again.")]
    NoSound,
    #[error("The speaker plays: the microphone heard it.")]
    Heard,
    #[error(
        "The speaker takes the sound. If you heard nothing, turn it up, or choose another; a headset's microphone does not hear it."
    )]
    Plays,
}

impl SpeakerCheck {
    /// A tone that no voice holds.
    pub const HERTZ: f32 = 1000.0;
    /// Heard for 100 ms, it was no chance.
    const ENOUGH: u32 = 5;

    pub fn played(&mut self, taken: bool) {
        if taken { self.taken += 1 } else { self.left += 1 }
    }

    /// What the microphone heard while the tone played, and a little longer.
    pub fn hear(&mut self, frame: &Frame) {
        let (mut sine, mut cosine) = (0.0, 0.0);
        for (i, &sample) in frame.iter().enumerate() {
            let (sin, cos) = (TAU * Self::HERTZ * i as f32 / RATE as f32).sin_cos();
            sine += f32::from(sample) * sin;
            cosine += f32::from(sample) * cos;
        }
        let tone = (sine * sine + cosine * cosine) * 2.0 / FRAME as f32;
        let all: f32 = frame.iter().map(|&sample| f32::from(sample).powi(2)).sum();
        // Half of all that is heard is that tone.
        self.heard += u32::from(level_dbfs(frame) > NOTHING && tone > 0.5 * all);
    }

    #[must_use]
    pub fn verdict(&self) -> SpeakerVerdict {
        if self.left > self.taken {
            SpeakerVerdict::NoSound
        } else if self.heard >= Self::ENOUGH {
            SpeakerVerdict::Heard
        } else {
            SpeakerVerdict::Plays
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tones;

    fn judged(pcm: &[i16]) -> MicrophoneVerdict {
        let mut check = MicrophoneCheck::default();
        pcm.as_chunks::<FRAME>().0.iter().for_each(|frame| check.hear(frame));
        check.verdict()
    }

    /// Half a second of voice, half of pause, four times.
    fn speech(dbfs: f32) -> Vec<i16> {
        let mut second = tones::sine(300.0, 500, dbfs);
        second.resize(RATE as usize, 0);
        second.repeat(4)
    }

    fn with_noise(pcm: &[i16], peak: i32) -> Vec<i16> {
        let mut seed = 1_u32;
        let noisy = |&sample: &i16| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            sample.saturating_add(((seed >> 16) as i32 * 2 * peak / 65_536 - peak) as i16)
        };
        pcm.iter().map(noisy).collect()
    }

    #[test]
    fn each_trouble_of_a_microphone_has_its_verdict() {
        assert_eq!(judged(&[]), MicrophoneVerdict::Silent);
        assert_eq!(judged(&[0; 4 * FRAME]), MicrophoneVerdict::Silent);
        assert_eq!(judged(&with_noise(&[0; 96_000], 4)), MicrophoneVerdict::HearsNothing);
        assert_eq!(judged(&with_noise(&speech(-50.0), 4)), MicrophoneVerdict::TooQuiet);
        assert_eq!(judged(&with_noise(&speech(-20.0), 4)), MicrophoneVerdict::Well);
        assert_eq!(judged(&with_noise(&speech(-30.0), 900)), MicrophoneVerdict::Noisy);
        // Loud noise under a much louder voice.
        assert_eq!(judged(&with_noise(&speech(-3.0), 900)), MicrophoneVerdict::Well);
    }

    #[test]
    fn clipped_is_what_stays_at_the_limit() {
        let loud = speech(0.0);
        assert_eq!(
            judged(&loud.iter().map(|s| s.saturating_mul(3)).collect::<Vec<i16>>()),
            MicrophoneVerdict::Clipping
        );
        // A peak that touches the limit is loud, not clipped.
        let mut touching = speech(-12.0);
        touching.iter_mut().filter(|s| **s != 0).step_by(100).for_each(|s| *s = i16::MAX);
        assert_eq!(judged(&touching), MicrophoneVerdict::Well);
    }

    #[test]
    fn a_speaker_is_heard_takes_the_sound_or_does_not() {
        let tone = tones::sine(SpeakerCheck::HERTZ, 400, -40.0);
        let tell = |taken: bool, heard: &[i16]| {
            let mut check = SpeakerCheck::default();
            for frame in heard.as_chunks::<FRAME>().0 {
                check.played(taken);
                check.hear(frame);
            }
            check.verdict()
        };
        assert_eq!(tell(true, &tone), SpeakerVerdict::Heard);
        assert_eq!(tell(true, &with_noise(&tone, 100)), SpeakerVerdict::Heard);
        assert_eq!(tell(true, &[0; 20 * FRAME]), SpeakerVerdict::Plays);
        assert_eq!(tell(true, &tones::sine(300.0, 400, -20.0)), SpeakerVerdict::Plays);
        assert_eq!(tell(true, &with_noise(&[0; 20 * FRAME], 3000)), SpeakerVerdict::Plays);
        assert_eq!(tell(false, &[0; 20 * FRAME]), SpeakerVerdict::NoSound);
    }
}
