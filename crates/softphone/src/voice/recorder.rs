//! What is heard in one call, written as it is heard.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use hound::{SampleFormat, WavSpec, WavWriter};
use media::{Frame, RATE};

/// Writes mono 16 bit at 48 kHz. The header is put right every second, so that the file can be read at any time, and
/// after a crash.
pub(crate) struct Recorder {
    writer: WavWriter<BufWriter<File>>,
    frames: u32,
}

const FRAMES_PER_FLUSH: u32 = 50;

impl Recorder {
    /// # Errors
    /// If the file can't be made.
    pub(crate) fn create(path: &Path) -> Result<Self, hound::Error> {
        let spec = WavSpec { channels: 1, sample_rate: RATE, bits_per_sample: 16, sample_format: SampleFormat::Int };
        let mut writer = WavWriter::create(path, spec)?;
        writer.flush()?;
        Ok(Self { writer, frames: 0 })
    }

    /// # Errors
    /// If the disk is full or gone.
    pub(crate) fn write(&mut self, heard: &Frame) -> Result<(), hound::Error> {
        let mut samples = self.writer.get_i16_writer(heard.len() as u32);
        for sample in heard {
            samples.write_sample(*sample);
        }
        samples.flush()?;
        self.frames += 1;
        if self.frames.is_multiple_of(FRAMES_PER_FLUSH) { self.writer.flush() } else { Ok(()) }
    }

    /// # Errors
    /// If the disk is full or gone.
    pub(crate) fn finish(self) -> Result<(), hound::Error> {
        self.writer.finalize()
    }
}

/// `out.wav` for the first recorded call, then `out-2.wav`, `out-3.wav`, …
pub(crate) fn numbered(path: &Path, number: u32) -> PathBuf {
    if number <= 1 {
        return path.to_owned();
    }
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let name = match path.extension() {
        Some(extension) => format!("{stem}-{number}.{}", extension.to_string_lossy()),
        None => format!("{stem}-{number}"),
    };
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use media::FRAME;

    use super::*;

    #[test]
    fn later_calls_get_a_number() {
        assert_eq!(numbered(Path::new("/x/out.wav"), 1), Path::new("/x/out.wav"));
        assert_eq!(numbered(Path::new("/x/out.wav"), 3), Path::new("/x/out-3.wav"));
        assert_eq!(numbered(Path::new("out"), 2), Path::new("out-2"));
    }

    #[test]
    fn a_file_is_readable_while_it_grows_and_complete_at_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("heard.wav");
        let mut recorder = Recorder::create(&path).unwrap();
        for _ in 0..FRAMES_PER_FLUSH + 3 {
            recorder.write(&[7; FRAME]).unwrap();
        }
        let samples = || hound::WavReader::open(&path).unwrap().len();
        assert_eq!(samples(), FRAMES_PER_FLUSH * FRAME as u32);
        recorder.finish().unwrap();
        assert_eq!(samples(), (FRAMES_PER_FLUSH + 3) * FRAME as u32);
    }
}
