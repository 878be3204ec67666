//! Ringing.

use media::Resampler;

use crate::{Sound, SoundError, Source, speaker, stream::Open};

/// Rings on a device of its own choice, whatever a call's speaker does meanwhile.
pub struct Ringer {
    sound: Sound,
    id: Option<String>,
    open: Option<Open>,
}

impl Ringer {
    pub(crate) fn new(sound: Sound, id: Option<&str>) -> Self {
        Self { sound, id: id.map(str::to_owned), open: None }
    }

    /// Plays `pcm` (mono, 48 kHz) again and again, in place of what rang before. Returns once the device plays.
    ///
    /// # Errors
    /// If the device is not there or refuses.
    pub fn start(&mut self, pcm: &[i16]) -> Result<(), SoundError> {
        self.stop();
        match &self.sound.0 {
            Source::System => {
                self.open = Some(ring(self.id.as_deref(), pcm)?);
                Ok(())
            }
            Source::Fake(fake) => fake.ring(self.id.as_deref(), pcm),
        }
    }

    /// Silence, at once. Harmless if nothing rings.
    pub fn stop(&mut self) {
        self.open = None;
        if let Source::Fake(fake) = &self.sound.0 {
            fake.stop_ringing();
        }
    }

    /// Set if the device was lost while it rang.
    #[must_use]
    pub fn trouble(&self) -> Option<SoundError> {
        self.open.as_ref().and_then(Open::trouble)
    }
}

impl Drop for Ringer {
    fn drop(&mut self) {
        self.stop();
    }
}

fn ring(id: Option<&str>, pcm: &[i16]) -> Result<Open, SoundError> {
    let (device, config, format) = speaker::prepare(id)?;
    let mut tone = Vec::new();
    Resampler::new(media::RATE, config.sample_rate).resample(pcm, &mut tone);
    let mut at = 0;
    let next = move || {
        let sample = tone.get(at).copied();
        at = if at + 1 >= tone.len() { 0 } else { at + 1 };
        sample
    };
    speaker::play(device, config, format, next)
}
