//! Listening: which recorded sentence, or which music, arrived in a stretch of a recording.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Serialize;

/// Samples per second of everything in this module.
pub const RATE: usize = media::RATE as usize;

/// A recording with the moment of its first sample, Unix milliseconds.
pub struct Heard {
    pub begun_ms: u64,
    pub samples: Vec<i16>,
}

impl Heard {
    /// Reads a recording that may still be growing.
    pub fn read(path: &Path, begun_ms: u64) -> Result<Self> {
        let bytes = std::fs::read(path).with_context(|| format!("no recording {}", path.display()))?;
        let samples = match media::wav::parse(&bytes) {
            // Its header is put right once a second.
            Err(media::wav::WavError::Empty) => Vec::new(),
            parsed => parsed.with_context(|| path.display().to_string())?,
        };
        Ok(Self { begun_ms, samples })
    }

    /// What was heard between two moments, Unix milliseconds.
    pub fn between(&self, from_ms: u64, to_ms: u64) -> &[i16] {
        let at = |ms: u64| {
            let index = (ms.saturating_sub(self.begun_ms) as usize).saturating_mul(RATE / 1000);
            index.min(self.samples.len())
        };
        let (from, to) = (at(from_ms), at(to_ms));
        &self.samples[from..to.max(from)]
    }

    pub fn end_ms(&self) -> u64 {
        self.begun_ms + (self.samples.len() / (RATE / 1000)) as u64
    }
}

/// The sources that can be told apart.
pub struct Library {
    sources: media::compare::Sources,
}

/// What was recognised.
#[derive(Debug, Clone, Serialize)]
pub struct Recognised {
    /// Name of the source; `None` if nothing was like any.
    pub what: Option<String>,
    /// Likeness, 0 to 1; of the source that is nearest if none is like enough.
    pub score: f32,
    pub level_dbfs: f32,
}

impl Library {
    /// All voices of the sample office, the hold music and the announcements.
    pub fn office() -> Result<Self> {
        let mut files: Vec<PathBuf> = Vec::new();
        for entry in std::fs::read_dir(voices())? {
            files.push(entry?.path());
        }
        for entry in std::fs::read_dir(repository().join("crates/exchange/sounds"))? {
            files.push(entry?.path());
        }
        files.retain(|file| file.extension().is_some_and(|e| e == "wav"));
        files.sort();
        let mut sources: Vec<(String, Vec<i16>)> = Vec::new();
        for file in files {
            let name = file.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
            sources.push((name, media::wav::parse(&std::fs::read(&file)?)?));
        }
        let named: Vec<(&str, &[i16])> = sources.iter().map(|(name, pcm)| (name.as_str(), pcm.as_slice())).collect();
        Ok(Self { sources: media::compare::Sources::new(&named) })
    }

    pub fn recognise(&self, heard: &[i16]) -> Recognised {
        let level_dbfs = media::level_dbfs(heard);
        match self.sources.best_match(heard, media::RATE) {
            Some(found) => Recognised { what: Some(found.name), score: found.score, level_dbfs },
            None => {
                let nearest = self.sources.ranking(heard, media::RATE).first().map_or(0.0, |nearest| nearest.score);
                Recognised { what: None, score: nearest, level_dbfs }
            }
        }
    }
}

/// The folder of this repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_path_buf).unwrap_or_default()
}

/// The folder of the recorded sentences.
pub fn voices() -> PathBuf {
    repository().join("tests/voices")
}

/// A recorded sentence by its speaker.
pub fn voice(speaker: &str) -> String {
    voices().join(format!("{speaker}.wav")).to_string_lossy().into_owned()
}
