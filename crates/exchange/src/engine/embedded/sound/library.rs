use std::path::Path;
use std::sync::Arc;

use super::super::{EmbeddedConfig, EngineError};

/// Longest sound file that is read, bytes: half an hour at 16 kHz.
const MAX_FILE: u64 = 64 << 20;

/// The sounds of the house, 48 kHz mono.
#[derive(Debug)]
pub struct Library {
    /// Looped.
    pub hold_music: Arc<[i16]>,
    /// The mailbox's greeting with the beep after it.
    pub greeting: Arc<[i16]>,
    pub closing: Arc<[i16]>,
    /// "That transfer is not possible."
    pub not_possible: Arc<[i16]>,
    /// Looped.
    pub ringback: Arc<[i16]>,
}

impl Library {
    /// The built-in sounds, or the configured files in their place.
    ///
    /// # Errors
    /// If a file can't be read or is no WAV file, with its name.
    pub fn load(config: &EmbeddedConfig) -> Result<Self, EngineError> {
        let music = include_bytes!("../../../../sounds/hold-music.wav");
        let greeting = include_bytes!("../../../../sounds/greeting.wav");
        let closing = include_bytes!("../../../../sounds/closing.wav");
        let mut greeting = sound(config.greeting.as_deref(), greeting)?;
        greeting.extend(media::tones::beep());
        Ok(Self {
            hold_music: sound(config.hold_music.as_deref(), music)?.into(),
            greeting: greeting.into(),
            closing: sound(config.closing.as_deref(), closing)?.into(),
            not_possible: sound(None, include_bytes!("../../../../sounds/not-possible.wav"))?.into(),
            ringback: media::tones::ringback().into(),
        })
    }
}

fn sound(file: Option<&Path>, built_in: &[u8]) -> Result<Vec<i16>, EngineError> {
    let name = file.map_or_else(|| "(built in)".to_owned(), |f| f.display().to_string());
    let unusable = |detail: String| EngineError::Sound { file: name.clone(), detail };
    let bytes = match file {
        None => built_in.to_vec(),
        Some(file) => {
            let size = std::fs::metadata(file).map_err(|e| unusable(e.to_string()))?.len();
            if size > MAX_FILE {
                return Err(unusable(format!("{size} bytes are too many; {MAX_FILE} is the limit")));
            }
            std::fs::read(file).map_err(|e| unusable(e.to_string()))?
        }
    };
    let sound = media::wav::parse(&bytes).map_err(|e| unusable(e.to_string()))?;
    if sound.is_empty() { Err(unusable("it is empty".into())) } else { Ok(sound) }
}
