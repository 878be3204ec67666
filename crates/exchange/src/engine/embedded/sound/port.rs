use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use media::rtp::{Header, Latch, Position, Relay};
use media::{
    Cause, Codec, CodecError, Direction, Frame, LegMeter, ReceiverConfig, RtpReceiver, RtpSender, SenderConfig,
    Sounded, SrtpError, SrtpKey, SrtpReceiver, SrtpSender,
};
use protocol::{SoundCause, SoundTrouble, SoundWay};
use switchboard::SoundQuality;
use tokio::net::UdpSocket;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::super::ports::PortPair;
use super::rtcp;

/// Who reports; says nothing about the machine.
const CNAME: &str = "patchcord-exchange";

/// What offer and answer agreed on, as far as sound goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// Where the far end hears; `None` while it has us on hold or named no address.
    pub remote: Option<SocketAddr>,
    pub remote_rtcp: Option<SocketAddr>,
    /// Where its signalling comes from: behind a NAT, its sound comes from there too, whatever its SDP says.
    pub signalling: IpAddr,
    /// The codec that the far end likes best, with its payload type. Only this one is sent: streams whose clock
    /// changes are more than many phones can take (RFC 7160).
    pub send: (Codec, u8),
    pub send_digits: Option<u8>,
    /// How much sound of ours the far end wants in a packet, milliseconds.
    pub ptime: u32,
    /// What may arrive.
    pub receive: Vec<(u8, Codec)>,
    pub receive_digits: Option<u8>,
    /// Keys to send and to receive with; `None`: in the clear.
    pub srtp: Option<(SrtpKey, SrtpKey)>,
}

/// One leg's sockets with both directions of its sound. Shared between its own task (reading, playing) and the task of
/// the leg that it is bridged with (sending on).
pub struct Port {
    pub rtp: UdpSocket,
    pub rtcp: UdpSocket,
    /// Tells the leg's task that sound or digits for it need its pace.
    pub wake: Notify,
    outgoing: Mutex<Outgoing>,
    incoming: Mutex<Incoming>,
    meter: Mutex<LegMeter>,
    /// When something came from the far end, or it has shown in another way that it lives.
    lived: Mutex<Instant>,
}

/// One outgoing stream: the same SSRC whatever its source, as long as the codec stays.
#[derive(Default)]
struct Outgoing {
    terms: Option<Terms>,
    /// Encodes what we play ourselves.
    own: Option<RtpSender>,
    /// Everything passes through here, so that sequence numbers and timestamps go on across sources.
    relay: Option<Relay>,
    /// Learnt from the far end's packets; before the negotiated address (it may be behind a NAT).
    latched: Option<SocketAddr>,
    /// A notice of ours is being played: what else there is to hear is left out.
    interrupted: bool,
    /// There was a time when it was not encrypted.
    was_clear: bool,
    /// `Some(None)`: could not be set up, and nothing goes out in the clear instead.
    srtp: Option<Option<SrtpSender>>,
}

#[derive(Default)]
struct Incoming {
    receive: Vec<(u8, Codec)>,
    digits: Option<u8>,
    /// Whose packets are taken; nobody's as long as no address was negotiated.
    latch: Option<Latch>,
    /// Where SDP says that the far end's reports come from.
    reports: Option<SocketAddr>,
    /// Only while somebody listens to decoded sound.
    receiver: Option<RtpReceiver>,
    /// As in [`Outgoing`].
    srtp: Option<Option<SrtpReceiver>>,
}

/// What a packet carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carried {
    Voice(Codec),
    Digits,
}

impl Port {
    pub fn new(pair: PortPair) -> Self {
        Self {
            rtp: pair.rtp,
            rtcp: pair.rtcp,
            wake: Notify::new(),
            outgoing: Mutex::default(),
            incoming: Mutex::default(),
            meter: Mutex::default(),
            lived: Mutex::new(Instant::now()),
        }
    }

    /// Takes over new terms. The outgoing stream goes on unless its codec changed.
    ///
    /// # Errors
    /// If the codec can't be set up.
    pub fn agree(&self, terms: Terms) -> Result<(), CodecError> {
        let mut incoming = lock(&self.incoming);
        if let Some(remote) = terms.remote {
            incoming
                .latch
                .get_or_insert_with(|| Latch::new(remote, Some(terms.signalling)))
                .renew(remote, Some(terms.signalling));
            incoming.reports = terms.remote_rtcp;
        }
        if incoming.receive != terms.receive || incoming.digits != terms.receive_digits {
            incoming.receive.clone_from(&terms.receive);
            incoming.digits = terms.receive_digits;
            incoming.receiver = None;
        }
        incoming.protect(terms.srtp.as_ref().map(|(_, key)| key));
        let source = incoming.latch.as_ref().and_then(Latch::source);
        drop(incoming);
        let mut outgoing = lock(&self.outgoing);
        outgoing.latched = source;
        outgoing.agree(terms)
    }

    /// Sends 20 ms of our own.
    pub fn play(&self, now: Duration, frame: &Frame) {
        let mut outgoing = lock(&self.outgoing);
        let Some((remote, payload_type)) = outgoing.target() else { return };
        let mut next = outgoing.own.as_mut().and_then(|own| own.frame(frame));
        while let Some(packet) = next {
            let mut buffer = [0; MAX_PACKET];
            let Some(packet) = copy(packet, &mut buffer) else { return };
            // The sender may have put an event in place of voice; its payload type stays.
            let payload_type = Header::parse(packet).map_or(payload_type, |h| h.payload_type);
            self.forward(&mut outgoing, now, packet, payload_type, remote);
            next = outgoing.own.as_mut().and_then(RtpSender::rest);
        }
    }

    /// Sends digits as events, in place of the next frames.
    pub fn dial(&self, digits: &str) {
        if let Some(own) = lock(&self.outgoing).own.as_mut()
            && own.dtmf(digits) > 0
        {
            self.wake.notify_one();
        }
    }

    /// Whether digits of ours are on their way.
    pub fn is_dialling(&self) -> bool {
        lock(&self.outgoing).own.as_ref().is_some_and(RtpSender::is_sending_digits)
    }

    /// Sends a packet of the other leg on, rewritten in place. False if the far end does not take what it carries.
    pub fn relay(&self, now: Duration, packet: &mut [u8], carried: Carried) -> bool {
        let mut outgoing = lock(&self.outgoing);
        let Some(terms) = &outgoing.terms else { return true };
        // Events take the voice's place (RFC 4733 section 2.5.1.2).
        let dialling = outgoing.own.as_ref().is_some_and(RtpSender::is_sending_digits);
        let ours = dialling || outgoing.interrupted;
        let payload_type = match carried {
            Carried::Voice(codec) => (codec == terms.send.0).then_some(terms.send.1),
            // Events that the far end does not take are lost either way.
            Carried::Digits => terms.send_digits,
        };
        match (payload_type, carried) {
            (Some(payload_type), _) => {
                match outgoing.target() {
                    Some((remote, _)) if !ours => self.forward(&mut outgoing, now, packet, payload_type, remote),
                    Some(_) => {}
                    // On hold the far end takes nothing, and afterwards must not believe it lost.
                    None => {
                        if let Ok(header) = Header::parse(packet) {
                            outgoing.leave_out(header.ssrc);
                        }
                    }
                }
                true
            }
            (None, Carried::Digits) => true,
            (None, Carried::Voice(_)) => false,
        }
    }

    /// A packet of the other leg, from `ssrc`, is not sent on: the next one follows with no gap in the numbers.
    pub fn leave_out(&self, ssrc: u32) {
        lock(&self.outgoing).leave_out(ssrc);
    }

    fn forward(&self, outgoing: &mut Outgoing, now: Duration, packet: &mut [u8], payload_type: u8, to: SocketAddr) {
        let Some(relay) = outgoing.relay.as_mut() else { return };
        if relay.forward(now, packet, payload_type).is_ok() {
            // A full socket buffer is packet loss like any other.
            if let Some(packet) = outgoing.closed(packet, SrtpSender::rtp) {
                let _ = self.rtp.try_send_to(&packet, to);
            }
            if let Ok(header) = Header::parse(packet) {
                lock(&self.meter).sent(&header);
            }
        }
    }

    /// What came over the wire; `None` if it is not authentic.
    pub fn open<'a>(&self, packet: &'a [u8], is_report: bool) -> Option<Cow<'a, [u8]>> {
        let mut incoming = lock(&self.incoming);
        let Some(guard) = &mut incoming.srtp else { return Some(Cow::Borrowed(packet)) };
        let guard = guard.as_mut()?;
        let plain = if is_report { guard.rtcp(packet) } else { guard.rtp(packet) };
        plain.ok().map(Cow::Owned)
    }

    /// Whether what comes from `source` may be our far end's: look before it is decrypted.
    pub fn expects(&self, now: Duration, source: SocketAddr) -> bool {
        lock(&self.incoming).latch.as_ref().is_some_and(|latch| latch.expects(now, source))
    }

    /// Whether an authentic packet from `source` is our far end's, and what it carries.
    pub fn accept(&self, now: Duration, packet: &[u8], source: SocketAddr) -> Option<Carried> {
        let header = Header::parse(packet).ok()?;
        let mut incoming = lock(&self.incoming);
        let latch = incoming.latch.as_mut()?;
        let before = latch.source();
        if !latch.accept(now, source, &header) {
            return None;
        }
        // Whatever it carries: comfort noise may not have been agreed on.
        self.lives();
        let carried = if incoming.digits == Some(header.payload_type) {
            Carried::Digits
        } else {
            Carried::Voice(incoming.receive.iter().find(|(pt, _)| *pt == header.payload_type)?.1)
        };
        drop(incoming);
        if before != Some(source) {
            lock(&self.outgoing).latched = Some(source);
        }
        Some(carried)
    }

    /// Counts a packet of our far end, whatever becomes of it.
    pub fn measure(&self, now: Duration, packet: &[u8], carried: Carried) {
        let codec = match carried {
            Carried::Voice(codec) => Some(codec),
            Carried::Digits => None,
        };
        if let Ok(header) = Header::parse(packet) {
            lock(&self.meter).arrived(now, &header, codec);
        }
    }

    /// Takes down what our far end says of what it hears from us, whoever said it.
    pub fn measure_report(&self, now: Duration, report: &[u8]) {
        let codec = lock(&self.outgoing).terms.as_ref().map(|terms| terms.send.0);
        if let Some(codec) = codec {
            lock(&self.meter).report_arrived(now, report, codec.rtp_clock());
        }
    }

    /// How the leg has sounded so far; `None` if nothing has come from the far end.
    pub fn quality(&self) -> Option<SoundQuality> {
        let (codec, encrypted) = {
            let outgoing = lock(&self.outgoing);
            let terms = outgoing.terms.as_ref()?;
            (terms.send.0, terms.srtp.is_some() && !outgoing.was_clear)
        };
        let sounded = lock(&self.meter).sounded()?;
        Some(SoundQuality {
            codec: codec.name().to_owned(),
            // Below 4.5, and 10 s are 10,000 ms: all of them fit.
            score: (sounded.quality.mos * 100.0).round() as u16,
            lost_permille: sounded.lost_permille,
            jitter_ms: sounded.jitter_ms.round() as u16,
            round_trip_ms: sounded.round_trip.map(|trip| trip.as_millis() as u16),
            trouble: trouble(&sounded),
            encrypted,
        })
    }

    /// Puts a packet into the jitter buffer, which is set up if there is none.
    pub fn listen(&self, now: Duration, packet: &[u8]) {
        let mut incoming = lock(&self.incoming);
        if incoming.receiver.is_none() {
            let config = ReceiverConfig { payload_types: incoming.receive.clone(), dtmf_payload_type: incoming.digits };
            incoming.receiver = Some(RtpReceiver::new(&config));
        }
        if let Some(receiver) = incoming.receiver.as_mut() {
            // Rubbish is dropped; `accept` has looked at the header already.
            let _ = receiver.packet(now, packet);
        }
    }

    /// The next 20 ms that were heard, and digits; false if nothing has been put into the jitter buffer.
    pub fn heard(&self, now: Duration, frame: &mut Frame, digits: &mut String) -> bool {
        let mut incoming = lock(&self.incoming);
        let Some(receiver) = incoming.receiver.as_mut() else { return false };
        receiver.frame(now, frame);
        digits.extend(receiver.digits());
        true
    }

    /// Whether a report from `source` is our far end's.
    pub fn accepts_report(&self, report: &[u8], source: SocketAddr) -> bool {
        let incoming = lock(&self.incoming);
        let accepted = incoming
            .latch
            .as_ref()
            .zip(incoming.reports)
            .is_some_and(|(latch, reports)| latch.accepts_report(source, reports, media::rtcp::writer(report)));
        if accepted {
            self.lives();
        }
        accepted
    }

    /// How long nothing at all has come from the far end.
    pub fn quiet(&self) -> Duration {
        lock(&self.lived).elapsed()
    }

    pub fn lives(&self) {
        *lock(&self.lived) = Instant::now();
    }

    /// While interrupted, what the other leg says is not sent on.
    pub fn interrupt(&self, interrupted: bool) {
        lock(&self.outgoing).interrupted = interrupted;
    }

    /// Takes a report about what we play ourselves.
    pub fn read_report(&self, now: Duration, report: &[u8]) {
        // The only place with both locks, always in this order.
        let mut incoming = lock(&self.incoming);
        let mut outgoing = lock(&self.outgoing);
        if let (Some(receiver), Some(own)) = (incoming.receiver.as_mut(), outgoing.own.as_mut()) {
            let _rubbish = media::rtcp::read(now, report, own, receiver);
        }
    }

    /// Sends a report about what we play ourselves and what we hear.
    pub fn send_report(&self, now: Duration) {
        let mut report = Vec::new();
        {
            let mut incoming = lock(&self.incoming);
            let outgoing = lock(&self.outgoing);
            let (Some(receiver), Some(own)) = (incoming.receiver.as_mut(), outgoing.own.as_ref()) else { return };
            media::rtcp::report(now, CNAME, own, receiver, &mut report);
        }
        self.send_rtcp(now, &report);
    }

    /// Sends a report of the far end behind `other` on to ours.
    pub fn relay_report(&self, now: Duration, other: &Port, report: &[u8]) {
        let ours = lock(&self.outgoing).ssrc();
        let theirs = lock(&other.outgoing).ssrc();
        let heard = lock(&self.incoming).latch.as_ref().and_then(Latch::ssrc);
        if let (Some(ours), Some(theirs), Some(heard)) = (ours, theirs, heard)
            && let Some(report) = rtcp::translate(report, ours, (theirs, heard))
        {
            self.send_rtcp(now, &report);
        }
    }

    fn send_rtcp(&self, now: Duration, report: &[u8]) {
        let (terms, latched, protected) = {
            let mut outgoing = lock(&self.outgoing);
            let protected = outgoing.closed(report, SrtpSender::rtcp).map(Cow::into_owned);
            (outgoing.terms.clone(), outgoing.latched, protected)
        };
        let Some((rtp, rtcp)) = terms.and_then(|t| t.remote.zip(t.remote_rtcp)) else { return };
        lock(&self.meter).report_sent(now, report);
        let Some(report) = protected else { return };
        // A lost report is followed by the next. The same port for both: RFC 5761.
        let _ = match rtp == rtcp {
            true => self.rtp.try_send_to(&report, latched.unwrap_or(rtp)),
            false => self.rtcp.try_send_to(&report, rtcp),
        };
    }

    /// Forgets what is in the jitter buffer.
    pub fn stop_listening(&self) {
        lock(&self.incoming).receiver = None;
    }
}

impl Incoming {
    /// A key that stays goes on counting.
    fn protect(&mut self, key: Option<&SrtpKey>) {
        let same = |guard: &Option<SrtpReceiver>| guard.as_ref().map(SrtpReceiver::key) == key;
        if !self.srtp.as_ref().is_some_and(same) {
            self.srtp = key.map(|key| SrtpReceiver::new(key.clone()).ok());
        }
    }
}

impl Outgoing {
    fn agree(&mut self, terms: Terms) -> Result<(), CodecError> {
        let (codec, payload_type) = terms.send;
        let before = self.terms.as_ref().map(|t| (t.send, t.send_digits));
        let clock_before = before.map(|((codec, _), _)| codec.rtp_clock());
        let ssrc = match self.ssrc() {
            Some(ssrc) if clock_before == Some(codec.rtp_clock()) => ssrc,
            // Another clock needs another stream (RFC 7160 section 4.1).
            Some(_) | None => {
                let start = Position { ssrc: rand::random(), sequence: rand::random(), timestamp: rand::random() };
                self.relay = Some(Relay::new(start, codec.rtp_clock()));
                start.ssrc
            }
        };
        if before != Some((terms.send, terms.send_digits)) {
            let config = SenderConfig { codec, payload_type, ssrc, dtmf_payload_type: terms.send_digits };
            self.own = Some(RtpSender::new(config)?);
        }
        if let Some(own) = &mut self.own {
            own.set_packet_time(terms.ptime);
        }
        let key = |terms: &Terms| terms.srtp.as_ref().map(|(key, _)| key.clone());
        if self.terms.as_ref().and_then(key) != key(&terms) {
            self.srtp = key(&terms).map(|key| SrtpSender::new(&key).ok());
        }
        self.was_clear |= terms.srtp.is_none();
        self.terms = Some(terms);
        Ok(())
    }

    /// The packet as it goes over the wire.
    fn closed<'a>(
        &mut self,
        packet: &'a [u8],
        protect: impl FnOnce(&mut SrtpSender, &[u8]) -> Result<Vec<u8>, SrtpError>,
    ) -> Option<Cow<'a, [u8]>> {
        match &mut self.srtp {
            None => Some(Cow::Borrowed(packet)),
            Some(guard) => protect(guard.as_mut()?, packet).ok().map(Cow::Owned),
        }
    }

    fn ssrc(&self) -> Option<u32> {
        Some(self.relay.as_ref()?.position().ssrc)
    }

    fn leave_out(&mut self, ssrc: u32) {
        if let Some(relay) = &mut self.relay {
            relay.leave_out(ssrc);
        }
    }

    /// Where to send, and the payload type of our own sound.
    fn target(&self) -> Option<(SocketAddr, u8)> {
        let terms = self.terms.as_ref()?;
        let negotiated = terms.remote?;
        Some((self.latched.unwrap_or(negotiated), terms.send.1))
    }
}

/// In the words of the call log.
fn trouble(sounded: &Sounded) -> Option<SoundTrouble> {
    let (cause, direction) = sounded.quality.trouble?;
    let cause = match cause {
        Cause::Loss(percent) => SoundCause::Loss { percent: percent.round().max(1.0) as u8 },
        Cause::Late => SoundCause::Late,
        Cause::Slow(trip) => SoundCause::Slow { round_trip_ms: trip.as_millis() as u16 },
    };
    let way = match direction {
        Direction::Incoming => SoundWay::From,
        Direction::Outgoing if sounded.lost_before_us => SoundWay::Before,
        Direction::Outgoing => SoundWay::To,
        Direction::Both => SoundWay::Both,
    };
    Some(SoundTrouble { cause, way })
}

/// Longest packet that is read or sent, bytes; more does not pass an Ethernet anyway.
pub const MAX_PACKET: usize = 2048;

fn copy<'a>(packet: &[u8], buffer: &'a mut [u8; MAX_PACKET]) -> Option<&'a mut [u8]> {
    let place = buffer.get_mut(..packet.len())?;
    place.copy_from_slice(packet);
    Some(place)
}

/// A panic elsewhere must not silence a call.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
