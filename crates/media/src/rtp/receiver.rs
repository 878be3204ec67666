//! One incoming stream: what arrives goes in with [`RtpReceiver::packet`], sound comes out of [`RtpReceiver::frame`].

use std::time::Duration;

use rtp_types::RtpPacket;

use super::{Header, RtpError, digits::Digits, noise, playout::Playout, source::Source, source::Verdict};
use crate::{Codec, FRAME_TIME, Frame, Way};

/// Longer datagrams are no RTP that we ever asked for.
const MAX_PACKET: usize = 2048;
/// A source that was silent this long may be followed by another at once: 40 ms.
const QUIET: i64 = 2 * 960;

/// What the payload types of a stream mean.
#[derive(Debug, Clone, Default)]
pub struct ReceiverConfig {
    pub payload_types: Vec<(u8, Codec)>,
    /// Payload type of telephone-event (RFC 4733).
    pub dtmf_payload_type: Option<u8>,
}

/// Counted since the receiver was made, over all sources.
#[derive(Debug, Clone, Copy, PartialEq, Default, serde::Serialize)]
pub struct Stats {
    /// Packets of this stream, each once, the late ones too.
    pub received: u64,
    /// Never arrived.
    pub lost: u64,
    /// How often packets were missing, one or several in a row.
    pub gaps: u64,
    /// Arrived after their time had come.
    pub late: u64,
    pub duplicate: u64,
    /// Sound made up in place of what was missing, milliseconds.
    pub concealed_ms: u64,
    /// Interarrival jitter (RFC 3550 section 6.4.1), milliseconds.
    pub jitter_ms: f32,
    /// How long the sound played last had waited since the earliest it could have arrived, milliseconds.
    pub delay_ms: f32,
    /// How long sound shall wait now, milliseconds.
    pub target_ms: f32,
}

impl Stats {
    /// What happened since `earlier`; jitter and delay as they are now.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            received: self.received.saturating_sub(earlier.received),
            lost: self.lost.saturating_sub(earlier.lost),
            gaps: self.gaps.saturating_sub(earlier.gaps),
            late: self.late.saturating_sub(earlier.late),
            duplicate: self.duplicate.saturating_sub(earlier.duplicate),
            concealed_ms: self.concealed_ms.saturating_sub(earlier.concealed_ms),
            ..*self
        }
    }

    /// For the E-model; nothing if nothing came.
    #[must_use]
    pub fn way(&self) -> Option<Way> {
        let sent = (self.received + self.lost) as f32;
        let (lost, late) = (self.lost as f32 / sent, self.late as f32 / sent);
        // Losses in a row, against those of chance: 1 / (1 - p).
        let burst = self.lost as f32 / self.gaps.max(1) as f32 * (1.0 - lost);
        let way = Way { lost: 100.0 * lost, late: 100.0 * late, burst: burst.max(1.0), delay_ms: self.delay_ms };
        (self.received > 0).then_some(way)
    }
}

/// Receives one stream through an adaptive jitter buffer.
pub struct RtpReceiver {
    codecs: [Option<Codec>; 128],
    dtmf: Option<u8>,
    source: Option<Source>,
    /// Another source's latest packet: its next one may take over.
    other: Option<(u32, u16)>,
    playout: Playout,
    digits: Digits,
    last_packet: Option<Duration>,
    codec: Option<Codec>,
    /// Of sources that were.
    past: Stats,
    duplicate: u64,
    pub(crate) sender_report: Option<(u32, Duration)>,
}

impl RtpReceiver {
    #[must_use]
    pub fn new(config: &ReceiverConfig) -> Self {
        let mut receiver = Self {
            codecs: [None; 128],
            dtmf: None,
            source: None,
            other: None,
            playout: Playout::new(),
            digits: Digits::default(),
            last_packet: None,
            codec: None,
            past: Stats::default(),
            duplicate: 0,
            sender_report: None,
        };
        receiver.reconfigure(config);
        receiver
    }

    /// After a new offer and answer: other payload types, the same stream.
    pub fn reconfigure(&mut self, config: &ReceiverConfig) {
        self.codecs = [None; 128];
        for &(payload_type, codec) in &config.payload_types {
            self.codecs[usize::from(payload_type & 0x7f)] = Some(codec);
        }
        self.dtmf = config.dtmf_payload_type;
    }

    /// Takes a datagram that arrived at `now`. Payload types that were not agreed on are counted, and not played.
    ///
    /// # Errors
    /// If it is no RTP packet, or too long.
    pub fn packet(&mut self, now: Duration, datagram: &[u8]) -> Result<(), RtpError> {
        if datagram.len() > MAX_PACKET {
            return Err(RtpError::TooLong(datagram.len()));
        }
        let packet = RtpPacket::parse(datagram)?;
        let header = Header::of(&packet);
        let samples = samples(now);
        if !self.belongs(&header, samples) {
            return Ok(());
        }
        self.last_packet = Some(now);
        let codec = self.codecs[usize::from(header.payload_type)];
        let clock = codec.or(self.codec).map_or(8000, Codec::rtp_clock);
        let source = self.source.get_or_insert_with(|| Source::new(&header, clock, samples));
        let comfort =
            codec.is_none() && header.payload_type == noise::PAYLOAD_TYPE && self.dtmf != Some(noise::PAYLOAD_TYPE);
        match source.judge(&header, clock, samples, codec.is_some()) {
            Verdict::New(placed) => {
                if let Some(codec) = codec {
                    self.codec = Some(codec);
                    self.playout.insert(samples, placed, codec, packet.payload());
                } else {
                    self.playout.fill_place(placed, if comfort { packet.payload() } else { &[] });
                }
            }
            Verdict::Duplicate => self.duplicate += 1,
            Verdict::Ancient => self.playout.late += 1,
            Verdict::Doubtful => return Ok(()),
            Verdict::Restart => return self.restart(now, datagram),
        }
        if self.dtmf == Some(header.payload_type) {
            self.digits.packet(header.timestamp, packet.payload());
        }
        Ok(())
    }

    /// Whether the packet is of the source that plays, or of one that may now take its place.
    fn belongs(&mut self, header: &Header, now: i64) -> bool {
        let Some(source) = &self.source else { return true };
        if source.ssrc == header.ssrc {
            self.other = None;
            return true;
        }
        let quiet = self.last_packet.is_none_or(|last| now - samples(last) > QUIET);
        let second = self.other.is_some_and(|(ssrc, next)| ssrc == header.ssrc && next == header.sequence);
        self.other = Some((header.ssrc, header.sequence.wrapping_add(1)));
        if quiet || second {
            self.leave_source();
        }
        quiet || second
    }

    fn restart(&mut self, now: Duration, datagram: &[u8]) -> Result<(), RtpError> {
        self.leave_source();
        self.packet(now, datagram)
    }

    fn leave_source(&mut self) {
        if let Some(source) = self.source.take() {
            self.past.received += source.received;
            self.past.lost += source.lost();
            self.past.gaps += source.gaps;
        }
        self.other = None;
        self.sender_report = None;
        self.playout.restart();
        self.digits.forget();
    }

    /// The next 20 ms of sound, at `now`. Call it every 20 ms, whether or not anything arrived: it plays silence until the
    /// first packet, and makes up for missing ones.
    pub fn frame(&mut self, now: Duration, out: &mut Frame) {
        self.playout.frame(samples(now), out);
    }

    /// The time to the next [`frame`](Self::frame) by which packets wait no longer for it than they must: 20 ms, or up to 500 parts
    /// per million less or more, which a sound device's drift control follows unheard. `ssrc` is that of what we send at the same
    /// pace: should the other side follow us too, it says who goes ahead.
    #[must_use]
    pub fn pace(&self, ssrc: u32) -> Duration {
        let sooner = self.source.as_ref().map_or(0, |source| self.playout.sooner(ssrc > source.ssrc));
        let moved = Duration::from_micros(sooner.unsigned_abs());
        if sooner > 0 { FRAME_TIME - moved } else { FRAME_TIME + moved }
    }

    /// The digits pressed at the other end since the last call, each once, in order.
    pub fn digits(&mut self) -> std::vec::Drain<'_, char> {
        self.digits.drain()
    }

    #[must_use]
    pub fn stats(&self) -> Stats {
        let source = self.source.as_ref();
        let (received, lost) = source.map_or((0, 0), |source| (source.received, source.lost()));
        let (gaps, jitter_ms) = source.map_or((0, 0.0), |source| (source.gaps, source.jitter_ms()));
        Stats {
            received: self.past.received + received,
            lost: self.past.lost + lost,
            gaps: self.past.gaps + gaps,
            late: self.playout.late,
            duplicate: self.duplicate,
            concealed_ms: self.playout.concealed / 48,
            jitter_ms,
            delay_ms: self.playout.played_delay as f32 / 48.0,
            target_ms: self.playout.target as f32 / 48.0,
        }
    }

    /// When the last packet of this stream came.
    #[must_use]
    pub fn last_packet(&self) -> Option<Duration> {
        self.last_packet
    }

    /// The codec of the last packet that held sound.
    #[must_use]
    pub fn codec(&self) -> Option<Codec> {
        self.codec
    }

    pub(crate) fn report_block(&mut self, now: Duration) -> Option<rtcp_types::ReportBlockBuilder> {
        let (last, at) = self.sender_report.unzip();
        let since = at.map(|at| now.saturating_sub(at));
        Some(self.source.as_mut()?.report(last.unwrap_or(0), since))
    }

    pub(crate) fn ssrc(&self) -> Option<u32> {
        self.source.as_ref().map(|source| source.ssrc)
    }
}

/// `now` in samples at 48 kHz.
pub(crate) fn samples(now: Duration) -> i64 {
    i64::try_from(now.as_micros() / 125 * 6).unwrap_or(i64::MAX / 4).min(i64::MAX / 4)
}
