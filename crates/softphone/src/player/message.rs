//! A recorded message, 20 ms at a time. No thread, no device, no clock.

use media::wav::{self, WavError};
use media::{FRAME, Frame, RATE, Resampler, SILENCE, Wsola};

use super::{Player, PlayerEvent};

const MAX_SECONDS: u32 = 3600;
/// Positions ten times a second.
const FRAMES_PER_POSITION: u32 = 5;

pub(super) struct Message {
    sound: Wsola,
    /// Of `sound`, hertz.
    rate: u32,
    resampler: Resampler,
    /// At 48 kHz, not yet given.
    waiting: Vec<i16>,
    percent: u32,
    paused: bool,
    ended: bool,
    /// Since the latest position was told.
    frames: u32,
}

impl Message {
    /// A WAV file, playing from its beginning.
    ///
    /// # Errors
    /// If it is none, empty, or longer than an hour.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, WavError> {
        let (rate, pcm) = wav::read(bytes, MAX_SECONDS)?;
        Ok(Self {
            sound: Wsola::new(pcm, rate),
            rate,
            resampler: Resampler::new(rate, RATE),
            waiting: Vec::with_capacity(2 * FRAME),
            percent: 100,
            paused: false,
            ended: false,
            frames: 0,
        })
    }

    pub(super) fn duration_ms(&self) -> u64 {
        self.ms(self.sound.length())
    }

    pub(super) fn position_ms(&self) -> u64 {
        self.ms(self.sound.position())
    }

    fn ms(&self, samples: usize) -> u64 {
        samples as u64 * 1000 / u64::from(self.rate)
    }

    pub(super) fn plays(&self) -> bool {
        !self.paused && !self.ended
    }

    pub(super) fn pause(&mut self, paused: bool) {
        self.paused = paused;
    }

    pub(super) fn seek(&mut self, ms: u64) {
        // The last millisecond is seldom a whole one: its end is the end.
        let sample = if ms >= self.duration_ms() {
            self.sound.length()
        } else {
            usize::try_from(u128::from(ms) * u128::from(self.rate) / 1000).unwrap_or(usize::MAX)
        };
        self.sound.seek(sample);
        self.ended &= self.sound.at_end();
        self.frames = 0;
    }

    pub(super) fn speed(&mut self, percent: u32) {
        self.percent = percent.clamp(*Player::SPEEDS.start(), *Player::SPEEDS.end());
    }

    /// The next 20 ms, and what is to be told. No sound: it is paused or at its end.
    pub(super) fn tick(&mut self) -> (Option<Frame>, Option<PlayerEvent>) {
        let plays = self.plays();
        let frame = self.frame(plays);
        if plays && self.sound.at_end() && self.waiting.is_empty() {
            self.ended = true;
            return (frame, Some(PlayerEvent::Ended));
        }
        self.frames += u32::from(plays);
        let due = plays && self.frames.is_multiple_of(FRAMES_PER_POSITION);
        (frame, due.then(|| PlayerEvent::Position { ms: self.position_ms() }))
    }

    fn frame(&mut self, plays: bool) -> Option<Frame> {
        let mut piece = Vec::new();
        while self.waiting.len() < FRAME {
            piece.clear();
            let more = if plays { self.sound.play(self.percent, &mut piece) } else { self.sound.fade_out(&mut piece) };
            if !more {
                break;
            }
            self.resampler.resample(&piece, &mut self.waiting);
        }
        if self.waiting.is_empty() {
            return None;
        }
        let mut frame = SILENCE;
        let count = self.waiting.len().min(FRAME);
        for (slot, sample) in frame.iter_mut().zip(self.waiting.drain(..count)) {
            *slot = sample;
        }
        Some(frame)
    }
}
