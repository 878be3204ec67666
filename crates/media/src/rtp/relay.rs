use std::time::Duration;
use super::{Position, RtpError};
/// Sends packets on in one outgoing stream, without re-encoding, whatever source they come from.
pub struct Relay {}
impl Relay {
    /// `clock`: the codec's RTP clock, hertz.
    pub fn new(_position: Position, _clock: u32) -> Self { unimplemented!() }
    /// Rewrites ssrc, sequence, timestamp in place, and the payload type to `payload_type`.
    pub fn forward(&mut self, _now: Duration, _packet: &mut [u8], _payload_type: u8) -> Result<(), RtpError> { unimplemented!() }
    pub fn position(&self) -> Position { unimplemented!() }
}
