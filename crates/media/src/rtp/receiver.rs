use std::time::Duration;
use crate::{Codec, Frame};
use super::RtpError;
#[derive(Debug, Clone, Default)]
pub struct ReceiverConfig {
    pub payload_types: Vec<(u8, Codec)>,
    pub dtmf_payload_type: Option<u8>,
}
/// Counted since the start of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Default, serde::Serialize)]
pub struct Stats {
    pub received: u64,
    /// Never arrived.
    pub lost: u64,
    /// Arrived after their time had come.
    pub late: u64,
    pub duplicate: u64,
    pub concealed_ms: u64,
    /// RFC 3550 section 6.4.1 interarrival jitter.
    pub jitter_ms: f32,
    /// How long sound now waits between arriving (at best) and being played.
    pub delay_ms: f32,
}
/// One incoming stream.
pub struct RtpReceiver {}
impl RtpReceiver {
    pub fn new(_config: ReceiverConfig) -> Self { unimplemented!() }
    /// Takes a datagram.
    pub fn packet(&mut self, _now: Duration, _packet: &[u8]) -> Result<(), RtpError> { unimplemented!() }
    /// The next 20 ms of sound. Call it every 20 ms.
    pub fn frame(&mut self, _now: Duration, _out: &mut Frame) { unimplemented!() }
    /// Digits received since the last call, each once.
    pub fn digits(&mut self) -> std::vec::Drain<'_, char> { unimplemented!() }
    pub fn stats(&self) -> Stats { unimplemented!() }
    /// When the last packet came.
    pub fn last_packet(&self) -> Option<Duration> { unimplemented!() }
    /// The codec of the last packet.
    pub fn codec(&self) -> Option<Codec> { unimplemented!() }
}
