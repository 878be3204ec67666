//! RTCP sender and receiver reports (RFC 3550 section 6.4).
use std::time::Duration;
use crate::{RtpError, RtpReceiver, RtpSender};
/// Send one every 5 s or so (RFC 3550 section 6.2).
pub const INTERVAL: Duration = Duration::from_secs(5);
/// Appends a compound report of what was sent and received to `out`: SR or RR, and SDES with `cname`.
pub fn report(_now: Duration, _cname: &str, _sender: &mut RtpSender, _receiver: &mut RtpReceiver, _out: &mut Vec<u8>) { unimplemented!() }
/// Takes the other side's report.
/// # Errors
/// If the bytes are no RTCP.
pub fn read(_now: Duration, _bytes: &[u8], _sender: &mut RtpSender, _receiver: &mut RtpReceiver) -> Result<(), RtpError> { unimplemented!() }
/// Whether a datagram on a shared port is RTCP rather than RTP (RFC 5761 section 4).
#[must_use]
pub fn is_rtcp(datagram: &[u8]) -> bool { datagram.len() >= 8 && datagram[0] >> 6 == 2 && (192..=223).contains(&datagram[1]) }
