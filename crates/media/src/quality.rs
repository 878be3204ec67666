use std::time::Duration;
use crate::Stats;
/// What a call sounds like, in one figure and in words.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Quality {
    /// Mean opinion score, 1.0 to 4.5.
    pub mos: f32,
    /// "excellent", "good", "fair: 4 % loss", "poor: 8 % loss", "bad: 600 ms delay".
    pub words: String,
}
pub fn quality(_stats: &Stats, _round_trip: Option<Duration>) -> Quality { unimplemented!() }
