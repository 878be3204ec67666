//! STUN (RFC 8489): asking a server from which address our datagrams seem to come.

use std::net::{IpAddr, SocketAddr};
use std::ops::ControlFlow;
use std::time::Duration;

const COOKIE: [u8; 4] = 0x2112_a442_u32.to_be_bytes();
const HEADER: usize = 20;
const BINDING_REQUEST: u16 = 0x0001;
const BINDING_SUCCESS: u16 = 0x0101;
const BINDING_ERROR: u16 = 0x0111;

const MAPPED_ADDRESS: u16 = 0x0001;
const ERROR_CODE: u16 = 0x0009;
const XOR_MAPPED_ADDRESS: u16 = 0x0020;
const FINGERPRINT: u16 = 0x8028;
/// Known, and of no use without a password: RFC 8489 section 18.3, and RFC 3489 section 11.2 for what old servers add.
const OF_NO_USE: &[u16] =
    &[0x0002, 0x0003, 0x0004, 0x0005, 0x0006, 0x0007, 0x0008, 0x000a, 0x000b, 0x0014, 0x0015, 0x001c, 0x001d, 0x001e];
/// From here on, what is not known may be passed over.
const OPTIONAL: u16 = 0x8000;
/// RFC 8489 section 14.7.
const FINGERPRINT_XOR: u32 = 0x5354_554e;
/// RFC 8489 section 6.2.1, Rc.
const MOST_REQUESTS: u32 = 7;

/// Ties a response to its request. From a secure random source, or anybody could answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransactionId(pub [u8; 12]);

/// Why a datagram says no address. `at` is a byte of the datagram.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StunError {
    #[error("{0} bytes are too few for a STUN message")]
    Short(usize),
    #[error("it announces {announced} bytes and has {there}")]
    Length { announced: usize, there: usize },
    #[error("it has no magic cookie, so it is no STUN message")]
    Cookie,
    #[error("message type {0:#06x} is no response to a Binding request")]
    Type(u16),
    #[error("it answers another request")]
    Transaction,
    #[error("the attribute at byte {at} is longer than the message")]
    Attribute { at: usize },
    #[error("the address at byte {at} is none")]
    Address { at: usize },
    #[error("the error code at byte {at} is none")]
    ErrorCode { at: usize },
    #[error("the attribute {kind:#06x} at byte {at} must be understood, and is not known")]
    Unknown { kind: u16, at: usize },
    #[error("the fingerprint at byte {at} is wrong")]
    Fingerprint { at: usize },
    #[error("it says no address")]
    NoAddress,
    #[error("the server refused with {code} {reason}")]
    Refused { code: u16, reason: String },
}

/// A Binding request with FINGERPRINT.
#[must_use]
pub fn binding_request(id: &TransactionId) -> Vec<u8> {
    let mut request = Vec::with_capacity(HEADER + 8);
    request.extend(BINDING_REQUEST.to_be_bytes());
    request.extend(8_u16.to_be_bytes());
    request.extend(COOKIE);
    request.extend(id.0);
    let fingerprint = fingerprint(&request);
    request.extend(FINGERPRINT.to_be_bytes());
    request.extend(4_u16.to_be_bytes());
    request.extend(fingerprint.to_be_bytes());
    request
}

/// When to send the request, after the first time: again after `first`, then twice as long each time (RFC 8489 section
/// 6.2.1, where `first` is 500 ms; RFC 3489 section 9.3 begins with 100 ms).
pub fn requests(first: Duration) -> impl Iterator<Item = Duration> {
    (0..MOST_REQUESTS).map(move |sent| first * ((1 << sent) - 1))
}

/// The address that a response to our request `id` says we have: XOR-MAPPED-ADDRESS, or MAPPED-ADDRESS of an RFC 3489 server.
///
/// # Errors
/// If it is no such response, is malformed, or refuses.
pub fn mapped_address(id: &TransactionId, message: &[u8]) -> Result<SocketAddr, StunError> {
    let (header, body) = message.split_first_chunk::<HEADER>().ok_or(StunError::Short(message.len()))?;
    let [k0, k1, l0, l1, ref rest @ ..] = *header;
    let (kind, length) = (u16::from_be_bytes([k0, k1]), usize::from(u16::from_be_bytes([l0, l1])));
    if rest[..4] != COOKIE {
        return Err(StunError::Cookie);
    }
    if !matches!(kind, BINDING_SUCCESS | BINDING_ERROR) {
        return Err(StunError::Type(kind));
    }
    if rest[4..] != id.0 {
        return Err(StunError::Transaction);
    }
    if length != body.len() || length % 4 != 0 {
        return Err(StunError::Length { announced: length, there: body.len() });
    }
    let mut said = Said::default();
    let mut at = HEADER;
    while at < message.len() {
        let (attribute, next) = attribute(message, at)?;
        if said.take(id, message, &attribute)?.is_break() && next != message.len() {
            // Nothing comes after it.
            return Err(StunError::Fingerprint { at });
        }
        at = next;
    }
    match (kind, said.refused) {
        (BINDING_ERROR, Some((code, reason))) => Err(StunError::Refused { code, reason }),
        (BINDING_ERROR, None) => Err(StunError::ErrorCode { at: HEADER }),
        _ => said.xor_mapped.or(said.mapped).ok_or(StunError::NoAddress),
    }
}

/// What the attributes said; of one that is there twice, the first counts (RFC 8489 section 14).
#[derive(Default)]
struct Said {
    xor_mapped: Option<SocketAddr>,
    mapped: Option<SocketAddr>,
    refused: Option<(u16, String)>,
}

struct Attribute<'a> {
    kind: u16,
    at: usize,
    value: &'a [u8],
}

fn attribute(message: &[u8], at: usize) -> Result<(Attribute<'_>, usize), StunError> {
    let broken = StunError::Attribute { at };
    let Some((&[k0, k1, l0, l1], rest)) = message.get(at..).and_then(<[u8]>::split_first_chunk) else {
        return Err(broken);
    };
    let length = usize::from(u16::from_be_bytes([l0, l1]));
    let next = at + 4 + length.next_multiple_of(4);
    let value = rest.get(..length).filter(|_| next <= message.len()).ok_or(broken)?;
    Ok((Attribute { kind: u16::from_be_bytes([k0, k1]), at, value }, next))
}

impl Said {
    /// Breaks after what must be the last.
    fn take(
        &mut self,
        id: &TransactionId,
        message: &[u8],
        &Attribute { kind, at, value }: &Attribute<'_>,
    ) -> Result<ControlFlow<()>, StunError> {
        match kind {
            XOR_MAPPED_ADDRESS => {
                let address = address(value, Some(id)).ok_or(StunError::Address { at })?;
                self.xor_mapped.get_or_insert(address);
            }
            MAPPED_ADDRESS => {
                let address = address(value, None).ok_or(StunError::Address { at })?;
                self.mapped.get_or_insert(address);
            }
            ERROR_CODE => {
                let refused = error_code(value).ok_or(StunError::ErrorCode { at })?;
                self.refused.get_or_insert(refused);
            }
            FINGERPRINT if *value == fingerprint(&message[..at]).to_be_bytes() => return Ok(ControlFlow::Break(())),
            FINGERPRINT => return Err(StunError::Fingerprint { at }),
            kind if kind < OPTIONAL && !OF_NO_USE.contains(&kind) => return Err(StunError::Unknown { kind, at }),
            _ => {} // known and of no use, or optional
        }
        Ok(ControlFlow::Continue(()))
    }
}

/// RFC 8489 sections 14.1 and 14.2; `hidden` by XOR with the cookie and the transaction. Only one that can be sent to.
fn address(value: &[u8], hidden: Option<&TransactionId>) -> Option<SocketAddr> {
    let (&[_, family, p0, p1], ip) = value.split_first_chunk()?;
    let mut mask = [0; 16];
    if let Some(id) = hidden {
        mask[..4].copy_from_slice(&COOKIE);
        mask[4..].copy_from_slice(&id.0);
    }
    let port = u16::from_be_bytes([p0 ^ mask[0], p1 ^ mask[1]]);
    let ip = match family {
        1 => IpAddr::from(unmasked::<4>(ip, &mask)?),
        2 => IpAddr::from(unmasked::<16>(ip, &mask)?),
        _ => return None,
    };
    (port != 0 && !ip.is_unspecified() && !ip.is_multicast()).then(|| SocketAddr::new(ip, port))
}

fn unmasked<const N: usize>(bytes: &[u8], mask: &[u8]) -> Option<[u8; N]> {
    let mut bytes: [u8; N] = bytes.try_into().ok()?;
    bytes.iter_mut().zip(mask).for_each(|(byte, mask)| *byte ^= mask);
    Some(bytes)
}

/// RFC 8489 section 14.8.
fn error_code(value: &[u8]) -> Option<(u16, String)> {
    let (&[_, _, class, number], reason) = value.split_first_chunk()?;
    if !(3..=6).contains(&class) || number > 99 {
        return None;
    }
    let reason = String::from_utf8_lossy(reason).chars().filter(|c| !c.is_control()).take(100).collect();
    Some((u16::from(class) * 100 + u16::from(number), reason))
}

/// Of what comes before the attribute; the header's length counts it already.
fn fingerprint(before: &[u8]) -> u32 {
    crc32fast::hash(before) ^ FINGERPRINT_XOR
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// RFC 5769.
    const ID: TransactionId = TransactionId([0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae]);
    /// RFC 5769 section 2.2.
    const V4: &str = "0101003c2112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f72200020000800 01a147e112a643\
         000800142b91f599fd9e90c38c7489f92af9ba53f06be7d780280004c07d4c96";
    /// RFC 5769 section 2.3.
    const V6: &str = "010100482112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f722000200014 0002a147\
         0113a9faa5d3f179bc25f4b5bed2b9d900080014a382954e4be67bf11784c97c8292c275bfe3ed4180280004c8fb0b4c";

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<u8> = hex.chars().filter_map(|c| c.to_digit(16)).map(|d| d as u8).collect();
        digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
    }

    /// A response of this type with these attributes.
    fn message(kind: &str, attributes: &str) -> Vec<u8> {
        let body = bytes(attributes);
        let length = format!("{:04x}", body.len());
        [bytes(kind), bytes(&length), COOKIE.to_vec(), ID.0.to_vec(), body].concat()
    }

    #[test]
    fn the_vectors_of_rfc_5769_say_their_address() {
        for (message, address) in [(V4, "192.0.2.1:32853"), (V6, "[2001:db8:1234:5678:11:2233:4455:6677]:32853")] {
            assert_eq!(mapped_address(&ID, &bytes(message)), Ok(address.parse().unwrap()));
        }
    }

    #[test]
    fn every_change_and_every_cut_of_a_fingerprinted_response_is_seen() {
        for whole in [bytes(V4), bytes(V6)] {
            for at in 0..whole.len() {
                assert!(mapped_address(&ID, &whole[..at]).is_err(), "cut at {at}");
                let mut changed = whole.clone();
                changed[at] ^= 1;
                // With another type the fingerprint is an attribute that may be passed over.
                if !(whole.len() - 8..whole.len() - 6).contains(&at) {
                    assert!(mapped_address(&ID, &changed).is_err(), "changed at {at}");
                }
            }
        }
    }

    #[test]
    fn an_old_server_says_it_in_the_clear() {
        let old = "0001000800010d96c0000201 0004000800010d96c6336401 0005000800010d97c6336402";
        assert_eq!(mapped_address(&ID, &message("0101", old)), Ok("192.0.2.1:3478".parse().unwrap()));
        let both = "0001000800010001c0000202 0020000800 01a147e112a643";
        assert_eq!(mapped_address(&ID, &message("0101", both)), Ok("192.0.2.1:32853".parse().unwrap()));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let refused = StunError::Refused { code: 420, reason: "Unknown".to_owned() };
        for (kind, attributes, error) in [
            ("0101", "", StunError::NoAddress),
            ("0001", "", StunError::Type(1)),
            ("0101", "0020000800", StunError::Length { announced: 5, there: 5 }),
            ("0101", "002000080001a147", StunError::Attribute { at: 20 }),
            ("0101", "0020000c0001a147e112a643", StunError::Attribute { at: 20 }),
            ("0101", "002000080002a147e112a643", StunError::Address { at: 20 }),
            ("0101", "0001000800010000c0000201", StunError::Address { at: 20 }),
            ("0101", "802200000001000800010d9600000000", StunError::Address { at: 24 }),
            ("0101", "80220000 7fff0000", StunError::Unknown { kind: 0x7fff, at: 24 }),
            ("0101", "8028000400000000", StunError::Fingerprint { at: 20 }),
            ("0111", "0009000b00000414556e6b6e6f776e00", refused),
            ("0111", "0009000400000214", StunError::ErrorCode { at: 20 }),
            ("0111", "", StunError::ErrorCode { at: 20 }),
        ] {
            assert_eq!(mapped_address(&ID, &message(kind, attributes)), Err(error), "{kind} {attributes}");
        }
        let other = TransactionId([0; 12]);
        assert_eq!(mapped_address(&other, &bytes(V4)), Err(StunError::Transaction));
        assert_eq!(mapped_address(&ID, b"hello"), Err(StunError::Short(5)));
        assert_eq!(mapped_address(&ID, &[0x80; 20]), Err(StunError::Cookie));
    }

    #[test]
    fn a_request_has_our_transaction_and_a_fingerprint() {
        let request = binding_request(&ID);
        assert_eq!(request[..20], bytes("000100082112a442b7e7a701bc34d686fa87dfae"));
        let fingerprint = crc32fast::hash(&request[..20]) ^ FINGERPRINT_XOR;
        assert_eq!(request[20..], [&[0x80, 0x28, 0, 4][..], &fingerprint.to_be_bytes()].concat());
    }

    #[test]
    fn requests_are_sent_ever_more_seldom() {
        let sent: Vec<u128> = requests(Duration::from_millis(500)).map(|at| at.as_millis()).collect();
        assert_eq!(sent, [0, 500, 1500, 3500, 7500, 15_500, 31_500]);
    }
}
