//! RTCP through a relayed bridge: the far ends' reports are about each other, so loss and round trip are those of the
//! whole way (RFC 3550 section 7.2).

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const SOURCE_DESCRIPTION: u8 = 202;
/// Bytes of a report block.
const BLOCK: usize = 24;

/// The reports and the description in a compound packet, as the other far end must see them: from `sender`, and what
/// was about `heard.0` is about `heard.1`. The rest is left out: a BYE would end a stream that goes on with music.
/// `None` if it is no RTCP or nothing is left.
pub fn translate(compound: &[u8], sender: u32, heard: (u32, u32)) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(compound.len());
    let mut rest = compound;
    while !rest.is_empty() {
        let head: [u8; 4] = rest.get(..4)?.try_into().ok()?;
        let length = 4 * (usize::from(u16::from_be_bytes([head[2], head[3]])) + 1);
        let (packet, after) = rest.split_at_checked(length)?;
        rest = after;
        if head[0] >> 6 != 2 {
            return None;
        }
        let count = usize::from(head[0] & 0x1f);
        let blocks_at = match head[1] {
            SENDER_REPORT => 28,
            RECEIVER_REPORT => 8,
            // One chunk, of the sender.
            SOURCE_DESCRIPTION if count == 1 => length,
            _ => continue,
        };
        let start = out.len();
        out.extend_from_slice(packet);
        let copy = out.get_mut(start..)?;
        copy.get_mut(4..8)?.copy_from_slice(&sender.to_be_bytes());
        for block in copy.get_mut(blocks_at..)?.chunks_exact_mut(BLOCK).take(count) {
            if block[..4] == heard.0.to_be_bytes() {
                block[..4].copy_from_slice(&heard.1.to_be_bytes());
            }
        }
    }
    (!out.is_empty()).then_some(out)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// A receiver report of 7 about 1, a description, a BYE.
    fn compound() -> Vec<u8> {
        let mut bytes = vec![0x81, 201, 0, 7, 0, 0, 0, 7, 0, 0, 0, 1];
        bytes.extend([9; 20]);
        bytes.extend([0x81, 202, 0, 3, 0, 0, 0, 7, 1, 2, b'a', b'b', 0, 0, 0, 0]);
        bytes.extend([0x81, 203, 0, 1, 0, 0, 0, 7]);
        bytes
    }

    #[test]
    fn ssrcs_are_exchanged_and_a_bye_is_left_out() {
        let out = translate(&compound(), 70, (1, 10)).unwrap();
        assert_eq!(out.len(), compound().len() - 8);
        assert_eq!(
            (&out[4..8], &out[8..12], &out[36..40]),
            (&[0, 0, 0, 70][..], &[0, 0, 0, 10][..], &[0, 0, 0, 70][..])
        );
        assert_eq!(out[12..32], [9; 20]);
        // A block about somebody else stays.
        assert_eq!(translate(&compound(), 70, (2, 10)).unwrap()[8..12], [0, 0, 0, 1]);
    }

    #[test]
    fn whatever_is_cut_or_odd_does_no_harm() {
        let whole = compound();
        for n in 0..whole.len() {
            translate(&whole[..n], 1, (1, 2));
            let mut odd = whole.clone();
            for value in [0, 0x7f, 0x80, 0xff] {
                odd[n] = value;
                translate(&odd, 1, (1, 2));
            }
        }
        assert_eq!(translate(&[0x80, 201, 0, 0], 1, (1, 2)), None);
        assert_eq!(translate(&[], 1, (1, 2)), None);
    }
}
