//! The sound of one call: its sockets, its two RTP streams, its recording.

use std::borrow::Cow;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use media::rtp::{Header, Latch};
use media::{
    Cause, Direction, Frame, LegMeter, ReceiverConfig, RtpReceiver, RtpSender, SILENCE, SenderConfig, SrtpError,
    SrtpReceiver, SrtpSender, Stats, Way, level_dbfs, rtcp,
};
use protocol::{SoundCause, SoundTrouble, SoundWay};

use super::Heard;
use super::intake::Intake;
use super::recorder::Recorder;
use super::source::Source;
use crate::call::Flow;
use crate::event::QualityReport;
use crate::session::{Agreed, Srtp};

/// "Sound" for [`crate::CallEvent::FirstAudio`], dBFS.
const AUDIBLE: f32 = -50.0;

pub(crate) struct Line {
    rtp: Intake,
    rtcp: Intake,
    streams: Option<Streams>,
    pub(crate) flow: Flow,
    pub(crate) muted: bool,
    source: Source,
    loopback: bool,
    pub(crate) recorder: Option<Recorder>,
    ringback: Tone,
    audible: bool,
    cname: String,
    heard: Heard,
}

/// What exists once both sides have agreed.
struct Streams {
    agreed: Agreed,
    sender: RtpSender,
    receiver: RtpReceiver,
    ssrc: u32,
    /// `None`: in the clear.
    srtp: Option<Guard>,
    /// There was a time when it was in the clear.
    was_clear: bool,
    /// Whose packets are heard.
    latch: Latch,
    /// What the far end says of what it hears.
    meter: LegMeter,
    /// How it stood when its sound was last rated.
    rated: Stats,
    next_report: Duration,
}

/// What encrypts and decrypts. One that can't be set up lets nothing through.
struct Guard {
    sender: Option<SrtpSender>,
    receiver: Option<SrtpReceiver>,
}

/// A tone that is played again and again.
pub(crate) struct Tone {
    pcm: Arc<[i16]>,
    position: usize,
}

/// What came of 20 ms.
#[derive(Default)]
pub(crate) struct Ticked {
    pub(crate) first_audio: bool,
    pub(crate) quality: Option<QualityReport>,
    pub(crate) record_failed: Option<hound::Error>,
}

impl Line {
    /// # Errors
    /// If the sockets can't be prepared for the voice thread.
    pub(crate) fn new(
        sockets: super::Sockets,
        heard: Heard,
        source: Source,
        loopback: bool,
        ringback: Tone,
    ) -> io::Result<Self> {
        Ok(Self {
            rtp: Intake::new(sockets.rtp)?,
            rtcp: Intake::new(sockets.rtcp)?,
            streams: None,
            flow: Flow::default(),
            muted: false,
            source,
            loopback,
            recorder: None,
            ringback,
            audible: false,
            cname: format!("{:016x}@patchcord", rand::random::<u64>()),
            heard,
        })
    }

    /// Sends and hears by other sockets from now on.
    ///
    /// # Errors
    /// If they can't be prepared for the voice thread; the old ones stay.
    pub(crate) fn move_to(&mut self, sockets: super::Sockets) -> io::Result<()> {
        (self.rtp, self.rtcp) = (Intake::new(sockets.rtp)?, Intake::new(sockets.rtcp)?);
        Ok(())
    }

    /// Starts the streams, or turns them to what was agreed anew. What has not changed goes on without a seam.
    ///
    /// # Errors
    /// If the codec can't be set up.
    pub(crate) fn agree(&mut self, now: Duration, agreed: Agreed) -> Result<(), media::CodecError> {
        let Some(streams) = &mut self.streams else {
            self.streams = Some(Streams::new(now, agreed)?);
            return Ok(());
        };
        streams.protect(&agreed.srtp);
        streams.was_clear |= agreed.srtp.is_none();
        let old = std::mem::replace(&mut streams.agreed, agreed);
        let new = &streams.agreed;
        if (old.codec, old.payload_type, old.dtmf) != (new.codec, new.payload_type, new.dtmf) {
            let position = streams.sender.position();
            streams.sender = RtpSender::resume(sender_config(new, streams.ssrc), position)?;
        }
        streams.sender.set_packet_time(new.ptime);
        if (&old.receive, old.receive_dtmf) != (&new.receive, new.receive_dtmf) {
            streams.receiver.reconfigure(&receiver_config(new));
        }
        streams.latch.renew(new.remote_rtp, new.signalling);
        Ok(())
    }

    /// Queues keys as RFC 4733 events.
    pub(crate) fn press(&mut self, digits: &str) {
        if let Some(streams) = &mut self.streams {
            streams.sender.dtmf(digits);
        }
    }

    /// The keys that the far side pressed.
    pub(crate) fn digits(&mut self) -> impl Iterator<Item = char> {
        self.streams.as_mut().map(|s| s.receiver.digits()).into_iter().flatten()
    }

    /// Takes the far end's reports.
    pub(crate) fn take_reports(&mut self, now: Duration) {
        let Self { rtcp, streams, heard, .. } = self;
        rtcp.waiting(now, |at, from, bytes| {
            if streams.as_mut().is_some_and(|streams| streams.take_report(at, from, bytes)) {
                heard.note();
            }
        });
    }

    /// 20 ms: fills `heard` (what the person hears of this call), and sends what is said.
    pub(crate) fn tick(&mut self, now: Duration, microphone: Option<&Frame>, heard: &mut Frame) -> Ticked {
        let mut ticked = Ticked::default();
        *heard = SILENCE;
        self.take_waiting(now);
        if let Some(streams) = &mut self.streams {
            streams.receiver.frame(now, heard);
            if !self.flow.hear {
                *heard = SILENCE;
            }
            ticked.first_audio = !self.audible && level_dbfs(heard) > AUDIBLE;
            self.audible |= ticked.first_audio;
        }
        if let Some(Err(error)) = self.recorder.as_mut().map(|recorder| recorder.write(heard)) {
            self.recorder = None;
            ticked.record_failed = Some(error);
        }
        self.speak(microphone, heard);
        if self.flow.ringback && !self.has_early_media() {
            self.ringback.next(heard);
        }
        ticked.quality = self.report_if_due(now);
        ticked
    }

    /// The time to the next [`tick`](Self::tick) by which what is heard here waits least.
    pub(crate) fn pace(&self) -> Duration {
        self.streams.as_ref().map_or(media::FRAME_TIME, |streams| streams.receiver.pace(streams.ssrc))
    }

    fn take_waiting(&mut self, now: Duration) {
        let Self { rtp, streams, heard, .. } = self;
        rtp.waiting(now, |at, from, bytes| {
            if streams.as_mut().is_some_and(|streams| streams.datagram(at, from, bytes)) {
                heard.note();
            }
        });
    }

    fn has_early_media(&self) -> bool {
        self.streams.as_ref().is_some_and(|s| s.receiver.last_packet().is_some())
    }

    fn speak(&mut self, microphone: Option<&Frame>, heard: &Frame) {
        let Some(streams) = &mut self.streams else { return };
        if !self.flow.send {
            streams.sender.skip();
            return;
        }
        let said = match microphone {
            Some(frame) => *frame,
            None if self.loopback => *heard,
            None => self.source.next(),
        };
        let to = streams.rtp_destination();
        let mut next = streams.sender.frame(if self.muted { &SILENCE } else { &said });
        while let Some(packet) = next {
            if let Ok(header) = Header::parse(packet) {
                streams.meter.sent(&header);
            }
            if let Some(packet) = closed(&mut streams.srtp, packet, SrtpSender::rtp) {
                self.rtp.send(&packet, to);
            }
            next = streams.sender.rest();
        }
    }

    fn report_if_due(&mut self, now: Duration) -> Option<QualityReport> {
        let streams = self.streams.as_mut()?;
        if now < streams.next_report {
            return None;
        }
        streams.next_report = now + rtcp::INTERVAL;
        let mut report = Vec::with_capacity(256);
        rtcp::report(now, &self.cname, &streams.sender, &mut streams.receiver, &mut report);
        if let Some(report) = closed(&mut streams.srtp, &report, SrtpSender::rtcp) {
            match streams.agreed.rtcp_mux {
                true => self.rtp.send(&report, streams.rtp_destination()),
                false => self.rtcp.send(&report, streams.agreed.remote_rtcp),
            }
        }
        self.quality_lately()
    }

    /// How it sounds since this was last asked.
    fn quality_lately(&mut self) -> Option<QualityReport> {
        let streams = self.streams.as_mut()?;
        let stats = streams.receiver.stats();
        let lately = stats.since(&streams.rated);
        streams.rated = stats;
        let outgoing = streams.meter.outgoing().map(|(_, lately)| lately);
        Some(streams.report(lately.way(), outgoing)).filter(|report| report.received > 0)
    }

    /// How the whole call has sounded; nothing if no packet ever came.
    pub(crate) fn quality(&self) -> Option<QualityReport> {
        let streams = self.streams.as_ref()?;
        let outgoing = streams.meter.outgoing().map(|(whole, _)| whole);
        Some(streams.report(streams.receiver.stats().way(), outgoing)).filter(|report| report.received > 0)
    }
}

impl Guard {
    fn new(before: Option<(Self, &Srtp)>, keys: &Srtp) -> Self {
        let (old, used) = before.unzip();
        let (sender, receiver) = old.map_or((None, None), |old| (old.sender, old.receiver));
        let sender = sender.filter(|_| used.is_some_and(|used| used.send == keys.send));
        let receiver = receiver.filter(|_| used.is_some_and(|used| used.receive == keys.receive));
        Self {
            sender: sender.or_else(|| SrtpSender::new(&keys.send).ok()),
            receiver: receiver.or_else(|| SrtpReceiver::new(keys.receive.clone()).ok()),
        }
    }
}

/// The packet as it goes over the wire.
fn closed<'a>(
    guard: &mut Option<Guard>,
    packet: &'a [u8],
    protect: impl FnOnce(&mut SrtpSender, &[u8]) -> Result<Vec<u8>, SrtpError>,
) -> Option<Cow<'a, [u8]>> {
    match guard {
        None => Some(Cow::Borrowed(packet)),
        Some(guard) => protect(guard.sender.as_mut()?, packet).ok().map(Cow::Owned),
    }
}

/// What came over the wire, if it is authentic.
fn opened<'a>(
    guard: &mut Option<Guard>,
    packet: &'a [u8],
    unprotect: impl FnOnce(&mut SrtpReceiver, &[u8]) -> Result<Vec<u8>, SrtpError>,
) -> Option<Cow<'a, [u8]>> {
    match guard {
        None => Some(Cow::Borrowed(packet)),
        Some(guard) => unprotect(guard.receiver.as_mut()?, packet).ok().map(Cow::Owned),
    }
}

impl Streams {
    fn new(now: Duration, agreed: Agreed) -> Result<Self, media::CodecError> {
        let ssrc = rand::random();
        let mut sender = RtpSender::new(sender_config(&agreed, ssrc))?;
        sender.set_packet_time(agreed.ptime);
        Ok(Self {
            sender,
            receiver: RtpReceiver::new(&receiver_config(&agreed)),
            ssrc,
            srtp: agreed.srtp.as_ref().map(|keys| Guard::new(None, keys)),
            was_clear: agreed.srtp.is_none(),
            latch: Latch::new(agreed.remote_rtp, agreed.signalling),
            meter: LegMeter::default(),
            rated: Stats::default(),
            next_report: now + rtcp::INTERVAL,
            agreed,
        })
    }

    /// Takes new keys over. A direction whose key stays goes on counting.
    fn protect(&mut self, new: &Option<Srtp>) {
        let before = self.srtp.take().zip(self.agreed.srtp.as_ref());
        self.srtp = new.as_ref().map(|keys| Guard::new(before, keys));
    }

    /// What came to the RTP port; whether it was the far end's.
    fn datagram(&mut self, now: Duration, from: SocketAddr, bytes: &[u8]) -> bool {
        match rtcp::is_rtcp(bytes) {
            true => self.agreed.rtcp_mux && self.take_report(now, from, bytes),
            false => self.packet(now, from, bytes),
        }
    }

    fn take_report(&mut self, now: Duration, from: SocketAddr, bytes: &[u8]) -> bool {
        if !self.latch.accepts_report(from, self.agreed.remote_rtcp, rtcp::writer(bytes)) {
            return false;
        }
        let Some(bytes) = opened(&mut self.srtp, bytes, SrtpReceiver::rtcp) else { return false };
        // Rubbish is not worth a word.
        let _rubbish = rtcp::read(now, &bytes, &mut self.sender, &mut self.receiver);
        self.meter.report_arrived(now, &bytes, self.agreed.codec.rtp_clock());
        true
    }

    fn packet(&mut self, now: Duration, from: SocketAddr, bytes: &[u8]) -> bool {
        if !self.latch.expects(now, from) {
            return false;
        }
        let Some(packet) = opened(&mut self.srtp, bytes, SrtpReceiver::rtp) else { return false };
        let Ok(header) = Header::parse(&packet) else { return false };
        self.latch.accept(now, from, &header) && self.receiver.packet(now, &packet).is_ok()
    }

    fn report(&self, incoming: Option<Way>, outgoing: Option<Way>) -> QualityReport {
        let stats = self.receiver.stats();
        let round_trip = self.sender.round_trip();
        let quality = media::quality(incoming, outgoing, round_trip);
        QualityReport {
            received: stats.received,
            lost: stats.lost,
            missed_permille: self.meter.outgoing().map(|(whole, _)| (whole.lost * 10.0).round() as u16),
            jitter_ms: stats.jitter_ms,
            round_trip_ms: round_trip.map(|t| t.as_secs_f32() * 1000.0),
            delay_ms: stats.delay_ms,
            mos: quality.mos,
            word: quality.word(),
            encrypted: self.srtp.is_some() && !self.was_clear,
            trouble: quality.trouble.map(|(cause, direction)| trouble(cause, direction)),
        }
    }

    fn rtp_destination(&self) -> SocketAddr {
        self.latch.source().unwrap_or(self.agreed.remote_rtp)
    }
}

/// In the words of the call log.
fn trouble(cause: Cause, direction: Direction) -> SoundTrouble {
    let cause = match cause {
        Cause::Loss(percent) => SoundCause::Loss { percent: percent.round().max(1.0) as u8 },
        Cause::Late => SoundCause::Late,
        Cause::Slow(trip) => SoundCause::Slow { round_trip_ms: trip.as_millis() as u16 },
    };
    let way = match direction {
        Direction::Incoming => SoundWay::From,
        Direction::Outgoing => SoundWay::To,
        Direction::Both => SoundWay::Both,
    };
    SoundTrouble { cause, way }
}

fn sender_config(agreed: &Agreed, ssrc: u32) -> SenderConfig {
    let Agreed { codec, payload_type, dtmf, .. } = *agreed;
    SenderConfig { codec, payload_type, ssrc, dtmf_payload_type: dtmf }
}

fn receiver_config(agreed: &Agreed) -> ReceiverConfig {
    ReceiverConfig { payload_types: agreed.receive.clone(), dtmf_payload_type: agreed.receive_dtmf }
}

impl Tone {
    pub(crate) fn new(pcm: Arc<[i16]>) -> Self {
        Self { pcm, position: 0 }
    }

    fn next(&mut self, out: &mut Frame) {
        for sample in out.iter_mut() {
            *sample = self.pcm.get(self.position).copied().unwrap_or(0);
            self.position = (self.position + 1) % self.pcm.len().max(1);
        }
    }
}
