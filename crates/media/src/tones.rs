/// Twenty seconds at most … 48 kHz mono, made to be looped.
pub fn ringback() -> Vec<i16> { unimplemented!() }
/// Why the device rings: each sounds clearly different.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ring { Outside, Transfer, Recall }
pub fn ring(_ring: Ring) -> Vec<i16> { unimplemented!() }
pub fn beep() -> Vec<i16> { unimplemented!() }
/// A sine at `level_dbfs` (peak) for `ms`.
pub fn sine(_hertz: f32, _ms: u32, _level_dbfs: f32) -> Vec<i16> { unimplemented!() }
