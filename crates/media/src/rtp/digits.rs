//! Telephone events (RFC 4733), both ways.

/// The sixteen keys, in the order of their event codes (RFC 4733 table 7).
const KEYS: &[u8; 16] = b"0123456789*#ABCD";
/// Digits kept for a reader that never comes.
const KEPT: usize = 64;

/// A key's event code.
pub(crate) fn event(key: char) -> Option<u8> {
    let key = key.to_ascii_uppercase();
    KEYS.iter().position(|&k| char::from(k) == key).map(|code| code as u8)
}

/// Tells each digit once, however many of its packets are lost, doubled or late.
#[derive(Default)]
pub(crate) struct Digits {
    heard: Vec<char>,
    last: Option<Event>,
}

#[derive(Clone, Copy)]
struct Event {
    timestamp: u32,
    code: u8,
    duration: u16,
    ended: bool,
}

impl Digits {
    /// Takes an event packet's payload; what is no key, or malformed, is ignored.
    pub(crate) fn packet(&mut self, timestamp: u32, payload: &[u8]) {
        let &[code, flags, high, low, ..] = payload else { return };
        let event = Event { timestamp, code, duration: u16::from_be_bytes([high, low]), ended: flags & 0x80 != 0 };
        let Some(&key) = KEYS.get(usize::from(code)) else { return };
        if self.last.is_none_or(|last| event.is_new_after(last)) && self.heard.len() < KEPT {
            self.heard.push(char::from(key));
        }
        if self.last.is_none_or(|last| timestamp.wrapping_sub(last.timestamp) as i32 >= 0) {
            self.last = Some(event);
        }
    }

    pub(crate) fn drain(&mut self) -> std::vec::Drain<'_, char> {
        self.heard.drain(..)
    }

    /// Another source has timestamps of its own.
    pub(crate) fn forget(&mut self) {
        self.last = None;
    }
}

impl Event {
    fn is_new_after(self, last: Self) -> bool {
        let later = self.timestamp.wrapping_sub(last.timestamp);
        // A very long press goes on in a new segment that begins where the last ended (RFC 4733 section 2.5.1.3).
        let continues = self.code == last.code && !last.ended && later == u32::from(last.duration);
        (later as i32) > 0 && !continues
    }
}

/// The keys pressed in a stream that is relayed without being decoded: each once (RFC 4733).
#[derive(Default)]
pub struct DigitReader {
    digits: Digits,
    ssrc: Option<u32>,
}

impl DigitReader {
    /// Takes a packet of telephone-event. The keys that it tells of, mostly none: the same key is sent many times.
    ///
    /// # Errors
    /// If it is no RTP packet.
    pub fn packet(&mut self, datagram: &[u8]) -> Result<std::vec::Drain<'_, char>, super::RtpError> {
        let packet = rtp_types::RtpPacket::parse(datagram)?;
        if self.ssrc.replace(packet.ssrc()) != Some(packet.ssrc()) {
            self.digits.forget();
        }
        self.digits.packet(packet.timestamp(), packet.payload());
        Ok(self.digits.drain())
    }
}

/// Writes an event's payload. Volume −10 dBm0.
pub(crate) fn payload(code: u8, end: bool, duration: u16) -> [u8; 4] {
    let [high, low] = duration.to_be_bytes();
    [code, if end { 0x80 | 10 } else { 10 }, high, low]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// A packet of `key` that began at `timestamp`.
    fn packet(ssrc: u32, sequence: u16, timestamp: u32, key: char, end: bool) -> Vec<u8> {
        let mut bytes = vec![0x80, 101];
        bytes.extend(sequence.to_be_bytes());
        bytes.extend(timestamp.to_be_bytes());
        bytes.extend(ssrc.to_be_bytes());
        bytes.extend(payload(event(key).unwrap(), end, 160));
        bytes
    }

    #[test]
    fn each_key_is_read_once_whatever_the_network_does() {
        let mut reader = DigitReader::default();
        let mut read = |packets: &[Vec<u8>]| -> String {
            packets.iter().flat_map(|p| reader.packet(p).unwrap().collect::<Vec<_>>()).collect()
        };
        let (one, two) = (packet(7, 1, 1000, '1', false), packet(7, 4, 3000, '1', false));
        let end = packet(7, 2, 1000, '1', true);
        assert_eq!(read(&[one.clone(), one.clone(), end.clone(), end.clone(), end.clone()]), "1");
        // The same key again, then late ends of the first.
        assert_eq!(read(&[two.clone(), end, one, two]), "1");
        // Only the end of a key arrives; then another source with other timestamps.
        assert_eq!(read(&[packet(7, 9, 5000, '#', true), packet(8, 1, 10, '*', false)]), "#*");
        assert!(DigitReader::default().packet(&[0x80, 101]).is_err());
    }
}
