//! Our side of one call's SDP (RFC 3264). Pure.

use std::net::{IpAddr, SocketAddr};

use media::{Codec, SrtpKey, SrtpSuite};
use sip::sdp::{self, CodecLine, Crypto, Direction, LocalMedia, Negotiated, Protection, SdpError, SrtpKeys, TheirKey};

/// Payload type that we offer for Opus; any dynamic one would do.
const OPUS: u8 = 111;
/// Payload type that we offer for RFC 4733 events.
const TELEPHONE_EVENT: u8 = 101;

/// What the voice thread must know to send and to receive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Agreed {
    pub(crate) remote_rtp: SocketAddr,
    /// Where their INVITE came from: behind a NAT the sound comes from there, whatever the SDP says.
    pub(crate) signalling: Option<IpAddr>,
    pub(crate) remote_rtcp: SocketAddr,
    /// RTCP shares the RTP port (RFC 5761).
    pub(crate) rtcp_mux: bool,
    pub(crate) codec: Codec,
    pub(crate) payload_type: u8,
    pub(crate) dtmf: Option<u8>,
    /// How much sound the far end wants in a packet, milliseconds.
    pub(crate) ptime: u32,
    pub(crate) receive: Vec<(u8, Codec)>,
    pub(crate) receive_dtmf: Option<u8>,
    pub(crate) held_by_them: bool,
    pub(crate) srtp: Option<Srtp>,
}

/// Keys of both directions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Srtp {
    pub(crate) send: SrtpKey,
    pub(crate) receive: SrtpKey,
}

/// Our descriptions of one call; each differs from the one before by its version (RFC 8866 section 5.2).
#[derive(Debug)]
pub(crate) struct Session {
    local: LocalMedia,
    rtp: SocketAddr,
    theirs: TheirKey,
}

impl Session {
    /// `rtp` is what the far end is told; `id` should be random.
    pub(crate) fn new(rtp: SocketAddr, codecs: &[Codec], id: u64, protection: Protection) -> Self {
        let codecs = codecs.iter().copied().map(line).collect();
        let telephone_event = Some(TELEPHONE_EVENT);
        let direction = Direction::SendRecv;
        Self {
            local: LocalMedia {
                rtp,
                codecs,
                telephone_event,
                direction,
                ptime: 20,
                session_id: id,
                version: 0,
                protection,
            },
            rtp,
            theirs: TheirKey::default(),
        }
    }

    /// Where our sound goes out from; but for a NAT, the far end is told to send there.
    pub(crate) fn rtp(&self) -> SocketAddr {
        self.rtp
    }

    /// From the next description on, the far end is told what our address is behind a NAT.
    pub(crate) fn mapped(&mut self, rtp: SocketAddr) {
        self.local.rtp = rtp;
    }

    /// From the next description on, the far end is told this address.
    pub(crate) fn moved(&mut self, rtp: SocketAddr) {
        (self.rtp, self.local.rtp) = (rtp, rtp);
    }

    /// From the next description on, our sound has other keys.
    pub(crate) fn renew_keys(&mut self) {
        self.local.protection = self.local.protection.renewed();
    }

    pub(crate) fn offer(&mut self, hold: bool) -> String {
        self.next(hold);
        sdp::offer(&self.local)
    }

    /// Reads the answer to the last [`Self::offer`].
    pub(crate) fn accept(&mut self, answer: &str) -> Result<Agreed, SdpError> {
        let negotiated = sdp::accept_answer(&self.local, &sdp::Session::parse(answer)?)?;
        self.theirs.learn(negotiated.srtp.as_ref());
        let ours = self.local.codecs.iter().filter_map(known);
        agreed(&negotiated, ours.collect(), self.local.telephone_event)
    }

    pub(crate) fn answer(&mut self, offer: &str, hold: bool) -> Result<(String, Agreed), SdpError> {
        let offer = sdp::Session::parse(offer)?;
        self.next(hold);
        let (text, negotiated) = sdp::answer_anew(&offer, &mut self.local, &mut self.theirs)?;
        // The answer repeats the payload types of the offer, so that both directions use the same.
        Ok((text, agreed(&negotiated, Vec::new(), negotiated.telephone_event)?))
    }

    fn next(&mut self, hold: bool) {
        self.local.version += 1;
        self.local.direction = if hold { Direction::SendOnly } else { Direction::SendRecv };
    }
}

fn line(codec: Codec) -> CodecLine {
    let (channels, fmtp) = match codec {
        // RFC 7587: always two channels on paper; FEC so that a lost packet can be had from the next.
        Codec::Opus => (2, Some("minptime=10;useinbandfec=1".to_owned())),
        Codec::G722 | Codec::Pcmu | Codec::Pcma => (1, None),
    };
    CodecLine {
        name: codec.name().to_owned(),
        payload_type: codec.static_payload_type().unwrap_or(OPUS),
        clock: codec.rtp_clock(),
        channels,
        fmtp,
    }
}

fn srtp(keys: &SrtpKeys) -> Result<Srtp, SdpError> {
    let key = |crypto: &Crypto| SrtpKey::new(SrtpSuite::from_name(crypto.suite.name())?, &crypto.key).ok();
    let both = key(&keys.send).zip(key(&keys.receive));
    both.map(|(send, receive)| Srtp { send, receive }).ok_or(SdpError::CannotEncrypt)
}

fn known(line: &CodecLine) -> Option<(u8, Codec)> {
    Codec::from_name(&line.name).map(|codec| (line.payload_type, codec))
}

fn agreed(
    negotiated: &Negotiated,
    mut receive: Vec<(u8, Codec)>,
    receive_dtmf: Option<u8>,
) -> Result<Agreed, SdpError> {
    let sendable: Vec<_> = negotiated.codecs.iter().filter_map(known).collect();
    let &(payload_type, codec) = sendable.first().ok_or(SdpError::NoCommonCodec)?;
    // Some far ends send with their own payload type instead of ours.
    for (theirs, codec) in sendable {
        if Some(theirs) != receive_dtmf && receive.iter().all(|(ours, _)| *ours != theirs) {
            receive.push((theirs, codec));
        }
    }
    Ok(Agreed {
        remote_rtp: negotiated.remote_rtp,
        signalling: None,
        remote_rtcp: negotiated.remote_rtcp,
        rtcp_mux: negotiated.rtcp_mux,
        codec,
        payload_type,
        dtmf: negotiated.telephone_event,
        ptime: negotiated.ptime,
        receive,
        receive_dtmf,
        held_by_them: negotiated.held_by_remote(),
        srtp: negotiated.srtp.as_ref().map(srtp).transpose()?,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn keys_are_others_once_they_are_renewed() {
        let protection = Protection::Possible(Crypto::fresh());
        let mut session = Session::new("127.0.0.1:4000".parse().unwrap(), &[Codec::Pcmu], 1, protection);
        let mut keys = || {
            let offer = session.offer(false);
            let keys: Vec<String> = offer.lines().filter(|line| line.contains("inline:")).map(str::to_owned).collect();
            session.renew_keys();
            keys
        };
        let (before, after) = (keys(), keys());
        assert!(!before.is_empty() && before.len() == after.len() && before.iter().all(|key| !after.contains(key)));
    }
}
