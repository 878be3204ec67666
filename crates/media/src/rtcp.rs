//! RTCP sender and receiver reports (RFC 3550 section 6.4).

use std::time::Duration;

use rtcp_types::{
    Compound, Packet, ReceiverReport, ReportBlock, RtcpPacketWriter, RtcpPacketWriterExt, Sdes, SdesChunk, SdesItem,
    SenderReport,
};

use crate::{RtpError, RtpReceiver, RtpSender};

/// How often to send a report (RFC 3550 section 6.2: at least 5 s).
pub const INTERVAL: Duration = Duration::from_secs(5);
/// A round trip beyond this is a mistake or a lie.
pub(crate) const MAX_ROUND_TRIP: Duration = Duration::from_secs(10);
/// Reports longer than this were never asked for.
const MAX_REPORT: usize = 2048;

/// Appends a compound report on what was sent and received to `out`: SR (or RR if nothing was sent), and SDES with
/// `cname`. `now` serves as NTP time too, which RFC 3550 section 4 allows; it is only ever compared with itself.
pub fn report(now: Duration, cname: &str, sender: &RtpSender, receiver: &mut RtpReceiver, out: &mut Vec<u8>) {
    let position = sender.position();
    let block = receiver.report_block(now);
    let name = SdesItem::builder(SdesItem::CNAME, cname.get(..255).unwrap_or(cname));
    let sdes = Sdes::builder().add_chunk(SdesChunk::builder(position.ssrc).add_item(name));
    let blocks = block.into_iter();
    if sender.sent.packets == 0 {
        let report = ReceiverReport::builder(position.ssrc);
        let report = blocks.fold(report, rtcp_types::ReceiverReportBuilder::add_report_block);
        append(&Compound::builder().add_packet(report).add_packet(sdes), out);
    } else {
        let report = SenderReport::builder(position.ssrc)
            .ntp_timestamp(ntp(now))
            .rtp_timestamp(position.timestamp)
            .packet_count(sender.sent.packets)
            .octet_count(sender.sent.octets);
        let report = blocks.fold(report, rtcp_types::SenderReportBuilder::add_report_block);
        append(&Compound::builder().add_packet(report).add_packet(sdes), out);
    }
}

fn append(report: &impl RtcpPacketWriter, out: &mut Vec<u8>) {
    let start = out.len();
    let Ok(size) = report.calculate_size() else { return };
    out.resize(start + size, 0);
    let written = report.write_into(&mut out[start..]).unwrap_or(0);
    out.truncate(start + written);
}

/// Takes a report that arrived at `now`: for `sender` the round trip and what the other side lost; for `receiver` what the
/// next report must echo.
///
/// # Errors
/// If the bytes are no RTCP. Whole reports before the fault have been taken.
pub fn read(now: Duration, bytes: &[u8], sender: &mut RtpSender, receiver: &mut RtpReceiver) -> Result<(), RtpError> {
    if bytes.len() > MAX_REPORT {
        return Err(RtpError::TooLong(bytes.len()));
    }
    for packet in Compound::parse(bytes)? {
        match packet? {
            Packet::Sr(report) => {
                if receiver.ssrc() == Some(report.ssrc()) {
                    receiver.sender_report = Some(((report.ntp_timestamp() >> 16) as u32, now));
                }
                report.report_blocks().for_each(|block| read_block(now, &block, sender));
            }
            Packet::Rr(report) => report.report_blocks().for_each(|block| read_block(now, &block, sender)),
            _ => {} // SDES, BYE, APP, feedback: nothing that we act on
        }
    }
    Ok(())
}

/// RFC 3550 section 6.4.1, DLSR: the round trip is what has passed since our report, less what the other side kept it.
fn read_block(now: Duration, block: &ReportBlock<'_>, sender: &mut RtpSender) {
    if block.ssrc() != sender.position().ssrc {
        return;
    }
    sender.lost_there(block.fraction_lost());
    let ours = block.last_sender_report_timestamp();
    if ours == 0 {
        return;
    }
    let passed = ((ntp(now) >> 16) as u32).wrapping_sub(ours);
    let kept = block.delay_since_last_sender_report_timestamp();
    let units = passed.wrapping_sub(kept);
    // A clock that rounds may make a tiny round trip negative.
    let units = if (units as i32) < 0 { 0 } else { units };
    let round_trip = Duration::from_micros(u64::from(units) * 1_000_000 / 65_536);
    if round_trip <= MAX_ROUND_TRIP {
        sender.sent.round_trip = Some(round_trip);
    }
}

/// 32 bits of seconds, 32 of their fraction.
fn ntp(now: Duration) -> u64 {
    (now.as_secs() << 32) | ((u64::from(now.subsec_nanos()) << 32) / 1_000_000_000)
}

/// Who wrote a report: the SSRC of its first packet (RFC 3550 section 6.1).
#[must_use]
pub fn writer(report: &[u8]) -> Option<u32> {
    report.get(4..8)?.try_into().ok().map(u32::from_be_bytes)
}

/// Whether a datagram on a port shared with RTP is RTCP (RFC 5761 section 4).
#[must_use]
pub fn is_rtcp(datagram: &[u8]) -> bool {
    matches!(datagram, [first, 192..=223, ..] if first >> 6 == 2)
}
