//! Sending packets on without re-encoding.

use std::time::Duration;

use super::{Header, Position, RtpError};

/// One outgoing stream made of packets from changing sources. The receiver sees one source whose numbers never jump,
/// whatever happens behind.
#[derive(Debug, Clone)]
pub struct Relay {
    position: Position,
    clock: u32,
    from: Option<From>,
}

/// How the current source's numbers become ours.
#[derive(Debug, Clone, Copy)]
struct From {
    /// `None` once another source is expected.
    ssrc: Option<u32>,
    sequence_shift: u16,
    timestamp_shift: u32,
    /// The newest timestamp sent on, and when.
    newest: u32,
    at: Duration,
}

impl Relay {
    /// Carries on at `position`; `clock` is the codec's RTP clock in hertz.
    #[must_use]
    pub fn new(position: Position, clock: u32) -> Self {
        Self { position, clock, from: None }
    }

    /// Rewrites an RTP packet in place: ssrc, sequence number, timestamp, and `payload_type`.
    ///
    /// # Errors
    /// If it is no RTP packet; then it is unchanged.
    pub fn forward(&mut self, now: Duration, packet: &mut [u8], payload_type: u8) -> Result<(), RtpError> {
        let header = Header::parse(packet)?;
        let (mut from, fresh) = match self.from {
            Some(from) if from.ssrc == Some(header.ssrc) => (from, false),
            Some(_) | None => (self.begin(now, &header), true),
        };
        let out = Header {
            ssrc: self.position.ssrc,
            sequence: header.sequence.wrapping_add(from.sequence_shift),
            timestamp: header.timestamp.wrapping_add(from.timestamp_shift),
            payload_type,
            marker: header.marker || fresh,
        };
        out.rewrite(packet)?;
        if out.timestamp.wrapping_sub(from.newest) as i32 >= 0 {
            (from.newest, from.at) = (out.timestamp, now);
        }
        if fresh || out.sequence.wrapping_sub(self.position.sequence) as i16 >= 0 {
            self.position.sequence = out.sequence.wrapping_add(1);
        }
        self.position.timestamp = from.newest.wrapping_add(self.clock / 50);
        self.from = Some(from);
        Ok(())
    }

    /// A packet of `ssrc` is not sent on. If that is the source, its next packet follows the last with no gap in the
    /// numbers.
    pub fn leave_out(&mut self, ssrc: u32) {
        if let Some(from) = &mut self.from {
            from.ssrc = from.ssrc.filter(|source| *source != ssrc);
        }
    }

    /// What the next packet should carry.
    #[must_use]
    pub fn position(&self) -> Position {
        self.position
    }

    /// A new source begins where the old one stood, plus the time that has passed between.
    fn begin(&self, now: Duration, header: &Header) -> From {
        let timestamp = self.from.map_or(self.position.timestamp, |old| {
            let passed = now.saturating_sub(old.at).as_micros() * u128::from(self.clock) / 1_000_000;
            old.newest.wrapping_add((passed as u32).max(self.clock / 50))
        });
        From {
            ssrc: Some(header.ssrc),
            sequence_shift: self.position.sequence.wrapping_sub(header.sequence),
            timestamp_shift: timestamp.wrapping_sub(header.timestamp),
            newest: timestamp,
            at: now,
        }
    }
}
