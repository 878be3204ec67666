#![allow(clippy::unwrap_used)]

use super::*;

const SUITES: [(SrtpSuite, usize); 4] = [
    (SrtpSuite::AeadAes256Gcm, 44),
    (SrtpSuite::AeadAes128Gcm, 28),
    (SrtpSuite::AesCm128HmacSha1_80, 30),
    (SrtpSuite::AesCm128HmacSha1_32, 30),
];

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn key(suite: SrtpSuite, len: usize) -> SrtpKey {
    SrtpKey::new(suite, &(0..len as u8).collect::<Vec<_>>()).unwrap()
}

fn rtp(ssrc: u32, sequence: u16) -> Vec<u8> {
    let mut packet = vec![0x80, 0];
    packet.extend(sequence.to_be_bytes());
    packet.extend([0, 0, 0, 1]);
    packet.extend(ssrc.to_be_bytes());
    packet.extend(sequence.to_be_bytes().repeat(20));
    packet
}

/// A receiver report without blocks.
fn rtcp(ssrc: u32) -> Vec<u8> {
    let mut packet = vec![0x80, 201, 0, 2];
    packet.extend(ssrc.to_be_bytes());
    packet.extend([1, 2, 3, 4]);
    packet
}

fn pair(suite: SrtpSuite, len: usize) -> (SrtpSender, SrtpReceiver) {
    let key = key(suite, len);
    (SrtpSender::new(&key).unwrap(), SrtpReceiver::new(key).unwrap())
}

#[test]
fn the_reference_implementation_agrees() {
    // libsrtp 2, test/srtp_driver.c, srtp_validate.
    let secret = hex("e1f97a0d3e018be0d64fa32c06de41390ec675ad498afeebb6960b3aabe6");
    let key = SrtpKey::new(SrtpSuite::AesCm128HmacSha1_80, &secret).unwrap();
    let plain = hex("800f1234decafbadcafebabeabababababababababababababababab");
    let sent = SrtpSender::new(&key).unwrap().rtp(&plain).unwrap();
    assert_eq!(sent, hex("800f1234decafbadcafebabe4e55dc4ce79978d88ca4d215949d2402b78d6acc99ea179b8dbb"));
    let report = hex("81c8000bcafebabeabababababababababababababababab");
    let protected = hex("81c8000bcafebabe7128035be487b9bdbef89041f977a5a880000001993e08cd54d6c1230798");
    assert_eq!(SrtpSender::new(&key).unwrap().rtcp(&report).unwrap(), protected);
    assert_eq!(SrtpReceiver::new(key).unwrap().rtcp(&protected).unwrap(), report);
}

#[test]
fn hours_of_packets_with_loss_and_overtaking_come_through() {
    let (mut sender, mut receiver) = pair(SrtpSuite::AesCm128HmacSha1_80, 30);
    let mut late = None;
    for number in 30_000_u32..140_000 {
        let plain = rtp(7, number as u16);
        let packet = sender.rtp(&plain).unwrap();
        match number % 10 {
            3 => {}
            6 => late = Some((plain, packet)),
            _ => assert_eq!(receiver.rtp(&packet).unwrap(), plain, "packet {number}"),
        }
        if number % 10 == 9
            && let Some((plain, packet)) = late.take()
        {
            assert_eq!(receiver.rtp(&packet).unwrap(), plain, "late packet before {number}");
        }
    }
}

#[test]
fn each_suite_refuses_what_was_changed_replayed_or_encrypted_for_others() {
    for (suite, len) in SUITES {
        let (mut sender, mut receiver) = pair(suite, len);
        let (plain, report) = (rtp(1, 9), rtcp(1));
        let (packet, protected) = (sender.rtp(&plain).unwrap(), sender.rtcp(&report).unwrap());
        for at in 0..packet.len() {
            let mut changed = packet.clone();
            changed[at] ^= 1;
            assert!(receiver.rtp(&changed).is_err(), "{suite:?}: byte {at}");
            assert!(receiver.rtp(&packet[..at]).is_err(), "{suite:?}: cut at {at}");
        }
        for at in 0..protected.len() {
            for bit in 0..8 {
                let mut changed = protected.clone();
                changed[at] ^= 1 << bit;
                assert!(receiver.rtcp(&changed).is_err(), "{suite:?}: report, byte {at}, bit {bit}");
            }
            assert!(receiver.rtcp(&protected[..at]).is_err(), "{suite:?}: report, cut at {at}");
        }
        assert_eq!(receiver.rtp(&packet).unwrap(), plain);
        assert!(matches!(receiver.rtp(&packet), Err(SrtpError::NotAuthentic(_))), "replayed");
        assert_eq!(receiver.rtcp(&protected).unwrap(), report);
        assert!(matches!(receiver.rtcp(&protected), Err(SrtpError::NotAuthentic(_))), "replayed");
        assert!(receiver.rtp(&plain).is_err() && receiver.rtcp(&report).is_err(), "in the clear");
        let other = SrtpKey::new(suite, &vec![9; len]).unwrap();
        assert!(SrtpReceiver::new(other).unwrap().rtp(&packet).is_err());
    }
}

#[test]
fn a_forged_first_packet_shuts_nobody_out() {
    let (mut sender, mut receiver) = pair(SrtpSuite::AesCm128HmacSha1_80, 30);
    for ssrc in 0..100 {
        // Far ahead: if it counted, all that follows would be too old.
        let mut forged = sender.rtp(&rtp(ssrc, 20_000)).unwrap();
        *forged.last_mut().unwrap() ^= 1;
        assert!(receiver.rtp(&forged).is_err());
    }
    assert!(receiver.rtp.0.is_empty());
    let mut sender = SrtpSender::new(receiver.key()).unwrap();
    for sequence in 1..20 {
        assert!(receiver.rtp(&sender.rtp(&rtp(5, sequence)).unwrap()).is_ok());
    }
    for ssrc in 10..30 {
        assert!(receiver.rtp(&sender.rtp(&rtp(ssrc, 1)).unwrap()).is_ok());
    }
    assert_eq!(receiver.rtp.0.len(), MAX_STREAMS);
}

#[test]
fn keys_have_the_length_of_their_suite_and_are_not_shown() {
    for (suite, len) in SUITES {
        assert_eq!(SrtpKey::new(suite, &vec![0; len - 1]), Err(SrtpError::KeyLength { got: len - 1, wanted: len }));
        assert!(!format!("{:?}", key(suite, len)).contains("1, 2"));
    }
}
