//! Sound devices, and how they do.

use serde::{Deserialize, Serialize};
use specta::Type;

use super::Tone;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Type)]
pub struct SoundView {
    pub microphones: Vec<SoundDevice>,
    pub speakers: Vec<SoundDevice>,
    pub choice: SoundSettings,
    /// The chosen devices, whether or not they are plugged in.
    pub remembered: Vec<SoundDevice>,
    pub trouble: Option<String>,
    /// A headset with buttons, if one is plugged in.
    pub headset: Option<HeadsetView>,
    /// "Hear yourself", from its beginning until the person closes it.
    pub test: Option<SoundTestView>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct HeadsetView {
    pub name: String,
    /// Why its buttons can't be used.
    pub trouble: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct SoundTestView {
    pub stage: SoundTestStage,
    /// Once it is done: of the microphone, then of the speaker.
    pub verdicts: Vec<SoundVerdict>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "snake_case")]
pub enum SoundTestStage {
    Opening,
    Beep,
    Listening,
    Playing,
    Done,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct SoundVerdict {
    pub tone: Tone,
    pub sentence: String,
}

/// How loud microphone and speaker are in a call or a test, dBFS: 0 is the loudest, −100 silence. No part of the view: it
/// changes all the time, and few look at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Levels {
    pub microphone: i16,
    pub speaker: i16,
}

impl Levels {
    pub const SILENCE: Self = Self { microphone: -100, speaker: -100 };

    pub(crate) fn new(microphone: f32, speaker: f32) -> Self {
        Self { microphone: microphone.round() as i16, speaker: speaker.round() as i16 }
    }
}

/// What the person has chosen for sound. Devices are ids; `None` is the system's default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(default)]
pub struct SoundSettings {
    pub microphone: Option<String>,
    pub speaker: Option<String>,
    pub ringer: Option<String>,
    /// Calls ring on the speaker too.
    pub ring_both: bool,
    /// Takes out what the microphone hears of the speaker.
    pub cancel_echo: bool,
    pub reduce_noise: bool,
    /// Brings a soft or loud voice to a usual level.
    pub level_voice: bool,
}

impl Default for SoundSettings {
    fn default() -> Self {
        Self {
            microphone: None,
            speaker: None,
            ringer: None,
            ring_both: false,
            cancel_echo: true,
            reduce_noise: true,
            level_voice: true,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct SoundDevice {
    pub id: String,
    pub name: String,
}
