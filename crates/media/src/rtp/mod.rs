//! RTP (RFC 3550): sending, receiving through the jitter buffer, DTMF (RFC 4733), and relaying without re-encoding.

mod delay;
mod digits;
mod latch;
mod noise;
mod playout;
mod receiver;
mod relay;
mod sender;
mod slack;
mod source;
mod store;

pub use digits::DigitReader;
pub use latch::Latch;
pub(crate) use receiver::samples;
pub use receiver::{ReceiverConfig, RtpReceiver, Stats};
pub use relay::Relay;
pub use sender::{RtpSender, SenderConfig};
pub(crate) use source::{Source, Verdict};

/// A datagram that is no RTP or RTCP of ours.
#[derive(Debug, thiserror::Error)]
pub enum RtpError {
    #[error("not RTP: {0}")]
    Rtp(#[from] rtp_types::RtpParseError),
    #[error("not RTCP: {0}")]
    Rtcp(#[from] rtcp_types::RtcpParseError),
    #[error("RTP packet of {0} bytes is too long")]
    TooLong(usize),
    #[error(transparent)]
    Codec(#[from] crate::CodecError),
}

/// What a packet says of itself, read without allocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    pub ssrc: u32,
    pub sequence: u16,
    pub timestamp: u32,
    pub payload_type: u8,
    pub marker: bool,
}

impl Header {
    /// # Errors
    /// If it is no RTP packet.
    pub fn parse(packet: &[u8]) -> Result<Self, RtpError> {
        Ok(Self::of(&rtp_types::RtpPacket::parse(packet)?))
    }

    fn of(packet: &rtp_types::RtpPacket<'_>) -> Self {
        Self {
            ssrc: packet.ssrc(),
            sequence: packet.sequence_number(),
            timestamp: packet.timestamp(),
            payload_type: packet.payload_type(),
            marker: packet.marker_bit(),
        }
    }

    /// Writes this header's fields into `packet`, in place.
    ///
    /// # Errors
    /// If `packet` is no RTP packet.
    pub fn rewrite(&self, packet: &mut [u8]) -> Result<(), RtpError> {
        let mut packet = rtp_types::RtpPacketMut::parse(packet)?;
        packet.set_ssrc(self.ssrc);
        packet.set_sequence_number(self.sequence);
        packet.set_timestamp(self.timestamp);
        packet.set_marker_bit(self.marker);
        // Only refuses what is above 127.
        let _ = packet.set_payload_type(self.payload_type & 0x7f);
        Ok(())
    }
}

/// Where an outgoing RTP stream stands, so that another source can carry on in the same stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    pub ssrc: u32,
    /// Sequence number of the next packet.
    pub sequence: u16,
    /// Timestamp of the next packet, in `clock` units.
    pub timestamp: u32,
}
