//! The sound devices: listing them, playing, recording, ringing.
//!
//! Whatever a device's rate and channels are, on our side sound is mono `i16` at 48 kHz. Each open device has one thread,
//! which owns its stream; the system's callbacks only move samples through a ring, without lock, allocation or log.
//! [`Sound::fake`] gives the same surface without any device.

mod device;
mod drift;
mod fake;
#[cfg(test)]
mod led;
mod microphone;
mod pulse;
mod ringer;
mod speaker;
mod stream;

pub use device::{Device, Devices, Watch, same};
pub use fake::FakeDevices;
pub use microphone::Microphone;
pub use ringer::Ringer;
pub use speaker::Speaker;

/// Why there is no sound, as a sentence for the person.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SoundError {
    #[error("There is no {0}. Connect one, or choose another in the settings.")]
    None(Kind),
    #[error("The {kind} \"{id}\" is not connected. Connect it, or choose another in the settings.")]
    NotConnected { kind: Kind, id: String },
    #[error("The {kind} \"{name}\" can't be used: {why}")]
    Refused { kind: Kind, name: String, why: String },
    #[error("The {0} was disconnected.")]
    Gone(Kind),
    #[error("The {0} has stopped.")]
    Stopped(Kind),
    #[error("The {0} did not start within 5 seconds.")]
    TimedOut(Kind),
}

/// What a device is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Microphone,
    Speaker,
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Microphone => "microphone",
            Self::Speaker => "speaker",
        })
    }
}

/// The devices of this machine, or made-up ones. Cheap to clone. Opening a device may take some 100 ms, and at most 5 s: do it
/// off the async threads.
#[derive(Clone)]
pub struct Sound(Source);

#[derive(Clone)]
enum Source {
    System,
    Fake(FakeDevices),
}

impl Sound {
    /// This machine's devices.
    #[must_use]
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// Devices that exist in this process only, and what controls them.
    #[must_use]
    pub fn fake() -> (Self, FakeDevices) {
        let devices = FakeDevices::default();
        (Self(Source::Fake(devices.clone())), devices)
    }

    /// What can be chosen from now.
    #[must_use]
    pub fn devices(&self) -> Devices {
        match &self.0 {
            Source::System => device::list(&cpal::default_host()),
            Source::Fake(fake) => fake.list(),
        }
    }

    /// For looking often.
    #[must_use]
    pub fn watch(&self) -> Watch {
        Watch::new(self.0.clone())
    }

    /// Opens a speaker by its id; `None`: the system's default.
    ///
    /// # Errors
    /// If it is not there or refuses.
    pub fn speaker(&self, id: Option<&str>) -> Result<Speaker, SoundError> {
        match &self.0 {
            Source::System => speaker::open(id),
            Source::Fake(fake) => fake.speaker(id),
        }
    }

    /// Opens a microphone by its id; `None`: the system's default.
    ///
    /// # Errors
    /// If it is not there or refuses.
    pub fn microphone(&self, id: Option<&str>) -> Result<Microphone, SoundError> {
        match &self.0 {
            Source::System => microphone::open(id),
            Source::Fake(fake) => fake.microphone(id),
        }
    }

    /// What rings, on the speaker `id`, independent of any call's speaker. Opens nothing yet.
    #[must_use]
    pub fn ringer(&self, id: Option<&str>) -> Ringer {
        Ringer::new(self.clone(), id)
    }
}
