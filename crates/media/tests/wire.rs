//! Codecs, relaying, reports, and hostile bytes.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::Duration;

use media::{
    Codec, Decoder, Encoder, FRAME, Frame, ReceiverConfig, Resampler, RtpReceiver, RtpSender, SILENCE, SenderConfig,
    level_dbfs, rtcp,
    rtp::{Header, Position, Relay},
    tones, wav,
};
use proptest::prelude::*;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn pair(codec: Codec, ssrc: u32) -> (RtpSender, RtpReceiver) {
    let payload_type = codec.static_payload_type().unwrap_or(111);
    let sender = RtpSender::new(SenderConfig { codec, payload_type, ssrc, dtmf_payload_type: Some(101) }).unwrap();
    let config = ReceiverConfig { payload_types: vec![(payload_type, codec)], dtmf_payload_type: Some(101) };
    (sender, RtpReceiver::new(&config))
}

/// Level of `pcm` at exactly `hertz`, dBFS (Goertzel).
fn level_at(pcm: &[i16], hertz: f64) -> f64 {
    let step = std::f64::consts::TAU * hertz / 48_000.0;
    let (mut re, mut im) = (0.0, 0.0);
    for (i, &s) in pcm.iter().enumerate() {
        re += f64::from(s) * (step * i as f64).cos();
        im += f64::from(s) * (step * i as f64).sin();
    }
    let amplitude = (re * re + im * im).sqrt() * 2.0 / pcm.len() as f64;
    20.0 * (amplitude / 32_768.0).max(1e-6).log10()
}

#[test]
fn every_codec_carries_a_tone_at_its_level() {
    for codec in Codec::ALL {
        let (mut encoder, mut decoder) = (Encoder::new(codec).unwrap(), Decoder::new(codec).unwrap());
        let (mut payload, mut heard) = (Vec::new(), Vec::new());
        for frame in tones::sine(1000.0, 1000, -10.0).chunks_exact(FRAME) {
            payload.clear();
            encoder.encode(frame, &mut payload).unwrap();
            assert_eq!(decoder.decode(&payload, &mut heard).unwrap(), FRAME, "{codec:?}");
        }
        let steady = &heard[9600..38_400];
        assert!((level_at(steady, 1000.0) + 10.0).abs() < 1.0, "{codec:?} {}", level_at(steady, 1000.0));
        let noise = level_dbfs(steady) - level_at(steady, 1000.0) as f32;
        assert!((noise + 3.01).abs() < 0.2, "{codec:?} is noisy: {noise}");
    }
}

#[test]
fn resampling_keeps_the_band_and_folds_nothing_back() {
    let through = |hertz| {
        let (mut down, mut up) = (Resampler::new(48_000, 8000), Resampler::new(8000, 48_000));
        let (mut narrow, mut wide) = (Vec::new(), Vec::new());
        for frame in tones::sine(hertz, 500, -6.0).chunks_exact(FRAME) {
            let before = (narrow.len(), wide.len());
            down.resample(frame, &mut narrow);
            up.resample(&narrow[before.0..], &mut wide);
            assert_eq!((narrow.len() - before.0, wide.len() - before.1), (160, FRAME));
        }
        wide[4800..19_200].to_vec()
    };
    for hertz in [300.0, 1000.0, 3000.0] {
        assert!((level_at(&through(hertz), f64::from(hertz)) + 6.0).abs() < 0.5, "{hertz} Hz");
    }
    assert!(level_dbfs(&through(5000.0)) < -55.0, "5 kHz folds back: {}", level_dbfs(&through(5000.0)));
}

#[test]
fn resampling_delays_by_three_milliseconds_there_and_back() {
    let mut click = vec![0_i16; 4800];
    click[2400] = 20_000;
    let (mut narrow, mut wide) = (Vec::new(), Vec::new());
    Resampler::new(48_000, 8000).resample(&click, &mut narrow);
    Resampler::new(8000, 48_000).resample(&narrow, &mut wide);
    let peak = (0..wide.len()).max_by_key(|&i| wide[i].abs()).unwrap();
    assert!((2400 + 130..=2400 + 150).contains(&peak), "{peak}");
}

#[test]
fn fec_brings_back_what_plain_concealment_cannot() {
    let speech = wav::parse(include_bytes!("../../../tests/voices/ravi.wav")).unwrap();
    let error = |recover: bool| {
        let (mut encoder, mut decoder) = (Encoder::new(Codec::Opus).unwrap(), Decoder::new(Codec::Opus).unwrap());
        let mut whole = Decoder::new(Codec::Opus).unwrap();
        let payloads: Vec<Vec<u8>> = speech
            .chunks_exact(FRAME)
            .map(|frame| {
                let mut payload = Vec::new();
                encoder.encode(frame, &mut payload).unwrap();
                payload
            })
            .collect();
        let (mut heard, mut ideal, mut error) = (Vec::new(), Vec::new(), 0.0);
        for (i, payload) in payloads.iter().enumerate() {
            let start = ideal.len();
            whole.decode(payload, &mut ideal).unwrap();
            if i % 5 != 4 || i + 1 == payloads.len() {
                decoder.decode(payload, &mut heard).unwrap();
                continue;
            }
            if recover {
                decoder.recover(&payloads[i + 1], FRAME, &mut heard);
            } else {
                decoder.conceal(FRAME, &mut heard);
            }
            let wrong =
                heard[start..].iter().zip(&ideal[start..]).map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2));
            error += wrong.sum::<f64>();
        }
        error
    };
    let (with, without) = (error(true), error(false));
    assert!(with < without / 2.0, "with FEC {with:e}, without {without:e}");
}

#[test]
fn concealment_repeats_and_fades() {
    let (mut encoder, mut decoder) = (Encoder::new(Codec::Pcmu).unwrap(), Decoder::new(Codec::Pcmu).unwrap());
    let (mut payload, mut heard) = (Vec::new(), Vec::new());
    for frame in tones::sine(200.0, 200, -10.0)[..7 * FRAME].chunks_exact(FRAME) {
        payload.clear();
        encoder.encode(frame, &mut payload).unwrap();
        decoder.decode(&payload, &mut heard).unwrap();
    }
    let start = heard.len();
    decoder.conceal(5 * FRAME, &mut heard);
    let (first, last) = (level_dbfs(&heard[start..start + 480]), level_dbfs(&heard[heard.len() - FRAME..]));
    assert!((first + 13.0).abs() < 1.5, "{first}");
    assert!(last < -90.0, "{last}");
    let step = heard[start - 480..start + 2400].windows(2).map(|w| (i32::from(w[1]) - i32::from(w[0])).abs()).max();
    assert!(step.unwrap() < 600, "clicks: {step:?}");
}

#[test]
fn a_relay_joins_sources_into_one_stream() {
    let mut relay = Relay::new(Position { ssrc: 77, sequence: 65_534, timestamp: 1000 }, 8000);
    let (mut first, _) = pair(Codec::Pcmu, 1);
    let (mut second, _) = pair(Codec::Pcmu, 2);
    let mut headers = Vec::new();
    for i in 0..10_u64 {
        let source = if i < 5 { &mut first } else { &mut second };
        let mut packet = source.frame(&SILENCE).unwrap().to_vec();
        let payload = packet[12..].to_vec();
        // 100 ms pass between the sources.
        let now = ms(i * 20 + if i < 5 { 0 } else { 80 });
        relay.forward(now, &mut packet, 96).unwrap();
        assert_eq!(packet[12..], payload);
        headers.push(Header::parse(&packet).unwrap());
    }
    for (i, header) in headers.iter().enumerate() {
        assert_eq!((header.ssrc, header.payload_type), (77, 96));
        assert_eq!(header.sequence, 65_534_u16.wrapping_add(i as u16));
        let expected = 1000 + 160 * i as u32 + if i < 5 { 0 } else { 640 };
        assert_eq!(header.timestamp, expected, "packet {i}");
    }
    assert!(headers[5].marker);
    assert_eq!(relay.position(), Position { ssrc: 77, sequence: 8, timestamp: 1000 + 160 * 10 + 640 });
}

#[test]
fn a_relay_keeps_gaps_and_order_of_its_source() {
    let mut relay = Relay::new(Position { ssrc: 5, sequence: 100, timestamp: 0 }, 8000);
    let (mut source, _) = pair(Codec::Pcma, 3);
    let packets: Vec<Vec<u8>> = (0..6).map(|_| source.frame(&SILENCE).unwrap().to_vec()).collect();
    let mut sequences = Vec::new();
    for i in [0, 2, 1, 5] {
        let mut packet = packets[i].clone();
        relay.forward(ms(20 * i as u64), &mut packet, 8).unwrap();
        sequences.push(Header::parse(&packet).unwrap().sequence);
    }
    assert_eq!(sequences, [100, 102, 101, 105]);
    assert_eq!(relay.position().sequence, 106);
}

#[test]
fn reports_tell_round_trip_and_loss() {
    let (mut here, mut from_there) = pair(Codec::Pcmu, 1);
    let (mut there, mut from_here) = pair(Codec::Pcmu, 2);
    // Each side's clock has its own epoch.
    let theirs = |now: Duration| now + Duration::from_secs(5000);
    for i in 0..100 {
        let packet = here.frame(&SILENCE).unwrap();
        if i % 4 != 3 {
            from_here.packet(theirs(ms(i * 20)), packet).unwrap();
        }
        from_there.packet(ms(i * 20), there.frame(&SILENCE).unwrap()).unwrap();
    }
    let mut report = Vec::new();
    rtcp::report(ms(2000), "desk", &here, &mut from_there, &mut report);
    assert!(rtcp::is_rtcp(&report) && !rtcp::is_rtcp(here.frame(&SILENCE).unwrap()));
    rtcp::read(theirs(ms(2030)), &report, &mut there, &mut from_here).unwrap();
    report.clear();
    rtcp::report(theirs(ms(2500)), "exchange", &there, &mut from_here, &mut report);
    rtcp::read(ms(2540), &report, &mut here, &mut from_there).unwrap();
    let trip = here.round_trip().unwrap();
    assert!(trip.abs_diff(ms(70)) < ms(1), "{trip:?}");
    let loss = here.remote_loss().unwrap();
    assert!((loss - 0.245).abs() < 0.01, "{loss}");
    assert_eq!(there.round_trip(), None);
}

proptest! {
    #[test]
    fn hostile_datagrams_never_panic(packets in prop::collection::vec(
        (prop::collection::vec(any::<u8>(), 0..80), prop::sample::select(vec![0_u8, 8, 9, 101, 111, 13, 0x80, 0xff]), 0_u64..40), 0..60,
    )) {
        let types = Codec::ALL.map(|codec| (codec.static_payload_type().unwrap_or(111), codec)).to_vec();
        let mut receiver = RtpReceiver::new(&ReceiverConfig { payload_types: types, dtmf_payload_type: Some(101) });
        let (mut sender, _) = pair(Codec::Pcmu, 1);
        let mut relay = Relay::new(sender.position(), 8000);
        let (mut now, mut out): (_, Frame) = (Duration::ZERO, [0; FRAME]);
        for (mut packet, payload_type, wait) in packets {
            now += ms(wait);
            // Half of them pass for RTP.
            if wait % 2 == 0 && packet.len() >= 12 {
                packet[0] = 0x80;
                packet[1] = payload_type;
                let ssrc = packet[8] & 1;
                packet[8..12].copy_from_slice(&[0, 0, 0, ssrc]);
                packet[2] = 0;
            }
            let _ = receiver.packet(now, &packet);
            let _ = rtcp::read(now, &packet, &mut sender, &mut receiver);
            let _ = relay.forward(now, &mut packet, payload_type);
            receiver.frame(now, &mut out);
        }
        let mut report = Vec::new();
        rtcp::report(now, "x", &sender, &mut receiver, &mut report);
        let _ = receiver.stats();
    }

    #[test]
    fn hostile_reports_never_panic(kind in 192_u8..224, count in 0_u8..32, body in prop::collection::vec(any::<u8>(), 0..200)) {
        let (mut sender, mut receiver) = pair(Codec::Pcmu, 1);
        let mut report = vec![0x80 | count, kind, 0, (body.len() / 4) as u8];
        report.extend(&body[..body.len() / 4 * 4]);
        let _ = rtcp::read(ms(1), &report, &mut sender, &mut receiver);
    }

    #[test]
    fn any_payload_is_decoded_or_refused(payload in prop::collection::vec(any::<u8>(), 0..400)) {
        for codec in Codec::ALL {
            let (mut decoder, mut out) = (Decoder::new(codec).unwrap(), Vec::new());
            if let Ok(samples) = decoder.decode(&payload, &mut out) {
                prop_assert!(samples > 0 && samples == out.len() && samples <= 6 * FRAME);
            }
            decoder.recover(&payload, 777, &mut out);
            decoder.conceal(100, &mut out);
        }
    }
}
