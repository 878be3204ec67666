//! How loud, and several at once.

use crate::Frame;

/// Root mean square in dBFS, where a square wave of full scale is 0; −100 for silence.
#[must_use]
pub fn level_dbfs(pcm: &[i16]) -> f32 {
    let power = pcm.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>() / pcm.len().max(1) as f64;
    let full_scale = 32_768_f64.powi(2);
    (10.0 * (power / full_scale).max(1e-10).log10()) as f32
}

/// Adds `other` to `frame`; what is too loud is clipped, never wrapped.
pub fn mix(frame: &mut Frame, other: &Frame) {
    for (sum, &sample) in frame.iter_mut().zip(other) {
        *sum = sum.saturating_add(sample);
    }
}
