//! SDP offer and answer for one audio stream (RFC 8866, RFC 3264), without sockets.

mod crypto;

pub use crypto::{Crypto, Protection, SrtpKeys, Suite, TheirKey};
pub(crate) use crypto::{has_keys, names_key};

use std::{
    fmt::Write,
    net::{IpAddr, SocketAddr},
};

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
    pub protection: Protection,
}

/// A session description that was read: its usable audio, and what else has to be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    lines: Vec<MediaLine>,
    /// The first that can be used, its place in `lines`, and others that could be used instead.
    audio: (usize, Audio),
    others: Vec<(usize, Audio)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct MediaLine {
    media: String,
    proto: String,
    fmt: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Audio {
    rtp: SocketAddr,
    rtcp: SocketAddr,
    rtcp_mux: bool,
    codecs: Vec<CodecLine>,
    /// From their point of view.
    direction: Direction,
    ptime: Option<u32>,
    maxptime: Option<u32>,
    /// RTP/SAVP or SAVPF: nothing in the clear.
    encrypted_only: bool,
    keys: Vec<Crypto>,
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
    /// How much sound they want in a packet, milliseconds.
    pub ptime: u32,
    /// `None`: in the clear.
    pub srtp: Option<SrtpKeys>,
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
    #[error("the other side does not encrypt sound, and here only encrypted calls are allowed")]
    InTheClear,
    #[error(
        "the other side wants sound encrypted in a way that cannot be used here; connect over TLS and allow encryption"
    )]
    CannotEncrypt,
}

/// Largest description that is read, bytes, and most m-lines.
const MAX_LEN: usize = 16 * 1024;
const MAX_LINES: usize = 32;

impl Direction {
    fn parse(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "sendrecv" => Some(Self::SendRecv),
            "sendonly" => Some(Self::SendOnly),
            "recvonly" => Some(Self::RecvOnly),
            "inactive" => Some(Self::Inactive),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::SendRecv => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::Inactive => "inactive",
        }
    }

    fn of(sends: bool, receives: bool) -> Self {
        match (sends, receives) {
            (true, true) => Self::SendRecv,
            (true, false) => Self::SendOnly,
            (false, true) => Self::RecvOnly,
            (false, false) => Self::Inactive,
        }
    }

    #[must_use]
    pub fn sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }

    #[must_use]
    pub fn receives(self) -> bool {
        matches!(self, Self::SendRecv | Self::RecvOnly)
    }

    /// What we may do if we want this and they want `theirs` (RFC 3264 section 6.1).
    fn with_remote(self, theirs: Self) -> Self {
        Self::of(self.sends() && theirs.receives(), self.receives() && theirs.sends())
    }
}

impl CodecLine {
    fn is_event(&self) -> bool {
        self.name.eq_ignore_ascii_case("telephone-event")
    }

    fn same_codec(&self, other: &Self) -> bool {
        // Some write opus/48000 without its two channels (RFC 7587 section 7 demands them).
        let opus = self.name.eq_ignore_ascii_case("opus");
        self.name.eq_ignore_ascii_case(&other.name)
            && self.clock == other.clock
            && (opus || self.channels == other.channels)
    }
}

impl Session {
    /// Reads a session description. Audio streams that can be used are RTP/AVP, AVPF, SAVP or SAVPF, with a port and an
    /// address that is not a name.
    ///
    /// # Errors
    /// If it is not SDP, too large, or has no such audio.
    pub fn parse(text: &str) -> Result<Self, SdpError> {
        if text.len() > MAX_LEN {
            return Err(SdpError::Syntax("too large".into()));
        }
        let sdp = sdp_types::Session::parse(text.as_bytes()).map_err(|e| SdpError::Syntax(e.to_string()))?;
        if sdp.medias.len() > MAX_LINES {
            return Err(SdpError::Syntax("too many m-lines".into()));
        }
        let usable = |m: &sdp_types::Media| m.media == "audio" && m.port != 0 && is_rtp(&m.proto);
        let audios = sdp.medias.iter().enumerate().filter(|(_, m)| usable(m));
        let mut audios = audios.map(|(at, media)| read_audio(&sdp, media).map(|audio| (at, audio)));
        let audio = audios.next().ok_or(SdpError::NoAudio)??;
        let others = audios.filter_map(Result::ok).collect();
        let line =
            |m: &sdp_types::Media| MediaLine { media: m.media.clone(), proto: m.proto.clone(), fmt: m.fmt.clone() };
        Ok(Self { lines: sdp.medias.iter().map(line).collect(), audio, others })
    }

    /// Their codecs, in their order, without telephone-event.
    pub fn codecs(&self) -> impl Iterator<Item = &CodecLine> {
        self.audio.1.voice()
    }

    /// What they want to do, from their point of view.
    #[must_use]
    pub fn direction(&self) -> Direction {
        self.audio.1.direction
    }

    /// Where they want RTP sent.
    #[must_use]
    pub fn remote_rtp(&self) -> SocketAddr {
        self.audio.1.rtp
    }
}

impl Audio {
    fn voice(&self) -> impl Iterator<Item = &CodecLine> {
        self.codecs.iter().filter(|c| !c.is_event())
    }

    fn may_be_clear(&self) -> bool {
        !self.encrypted_only
    }
}

fn is_rtp(proto: &str) -> bool {
    is_encrypted(proto) || ["RTP/AVP", "RTP/AVPF"].iter().any(|p| proto.eq_ignore_ascii_case(p))
}

fn is_encrypted(proto: &str) -> bool {
    ["RTP/SAVP", "RTP/SAVPF"].iter().any(|p| proto.eq_ignore_ascii_case(p))
}

fn read_audio(sdp: &sdp_types::Session, media: &sdp_types::Media) -> Result<Audio, SdpError> {
    let connection = media.connections.first().or(sdp.connection.as_ref()).ok_or(SdpError::NoAddress)?;
    // A multicast time-to-live may follow a slash.
    let address = connection.connection_address.split('/').next().unwrap_or_default().trim();
    let ip: IpAddr = address.parse().map_err(|_| SdpError::NoAddress)?;
    let rtp = SocketAddr::new(ip, media.port);
    let rtcp_mux = attribute(media, "rtcp-mux").is_some();
    let rtcp = if rtcp_mux { rtp } else { rtcp_address(media, rtp) };
    let wanted = |a: &[sdp_types::Attribute]| a.iter().find_map(|a| Direction::parse(&a.attribute));
    let direction = wanted(&media.attributes).or_else(|| wanted(&sdp.attributes)).unwrap_or_default();
    // The hold of RFC 2543: nowhere to send to.
    let direction = if ip.is_unspecified() { Direction::of(direction.sends(), false) } else { direction };
    let time = |name| attribute(media, name).and_then(|v| v.trim().parse().ok()).filter(|p| (10..=240).contains(p));
    let (ptime, maxptime) = (time("ptime"), time("maxptime"));
    let (encrypted_only, keys) = (is_encrypted(&media.proto), crypto::read(media));
    Ok(Audio { rtp, rtcp, rtcp_mux, codecs: read_codecs(media), direction, ptime, maxptime, encrypted_only, keys })
}

fn attribute<'a>(media: &'a sdp_types::Media, name: &str) -> Option<&'a str> {
    let found = media.attributes.iter().find(|a| a.attribute.eq_ignore_ascii_case(name))?;
    Some(found.value.as_deref().unwrap_or_default())
}

/// RFC 3605; without the attribute, the port above.
fn rtcp_address(media: &sdp_types::Media, rtp: SocketAddr) -> SocketAddr {
    let above = SocketAddr::new(rtp.ip(), rtp.port().saturating_add(1));
    let Some(value) = attribute(media, "rtcp") else { return above };
    let mut words = value.split_ascii_whitespace();
    let Some(port) = words.next().and_then(|p| p.parse().ok()).filter(|p| *p != 0) else { return above };
    SocketAddr::new(words.nth(2).and_then(|a| a.parse().ok()).unwrap_or(rtp.ip()), port)
}

/// The codecs of the m-line, in its order.
fn read_codecs(media: &sdp_types::Media) -> Vec<CodecLine> {
    let value_of = |name: &str, pt: u8| {
        media.attributes.iter().filter(|a| a.attribute.eq_ignore_ascii_case(name)).find_map(|a| {
            let (number, rest) = a.value.as_deref()?.trim().split_once(char::is_whitespace)?;
            (number.parse() == Ok(pt)).then(|| rest.trim().to_owned())
        })
    };
    let mut codecs: Vec<CodecLine> = Vec::new();
    for pt in media.fmt.split_ascii_whitespace().filter_map(|w| w.parse::<u8>().ok()).filter(|pt| *pt < 128).take(64) {
        if codecs.iter().any(|c| c.payload_type == pt) {
            continue;
        }
        let map = value_of("rtpmap", pt).or_else(|| static_map(pt).map(str::to_owned));
        let Some((name, clock, channels)) = map.as_deref().and_then(parse_map) else { continue };
        codecs.push(CodecLine { name, payload_type: pt, clock, channels, fmtp: value_of("fmtp", pt) });
    }
    codecs
}

fn parse_map(map: &str) -> Option<(String, u32, u8)> {
    let mut parts = map.split('/');
    let name = parts.next().filter(|n| !n.is_empty() && n.len() <= 32)?.trim().to_owned();
    let clock = parts.next()?.trim().parse().ok().filter(|c| *c > 0)?;
    let channels = parts.next().and_then(|c| c.trim().parse().ok()).unwrap_or(1);
    Some((name, clock, channels))
}

/// RFC 3551 section 6. G722 says 8000 although it samples at 16000.
fn static_map(pt: u8) -> Option<&'static str> {
    match pt {
        0 => Some("PCMU/8000"),
        3 => Some("GSM/8000"),
        8 => Some("PCMA/8000"),
        9 => Some("G722/8000"),
        13 => Some("CN/8000"),
        18 => Some("G729/8000"),
        _ => None,
    }
}

/// Writes our offer. Keys that may be left out go with the plain profile, so that whoever does not know them answers as
/// ever (RFC 8643).
#[must_use]
pub fn offer(local: &LocalMedia) -> String {
    let mut codecs = local.codecs.clone();
    codecs.extend(local.telephone_event.map(|pt| event_line(pt, 8000)));
    let mut text = head(local);
    let proto = if local.protection.is_required() { "RTP/SAVP" } else { "RTP/AVP" };
    write_audio(&mut text, local, proto, &codecs, local.direction, local.ptime, false);
    local.protection.keys().iter().for_each(|key| text.push_str(&key.line()));
    text
}

/// Answers an offer: its first usable audio, an encrypted one before others, with the codecs in common in the order of
/// the offer; everything else with port 0.
///
/// # Errors
/// If there is no codec in common, or no agreement about encryption: refuse with 488.
pub fn answer(offer: &Session, local: &LocalMedia) -> Result<(String, Negotiated), SdpError> {
    let (at, audio, srtp) = choose(offer, &local.protection)?;
    let agreed = negotiate(audio, local, srtp)?;
    // Our own format parameters under their payload types.
    let mut codecs: Vec<CodecLine> = agreed.codecs.clone();
    for codec in &mut codecs {
        codec.fmtp = local.codecs.iter().find(|l| l.same_codec(codec)).and_then(|l| l.fmtp.clone());
    }
    if let Some(pt) = agreed.telephone_event {
        let clock = audio.codecs.iter().find(|c| c.payload_type == pt).map_or(8000, |c| c.clock);
        codecs.push(event_line(pt, clock));
    }
    let mut text = head(local);
    for (line_at, line) in offer.lines.iter().enumerate() {
        if line_at == at {
            write_audio(&mut text, local, &line.proto, &codecs, agreed.direction, agreed.ptime, agreed.rtcp_mux);
            agreed.srtp.iter().for_each(|srtp| text.push_str(&srtp.send.line()));
        } else {
            let _ = write!(text, "m={} 0 {} {}\r\n", line.media, line.proto, line.fmt);
        }
    }
    Ok((text, agreed))
}

/// As [`answer`], of the first or a later offer in a session. Whoever comes with another key than before, or after a time
/// in the clear, counts our packets from zero: with the old key they would count wrong, or we would encrypt two packets alike
/// (RFC 3711 sections 3.3.1 and 9.1). They get a new one of ours, which `local` keeps.
///
/// # Errors
/// As [`answer`]; then nothing has changed.
pub fn answer_anew(
    offer: &Session,
    local: &mut LocalMedia,
    before: &mut TheirKey,
) -> Result<(String, Negotiated), SdpError> {
    let (mut text, mut negotiated) = answer(offer, local)?;
    if before.is_replaced_by(negotiated.srtp.as_ref()) {
        local.protection = local.protection.renewed();
        (text, negotiated) = answer(offer, local)?;
    }
    before.learn(negotiated.srtp.as_ref());
    local.protection.answered(negotiated.srtp.as_ref());
    Ok((text, negotiated))
}

/// Which audio of an offer is answered, and with which keys.
fn choose<'a>(offer: &'a Session, ours: &Protection) -> Result<(usize, &'a Audio, Option<SrtpKeys>), SdpError> {
    let audios = || std::iter::once(&offer.audio).chain(&offer.others);
    let encrypted = audios().find_map(|(at, audio)| Some((*at, audio, Some(ours.answer(&audio.keys)?))));
    let clear = || audios().find(|(_, audio)| audio.may_be_clear()).map(|(at, audio)| (*at, audio, None));
    match encrypted {
        Some(encrypted) => Ok(encrypted),
        None if ours.is_required() => Err(SdpError::InTheClear),
        None => clear().ok_or(SdpError::CannotEncrypt),
    }
}

/// Reads the answer to our offer.
///
/// # Errors
/// If it has none of the codecs that we offered, or no agreement about encryption.
pub fn accept_answer(offered: &LocalMedia, answer: &Session) -> Result<Negotiated, SdpError> {
    let audio = &answer.audio.1;
    let srtp = offered.protection.accept(&audio.keys);
    match srtp {
        None if offered.protection.is_required() => return Err(SdpError::InTheClear),
        None if audio.encrypted_only => return Err(SdpError::CannotEncrypt),
        None | Some(_) => {}
    }
    let mut agreed = negotiate(audio, offered, srtp)?;
    // We did not offer to mix RTCP into the RTP port (RFC 5761 section 5.1.1).
    if agreed.rtcp_mux {
        agreed.rtcp_mux = false;
        let port = agreed.remote_rtp.port().saturating_add(1);
        agreed.remote_rtcp = SocketAddr::new(agreed.remote_rtp.ip(), port);
    }
    Ok(agreed)
}

fn negotiate(audio: &Audio, local: &LocalMedia, srtp: Option<SrtpKeys>) -> Result<Negotiated, SdpError> {
    let codecs: Vec<CodecLine> =
        audio.voice().filter(|c| local.codecs.iter().any(|l| l.same_codec(c))).cloned().collect();
    let first = codecs.first().ok_or(SdpError::NoCommonCodec)?;
    // RFC 4733 section 2.1 wants the clock of the audio; most write 8000 whatever the codec.
    let events = || audio.codecs.iter().filter(|c| c.is_event());
    let event = events().find(|e| e.clock == first.clock).or_else(|| events().next()).map(|e| e.payload_type);
    Ok(Negotiated {
        remote_rtp: audio.rtp,
        remote_rtcp: audio.rtcp,
        rtcp_mux: audio.rtcp_mux,
        telephone_event: event.filter(|_| local.telephone_event.is_some()),
        direction: local.direction.with_remote(audio.direction),
        ptime: audio.ptime.unwrap_or(local.ptime).min(audio.maxptime.unwrap_or(u32::MAX)),
        codecs,
        srtp,
    })
}

fn event_line(payload_type: u8, clock: u32) -> CodecLine {
    let fmtp = Some("0-15".to_owned());
    CodecLine { name: "telephone-event".into(), payload_type, clock, channels: 1, fmtp }
}

fn head(local: &LocalMedia) -> String {
    let address = address_of(local.rtp.ip());
    format!("v=0\r\no=- {} {} {address}\r\ns=-\r\nc={address}\r\nt=0 0\r\n", local.session_id, local.version)
}

fn address_of(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(a) => format!("IN IP4 {a}"),
        IpAddr::V6(a) => format!("IN IP6 {a}"),
    }
}

fn write_audio(
    text: &mut String,
    local: &LocalMedia,
    proto: &str,
    codecs: &[CodecLine],
    direction: Direction,
    ptime: u32,
    rtcp_mux: bool,
) {
    let _ = write!(text, "m=audio {} {proto}", local.rtp.port());
    for c in codecs {
        let _ = write!(text, " {}", c.payload_type);
    }
    text.push_str("\r\n");
    for c in codecs {
        let channels = if c.channels > 1 { format!("/{}", c.channels) } else { String::new() };
        let _ = write!(text, "a=rtpmap:{} {}/{}{channels}\r\n", c.payload_type, c.name, c.clock);
        if let Some(fmtp) = &c.fmtp {
            let _ = write!(text, "a=fmtp:{} {fmtp}\r\n", c.payload_type);
        }
    }
    let _ = write!(text, "a=ptime:{ptime}\r\na={}\r\n", direction.name());
    if rtcp_mux {
        text.push_str("a=rtcp-mux\r\n");
    }
}

#[cfg(test)]
#[path = "sdp_tests.rs"]
mod tests;
