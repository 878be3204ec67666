#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

/// A headset with numbered reports: hook switch (absolute), mute (relative), flash and drop in report 2; the lamps off-hook,
/// mute, ring and the telephone's ringer in report 2 out.
const HEADSET: &[u8] = &[
    0x05, 0x0b, 0x09, 0x05, 0xa1, 0x01, 0x85, 0x02, // telephony, headset, report 2
    0x15, 0x00, 0x25, 0x01, 0x75, 0x01, // bits
    0x95, 0x01, 0x09, 0x20, 0x81, 0x22, // hook switch: absolute, no preferred state
    0x95, 0x01, 0x09, 0x2f, 0x81, 0x06, // phone mute: relative
    0x95, 0x02, 0x09, 0x21, 0x09, 0x26, 0x81, 0x06, // flash, drop
    0x95, 0x04, 0x81, 0x03, // to the byte's end
    0x05, 0x08, 0x95, 0x03, 0x09, 0x17, 0x09, 0x09, 0x09, 0x18, 0x91, 0x22, // off-hook, mute, ring
    0x05, 0x0b, 0x95, 0x01, 0x09, 0x9e, 0x91, 0x22, // ringer
    0x95, 0x04, 0x91, 0x03, 0xc0,
];

/// One without numbers, whose hook switch is a push-button.
const PLAIN: &[u8] = &[
    0x05, 0x0b, 0x09, 0x05, 0xa1, 0x01, 0x15, 0x00, 0x25, 0x01, 0x75, 0x01, 0x95, 0x01, 0x09, 0x20, 0x81, 0x06, //
    0x95, 0x07, 0x81, 0x03, 0x05, 0x08, 0x95, 0x01, 0x09, 0x17, 0x91, 0x02, 0x95, 0x07, 0x91, 0x03, 0xc0,
];

/// A mouse.
const MOUSE: &[u8] = &[
    0x05, 0x01, 0x09, 0x02, 0xa1, 0x01, 0x05, 0x09, 0x19, 0x01, 0x29, 0x03, 0x15, 0x00, 0x25, 0x01, 0x95, 0x03, 0x75,
    0x01, 0x81, 0x02, 0x95, 0x05, 0x81, 0x03, 0xc0,
];

#[test]
fn buttons_are_read_as_they_change() {
    let mut headset = Layout::read(HEADSET).unwrap();
    assert_eq!(headset.buttons(&[2, 0b0001]), [Button::OffHook]);
    assert_eq!(headset.buttons(&[2, 0b0001]), []);
    assert_eq!(headset.buttons(&[2, 0b0011]), [Button::Mute]);
    assert_eq!(headset.buttons(&[2, 0b0001]), []);
    assert_eq!(headset.buttons(&[2, 0b0100]), [Button::OnHook, Button::Flash]);
    assert_eq!(headset.buttons(&[2, 0b1000]), [Button::Drop]);
    // Not its report, cut off, nothing.
    assert_eq!(headset.buttons(&[3, 0b0001]), []);
    assert_eq!(headset.buttons(&[2]), []);
    assert_eq!(headset.buttons(&[]), []);

    let mut plain = Layout::read(PLAIN).unwrap();
    assert_eq!(plain.buttons(&[1]), [Button::Hook]);
    assert_eq!(plain.buttons(&[0]), []);
}

#[test]
fn lamps_are_written_where_they_are() {
    let headset = Layout::read(HEADSET).unwrap();
    let lamps = Lamps { ring: true, ..Lamps::default() };
    assert_eq!(headset.reports(lamps), [[2, 0b1100]]);
    let lamps = Lamps { off_hook: true, mute: true, ..Lamps::default() };
    assert_eq!(headset.reports(lamps), [[2, 0b0011]]);
    assert_eq!(headset.reports(Lamps::default()), [[2, 0]]);
    let plain = Layout::read(PLAIN).unwrap();
    assert_eq!(plain.reports(Lamps { off_hook: true, ..Lamps::default() }), [[0, 1]]);
}

#[test]
fn what_is_no_telephone_is_let_alone() {
    assert!(Layout::read(MOUSE).is_none());
    assert!(Layout::read(&[]).is_none());
    assert!(
        Layout::read(&HEADSET[..HEADSET.len() / 2]).is_none_or(|layout| layout.reports(Lamps::default()).is_empty())
    );
}

#[test]
fn four_billion_fields_of_no_bits_are_none() {
    let many = [0x05, 0x0b, 0x09, 0x20, 0x75, 0x00, 0x97, 0xff, 0xff, 0xff, 0xff, 0x81, 0x02];
    assert!(Layout::read(&many).is_none());
    let long = [0x05, 0x0b, 0x09, 0x20, 0x75, 0x20, 0x97, 0xff, 0xff, 0xff, 0xff, 0x81, 0x02];
    assert!(Layout::read(&long).is_none());
}

proptest! {
    #[test]
    fn no_descriptor_and_no_report_brings_it_down(
        at in 0..HEADSET.len(), byte in any::<u8>(), cut in 0..HEADSET.len(), report in prop::collection::vec(any::<u8>(), 0..8)
    ) {
        let mut descriptor = HEADSET.to_vec();
        descriptor[at] = byte;
        for bytes in [&descriptor[..], &descriptor[..cut]] {
            if let Some(mut layout) = Layout::read(bytes) {
                layout.buttons(&report);
                let _shown = layout.reports(Lamps { ring: true, off_hook: true, mute: true, hold: true });
            }
        }
    }

    #[test]
    fn rubbish_is_no_headset_or_a_harmless_one(bytes in prop::collection::vec(any::<u8>(), 0..96)) {
        if let Some(mut layout) = Layout::read(&bytes) {
            layout.buttons(&bytes);
        }
    }
}
