//! How one leg sounds, measured where its packets pass: what arrives from its far end is counted, whether or not anybody
//! decodes it, and what the far end reports about what it hears is taken down.

use std::time::Duration;

use rtcp_types::{Compound, Packet, ReportBlock};

use crate::{
    Codec, Quality, Way, quality, rtcp,
    rtp::{Header, Source, Verdict, samples},
};

/// Measures one leg over its whole life.
#[derive(Default)]
pub struct LegMeter {
    arriving: Arriving,
    reported: Reported,
}

/// What was measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sounded {
    pub quality: Quality,
    /// Packets lost, in thousandths, the worse of both directions. The far end hears the losses of the whole way to it.
    pub lost_permille: u16,
    /// Mean interarrival jitter (RFC 3550 section 6.4.1), the worse of both directions, milliseconds.
    pub jitter_ms: f32,
    /// Mean of what could be measured; `None` if the far end sent no reports that tell.
    pub round_trip: Option<Duration>,
    /// Most of what the far end misses was missing already when we sent it on.
    pub lost_before_us: bool,
}

impl LegMeter {
    /// A packet came from the far end. `codec` is `None` if it holds no sound, as telephone events.
    pub fn arrived(&mut self, now: Duration, header: &Header, codec: Option<Codec>) {
        self.arriving.packet(now, header, codec);
    }

    /// A packet went to the far end.
    pub fn sent(&mut self, header: &Header) {
        self.reported.sent(header);
    }

    /// RTCP went to the far end: a sender report in it starts a round trip.
    pub fn report_sent(&mut self, now: Duration, report: &[u8]) {
        for packet in Compound::parse(report).into_iter().flatten() {
            if let Ok(Packet::Sr(report)) = packet {
                self.reported.asked.rotate_right(1);
                self.reported.asked[0] = Some(((report.ntp_timestamp() >> 16) as u32, now));
            }
        }
    }

    /// RTCP came from the far end. What it says of the stream that was sent last counts; that has `clock` hertz.
    pub fn report_arrived(&mut self, now: Duration, report: &[u8], clock: u32) {
        for packet in Compound::parse(report).into_iter().flatten() {
            match packet {
                Ok(Packet::Sr(report)) => report.report_blocks().for_each(|b| self.reported.block(now, &b, clock)),
                Ok(Packet::Rr(report)) => report.report_blocks().for_each(|b| self.reported.block(now, &b, clock)),
                Ok(_) | Err(_) => {} // nothing that tells how it sounds
            }
        }
    }

    /// `None` if nothing came from the far end, neither sound nor a report.
    #[must_use]
    pub fn sounded(&self) -> Option<Sounded> {
        let Self { arriving, reported } = self;
        let received = arriving.past.0 + arriving.source.as_ref().map_or(0, |source| source.received);
        if received == 0 && reported.jitter.mean().is_none() {
            return None;
        }
        let lost_here = arriving.past.1 + arriving.source.as_ref().map_or(0, Source::lost);
        let (lost_there, expected) = reported.whole();
        let (here, there) = (permille(lost_here, received + lost_here), permille(lost_there, expected));
        let jitter_ms = arriving.jitter.mean().unwrap_or(0.0).max(reported.jitter.mean().unwrap_or(0.0));
        let round_trip = reported.round_trip.mean().map(|ms| Duration::from_secs_f64(ms / 1000.0));
        let way = |lost: u16, jitter: Option<f64>| {
            // Whoever plays it waits for about twice the jitter.
            Way { lost: f32::from(lost) / 10.0, delay_ms: 2.0 * jitter.unwrap_or(0.0) as f32, ..Way::default() }
        };
        let incoming = (received > 0).then(|| way(here, arriving.jitter.mean()));
        let outgoing = reported.jitter.mean().map(|jitter| way(there, Some(jitter)));
        let quality = quality(incoming, outgoing, round_trip);
        let lost_before_us = 2 * reported.missing > lost_there;
        Some(Sounded {
            quality,
            lost_permille: here.max(there),
            jitter_ms: jitter_ms as f32,
            round_trip,
            lost_before_us,
        })
    }

    /// What the far end says of what it heard from us: over the whole stream, and lately. Nothing if it said nothing.
    #[must_use]
    pub fn outgoing(&self) -> Option<(Way, Way)> {
        let Reported { jitter, lately, .. } = &self.reported;
        let (lost, expected) = self.reported.whole();
        let way = |lost: f32, jitter: f32| Way { lost, delay_ms: 2.0 * jitter, ..Way::default() };
        let whole = way(f32::from(permille(lost, expected)) / 10.0, jitter.mean()? as f32);
        let lately = lately.map(|(lost, jitter)| way(f32::from(lost) / 2.56, jitter as f32))?;
        Some((whole, lately))
    }
}

fn permille(part: u64, of: u64) -> u16 {
    (part * 1000).checked_div(of).unwrap_or(0).min(1000) as u16
}

#[derive(Default)]
struct Arriving {
    source: Option<Source>,
    /// Received and lost of sources that were.
    past: (u64, u64),
    jitter: Mean,
    clock: Option<u32>,
}

impl Arriving {
    fn packet(&mut self, now: Duration, header: &Header, codec: Option<Codec>) {
        self.clock = codec.map(Codec::rtp_clock).or(self.clock);
        let (now, clock) = (samples(now), self.clock.unwrap_or(8000));
        // Who sends has been looked at: another number is another stream of the same far end.
        if self.source.as_ref().is_some_and(|source| source.ssrc != header.ssrc) {
            self.leave_source();
        }
        let source = self.source.get_or_insert_with(|| Source::new(header, clock, now));
        match source.judge(header, clock, now, codec.is_some()) {
            Verdict::New(_) if codec.is_some() => self.jitter.add(f64::from(source.jitter_ms())),
            Verdict::New(_) | Verdict::Duplicate | Verdict::Ancient | Verdict::Doubtful => {}
            Verdict::Restart => {
                self.leave_source();
                let source = self.source.insert(Source::new(header, clock, now));
                source.judge(header, clock, now, codec.is_some());
            }
        }
    }

    fn leave_source(&mut self) {
        if let Some(source) = self.source.take() {
            self.past = (self.past.0 + source.received, self.past.1 + source.lost());
        }
    }
}

/// Jitter above this is a mistake or a lie, milliseconds.
const MOST_JITTER: f64 = 10_000.0;

/// What the far end says of what it hears.
#[derive(Default)]
struct Reported {
    /// SSRC and first sequence number of the stream that is sent.
    stream: Option<(u32, u16)>,
    /// Lost and expected of that stream, as the far end counts.
    now: (u64, u64),
    /// Of streams that were.
    before: (u64, u64),
    jitter: Mean,
    /// The latest report: losses since the one before, of 256, and jitter, ms.
    lately: Option<(u8, f64)>,
    round_trip: Mean,
    /// The highest number sent of that stream.
    newest: u16,
    /// Numbers, of all streams, that were left out when they were sent.
    missing: u64,
    /// The middle of the time stamps of the newest sender reports, and when they were sent.
    asked: [Option<(u32, Duration)>; 4],
}

impl Reported {
    fn sent(&mut self, header: &Header) {
        if self.stream.is_none_or(|(ssrc, _)| ssrc != header.ssrc) {
            self.stream = Some((header.ssrc, header.sequence));
            let (lost, expected) = std::mem::take(&mut self.now);
            self.before = (self.before.0 + lost, self.before.1 + expected);
            self.newest = header.sequence.wrapping_sub(1);
        }
        let step = header.sequence.wrapping_sub(self.newest) as i16;
        if step > 0 {
            self.missing += u64::from(step as u16 - 1);
            self.newest = header.sequence;
        } else {
            // It was only overtaken.
            self.missing = self.missing.saturating_sub(1);
        }
    }

    /// Lost and expected of all streams.
    fn whole(&self) -> (u64, u64) {
        (self.before.0 + self.now.0, self.before.1 + self.now.1)
    }

    fn block(&mut self, now: Duration, block: &ReportBlock<'_>, clock: u32) {
        let Some((_, first)) = self.stream.filter(|(ssrc, _)| *ssrc == block.ssrc()) else { return };
        // 24 bits with a sign: duplicates can make more arrive than was sent.
        let lost = Some(block.cumulative_lost()).filter(|lost| *lost < 0x80_0000).unwrap_or(0);
        // What was lost on the way to us is missing there, too: the numbers pass the relay with their gaps.
        let expected = block.extended_sequence_number().wrapping_sub(first.into()).wrapping_add(1);
        self.now = (lost.into(), expected.into());
        let jitter = f64::from(block.interarrival_jitter()) * 1000.0 / f64::from(clock.max(1));
        self.jitter.add(jitter.min(MOST_JITTER));
        self.lately = Some((block.fraction_lost(), jitter.min(MOST_JITTER)));
        let answered = block.last_sender_report_timestamp();
        let asked = self.asked.iter().flatten().find(|(stamp, _)| *stamp == answered);
        if let Some((_, at)) = asked.filter(|_| answered != 0) {
            let kept = block.delay_since_last_sender_report_timestamp();
            let kept = Duration::from_micros(u64::from(kept) * 1_000_000 / 65_536);
            // A clock that rounds may make a tiny round trip negative.
            let trip = now.saturating_sub(*at).saturating_sub(kept);
            if trip <= rtcp::MAX_ROUND_TRIP {
                self.round_trip.add(trip.as_secs_f64() * 1000.0);
            }
        }
    }
}

#[derive(Default)]
struct Mean {
    sum: f64,
    count: u32,
}

impl Mean {
    fn add(&mut self, value: f64) {
        self.sum += value;
        self.count = self.count.saturating_add(1);
    }

    fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / f64::from(self.count))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use rtcp_types::{ReceiverReport, RtcpPacketWriterExt, SenderReport};

    use super::*;

    const OURS: u32 = 7;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    fn header(n: u16) -> Header {
        let timestamp = 160 * u32::from(n);
        Header { ssrc: 1, sequence: n.wrapping_add(65_500), timestamp, payload_type: 0, marker: false }
    }

    /// A block about `ssrc`: what is lost of 200, jitter in ticks, the answered time stamp, and how long it was kept.
    fn receiver_report(ssrc: u32, lost: u32, jitter: u32, answered: u32, kept: u32) -> Vec<u8> {
        let block = ReportBlock::builder(ssrc)
            .cumulative_lost(lost)
            .extended_sequence_number(65_500 + 199)
            .interarrival_jitter(jitter)
            .last_sender_report_timestamp(answered)
            .delay_since_last_sender_report_timestamp(kept);
        let report = ReceiverReport::builder(1).add_report_block(block);
        let mut bytes = vec![0; 64];
        let length = report.write_into(&mut bytes).unwrap();
        bytes.truncate(length);
        bytes
    }

    #[test]
    fn what_arrives_is_counted_across_wraps_gaps_duplicates_and_new_streams() {
        let mut meter = LegMeter::default();
        assert_eq!(meter.sounded(), None);
        // Every tenth is lost, every seventh comes twice.
        for n in (0..1000_u16).filter(|n| n % 10 != 3) {
            for _ in 0..=u16::from(n % 7 == 0) {
                meter.arrived(ms(20 * u64::from(n)), &header(n), Some(Codec::Pcmu));
            }
        }
        let sounded = meter.sounded().unwrap();
        assert_eq!((sounded.lost_permille, sounded.round_trip), (100, None));
        assert!(sounded.jitter_ms < 0.1 && (3.3..3.4).contains(&sounded.quality.mos), "{sounded:?}");
        // Another stream, whole: half as much is lost of all.
        for n in 0..1000_u16 {
            let header = Header { ssrc: 2, ..header(n) };
            meter.arrived(ms(30_000 + 20 * u64::from(n)), &header, Some(Codec::Pcmu));
        }
        assert_eq!(meter.sounded().unwrap().lost_permille, 50);
    }

    #[test]
    fn uneven_arrival_is_jitter() {
        let mut meter = LegMeter::default();
        for n in 0..500_u16 {
            let late = if n % 2 == 0 { 0 } else { 10 };
            meter.arrived(ms(20 * u64::from(n) + late), &header(n), Some(Codec::Pcmu));
        }
        let jitter = meter.sounded().unwrap().jitter_ms;
        assert!((9.0..10.5).contains(&jitter), "{jitter}");
    }

    #[test]
    fn reports_tell_of_the_other_direction_and_the_round_trip() {
        let mut meter = LegMeter::default();
        (0..200).for_each(|n| meter.sent(&Header { ssrc: OURS, ..header(n) }));
        let mut asked = vec![0; 64];
        let ntp = 0x1234_5678_9abc_def0;
        let length = SenderReport::builder(OURS).ntp_timestamp(ntp).write_into(&mut asked).unwrap();
        meter.report_sent(ms(1000), &asked[..length]);
        // About somebody else, then about us: kept for a second, so it was 80 ms on its way.
        meter.report_arrived(ms(2080), &receiver_report(99, 100, 800, 0x5678_9abc, 65_536), 8000);
        assert_eq!(meter.sounded(), None);
        meter.report_arrived(ms(2080), &receiver_report(OURS, 4, 160, 0x5678_9abc, 65_536), 8000);
        let sounded = meter.sounded().unwrap();
        assert_eq!((sounded.lost_permille, sounded.round_trip), (20, Some(ms(80))));
        assert!((sounded.jitter_ms - 20.0).abs() < 0.01, "{sounded:?}");
        // An answer to what was never asked tells nothing of the way.
        meter.report_arrived(ms(9000), &receiver_report(OURS, 4, 160, 42, 0), 8000);
        assert_eq!(meter.sounded().unwrap().round_trip, Some(ms(80)));
    }

    #[test]
    fn lies_and_rubbish_stay_within_bounds() {
        let mut meter = LegMeter::default();
        meter.sent(&Header { ssrc: OURS, ..header(0) });
        let whole = receiver_report(OURS, 0x7f_ffff, u32::MAX, 1, u32::MAX);
        meter.report_arrived(ms(1), &whole, 0);
        meter.report_arrived(ms(1), &receiver_report(OURS, 0xff_ffff, 0, 0, 0), 8000);
        meter.report_arrived(ms(1), &whole, 8000);
        for n in 0..whole.len() {
            meter.report_arrived(ms(1), &whole[..n], 8000);
            meter.report_sent(ms(1), &whole[..n]);
        }
        let sounded = meter.sounded().unwrap();
        assert_eq!((sounded.lost_permille, sounded.round_trip), (1000, None));
        assert!(sounded.jitter_ms <= 10_000.0 && (1.0..=4.5).contains(&sounded.quality.mos), "{sounded:?}");
    }
}
