//! Between our configuration, SDP and the sound of a leg.

use std::net::{IpAddr, SocketAddr};

use media::{Codec, SrtpKey, SrtpSuite};
use sip::sdp::{CodecLine, Crypto, Direction, LocalMedia, Negotiated, Protection, SrtpKeys};

use super::sound::Terms;

/// Payload types that we offer for what has no static one (RFC 3551 section 3: 96 to 127).
const OPUS_PAYLOAD_TYPE: u8 = 111;
const DIGITS_PAYLOAD_TYPE: u8 = 101;
/// Milliseconds.
const PTIME: u32 = 20;

/// Our side of a session, at `rtp`. `secure`: its signalling goes over TLS.
pub fn local(codecs: &[Codec], rtp: SocketAddr, secure: bool) -> LocalMedia {
    LocalMedia {
        rtp,
        codecs: codecs.iter().map(|codec| line(*codec)).collect(),
        telephone_event: Some(DIGITS_PAYLOAD_TYPE),
        direction: Direction::SendRecv,
        ptime: PTIME,
        // 63 bits: some peers read it as a signed number.
        session_id: rand::random::<u64>() >> 1,
        version: 1,
        // Keys go only where nobody reads along.
        protection: if secure { Protection::Possible(Crypto::fresh()) } else { Protection::Off },
    }
}

fn line(codec: Codec) -> CodecLine {
    let opus = codec == Codec::Opus;
    CodecLine {
        name: codec.name().to_owned(),
        payload_type: codec.static_payload_type().unwrap_or(OPUS_PAYLOAD_TYPE),
        clock: codec.rtp_clock(),
        channels: if opus { 2 } else { 1 },
        fmtp: opus.then(|| "useinbandfec=1".to_owned()),
    }
}

/// What was agreed, for the sound. `offered` is our offer, if it was ours: the far end may send with its payload types.
/// `None` if no codec of ours is in it.
/// `signalling`: where the leg's SIP comes from.
pub fn terms(negotiated: &Negotiated, offered: Option<&LocalMedia>, signalling: IpAddr) -> Option<Terms> {
    let mut receive: Vec<(u8, Codec)> = known(&negotiated.codecs).map(|(codec, pt)| (pt, codec)).collect();
    let send = known(&negotiated.codecs).next()?;
    let srtp = match &negotiated.srtp {
        Some(keys) => Some(srtp(keys)?),
        None => None,
    };
    if let Some(offered) = offered {
        for (codec, pt) in known(&offered.codecs) {
            if receive.iter().all(|(p, _)| *p != pt) {
                receive.push((pt, codec));
            }
        }
    }
    let hears = !negotiated.held_by_remote() && !negotiated.remote_rtp.ip().is_unspecified();
    let hears = hears && negotiated.remote_rtp.port() != 0;
    Some(Terms {
        remote: hears.then_some(negotiated.remote_rtp),
        remote_rtcp: hears.then_some(negotiated.remote_rtcp),
        signalling,
        send,
        send_digits: negotiated.telephone_event,
        ptime: negotiated.ptime,
        receive,
        srtp,
        receive_digits: offered.and_then(|o| o.telephone_event).or(negotiated.telephone_event),
    })
}

fn known(lines: &[CodecLine]) -> impl Iterator<Item = (Codec, u8)> {
    lines.iter().filter_map(|line| Some((Codec::from_name(&line.name)?, line.payload_type)))
}

/// To send with, and to receive with.
fn srtp(keys: &SrtpKeys) -> Option<(SrtpKey, SrtpKey)> {
    let key = |crypto: &Crypto| SrtpKey::new(SrtpSuite::from_name(crypto.suite.name())?, &crypto.key).ok();
    key(&keys.send).zip(key(&keys.receive))
}
