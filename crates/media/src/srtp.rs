//! SRTP and SRTCP with keys that the signalling agreed on (RFC 3711, RFC 7714).
//!
//! The cryptography is rtc-srtp's. It is given packets only after what it does not look at was looked at here.

use rtc_srtp::context::Context;
use rtc_srtp::crypto;
use rtc_srtp::option::{srtcp_replay_protection, srtp_replay_protection};
use rtc_srtp::protection_profile::ProtectionProfile;

use crate::rtp::Header;

/// Packets that may overtake one and it still counts: over a second of sound. RFC 3711 section 3.3.2 wants 64 at least.
const WINDOW: usize = 128;
/// Streams of one key that are told apart: a far end has one, and another after it changed its codec.
const MAX_STREAMS: usize = 4;
/// Fixed header of RTCP with its first SSRC, bytes.
const RTCP_HEADER: usize = 8;
/// Index of SRTCP with the bit that says "encrypted", bytes.
const RTCP_INDEX: usize = 4;

/// How a stream is protected, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SrtpSuite {
    AeadAes256Gcm,
    AeadAes128Gcm,
    AesCm128HmacSha1_80,
    AesCm128HmacSha1_32,
}

/// A suite with its master key, followed by the master salt.
#[derive(Clone, PartialEq, Eq)]
pub struct SrtpKey {
    suite: SrtpSuite,
    secret: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SrtpError {
    #[error("the key has {got} bytes, {wanted} are needed")]
    KeyLength { got: usize, wanted: usize },
    #[error("no packet of RTP or RTCP")]
    NoPacket,
    /// Forged, damaged, seen before, or encrypted with another key.
    #[error("not authentic: {0}")]
    NotAuthentic(String),
    #[error("the cryptography can't be set up: {0}")]
    Setup(String),
}

/// Protects what is sent with one key.
pub struct SrtpSender {
    context: Context,
}

/// Takes the protection off what arrives with one key.
pub struct SrtpReceiver {
    key: SrtpKey,
    rtp: Streams,
    rtcp: Streams,
}

/// What is known of each SSRC: how often its numbers wrapped, and which were seen.
#[derive(Default)]
struct Streams(Vec<(u32, Context)>);

impl SrtpSuite {
    /// By its name in SDP (RFC 4568 section 6.2, RFC 7714 section 14.2).
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "AEAD_AES_256_GCM" => Some(Self::AeadAes256Gcm),
            "AEAD_AES_128_GCM" => Some(Self::AeadAes128Gcm),
            "AES_CM_128_HMAC_SHA1_80" => Some(Self::AesCm128HmacSha1_80),
            "AES_CM_128_HMAC_SHA1_32" => Some(Self::AesCm128HmacSha1_32),
            _ => None,
        }
    }

    fn profile(self) -> ProtectionProfile {
        match self {
            Self::AeadAes256Gcm => ProtectionProfile::AeadAes256Gcm,
            Self::AeadAes128Gcm => ProtectionProfile::AeadAes128Gcm,
            Self::AesCm128HmacSha1_80 => ProtectionProfile::Aes128CmHmacSha1_80,
            Self::AesCm128HmacSha1_32 => ProtectionProfile::Aes128CmHmacSha1_32,
        }
    }
}

impl std::fmt::Debug for SrtpKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SrtpKey({:?}, …)", self.suite)
    }
}

impl SrtpKey {
    /// `secret` is the master key followed by the master salt.
    ///
    /// # Errors
    /// If its length is not the suite's.
    pub fn new(suite: SrtpSuite, secret: &[u8]) -> Result<Self, SrtpError> {
        let wanted = suite.profile().key_len() + suite.profile().salt_len();
        match secret.len() {
            got if got == wanted => Ok(Self { suite, secret: secret.to_vec() }),
            got => Err(SrtpError::KeyLength { got, wanted }),
        }
    }

    fn context(&self) -> Result<Context, SrtpError> {
        let profile = self.suite.profile();
        let (key, salt) = self.secret.split_at(profile.key_len());
        let provider = crypto::default_provider().map_err(|e| SrtpError::Setup(e.to_string()))?;
        let (rtp, rtcp) = (srtp_replay_protection(WINDOW), srtcp_replay_protection(WINDOW));
        Context::new(key, salt, profile, Some(rtp), Some(rtcp), provider.crypto())
            .map_err(|e| SrtpError::Setup(e.to_string()))
    }
}

impl SrtpSender {
    /// # Errors
    /// If the cryptography can't be set up.
    pub fn new(key: &SrtpKey) -> Result<Self, SrtpError> {
        Ok(Self { context: key.context()? })
    }

    /// # Errors
    /// If it is no RTP packet, or the key has served for 2^48 of them.
    pub fn rtp(&mut self, packet: &[u8]) -> Result<Vec<u8>, SrtpError> {
        Header::parse(packet).map_err(|_| SrtpError::NoPacket)?;
        self.context.encrypt_rtp(packet).map(Into::into).map_err(|_| SrtpError::NoPacket)
    }

    /// # Errors
    /// If it is no RTCP packet.
    pub fn rtcp(&mut self, packet: &[u8]) -> Result<Vec<u8>, SrtpError> {
        self.context.encrypt_rtcp(packet).map(Into::into).map_err(|_| SrtpError::NoPacket)
    }
}

impl SrtpReceiver {
    /// # Errors
    /// If the cryptography can't be set up.
    pub fn new(key: SrtpKey) -> Result<Self, SrtpError> {
        key.context()?;
        Ok(Self { key, rtp: Streams::default(), rtcp: Streams::default() })
    }

    #[must_use]
    pub fn key(&self) -> &SrtpKey {
        &self.key
    }

    /// The packet of RTP that was protected.
    ///
    /// # Errors
    /// If it is none, or not authentic; then nothing has changed.
    pub fn rtp(&mut self, packet: &[u8]) -> Result<Vec<u8>, SrtpError> {
        let ssrc = Header::parse(packet).map_err(|_| SrtpError::NoPacket)?.ssrc;
        self.rtp
            .open(&self.key, ssrc, |context| context.decrypt_rtp(packet).map(Into::into).map_err(|e| not_authentic(&e)))
    }

    /// The packet of RTCP that was protected.
    ///
    /// # Errors
    /// If it is none, or not authentic; then nothing has changed.
    pub fn rtcp(&mut self, packet: &[u8]) -> Result<Vec<u8>, SrtpError> {
        let head = packet.get(..RTCP_HEADER).ok_or(SrtpError::NoPacket)?;
        let ssrc = u32::from_be_bytes([head[4], head[5], head[6], head[7]]);
        if !self.key.says_encrypted(packet) {
            return Err(not_authentic(&"a report in the clear"));
        }
        self.rtcp.open(&self.key, ssrc, |context| {
            context.decrypt_rtcp(packet).map(Into::into).map_err(|e| not_authentic(&e))
        })
    }
}

impl SrtpKey {
    /// Whether a report claims to be encrypted. rtc-srtp takes one that does not without a look at its tag; nothing that
    /// we agree on allows such a report (RFC 4568 section 6.3.2).
    fn says_encrypted(&self, packet: &[u8]) -> bool {
        // With AES-GCM the index comes last, otherwise the tag does.
        let after = self.suite.profile().rtcp_auth_tag_len();
        let index = packet.len().checked_sub(after + RTCP_INDEX).and_then(|at| packet.get(at));
        index.is_some_and(|first| first & 0x80 != 0)
    }
}

fn not_authentic(why: &dyn ToString) -> SrtpError {
    SrtpError::NotAuthentic(why.to_string())
}

impl Streams {
    /// A stream is remembered once a packet of it was authentic. Until then each has a context of its own: rtc-srtp
    /// remembers every SSRC that was claimed, and the number in a first packet even if that is forged.
    fn open(
        &mut self,
        key: &SrtpKey,
        ssrc: u32,
        decrypt: impl FnOnce(&mut Context) -> Result<Vec<u8>, SrtpError>,
    ) -> Result<Vec<u8>, SrtpError> {
        if let Some((_, context)) = self.0.iter_mut().find(|(known, _)| *known == ssrc) {
            return decrypt(context);
        }
        let mut context = key.context()?;
        let plain = decrypt(&mut context)?;
        if self.0.len() == MAX_STREAMS {
            self.0.remove(0);
        }
        self.0.push((ssrc, context));
        Ok(plain)
    }
}

#[cfg(test)]
#[path = "srtp_tests.rs"]
mod tests;
