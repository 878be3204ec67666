/// Which source was heard.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Match {
    pub name: String,
    /// 0 (nothing alike) to 1 (the same).
    pub score: f32,
    /// The recording's level where it matched, dBFS.
    pub level_dbfs: f32,
    /// Where in the recording the source begins, milliseconds; negative if its start is missing.
    pub offset_ms: i64,
    /// The score of the best other candidate.
    pub runner_up: f32,
}
/// Which of `candidates` (name, 48 kHz PCM) is in `recorded` (at `rate` hertz); `None` if none is clearly there.
pub fn best_match(_recorded: &[i16], _rate: u32, _candidates: &[(&str, &[i16])]) -> Option<Match> {
    unimplemented!()
}
