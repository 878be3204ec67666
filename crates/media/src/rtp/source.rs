//! What is known of the stream's current source: where it is, what was lost, and its jitter (RFC 3550 appendix A).

use std::time::Duration;

use super::Header;

/// RFC 3550 appendix A.1.
const MAX_DROPOUT: i16 = 3000;
const MAX_MISORDER: i16 = -100;
/// Timestamps that run away from arrival times by more than this begin a new timeline: 2 s.
const RUNAWAY: i64 = 96_000;

/// Sequence numbers and timestamps without wrap, jitter, and losses of one SSRC.
pub(crate) struct Source {
    pub(crate) ssrc: u32,
    first: i64,
    pub(crate) highest: i64,
    /// Which of the 128 numbers up to `highest` have come.
    seen: u128,
    pub(crate) received: u64,
    /// How often numbers were left out, however many at a time.
    pub(crate) gaps: u64,
    last: Placed,
    last_timestamp: u32,
    last_transit: i64,
    clock: u32,
    /// Samples at 48 kHz, times 16 as in RFC 3550 appendix A.8.
    jitter: i64,
    /// The number that would confirm a big jump of the sequence.
    jump: Option<u16>,
    /// What the last receiver report told, for the next one's fraction.
    reported: (i64, u64),
}

/// A packet's place.
#[derive(Clone, Copy)]
pub(crate) struct Placed {
    pub(crate) sequence: i64,
    /// In samples at 48 kHz.
    pub(crate) at: i64,
}

/// What a packet's header means for the stream.
pub(crate) enum Verdict {
    New(Placed),
    Duplicate,
    /// So old that it can't be told from a duplicate.
    Ancient,
    /// A jump that the next packet must confirm.
    Doubtful,
    /// The numbers start anew.
    Restart,
}

impl Source {
    pub(crate) fn new(header: &Header, clock: u32, now: i64) -> Self {
        let sequence = i64::from(header.sequence);
        Self {
            ssrc: header.ssrc,
            first: sequence,
            highest: sequence - 1,
            seen: 0,
            received: 0,
            gaps: 0,
            last: Placed { sequence: sequence - 1, at: 0 },
            last_timestamp: header.timestamp,
            last_transit: now,
            clock,
            jitter: 0,
            jump: None,
            reported: (sequence, 0),
        }
    }

    /// Judges a packet that arrived `now`; `sound` says whether its timestamp is that of its sound's first sample.
    pub(crate) fn judge(&mut self, header: &Header, clock: u32, now: i64, sound: bool) -> Verdict {
        let step = header.sequence.wrapping_sub(self.highest as u16) as i16;
        if !(MAX_MISORDER..=MAX_DROPOUT).contains(&step) {
            let confirmed = self.jump == Some(header.sequence);
            self.jump = Some(header.sequence.wrapping_add(1));
            return if confirmed { Verdict::Restart } else { Verdict::Doubtful };
        }
        self.jump = None;
        let sequence = self.highest + i64::from(step);
        match self.mark(sequence) {
            Ok(()) => {}
            Err(verdict) => return verdict,
        }
        let at = self.unwrap(header.timestamp, clock, sequence);
        if sound && self.received > 1 && ((now - at) - self.last_transit).abs() > RUNAWAY {
            return Verdict::Restart;
        }
        let placed = Placed { sequence, at };
        self.first = self.first.min(sequence);
        if sound {
            self.note_jitter(now - at);
        }
        if sound && sequence >= self.last.sequence {
            (self.last, self.last_timestamp, self.clock) = (placed, header.timestamp, clock);
        }
        Verdict::New(placed)
    }

    fn mark(&mut self, sequence: i64) -> Result<(), Verdict> {
        if sequence > self.highest {
            let steps = sequence - self.highest;
            self.gaps += u64::from(steps > 1);
            self.seen = if steps < 128 { self.seen << steps } else { 0 } | 1;
            self.highest = sequence;
        } else {
            let age = self.highest - sequence;
            if age >= 128 {
                return Err(Verdict::Ancient);
            }
            if self.seen >> age & 1 == 1 {
                return Err(Verdict::Duplicate);
            }
            self.seen |= 1 << age;
        }
        self.received += 1;
        Ok(())
    }

    fn unwrap(&self, timestamp: u32, clock: u32, sequence: i64) -> i64 {
        if clock != self.clock {
            // Another clock rate says nothing in the old one's terms: carry on by count, in steps of 20 ms.
            return self.last.at + (sequence - self.last.sequence) * 960;
        }
        let step = i64::from(timestamp.wrapping_sub(self.last_timestamp) as i32);
        self.last.at + step * 48_000 / i64::from(clock.max(1))
    }

    /// RFC 3550 appendix A.8.
    fn note_jitter(&mut self, transit: i64) {
        if self.received > 1 {
            let difference = (transit - self.last_transit).abs();
            self.jitter += difference - ((self.jitter + 8) >> 4);
        }
        self.last_transit = transit;
    }

    pub(crate) fn jitter_ms(&self) -> f32 {
        self.jitter as f32 / 16.0 / 48.0
    }

    /// How many never came, so far.
    pub(crate) fn lost(&self) -> u64 {
        let expected = u64::try_from(self.highest - self.first + 1).unwrap_or(0);
        expected.saturating_sub(self.received)
    }

    /// This source's report block (RFC 3550 section 6.4.1), with the loss since the last one.
    pub(crate) fn report(&mut self, last_report: u32, since: Option<Duration>) -> rtcp_types::ReportBlockBuilder {
        let expected = u64::try_from(self.highest - self.reported.0 + 1).unwrap_or(0);
        let received = self.received - self.reported.1;
        let lost = expected.saturating_sub(received);
        self.reported = (self.highest + 1, self.received);
        let fraction = (lost * 256).checked_div(expected).unwrap_or(0).min(255) as u8;
        let waited = since.map_or(0, |s| (s.as_micros() * 65_536 / 1_000_000) as u32);
        rtcp_types::ReportBlock::builder(self.ssrc)
            .fraction_lost(fraction)
            .cumulative_lost(self.lost().min(0x7f_ffff) as u32)
            .extended_sequence_number(self.highest as u32)
            .interarrival_jitter((self.jitter / 16 * i64::from(self.clock) / 48_000) as u32)
            .last_sender_report_timestamp(last_report)
            .delay_since_last_sender_report_timestamp(waited)
    }
}
