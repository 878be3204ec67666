//! Comfort noise (RFC 3389): what is heard while the other side sends nothing because nobody speaks there.

/// The payload type that needs no rtpmap (RFC 3551 table 4).
pub(crate) const PAYLOAD_TYPE: u8 = 13;
/// The noise is softened by a low pass that takes this share of each new value; white noise hisses.
const TAKE: f32 = 0.25;

/// Noise of a given level. Its colour, which the payload may describe after the level, is always the same.
pub(crate) struct Noise {
    peak: f32,
    last: f32,
    state: u32,
}

impl Noise {
    /// From a payload of RFC 3389 section 3: its first byte is the level below full scale, decibels.
    pub(crate) fn read(payload: &[u8]) -> Option<Self> {
        let level = f32::from(payload.first()? & 0x7f);
        // Uniform noise has 1/√3 of its peak as root mean square, and the low pass leaves √(take / (2 − take)) of that.
        let through = (TAKE / (2.0 - TAKE) / 3.0).sqrt();
        Some(Self { peak: 32_768.0 * 10_f32.powf(-level / 20.0) / through, last: 0.0, state: 0x2545_f491 })
    }

    pub(crate) fn fill(&mut self, samples: usize, out: &mut Vec<i16>) {
        for _ in 0..samples {
            // xorshift32
            self.state ^= self.state << 13;
            self.state ^= self.state >> 17;
            self.state ^= self.state << 5;
            let white = (self.state as f32 / u32::MAX as f32 * 2.0 - 1.0) * self.peak;
            self.last += (white - self.last) * TAKE;
            out.push(self.last as i16);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::level_dbfs;

    #[test]
    fn the_level_is_what_was_asked_for() {
        for level in [30_u8, 50, 70] {
            let mut pcm = Vec::new();
            if let Some(mut noise) = Noise::read(&[level, 12, 34]) {
                noise.fill(48_000, &mut pcm);
            }
            let heard = level_dbfs(&pcm);
            assert!((heard + f32::from(level)).abs() < 2.0, "-{level} dBov sounds as {heard}");
        }
        assert!(Noise::read(&[]).is_none());
    }
}
