use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

use hound::{SampleFormat, WavSpec, WavWriter};
use media::{FRAME_TIME, Frame, RATE, Resampler};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_blocking};

/// Sample rate of the files, hertz.
const FILE_RATE: u32 = 16_000;
/// Below this a frame counts as silence.
const QUIET_DBFS: f32 = -50.0;
/// That much silence ends a message, frames.
const QUIET_FRAMES: u32 = 10_000 / 20;
/// How far the disk may fall behind, frames.
const BACKLOG: usize = 500;
/// The file is made readable as it stands after that many frames, so that a crash costs a second.
const FLUSH_EVERY: u32 = 50;
/// Messages of one call.
const MAX_FILES: u32 = 100;

/// Writes one voicemail message. The disk is only touched on a blocking thread.
pub struct Recorder {
    pub file: PathBuf,
    frames: mpsc::Sender<Vec<i16>>,
    writer: JoinHandle<Result<(), hound::Error>>,
    resampler: Resampler,
    taken: u32,
    limit: u32,
    quiet: u32,
}

/// A message that was recorded.
pub struct Recorded {
    pub file: PathBuf,
    pub duration_ms: u64,
}

impl Recorder {
    /// Opens `file`, or, so that no message is ever overwritten, the next free name after it.
    ///
    /// # Errors
    /// If the file can't be made.
    pub fn start(file: &Path, max_seconds: u32) -> io::Result<Self> {
        let (file, handle) = create(file)?;
        let spec =
            WavSpec { channels: 1, sample_rate: FILE_RATE, bits_per_sample: 16, sample_format: SampleFormat::Int };
        let wav = WavWriter::new(BufWriter::new(handle), spec).map_err(io::Error::other)?;
        let (frames, waiting) = mpsc::channel(BACKLOG);
        Ok(Self {
            file,
            frames,
            writer: spawn_blocking(move || write(wav, waiting)),
            resampler: Resampler::new(RATE, FILE_RATE),
            taken: 0,
            limit: max_seconds.saturating_mul(50),
            quiet: 0,
        })
    }

    /// Takes 20 ms. Says whether there is reason to stop: time limit, silence, or a disk that does not keep up.
    pub fn frame(&mut self, frame: &Frame) -> bool {
        let mut samples = Vec::with_capacity(frame.len() / 3);
        self.resampler.resample(frame, &mut samples);
        let kept = self.frames.try_send(samples).is_ok();
        self.taken += u32::from(kept);
        self.quiet = if media::level_dbfs(frame) < QUIET_DBFS { self.quiet + 1 } else { 0 };
        !kept || self.taken >= self.limit || self.quiet >= QUIET_FRAMES
    }

    /// Completes the file.
    ///
    /// # Errors
    /// If the disk refused.
    pub async fn finish(self) -> Result<Recorded, hound::Error> {
        let Self { file, frames, writer, taken, .. } = self;
        drop(frames);
        writer.await.map_err(|e| hound::Error::IoError(io::Error::other(e)))??;
        Ok(Recorded { file, duration_ms: u64::from(taken) * FRAME_TIME.as_millis() as u64 })
    }
}

fn create(wanted: &Path) -> io::Result<(PathBuf, File)> {
    let open = |path: &Path| OpenOptions::new().write(true).create_new(true).open(path);
    let stem = wanted.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let mut file = wanted.to_owned();
    for n in 2..=MAX_FILES {
        match open(&file) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                file = wanted.with_file_name(format!("{stem}-{n}.wav"));
            }
            other => return other.map(|handle| (file, handle)),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

fn write(mut wav: WavWriter<BufWriter<File>>, mut frames: mpsc::Receiver<Vec<i16>>) -> Result<(), hound::Error> {
    let mut count = 0;
    while let Some(frame) = frames.blocking_recv() {
        for sample in frame {
            wav.write_sample(sample)?;
        }
        count += 1;
        if count % FLUSH_EVERY == 0 {
            wav.flush()?;
        }
    }
    wav.finalize()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn tone() -> Frame {
        let mut frame = media::SILENCE;
        frame.copy_from_slice(&media::tones::sine(500.0, 20, -10.0));
        frame
    }

    #[tokio::test]
    async fn stops_at_the_limit_and_never_overwrites() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("c1.wav");
        for name in ["c1.wav", "c1-2.wav"] {
            let mut recorder = Recorder::start(&file, 1).unwrap();
            let stops: Vec<bool> = (0..50).map(|_| recorder.frame(&tone())).collect();
            assert_eq!(stops.iter().position(|s| *s), Some(49));
            let recorded = recorder.finish().await.unwrap();
            assert_eq!((recorded.duration_ms, recorded.file), (1000, folder.path().join(name)));
        }
        let wav = hound::WavReader::open(&file).unwrap();
        assert_eq!((wav.spec().sample_rate, wav.duration()), (FILE_RATE, FILE_RATE));
    }

    #[tokio::test]
    async fn stops_after_ten_seconds_of_silence() {
        let folder = tempfile::tempdir().unwrap();
        let mut recorder = Recorder::start(&folder.path().join("c.wav"), 60).unwrap();
        assert!(!recorder.frame(&tone()));
        let mut frames = 0;
        while !recorder.frame(&media::SILENCE) {
            frames += 1;
        }
        assert_eq!(frames, QUIET_FRAMES - 1);
    }
}
