//! SDP offer and answer for one audio stream (RFC 8866, RFC 3264), without sockets.

use std::net::{IpAddr, SocketAddr};

/// Who sends, from the point of view of the one who wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Direction {
    #[default]
    SendRecv,
    SendOnly,
    RecvOnly,
    Inactive,
}

/// One codec of ours or theirs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodecLine {
    /// `opus`, `G722`, `PCMU`, `PCMA`; compared without regard to case.
    pub name: String,
    pub payload_type: u8,
    /// RTP clock, Hz.
    pub clock: u32,
    /// 2 for opus, else 1.
    pub channels: u8,
    pub fmtp: Option<String>,
}

/// Our side of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalMedia {
    /// Where we receive RTP.
    pub rtp: SocketAddr,
    /// In order of preference.
    pub codecs: Vec<CodecLine>,
    /// Payload type to offer for RFC 4733 events; `None` for no events.
    pub telephone_event: Option<u8>,
    pub direction: Direction,
    /// Milliseconds.
    pub ptime: u32,
    /// Session id and version for the o= line; the version must grow with every change.
    pub session_id: u64,
    pub version: u64,
}

/// A session description that was read.
#[derive(Debug, Clone)]
pub struct Session {
    /// Unused for the moment.
    pub(crate) address: Option<IpAddr>,
}

/// What both sides agreed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Negotiated {
    pub remote_rtp: SocketAddr,
    pub remote_rtcp: SocketAddr,
    pub rtcp_mux: bool,
    /// In the order of the answer; the first is the one to send with. Payload types are those to send with.
    pub codecs: Vec<CodecLine>,
    pub telephone_event: Option<u8>,
    /// From our point of view, after hold: what we may do.
    pub direction: Direction,
    /// Milliseconds.
    pub ptime: u32,
}

impl Negotiated {
    /// Whether the far end has us on hold: we may not send.
    #[must_use]
    pub fn held_by_remote(&self) -> bool {
        matches!(self.direction, Direction::RecvOnly | Direction::Inactive)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SdpError {
    #[error("not SDP: {0}")]
    Syntax(String),
    #[error("no audio stream that can be used")]
    NoAudio,
    #[error("no codec in common")]
    NoCommonCodec,
    #[error("no usable address")]
    NoAddress,
}

impl Session {
    /// Reads a session description.
    ///
    /// # Errors
    /// If it is not SDP, too large, or has no audio.
    pub fn parse(text: &str) -> Result<Self, SdpError> {
        Err(SdpError::NoAudio)
    }
}

/// Writes our offer.
#[must_use]
pub fn offer(local: &LocalMedia) -> String {
    String::new()
}

/// Answers an offer.
///
/// # Errors
/// If there is no audio or no codec in common: refuse with 488.
pub fn answer(offer: &Session, local: &LocalMedia) -> Result<(String, Negotiated), SdpError> {
    Err(SdpError::NoCommonCodec)
}

/// Reads the answer to our offer.
///
/// # Errors
/// If it has no audio, or none of the codecs that we offered.
pub fn accept_answer(offered: &LocalMedia, answer: &Session) -> Result<Negotiated, SdpError> {
    Err(SdpError::NoCommonCodec)
}
