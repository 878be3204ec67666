//! Tones, made as they are needed: 48 kHz mono.

use std::f32::consts::TAU;

use crate::RATE;

/// Why a device rings. Each sounds clearly different, so that the ear knows before the eye.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ring {
    /// A call from outside, or a colleague calling: a slow bell, two strokes.
    Outside,
    /// A colleague hands a call over: three quick rising notes.
    Transfer,
    /// A call comes back: two falling notes, twice.
    Recall,
    /// As `Outside`, for whoever wants to tell one account from another: three slow falling notes.
    Chime,
    /// A quick figure of short wooden notes.
    Marimba,
    /// The trill of an old telephone: 1 s on, 2 s off.
    Classic,
}

/// One round of a ring tone, pause included, to be played again and again.
#[must_use]
pub fn ring(ring: Ring) -> Vec<i16> {
    // (start ms, hertz)
    let (notes, length): (&[(u32, f32)], u32) = match ring {
        Ring::Outside => (&[(0, 523.25), (0, 659.26), (450, 523.25), (450, 659.26)], 3000),
        Ring::Transfer => (&[(0, 659.26), (140, 830.61), (280, 987.77), (420, 1318.51)], 2000),
        Ring::Recall => (&[(0, 880.0), (200, 587.33), (600, 880.0), (800, 587.33)], 2400),
        Ring::Chime => (&[(0, 783.99), (500, 659.26), (1000, 523.25)], 3400),
        Ring::Marimba => (&[(0, 392.0), (120, 493.88), (240, 587.33), (480, 493.88), (600, 587.33)], 2600),
        Ring::Classic => return trill(),
    };
    let mut pcm = vec![0.0; samples(length)];
    for &(start, hertz) in notes {
        strike(&mut pcm[samples(start)..], hertz);
    }
    pcm.into_iter().map(|s| (s.clamp(-1.0, 1.0) * 32_000.0) as i16).collect()
}

/// A clapper between two bells, 25 strokes a second.
fn trill() -> Vec<i16> {
    let mut pcm = vec![0.0; samples(3000)];
    for stroke in 0..25 {
        let bell = if stroke % 2 == 0 { 1100.0 } else { 1400.0 };
        for (i, sample) in pcm[samples(stroke * 40)..samples(stroke * 40 + 40)].iter_mut().enumerate() {
            let soft = (i.min(samples(40) - 1 - i) as f32 / samples(2) as f32).min(1.0);
            *sample = 0.2 * soft * phase(bell, i).sin();
        }
    }
    pcm.into_iter().map(|s| (s * 32_000.0) as i16).collect()
}

/// One round of the tone a caller hears while the other end rings: 425 Hz, 1 s on, 4 s off (ITU-T E.180, most of Europe).
#[must_use]
pub fn ringback() -> Vec<i16> {
    let mut pcm = sine(425.0, 1000, -16.0);
    pcm.resize(samples(5000), 0);
    pcm
}

/// "Speak after the beep": 1 kHz, 400 ms.
#[must_use]
pub fn beep() -> Vec<i16> {
    sine(1000.0, 400, -12.0)
}

/// A sine of `hertz` for `ms`, its peak at `peak_dbfs`, its ends softened over 5 ms.
#[must_use]
pub fn sine(hertz: f32, ms: u32, peak_dbfs: f32) -> Vec<i16> {
    let peak = 32_767.0 * 10_f32.powf(peak_dbfs.min(0.0) / 20.0);
    let (length, edge) = (samples(ms), samples(5));
    (0..length)
        .map(|i| {
            let soft = (i.min(length - 1 - i) as f32 / edge as f32).min(1.0);
            (peak * soft * phase(hertz, i).sin()) as i16
        })
        .collect()
}

/// Adds a struck note with a few overtones that dies away within about a second.
fn strike(pcm: &mut [f32], hertz: f32) {
    const OVERTONES: [(f32, f32, f32); 3] = [(1.0, 0.22, 4.0), (2.0, 0.08, 6.0), (3.01, 0.04, 9.0)];
    for (i, sample) in pcm.iter_mut().enumerate() {
        let seconds = i as f32 / RATE as f32;
        let attack = (seconds / 0.004).min(1.0);
        for (multiple, loudness, decay) in OVERTONES {
            *sample += attack * loudness * (-decay * seconds).exp() * phase(hertz * multiple, i).sin();
        }
    }
    // The last 10 ms fade, so that the loop's seam is silent.
    let (length, edge) = (pcm.len(), samples(10));
    for (i, sample) in pcm.iter_mut().rev().take(edge.min(length)).enumerate() {
        *sample *= i as f32 / edge as f32;
    }
}

fn phase(hertz: f32, sample: usize) -> f32 {
    // Whole turns are taken off in f64: f32 alone would grow hoarse after seconds.
    ((f64::from(hertz) * sample as f64 / f64::from(RATE)).fract() as f32) * TAU
}

fn samples(ms: u32) -> usize {
    (ms * RATE / 1000) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::level_dbfs;

    #[test]
    fn rings_are_loud_end_in_silence_and_differ() {
        let rings = [Ring::Outside, Ring::Transfer, Ring::Recall, Ring::Chime, Ring::Marimba, Ring::Classic].map(ring);
        for pcm in &rings {
            assert!(level_dbfs(pcm) > -32.0, "{}", level_dbfs(pcm));
            assert!(level_dbfs(&pcm[pcm.len() - 480..]) < -55.0);
            assert!(pcm.iter().all(|&s| s.abs() < 32_000), "clipped");
        }
        for (at, pcm) in rings.iter().enumerate() {
            assert!(rings[..at].iter().all(|before| before[..48_000] != pcm[..48_000]), "ring {at}");
        }
    }

    #[test]
    fn a_sine_has_the_level_asked_for() {
        assert!((level_dbfs(&sine(440.0, 1000, -10.0)) - -13.0).abs() < 0.2);
        assert!(sine(440.0, 0, 0.0).is_empty());
    }
}
