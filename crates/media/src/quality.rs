//! How a call sounds, from what the network did to it: the E-model (ITU-T G.107) with its default room, wires and talkers, so
//! that what is left is loss, the echo that the network makes audible by delaying it, and delay itself.

use std::time::Duration;

/// Basic signal-to-noise ratio and what speaks along with the voice, all at default (G.107 sections 7.2, 7.3, table 2): 93.2.
const RO: f32 = 94.77;
const IS: f32 = 1.43;
/// Talker echo loudness and echo loss at default, dB (G.107 table 2).
const TELR: f32 = 65.0;
const WEPL: f32 = 110.0;
/// Robustness against loss with concealment: G.711 with packet loss concealment, random loss (G.113 table I.4). We have no
/// published figures on this scale for Opus with FEC, and use the same: a cautious guess.
const BPL: f32 = 25.1;
/// Capture, packet, and playing: what passes at both ends besides the network and the jitter buffer.
const ENDS_MS: f32 = 40.0;
/// Below this something is worth a word (G.109: "some users dissatisfied").
const FINE: f32 = 4.0;

/// What happened to the sound on one way.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Way {
    /// Of 100 packets sent: never arrived.
    pub lost: f32,
    /// Of 100 packets sent: arrived after their time had come.
    pub late: f32,
    /// How much longer losses are in a row than they would be by chance: 1 and above (G.107 section 7.5, BurstR).
    pub burst: f32,
    /// How long sound waits to be played, milliseconds.
    pub delay_ms: f32,
}

/// Whose sound it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the far end here.
    Incoming,
    /// From here to the far end.
    Outgoing,
    Both,
}

/// What spoils it the most.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cause {
    /// Of 100 packets.
    Loss(f32),
    /// Packets come too late, or so unevenly that they have to wait for long.
    Late,
    /// There and back.
    Slow(Duration),
}

/// What a call sounds like.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quality {
    /// Mean opinion score of the worse direction, 1.0 to 4.5 (G.107 annex B).
    pub mos: f32,
    /// Only where it does not sound good.
    pub trouble: Option<(Cause, Direction)>,
}

/// Rates both directions; what is not known of one is taken to be well.
#[must_use]
pub fn quality(incoming: Option<Way>, outgoing: Option<Way>, round_trip: Option<Duration>) -> Quality {
    let trip_ms = round_trip.map_or(0.0, |trip| trip.as_secs_f32() * 1000.0);
    let rated = |way: Option<Way>| {
        let way = way.unwrap_or_default();
        (from_loss(&way), from_delay(trip_ms / 2.0 + way.delay_ms + ENDS_MS), way)
    };
    let (here, there) = (rated(incoming), rated(outgoing));
    let (worse, better, direction) = match here.0 + here.1 >= there.0 + there.1 {
        true => (here, there, Direction::Incoming),
        false => (there, here, Direction::Outgoing),
    };
    let (lossy, delayed, way) = worse;
    let mos = mos(RO - IS - delayed - lossy);
    // As bad the other way, or nearly.
    let both = |this: f32, that: f32| if that * 2.0 > this { Direction::Both } else { direction };
    let trouble = if lossy >= delayed {
        let cause = if way.late > way.lost { Cause::Late } else { Cause::Loss(way.lost + way.late) };
        (cause, both(lossy, better.0))
    } else if way.delay_ms > trip_ms / 2.0 {
        (Cause::Late, both(delayed, better.1))
    } else {
        (Cause::Slow(round_trip.unwrap_or_default()), Direction::Both)
    };
    Quality { mos, trouble: (mos < FINE).then_some(trouble) }
}

impl Quality {
    /// After G.109: R of 80, 70, 50; the best is split once more.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self.mos {
            mos if mos >= 4.2 => "excellent",
            mos if mos >= FINE => "good",
            mos if mos >= 3.6 => "fair",
            mos if mos >= 2.6 => "poor",
            _ => "bad",
        }
    }
}

/// G.107 equation 7-29 with Ie = 0.
fn from_loss(way: &Way) -> f32 {
    let lost = (way.lost + way.late).clamp(0.0, 100.0);
    95.0 * lost / (lost / way.burst.max(1.0) + BPL)
}

/// G.107 section 7.4: talker echo, listener echo, and delay so long that people talk over each other. `delay` is one way, ms.
fn from_delay(delay: f32) -> f32 {
    let terv =
        TELR - 40.0 * ((1.0 + delay / 10.0) / (1.0 + delay / 150.0)).log10() + 6.0 * (-0.3 * delay * delay).exp();
    // Equations 7-18 to 7-21; Roe is Ro with the noise on the talker's own side, at default the same.
    let talker = (RO - (80.0 + 2.5 * (terv - 14.0))) / 2.0;
    let talker = (talker + (talker * talker + 100.0).sqrt() - 1.0) * (1.0 - (-delay).exp());
    // Equations 7-24 and 7-25.
    let listener = (RO - 10.5 * (WEPL + 7.0) * (2.0 * delay + 1.0).powf(-0.25)) / 2.0;
    let listener = listener + (listener * listener + 169.0).sqrt();
    talker + listener + too_late(delay)
}

/// G.107 equations 7-27 and 7-28.
fn too_late(delay: f32) -> f32 {
    if delay <= 100.0 {
        return 0.0;
    }
    let x = (delay / 100.0).log2();
    25.0 * ((1.0 + x.powi(6)).powf(1.0 / 6.0) - 3.0 * (1.0 + (x / 3.0).powi(6)).powf(1.0 / 6.0) + 2.0)
}

/// G.107 annex B.
fn mos(r: f32) -> f32 {
    let r = r.clamp(6.5, 100.0);
    (1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7e-6).clamp(1.0, 4.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(n: u64) -> Option<Duration> {
        Some(Duration::from_millis(n))
    }

    fn way(lost: f32, late: f32, delay_ms: f32) -> Option<Way> {
        Some(Way { lost, late, burst: 1.0, delay_ms })
    }

    /// G.107 with all at default and a delay: R as drawn in G.114 figure 1, and as the recommendation's own calculation gives.
    #[test]
    fn delay_costs_what_g_107_says() {
        for (delay, r) in [(0.0, 93.2), (100.0, 91.0), (150.0, 90.0), (200.0, 87.0), (300.0, 73.0), (400.0, 60.0)] {
            let ours = RO - IS - from_delay(delay);
            assert!((ours - r).abs() < 2.5, "{delay} ms: {ours}, not {r}");
        }
    }

    /// G.113 appendix I: 95 · P / (P + 25.1).
    #[test]
    fn loss_costs_what_g_113_says_and_in_a_row_more() {
        let cost = |lost, burst| from_loss(&Way { lost, burst, ..Way::default() });
        assert!((cost(2.0, 1.0) - 7.01).abs() < 0.01);
        assert!((cost(10.0, 1.0) - 27.07).abs() < 0.01);
        assert!(cost(10.0, 2.0) > cost(10.0, 1.0) + 3.0);
    }

    #[test]
    fn the_cause_and_its_direction_are_named() {
        let fine = way(0.0, 0.0, 30.0);
        assert_eq!(quality(fine, fine, ms(40)).word(), "excellent");
        assert_eq!(quality(None, None, None).trouble, None);
        for (incoming, outgoing, trip, word, trouble) in [
            (way(8.0, 0.0, 30.0), fine, 40, "poor", (Cause::Loss(8.0), Direction::Incoming)),
            (fine, way(8.0, 0.0, 0.0), 40, "poor", (Cause::Loss(8.0), Direction::Outgoing)),
            (None, way(8.0, 0.0, 0.0), 40, "poor", (Cause::Loss(8.0), Direction::Outgoing)),
            (way(8.0, 0.0, 30.0), way(7.0, 0.0, 0.0), 40, "poor", (Cause::Loss(8.0), Direction::Both)),
            (way(1.0, 7.0, 30.0), fine, 40, "poor", (Cause::Late, Direction::Incoming)),
            (way(0.0, 0.0, 350.0), fine, 40, "poor", (Cause::Late, Direction::Incoming)),
            (fine, fine, 600, "poor", (Cause::Slow(Duration::from_millis(600)), Direction::Both)),
            (way(50.0, 0.0, 30.0), fine, 40, "bad", (Cause::Loss(50.0), Direction::Incoming)),
        ] {
            let quality = quality(incoming, outgoing, ms(trip));
            assert_eq!((quality.word(), quality.trouble), (word, Some(trouble)), "{quality:?}");
        }
    }
}
