//! Ringing.

use media::Resampler;

use crate::{Kind, Sound, SoundError, Source, speaker, stream::Open};

/// Rings on a device of its own choice, whatever a call's speaker does meanwhile.
pub struct Ringer {
    sound: Sound,
    id: Option<String>,
    rings: Option<Rings>,
}

enum Rings {
    Device(Open),
    /// On the made-up speaker with this id.
    Fake(String),
}

impl Ringer {
    pub(crate) fn new(sound: Sound, id: Option<&str>) -> Self {
        Self { sound, id: id.map(str::to_owned), rings: None }
    }

    /// Plays `pcm` (mono, 48 kHz) again and again, in place of what rang before. Returns once the device plays.
    ///
    /// # Errors
    /// If the device is not there or refuses.
    pub fn start(&mut self, pcm: &[i16]) -> Result<(), SoundError> {
        self.stop();
        let id = self.id.as_deref();
        self.rings = Some(match &self.sound.0 {
            Source::System => Rings::Device(ring(id, pcm)?),
            Source::Fake(fake) => Rings::Fake(fake.ring(id, pcm)?),
        });
        Ok(())
    }

    /// Silence, at once. Harmless if nothing rings.
    pub fn stop(&mut self) {
        if let (Source::Fake(fake), Some(Rings::Fake(id))) = (&self.sound.0, self.rings.take()) {
            fake.stop_ringing(&id);
        }
    }

    /// Set if the device was lost while it rang.
    #[must_use]
    pub fn trouble(&self) -> Option<SoundError> {
        match (&self.rings, &self.sound.0) {
            (Some(Rings::Device(open)), _) => open.trouble(),
            (Some(Rings::Fake(id)), Source::Fake(fake)) => fake.trouble(Kind::Speaker, id),
            (Some(Rings::Fake(_)), Source::System) | (None, _) => None,
        }
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
    speaker::play(device, config, format, again_and_again(tone))
}

/// Called by the system for each sample: no lock, no allocation, no log.
fn again_and_again(tone: Vec<i16>) -> impl FnMut() -> Option<i16> + Send + 'static {
    let mut at = 0;
    move || {
        let sample = tone.get(at).copied();
        at = if at + 1 >= tone.len() { 0 } else { at + 1 };
        sample
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_callback_repeats_its_tone_without_allocating() {
        let mut fill = speaker::filler::<i16>(2, again_and_again((1..=700).collect()), Default::default());
        let mut out = vec![0; 2 * 480];
        for round in 0..20 {
            let counted = allocation_counter::measure(|| fill(&mut out));
            assert_eq!(counted.count_total, 0);
            let expected = (0..480).map(|i| (round * 480 + i) % 700 + 1);
            assert!(out.chunks(2).map(|pair| [pair[0], pair[1]]).eq(expected.map(|sample| [sample, sample])));
        }
        let mut silent = speaker::filler::<i16>(2, again_and_again(Vec::new()), Default::default());
        silent(&mut out);
        assert!(out.iter().all(|sample| *sample == 0));
    }
}
