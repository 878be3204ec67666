//! Recordings played faster and slower: the pitch stays, the time fits, and a voice is still known.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{fs, path::Path};

use media::{RATE, Resampler, Wsola, compare, level_dbfs, tones, wav};

const SPEEDS: [u32; 7] = [50, 75, 100, 125, 150, 175, 200];
const RATES: [u32; 3] = [8000, 16_000, 48_000];

/// 48 kHz sound as it is heard at `percent` when it was recorded at `rate`; at the rate of the recording.
fn played(pcm: &[i16], rate: u32, percent: u32) -> Vec<i16> {
    let mut recorded = Vec::new();
    Resampler::new(RATE, rate).resample(pcm, &mut recorded);
    let (mut sound, mut out) = (Wsola::new(recorded, rate), Vec::new());
    while sound.play(percent, &mut out) {}
    out
}

/// The mean frequency by rising zero crossings, each placed between its two samples.
fn hertz(pcm: &[i16], rate: u32) -> f64 {
    let crossings = pcm.windows(2).enumerate().filter(|(_, w)| w[0] < 0 && w[1] >= 0);
    let times: Vec<f64> =
        crossings.map(|(i, w)| i as f64 + f64::from(-w[0]) / (f64::from(w[1]) - f64::from(w[0]))).collect();
    f64::from(rate) * (times.len() - 1) as f64 / (times.last().unwrap() - times[0])
}

#[test]
fn a_tone_keeps_its_pitch_and_its_level_and_lasts_as_long_as_the_speed_says() {
    for hz in [120.0, 220.0, 440.0, 1000.0] {
        let tone = tones::sine(hz, 4000, -6.0);
        for (rate, percent) in RATES.iter().flat_map(|&rate| SPEEDS.map(|percent| (rate, percent))) {
            let out = played(&tone, rate, percent);
            let what = format!("{hz} Hz at {rate} Hz, {percent} %");
            let (seconds, due) = (out.len() as f64 / f64::from(rate), 400.0 / f64::from(percent));
            assert!((seconds / due - 1.0).abs() < 0.02, "{what}: {seconds} s, not {due}");
            let middle = &out[rate as usize / 5..out.len() - rate as usize / 5];
            let heard = hertz(middle, rate);
            assert!((heard / f64::from(hz) - 1.0).abs() < 0.01, "{what}: {heard} Hz");
            assert!((level_dbfs(middle) + 9.0).abs() < 0.5, "{what}: {} dBFS", level_dbfs(middle));
        }
    }
}

fn voices() -> Vec<(String, Vec<i16>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/voices");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let wavs = files.filter(|path| path.extension().is_some_and(|extension| extension == "wav"));
    wavs.map(|path| {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        (name, wav::parse(&fs::read(path).unwrap()).unwrap())
    })
    .collect()
}

/// Recognition compares in real time, so what was played at another speed is brought back to its own first: what both
/// ways have spoilt is judged.
#[test]
fn a_voice_is_still_known_after_both_ways() {
    let voices = voices();
    let candidates: Vec<(&str, &[i16])> = voices.iter().map(|(name, pcm)| (name.as_str(), pcm.as_slice())).collect();
    let known = compare::Sources::new(&candidates);
    for percent in [75, 125, 150, 200] {
        for (name, pcm) in &voices {
            let mut there = Vec::new();
            Resampler::new(16_000, RATE).resample(&played(pcm, 16_000, percent), &mut there);
            let back = played(&there, 16_000, 10_000 / percent);
            let found = known.best_match(&back, 16_000).unwrap_or_else(|| panic!("{name} at {percent} %"));
            // Measured: at least 0.94, and 0.30 above the next.
            assert!(&found.name == name && found.score > 0.9, "{name} at {percent} %: {found:?}");
        }
    }
}

/// How periodic a voice is where it is loud (mean of the best correlation with itself, 2.5 to 12.5 ms later), and its
/// median pitch where it clearly has one, hertz.
fn voicing(pcm: &[i16], rate: u32) -> (f64, f64) {
    let mut narrow = Vec::new();
    Resampler::new(rate, 8000).resample(pcm, &mut narrow);
    let frames = narrow.windows(340).step_by(80).filter(|frame| level_dbfs(frame) > -35.0);
    let best: Vec<(f64, usize)> = frames
        .map(|frame| {
            let alike = |lag: usize| correlation(&frame[..240], &frame[lag..lag + 240]);
            (20..=100).map(|lag| (alike(lag), lag)).max_by(|a, b| a.0.total_cmp(&b.0)).unwrap()
        })
        .collect();
    let mut lags: Vec<usize> = best.iter().filter(|(alike, _)| *alike > 0.8).map(|(_, lag)| *lag).collect();
    lags.sort_unstable();
    let mean = best.iter().map(|(alike, _)| alike).sum::<f64>() / best.len() as f64;
    (mean, 8000.0 / lags[lags.len() / 2] as f64)
}

fn correlation(a: &[i16], b: &[i16]) -> f64 {
    let dot = |x: &[i16], y: &[i16]| x.iter().zip(y).map(|(&x, &y)| f64::from(x) * f64::from(y)).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt().max(1.0)
}

#[test]
fn a_voice_keeps_its_pitch_and_is_hardly_roughened() {
    for (name, pcm) in voices() {
        let (smooth, pitch) = voicing(&pcm, RATE);
        // Said faster, a voice changes faster, and is less like itself a moment ago. Measured: 0.057 less at 150 %,
        // 0.117 at 200 %; overlapping without looking for what is alike 0.27 and 0.26, and the pitch is lost.
        for (percent, rougher) in [(50, 0.0), (75, 0.0), (125, 0.05), (150, 0.07), (200, 0.13)] {
            for rate in RATES {
                let (smooth_now, pitch_now) = voicing(&played(&pcm, rate, percent), rate);
                let what = format!("{name} at {rate} Hz, {percent} %");
                assert!((pitch_now / pitch - 1.0).abs() < 0.08, "{what}: {pitch_now} Hz, not {pitch}");
                assert!(smooth_now > smooth - rougher, "{what}: {smooth_now}, not {smooth}");
            }
        }
    }
}
