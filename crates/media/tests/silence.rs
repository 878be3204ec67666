//! Senders that fall silent: Opus DTX (RFC 7587 section 3.1.3) and comfort noise (RFC 3389).
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use media::{Codec, FRAME, FRAME_TIME, Frame, ReceiverConfig, RtpReceiver, level_dbfs, tones};
use opusic_c::{Application, Channels, SampleRate};

const OPUS: u8 = 111;

fn packet(payload_type: u8, sequence: u16, timestamp: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x80, payload_type];
    bytes.extend(sequence.to_be_bytes());
    bytes.extend(timestamp.to_be_bytes());
    bytes.extend(7_u32.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// What is heard if the packet of each 20 ms, if there is one, arrives at once.
fn heard(packets: &[Option<Vec<u8>>]) -> (Vec<i16>, media::Stats) {
    let payload_types = vec![(0, Codec::Pcmu), (OPUS, Codec::Opus)];
    let mut receiver = RtpReceiver::new(&ReceiverConfig { payload_types, dtmf_payload_type: None });
    let (mut all, mut now) = (Vec::new(), Duration::from_secs(9));
    for packet in packets {
        if let Some(packet) = packet {
            receiver.packet(now, packet).unwrap();
        }
        let mut frame = [0; FRAME];
        receiver.frame(now + Duration::from_millis(7), &mut frame);
        all.extend_from_slice(&frame);
        now += FRAME_TIME;
    }
    (all, receiver.stats())
}

/// Two seconds of tone, four of a soft hiss, two of tone.
fn said() -> Vec<Frame> {
    let tone = tones::sine(300.0, 2000, -10.0);
    let mut random = 1_u32;
    let hiss = (0..4 * 48_000).map(|_| {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (random >> 28) as i16 - 8
    });
    let all: Vec<i16> = tone.iter().copied().chain(hiss).chain(tone.iter().copied()).collect();
    all.chunks_exact(FRAME).map(|frame| frame.try_into().unwrap()).collect()
}

#[test]
fn opus_with_and_without_dtx_is_heard_without_a_loss() {
    for dtx in [false, true] {
        let mut encoder = opusic_c::Encoder::new(Channels::Mono, SampleRate::Hz48000, Application::Voip).unwrap();
        encoder.set_dtx(dtx).unwrap();
        let (mut sequence, mut timestamp) = (100_u16, 0_u32);
        let packets = said().into_iter().map(|frame| {
            let mut payload = [0; 1275];
            let length = encoder.encode_to_slice(&frame.map(i16::cast_unsigned), &mut payload).unwrap();
            timestamp += 960;
            // libopus asks for packets of up to two bytes not to be sent.
            (length > 2).then(|| {
                sequence += 1;
                packet(OPUS, sequence, timestamp, &payload[..length])
            })
        });
        let packets: Vec<_> = packets.collect();
        assert_eq!(packets.iter().filter(|p| p.is_none()).count() > 100, dtx);
        let (all, stats) = heard(&packets);
        assert_eq!((stats.lost, stats.late, stats.concealed_ms), (0, 0, 0), "DTX {dtx}: {stats:?}");
        assert!(stats.delay_ms < 30.0, "DTX {dtx}: {stats:?}");
        let level = |second: usize| level_dbfs(&all[second * 48_000..(second + 1) * 48_000]);
        assert!(level(1) > -16.0 && level(4) < -50.0 && level(7) > -16.0, "{} {} {}", level(1), level(4), level(7));
    }
}

#[test]
fn comfort_noise_lasts_until_somebody_speaks_again() {
    let mut encoder = media::Encoder::new(Codec::Pcmu).unwrap();
    let mut packets = Vec::new();
    let mut sequence = 10;
    for (index, frame) in said().iter().enumerate() {
        let timestamp = index as u32 * 160;
        sequence += 1;
        packets.push(match index {
            // One packet tells of the noise, one a second later of a louder one; all others are not sent.
            100 => Some(packet(13, sequence, timestamp, &[60])),
            150 => Some(packet(13, sequence, timestamp, &[45, 3, 3])),
            101..300 => {
                sequence -= 1;
                None
            }
            _ => {
                let mut payload = Vec::new();
                encoder.encode(frame, &mut payload).unwrap();
                Some(packet(0, sequence, timestamp, &payload))
            }
        });
    }
    let (all, stats) = heard(&packets);
    assert_eq!((stats.lost, stats.late, stats.concealed_ms), (0, 0, 0), "{stats:?}");
    let level = |ms: usize| level_dbfs(&all[ms * 48..(ms + 500) * 48]);
    assert!(level(1000) > -16.0);
    assert!((level(2300) + 60.0).abs() < 3.0, "{}", level(2300));
    assert!((level(4000) + 45.0).abs() < 3.0 && (level(5300) + 45.0).abs() < 3.0, "{}", level(4000));
    assert!(level(7000) > -16.0 && stats.delay_ms < 30.0, "{} {stats:?}", level(7000));
}
