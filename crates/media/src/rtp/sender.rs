use crate::{Codec, CodecError, Frame};
use super::Position;
#[derive(Debug, Clone, Copy)]
pub struct SenderConfig {
    pub codec: Codec,
    pub payload_type: u8,
    pub ssrc: u32,
    /// Payload type of telephone-event (RFC 4733), if the other side takes it.
    pub dtmf_payload_type: Option<u8>,
}
/// One outgoing stream. Call [`frame`](Self::frame) every 20 ms.
pub struct RtpSender {}
impl RtpSender {
    /// Sequence number and timestamp start at `ssrc`-derived values; pick a random `ssrc`.
    pub fn new(_config: SenderConfig) -> Result<Self, CodecError> { unimplemented!() }
    /// Carries on where another sender or relay of the same stream stood.
    pub fn resume(_config: SenderConfig, _position: Position) -> Result<Self, CodecError> { unimplemented!() }
    /// The packet for these 20 ms; valid until the next call. `None` if nothing needs to be sent.
    pub fn frame(&mut self, _pcm: &Frame) -> Option<&[u8]> { unimplemented!() }
    /// Lets 20 ms pass without sending (hold).
    pub fn skip(&mut self) { unimplemented!() }
    /// Queues digits (0-9 * # A-D; others are ignored) to be sent as events in place of voice. Says how many were queued: 0 if the
    /// other side takes no events.
    pub fn dtmf(&mut self, _digits: &str) -> usize { unimplemented!() }
    pub fn position(&self) -> Position { unimplemented!() }
    /// From the other side's last report about us.
    pub fn round_trip(&self) -> Option<std::time::Duration> { unimplemented!() }
}
