//! How a call sounds, from what the network did to it: the E-model, ITU-T G.107, simplified.

use std::time::Duration;

use crate::Stats;

/// R with nothing wrong but G.107's default room, wires and talkers (G.107 section 7.7).
const R0: f32 = 93.2;
/// Robustness against loss with concealment: G.711 with packet loss concealment, random loss (G.113 table I.4). We have no
/// published figures on this scale for Opus with FEC, and use the same: a cautious guess.
const BPL: f32 = 25.1;
/// Capture, packet, and playing: what passes at both ends besides the network and the jitter buffer.
const ENDS_MS: f32 = 40.0;

/// What a call sounds like, in one figure and in words.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Quality {
    /// Mean opinion score, 1.0 to 4.5 (G.107 annex B).
    pub mos: f32,
    /// `good`, or with the main reason: `fair: 3 % loss`, `poor: 600 ms delay`.
    pub words: String,
}

/// Rates the sound received. `stats` may be a whole call's, or what came since an earlier look ([`Stats::since`]).
#[must_use]
pub fn quality(stats: &Stats, round_trip: Option<Duration>) -> Quality {
    let loss = loss_percent(stats);
    let delay = round_trip.map_or(0.0, |trip| trip.as_secs_f32() * 500.0) + stats.delay_ms + ENDS_MS;
    let from_delay = delay_impairment(delay);
    // Words after G.109: R of 80, 70, 50; the best is split once more.
    // G.107 equation 7-29 with Ie = 0, BurstR = 1.
    let from_loss = 95.0 * loss / (loss + BPL);
    let mos = mos(R0 - from_delay - from_loss);
    let word = match mos {
        mos if mos >= 4.2 => "excellent",
        mos if mos >= 4.0 => "good",
        mos if mos >= 3.6 => "fair",
        mos if mos >= 2.6 => "poor",
        _ => "bad",
    };
    let words = if mos >= 4.0 {
        word.to_owned()
    } else if from_loss >= from_delay {
        format!("{word}: {loss:.0} % loss")
    } else {
        format!("{word}: {delay:.0} ms delay")
    };
    Quality { mos, words }
}

impl Stats {
    /// What happened since `earlier`; jitter and delay as they are now.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            received: self.received.saturating_sub(earlier.received),
            lost: self.lost.saturating_sub(earlier.lost),
            late: self.late.saturating_sub(earlier.late),
            duplicate: self.duplicate.saturating_sub(earlier.duplicate),
            concealed_ms: self.concealed_ms.saturating_sub(earlier.concealed_ms),
            ..*self
        }
    }
}

/// What was not played of what was sent: lost or late.
fn loss_percent(stats: &Stats) -> f32 {
    let sent = stats.received + stats.lost;
    if sent == 0 { 0.0 } else { (stats.lost + stats.late).min(sent) as f32 * 100.0 / sent as f32 }
}

/// Cole and Rosenbluth's line through G.107's Id ("Voice over IP performance monitoring", 2001), `delay` one way in ms.
fn delay_impairment(delay: f32) -> f32 {
    0.024 * delay + 0.11 * (delay - 177.3).max(0.0)
}

/// G.107 annex B.
fn mos(r: f32) -> f32 {
    let r = r.clamp(6.5, 100.0);
    (1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7e-6).clamp(1.0, 4.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(received: u64, lost: u64, delay_ms: f32) -> Stats {
        Stats { received, lost, delay_ms, ..Stats::default() }
    }

    #[test]
    fn words_say_what_is_wrong() {
        assert_eq!(quality(&with(1000, 0, 30.0), None).words, "excellent");
        assert_eq!(quality(&with(1000, 0, 30.0), Some(Duration::from_millis(100))).words, "excellent");
        assert_eq!(quality(&with(920, 80, 30.0), None).words, "poor: 8 % loss");
        assert_eq!(quality(&with(1000, 0, 60.0), Some(Duration::from_millis(600))).words, "poor: 400 ms delay");
        assert_eq!(quality(&with(500, 500, 60.0), None).words, "bad: 50 % loss");
        assert!(quality(&Stats::default(), None).mos > 4.2);
    }
}
