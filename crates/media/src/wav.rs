#[derive(Debug, thiserror::Error)]
pub enum WavError { #[error("{0}")] Format(String) }
/// Reads a WAV file's bytes: any rate, any channels → mono 48 kHz.
pub fn parse(_bytes: &[u8]) -> Result<Vec<i16>, WavError> { unimplemented!() }
/// A WAV file's bytes: mono, 16 bit, at `rate` hertz, of `pcm` at 48 kHz.
pub fn write(_pcm: &[i16], _rate: u32) -> Vec<u8> { unimplemented!() }
