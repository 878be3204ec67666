//! WAV files as bytes.

use std::io::Cursor;

use hound::{SampleFormat, WavReader, WavSpec, WavWriter};

use crate::{RATE, Resampler};

/// The longest sound that is read into 48 kHz: half an hour.
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
    #[error("the WAV file ends before its sound does")]
    Cut,
    #[error("the WAV file lasts {seconds} s; at most {most} s are read")]
    TooLong { seconds: u32, most: u32 },
}

/// Reads a WAV file of any rate, any channels, integer or float, into mono 48 kHz.
///
/// # Errors
/// If it is no WAV file, empty, or longer than half an hour.
pub fn parse(bytes: &[u8]) -> Result<Vec<i16>, WavError> {
    let (rate, mono) = read(bytes, MAX_SECONDS)?;
    Ok(resample(&mono, rate, RATE))
}

/// Reads a WAV file of any channels, integer or float: its sample rate (4000 to 192000 Hz), and mono sound at that rate.
///
/// # Errors
/// If it is no WAV file, empty, ends early, or lasts longer than `most` seconds.
pub fn read(bytes: &[u8], most: u32) -> Result<(u32, Vec<i16>), WavError> {
    let mut reader = WavReader::new(Cursor::new(bytes))?;
    let WavSpec { channels, sample_rate: rate, bits_per_sample, sample_format } = reader.spec();
    if !(1..=8).contains(&channels) || !(4000..=192_000).contains(&rate) {
        return Err(WavError::Unsupported { channels, rate });
    }
    let seconds = reader.duration() / rate;
    if seconds > most {
        return Err(WavError::TooLong { seconds, most });
    }
    let mono = match sample_format {
        SampleFormat::Float => mono(reader.samples::<f32>(), channels, |sample| sample * 32_768.0)?,
        SampleFormat::Int => {
            let scale = 2_f32.powi(16 - i32::from(bits_per_sample));
            mono(reader.samples::<i32>(), channels, |sample| sample as f32 * scale)?
        }
    };
    if mono.is_empty() { Err(WavError::Empty) } else { Ok((rate, mono)) }
}

/// Averages the channels, sample by sample, so that an hour is not held as floats too.
fn mono<S>(
    samples: impl Iterator<Item = Result<S, hound::Error>>,
    channels: u16,
    scale: impl Fn(S) -> f32,
) -> Result<Vec<i16>, WavError> {
    let (mut pcm, mut sum, mut summed) = (Vec::new(), 0.0, 0);
    for sample in samples {
        sum += scale(sample.map_err(|error| match error {
            hound::Error::IoError(_) => WavError::Cut,
            other => WavError::Format(other),
        })?);
        summed += 1;
        if summed == channels {
            pcm.push((sum / f32::from(channels)) as i16);
            (sum, summed) = (0.0, 0);
        }
    }
    Ok(pcm)
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
        let whole = write(&[1; 480], 8000);
        assert!(matches!(parse(&whole[..whole.len() - 1]), Err(WavError::Cut)));
    }

    /// A header (fields of any size) before `data`.
    fn file(format: u16, channels: u16, rate: u32, bits: u16, length: u32, data: &[u8]) -> Vec<u8> {
        let block = channels.wrapping_mul(bits.div_ceil(8));
        let mut wav = [&b"RIFF"[..], &length.to_le_bytes(), b"WAVEfmt ", &16_u32.to_le_bytes()].concat();
        for number in [format, channels] {
            wav.extend(number.to_le_bytes());
        }
        wav.extend(rate.to_le_bytes());
        wav.extend(rate.wrapping_mul(block.into()).to_le_bytes());
        for number in [block, bits] {
            wav.extend(number.to_le_bytes());
        }
        [&wav, &b"data"[..], &length.to_le_bytes(), data].concat()
    }

    #[test]
    fn an_hour_can_be_asked_for_and_no_second_more_and_no_header_makes_us_take_memory() {
        let claims = |seconds: u32| file(1, 1, 8000, 16, seconds * 16_000, &[0; 16]);
        assert!(matches!(read(&claims(3601), 3600), Err(WavError::TooLong { seconds: 3601, most: 3600 })));
        assert!(matches!(read(&claims(3600), 3600), Err(WavError::Cut)));
        let read = read(&file(1, 1, 16_000, 16, 4, &[1, 0, 255, 255]), 3600);
        assert_eq!(read.ok(), Some((16_000, vec![1, -1])));
    }

    proptest! {
        #[test]
        fn hostile_headers_never_panic(
            format in prop_oneof![Just(1), Just(3), Just(0xFFFE), any::<u16>()],
            channels in prop_oneof![1..=9_u16, any::<u16>()],
            rate in prop_oneof![Just(8000), Just(48_000), any::<u32>()],
            bits in prop_oneof![Just(8), Just(16), Just(24), Just(32), any::<u16>()],
            length in prop_oneof![0..200_u32, any::<u32>()],
            data in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            let wav = file(format, channels, rate, bits, length, &data);
            if let Ok((rate, pcm)) = read(&wav, 3600) {
                prop_assert!(!pcm.is_empty() && pcm.len() <= data.len() && (4000..=192_000).contains(&rate));
            }
        }

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
