//! Making sound a little shorter or longer without changing its pitch, by taking out or repeating one pitch period where
//! the sound is periodic or quiet (WSOLA in its simplest form).

/// Periods that are taken out or repeated: 2.5 to 10 ms.
const PERIODS: std::ops::RangeInclusive<usize> = 120..=480;
/// One sample in so many tells how alike two pieces are.
const STEP: usize = 4;
/// Half a second period is not enough likeness to hide a splice in.
const ALIKE: f32 = 0.7;
/// Below this root mean square (−50 dBFS) a splice anywhere goes unheard.
const QUIET: f32 = 100.0;
/// At least this many samples are needed to find a period in: 20 ms.
pub const NEEDED: usize = 960;

/// Takes one period out of the last [`NEEDED`] samples of `pcm`. Says how many samples it took; 0 if it would be heard.
pub fn shorten(pcm: &mut Vec<i16>) -> usize {
    shorten_by(pcm, usize::MAX)
}

/// [`shorten`], by a period of `at_most` so many samples.
pub(crate) fn shorten_by(pcm: &mut Vec<i16>, at_most: usize) -> usize {
    let Some(start) = pcm.len().checked_sub(NEEDED) else { return 0 };
    let Some(period) = period(&pcm[start..], at_most) else { return 0 };
    let (first, second) = pcm[start..start + 2 * period].split_at_mut(period);
    cross_fade(first, second);
    pcm.drain(start..start + period);
    period
}

/// Repeats one period within the last [`NEEDED`] samples of `pcm`. Says how many samples it added; 0 if it would be heard.
pub fn lengthen(pcm: &mut Vec<i16>) -> usize {
    let Some(start) = pcm.len().checked_sub(NEEDED) else { return 0 };
    let Some(period) = period(&pcm[start..], usize::MAX) else { return 0 };
    let (first, second) = (start..start + period, start + period..start + 2 * period);
    // first, (second fading into first), second: each seam continues as the original did.
    let end = pcm.len();
    pcm.extend_from_within(end - period..);
    pcm.copy_within(second.start..end - period, second.end);
    let mut bridge = [0; *PERIODS.end()];
    let bridge = &mut bridge[..period];
    bridge.copy_from_slice(&pcm[first]);
    cross_fade(&pcm[second.end..second.end + period], bridge);
    pcm[second].copy_from_slice(bridge);
    period
}

/// The period of `at_most` so many samples at the start of `pcm`, if a splice by it goes unheard.
fn period(pcm: &[i16], at_most: usize) -> Option<usize> {
    let longest = *PERIODS.end();
    if at_most < *PERIODS.start() {
        return None;
    }
    let power = pcm.iter().map(|&s| f32::from(s).powi(2)).sum::<f32>() / pcm.len() as f32;
    if power.sqrt() < QUIET {
        return Some(longest.min(at_most));
    }
    let (period, alike) = most_alike(pcm, longest.min(at_most))?;
    (alike > ALIKE).then_some(period)
}

/// The period up to `longest` by which the start of [`NEEDED`] samples is most like what follows, and how much it is. One sample
/// in [`STEP`] is looked at: this is done for each frame while delay is to change.
fn most_alike(pcm: &[i16], longest: usize) -> Option<(usize, f32)> {
    const LOOKED_AT: usize = *PERIODS.end() / STEP;
    let mut sparse = [0.0; NEEDED / STEP];
    for (to, from) in sparse.iter_mut().zip(pcm.iter().step_by(STEP)) {
        *to = f32::from(*from);
    }
    let start = &sparse[..LOOKED_AT];
    let simd = sonora_simd::detect_backend();
    let power = 1.0 + simd.dot_product(start, start);
    (*PERIODS.start() / STEP..=longest / STEP)
        .map(|period| {
            let later = &sparse[period..][..LOOKED_AT];
            (period * STEP, simd.dot_product(start, later) / (power * (1.0 + simd.dot_product(later, later))).sqrt())
        })
        .max_by(|a, b| a.1.total_cmp(&b.1))
}

/// Normalised correlation of two equally long pieces, −1 to 1, looking at one sample in `step`.
pub(crate) fn similarity(a: &[i16], b: &[i16], step: usize) -> f32 {
    let (mut ab, mut aa, mut bb) = (0.0_f32, 1.0_f32, 1.0_f32);
    for (&x, &y) in a.iter().step_by(step).zip(b.iter().step_by(step)) {
        let (x, y) = (f32::from(x), f32::from(y));
        ab += x * y;
        aa += x * x;
        bb += y * y;
    }
    ab / (aa * bb).sqrt()
}

/// Lets `from` fade into `into`, in place.
pub(crate) fn cross_fade(from: &[i16], into: &mut [i16]) {
    let length = into.len().max(1) as i32;
    for (i, (new, &old)) in into.iter_mut().zip(from).enumerate() {
        let weight = i as i32;
        *new = ((i32::from(old) * (length - weight) + i32::from(*new) * weight) / length) as i16;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tones;

    #[test]
    fn shortening_and_lengthening_keep_the_pitch() {
        for hertz in [120.0, 200.0, 440.0, 1000.0] {
            let tone = tones::sine(hertz, 20, -6.0);
            let largest_step = tone.windows(2).map(|w| (i32::from(w[1]) - i32::from(w[0])).abs()).max();
            for change in [shorten, lengthen] {
                let mut changed = tone.clone();
                let by = change(&mut changed);
                assert!(by > 0 && changed.len().abs_diff(tone.len()) == by, "{hertz} Hz: {by}");
                let step = changed.windows(2).map(|w| (i32::from(w[1]) - i32::from(w[0])).abs()).max();
                assert!(step.unwrap_or(0) <= largest_step.unwrap_or(0) * 3 / 2 + 40, "{hertz} Hz clicks: {step:?}");
            }
        }
    }

    #[test]
    fn too_little_sound_is_left_alone() {
        let mut pcm = vec![5; NEEDED - 1];
        assert_eq!(shorten(&mut pcm), 0);
        assert_eq!(lengthen(&mut pcm), 0);
        assert_eq!(pcm.len(), NEEDED - 1);
    }
}
