//! One outgoing stream.

use std::{collections::VecDeque, time::Duration};

use rtp_types::RtpPacketBuilder;

use super::{Position, digits};
use crate::{Codec, CodecError, EXPECTED_LOSS, Encoder, FRAME, Frame};

/// How long each digit sounds: 100 ms, then 60 ms for its three end packets (RFC 4733 section 2.5.1.4).
const DIGIT_FRAMES: u16 = 5;
const END_PACKETS: u16 = 3;
/// Digits that may wait.
const MAX_DIGITS: usize = 64;

/// What an outgoing stream is made of.
#[derive(Debug, Clone, Copy)]
pub struct SenderConfig {
    pub codec: Codec,
    pub payload_type: u8,
    /// Random (RFC 3550 section 8.1).
    pub ssrc: u32,
    /// Payload type of telephone-event (RFC 4733), if the other side takes it.
    pub dtmf_payload_type: Option<u8>,
}

/// Sends one stream. Call [`frame`](Self::frame), or [`skip`](Self::skip), every 20 ms, and after a frame
/// [`rest`](Self::rest) until nothing is left.
pub struct RtpSender {
    config: SenderConfig,
    encoder: Encoder,
    position: Position,
    /// Ticks of the RTP clock in 20 ms.
    step: u32,
    /// Of 100 packets, for how many the encoder is prepared.
    expected_loss: f32,
    /// Samples in a packet.
    length: usize,
    /// Spoken and not sent yet: less than a packet once a frame and its rest are taken.
    unsent: VecDeque<i16>,
    sound: Vec<i16>,
    /// The next packet of voice begins a talk spurt (RFC 3551 section 4.1).
    marker: bool,
    waiting: VecDeque<u8>,
    event: Option<Event>,
    payload: Vec<u8>,
    packet: Vec<u8>,
    pub(crate) sent: Sent,
}

/// What a sender report tells.
#[derive(Default)]
pub(crate) struct Sent {
    pub(crate) packets: u32,
    pub(crate) octets: u32,
    pub(crate) round_trip: Option<Duration>,
    /// The other side's last word on what it lost: of 256 packets.
    pub(crate) fraction_lost: Option<u8>,
}

/// A digit being sent.
struct Event {
    code: u8,
    timestamp: u32,
    frames: u16,
}

impl RtpSender {
    /// Starts a stream at a sequence number and timestamp taken from `config.ssrc`, so pick that at random.
    ///
    /// # Errors
    /// If the codec can't be set up.
    pub fn new(config: SenderConfig) -> Result<Self, CodecError> {
        let start = config.ssrc.wrapping_mul(0x9e37_79b9);
        Self::resume(config, Position { ssrc: config.ssrc, sequence: (start >> 17) as u16, timestamp: start })
    }

    /// Carries on where another sender or relay of the same stream stood.
    ///
    /// # Errors
    /// If the codec can't be set up.
    pub fn resume(config: SenderConfig, position: Position) -> Result<Self, CodecError> {
        Ok(Self {
            encoder: Encoder::new(config.codec)?,
            step: config.codec.rtp_clock() / 50,
            config: SenderConfig { ssrc: position.ssrc, ..config },
            position,
            expected_loss: f32::from(EXPECTED_LOSS),
            length: FRAME,
            unsent: VecDeque::with_capacity(4 * FRAME),
            sound: Vec::with_capacity(3 * FRAME),
            marker: true,
            waiting: VecDeque::new(),
            event: None,
            payload: Vec::new(),
            packet: Vec::new(),
            sent: Sent::default(),
        })
    }

    /// From now on a packet holds about this much sound, milliseconds: 20 until this is called. What the codec cannot do is
    /// rounded down.
    pub fn set_packet_time(&mut self, ms: u32) {
        let times: &[u32] = match self.config.codec {
            // RFC 6716 section 2.1.4.
            Codec::Opus => &[10, 20, 40, 60],
            Codec::G722 | Codec::Pcmu | Codec::Pcma => &[10, 20, 30, 40, 50, 60],
        };
        let ms = times.iter().rev().find(|time| **time <= ms).unwrap_or(&10);
        self.length = *ms as usize * (FRAME / 20);
    }

    /// The packet that is due with these 20 ms, to be sent now; a digit's event takes the voice's place. `None` if nothing
    /// needs to be sent.
    pub fn frame(&mut self, pcm: &Frame) -> Option<&[u8]> {
        if self.event.is_none() {
            self.event =
                self.waiting.pop_front().map(|code| Event { code, timestamp: self.position.timestamp, frames: 0 });
        }
        if self.event.is_some() {
            self.unsent.clear();
            let written = self.write_event();
            self.position.timestamp = self.position.timestamp.wrapping_add(self.step);
            return written.then_some(self.packet.as_slice());
        }
        let begins = self.position.timestamp;
        self.position.timestamp = begins.wrapping_add(self.step);
        if self.unsent.is_empty() && self.length == FRAME {
            return self.write_voice(begins, pcm).then_some(self.packet.as_slice());
        }
        self.unsent.extend(pcm);
        self.rest()
    }

    /// The next packet of the same 20 ms, where packets are shorter than that; to be sent now.
    pub fn rest(&mut self) -> Option<&[u8]> {
        if self.unsent.len() < self.length {
            return None;
        }
        let ticks = self.unsent.len() as u32 * self.step / FRAME as u32;
        let mut sound = std::mem::take(&mut self.sound);
        sound.clear();
        sound.extend(self.unsent.drain(..self.length));
        let written = self.write_voice(self.position.timestamp.wrapping_sub(ticks), &sound);
        self.sound = sound;
        written.then_some(self.packet.as_slice())
    }

    /// Lets 20 ms pass without sending (hold), so that the other side's timeline stays right.
    pub fn skip(&mut self) {
        self.position.timestamp = self.position.timestamp.wrapping_add(self.step);
        self.unsent.clear();
        self.marker = true;
    }

    /// Queues digits (`0`–`9`, `*`, `#`, `A`–`D`; anything else is left out) and says how many were queued: none if the
    /// other side takes no events.
    pub fn dtmf(&mut self, digits: &str) -> usize {
        if self.config.dtmf_payload_type.is_none() {
            return 0;
        }
        let before = self.waiting.len();
        let room = MAX_DIGITS - before;
        self.waiting.extend(digits.chars().filter_map(digits::event).take(room));
        self.waiting.len() - before
    }

    /// Whether digits are being sent or wait.
    #[must_use]
    pub fn is_sending_digits(&self) -> bool {
        self.event.is_some() || !self.waiting.is_empty()
    }

    /// Where the stream stands: what the next packet will carry.
    #[must_use]
    pub fn position(&self) -> Position {
        self.position
    }

    /// What the stream is made of.
    #[must_use]
    pub fn config(&self) -> SenderConfig {
        self.config
    }

    /// From the other side's last report on this stream.
    #[must_use]
    pub fn round_trip(&self) -> Option<Duration> {
        self.sent.round_trip
    }

    /// The share of our packets that the other side said it lost lately, 0 to 1.
    #[must_use]
    pub fn remote_loss(&self) -> Option<f32> {
        self.sent.fraction_lost.map(|lost| f32::from(lost) / 256.0)
    }

    /// The other side reports its latest losses, of 256 packets: the encoder prepares for as much, more readily for more than
    /// for less.
    pub(crate) fn lost_there(&mut self, fraction: u8) {
        self.sent.fraction_lost = Some(fraction);
        let percent = f32::from(fraction) / 2.56;
        let step = if percent > self.expected_loss { 0.5 } else { 0.2 };
        self.expected_loss += (percent - self.expected_loss) * step;
        self.encoder.expect_loss(self.expected_loss.round() as u8);
    }

    fn write_voice(&mut self, timestamp: u32, sound: &[i16]) -> bool {
        self.payload.clear();
        if self.encoder.encode(sound, &mut self.payload).is_err() || self.payload.is_empty() {
            return false;
        }
        let marker = std::mem::take(&mut self.marker);
        self.write(self.config.payload_type, timestamp, marker)
    }

    /// All packets of an event bear the time of its start, and how long it has lasted (RFC 4733 section 2.5.1.2).
    fn write_event(&mut self) -> bool {
        let Some(event) = &mut self.event else { return false };
        event.frames += 1;
        let end = event.frames > DIGIT_FRAMES;
        let duration = event.frames.min(DIGIT_FRAMES) * self.step as u16;
        let (timestamp, first) = (event.timestamp, event.frames == 1);
        self.payload.clear();
        self.payload.extend_from_slice(&digits::payload(event.code, end, duration));
        if event.frames == DIGIT_FRAMES + END_PACKETS {
            self.event = None;
            self.marker = true;
        }
        let payload_type = self.config.dtmf_payload_type.unwrap_or_default();
        self.write(payload_type, timestamp, first)
    }

    fn write(&mut self, payload_type: u8, timestamp: u32, marker: bool) -> bool {
        self.packet.clear();
        let written = RtpPacketBuilder::<&[u8], &[u8]>::new()
            .payload_type(payload_type & 0x7f)
            .sequence_number(self.position.sequence)
            .timestamp(timestamp)
            .ssrc(self.position.ssrc)
            .marker_bit(marker)
            .payload(self.payload.as_slice())
            .write_into_vec(&mut self.packet)
            .is_ok();
        self.position.sequence = self.position.sequence.wrapping_add(1);
        self.sent.packets = self.sent.packets.wrapping_add(1);
        self.sent.octets = self.sent.octets.wrapping_add(self.payload.len() as u32);
        written
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_the_other_side_loses_is_prepared_for_and_forgotten_slowly() {
        let config = SenderConfig { codec: Codec::Opus, payload_type: 96, ssrc: 1, dtmf_payload_type: None };
        let mut sender = RtpSender::new(config).unwrap();
        let after = |sender: &mut RtpSender, reports: usize, fraction| {
            (0..reports).for_each(|_| sender.lost_there(fraction));
            (sender.expected_loss, sender.encoder.expected_loss())
        };
        assert_eq!(after(&mut sender, 0, 0), (10.0, Some(10)));
        let (expected, told) = after(&mut sender, 4, 64);
        assert!((24.0..=25.0).contains(&expected) && told == Some(24), "{expected} {told:?}");
        assert_eq!(after(&mut sender, 6, 255).1, Some(30), "no more than helps");
        assert!(after(&mut sender, 2, 0).0 > 50.0, "one good report is no proof");
        assert_eq!(after(&mut sender, 30, 0).1, Some(5), "never unprepared");
    }
}
