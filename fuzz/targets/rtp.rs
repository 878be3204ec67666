//! A stream of RTP. Each packet: one byte of milliseconds that pass, two of its length (big-endian, at most 2,047), the packet.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use media::{Codec, FRAME_TIME, ReceiverConfig, RtpReceiver, SILENCE};

fuzz_target!(|data: &[u8]| {
    let mut receiver = RtpReceiver::new(&ReceiverConfig {
        payload_types: vec![(111, Codec::Opus), (9, Codec::G722), (0, Codec::Pcmu), (8, Codec::Pcma)],
        dtmf_payload_type: Some(101),
    });
    let (mut now, mut played, mut frame) = (Duration::ZERO, Duration::ZERO, SILENCE);
    let mut rest = data;
    while let [pause, high, low, more @ ..] = rest {
        now += Duration::from_millis(u64::from(*pause));
        let length = usize::from(u16::from_be_bytes([*high, *low]) & 0x07ff).min(more.len());
        let (packet, after) = more.split_at(length);
        let _ = receiver.packet(now, packet);
        while played <= now {
            receiver.frame(played, &mut frame);
            played += FRAME_TIME;
        }
        assert!(receiver.digits().all(|digit| digit.is_ascii_graphic()), "no digit");
        rest = after;
    }
    let stats = receiver.stats();
    assert!(stats.delay_ms.is_finite() && stats.jitter_ms.is_finite(), "{stats:?}");
});
