//! WAV files as bytes.

use std::io::Cursor;

use hound::{SampleFormat, WavReader, WavSpec, WavWriter};

use crate::{RATE, Resampler};

/// The longest recording that is read: half an hour.
const MAX_SECONDS: u32 = 1800;

/// Why bytes are no usable WAV file.
#[derive(Debug, thiserror::Error)]
pub enum WavError {
    #[error("not a WAV file: {0}")]
    Format(#[from] hound::Error),
    #[error("a WAV file of {channels} channels at {rate} Hz is not supported (1 to 8 channels, 4000 to 192000 Hz)")]
    Unsupported { channels: u16, rate: u32 },
    #[error("the WAV file is empty")]
    Empty,
    #[error("the WAV file lasts {seconds} s; at most 1800 s are read")]
    TooLong { seconds: u32 },
}

/// Reads a WAV file of any rate, any channels, integer or float, into mono 48 kHz.
///
/// # Errors
/// If it is no WAV file, empty, or too long.
pub fn parse(bytes: &[u8]) -> Result<Vec<i16>, WavError> {
    let mut reader = WavReader::new(Cursor::new(bytes))?;
    let WavSpec { channels, sample_rate: rate, bits_per_sample, sample_format } = reader.spec();
    if !(1..=8).contains(&channels) || !(4000..=192_000).contains(&rate) {
        return Err(WavError::Unsupported { channels, rate });
    }
    let seconds = reader.duration() / rate;
    if seconds > MAX_SECONDS {
        return Err(WavError::TooLong { seconds });
    }
    let samples: Vec<f32> = match sample_format {
        SampleFormat::Float => {
            reader.samples::<f32>().map(|s| Ok(s? * 32_768.0)).collect::<Result<_, hound::Error>>()?
        }
        SampleFormat::Int => {
            let scale = 2_f32.powi(16 - i32::from(bits_per_sample));
            reader.samples::<i32>().map(|s| Ok(s? as f32 * scale)).collect::<Result<_, hound::Error>>()?
        }
    };
    if samples.is_empty() {
        return Err(WavError::Empty);
    }
    let mono: Vec<i16> = samples
        .chunks_exact(channels.into())
        .map(|all| (all.iter().sum::<f32>() / f32::from(channels)) as i16)
        .collect();
    Ok(resample(&mono, rate, RATE))
}

/// A WAV file: mono, 16 bit, at `rate` hertz (4000 to 192000), of `pcm` at 48 kHz.
#[must_use]
pub fn write(pcm: &[i16], rate: u32) -> Vec<u8> {
    let rate = rate.clamp(4000, 192_000);
    let mut bytes = Cursor::new(Vec::new());
    let spec = WavSpec { channels: 1, sample_rate: rate, bits_per_sample: 16, sample_format: SampleFormat::Int };
    // Writing into memory can only fail beyond 4 GiB; then what fits is returned.
    if let Ok(mut writer) = WavWriter::new(&mut bytes, spec) {
        for sample in resample(pcm, RATE, rate) {
            if writer.write_sample(sample).is_err() {
                break;
            }
        }
        let _ = writer.finalize();
    }
    bytes.into_inner()
}

fn resample(pcm: &[i16], from: u32, to: u32) -> Vec<i16> {
    let mut out = Vec::with_capacity((pcm.len() as u64 * u64::from(to) / u64::from(from)) as usize + 1);
    Resampler::new(from, to).resample(pcm, &mut out);
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{level_dbfs, tones};

    #[test]
    fn any_rate_comes_back_as_it_went() {
        let tone = tones::sine(440.0, 500, -6.0);
        for rate in [8000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000] {
            let back = parse(&write(&tone, rate)).unwrap();
            assert!(back.len().abs_diff(tone.len()) < 10, "{rate}: {}", back.len());
            assert!((level_dbfs(&back) - level_dbfs(&tone)).abs() < 0.3, "{rate}: {}", level_dbfs(&back));
        }
    }

    #[test]
    fn channels_are_averaged() {
        let mut bytes = Cursor::new(Vec::new());
        let spec = WavSpec { channels: 2, sample_rate: 48_000, bits_per_sample: 24, sample_format: SampleFormat::Int };
        let mut writer = WavWriter::new(&mut bytes, spec).unwrap();
        for _ in 0..100 {
            writer.write_sample(1000 << 8).unwrap();
            writer.write_sample(3000 << 8).unwrap();
        }
        writer.finalize().unwrap();
        assert_eq!(parse(&bytes.into_inner()).unwrap(), vec![2000; 100]);
    }

    #[test]
    fn what_is_no_wav_is_refused_with_a_sentence() {
        for bytes in [&b""[..], b"RIFF", b"hello, I am a text file and not a sound"] {
            assert!(parse(bytes).unwrap_err().to_string().starts_with("not a WAV file"));
        }
        assert!(matches!(parse(&write(&[], 8000)), Err(WavError::Empty)));
    }

    proptest! {
        #[test]
        fn hostile_bytes_never_panic(at in 0_usize..60, bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let mut wav = write(&[1; 100], 8000);
            for (slot, byte) in wav[at..].iter_mut().zip(bytes) {
                *slot = byte;
            }
            let _ = parse(&wav);
        }
    }
}
