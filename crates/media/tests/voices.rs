//! `compare` on the real voices and music, through every codec and a jittery line.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{fs, path::Path, time::Duration};

use media::{Codec, FRAME, ReceiverConfig, RtpReceiver, RtpSender, SenderConfig, compare, level_dbfs, tones, wav};

fn sources() -> Vec<(String, Vec<i16>)> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut all = Vec::new();
    for folder in ["../../tests/voices", "../exchange/sounds"] {
        for entry in fs::read_dir(here.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "wav") {
                let name = path.file_stem().unwrap().to_string_lossy().into_owned();
                all.push((name, wav::parse(&fs::read(path).unwrap()).unwrap()));
            }
        }
    }
    all.sort();
    assert!(all.len() >= 13);
    all
}

fn candidates(sources: &[(String, Vec<i16>)]) -> Vec<(&str, &[i16])> {
    sources.iter().map(|(name, pcm)| (name.as_str(), pcm.as_slice())).collect()
}

/// What the far end of a line with loss and jitter hears of `pcm`.
fn through(codec: Codec, pcm: &[i16], mut seed: u64) -> Vec<i16> {
    let payload_type = codec.static_payload_type().unwrap_or(111);
    let sender = SenderConfig { codec, payload_type, ssrc: 1, dtmf_payload_type: None };
    let mut sender = RtpSender::new(sender).unwrap();
    let config = ReceiverConfig { payload_types: vec![(payload_type, codec)], dtmf_payload_type: None };
    let (mut receiver, mut heard, mut flying) = (RtpReceiver::new(&config), Vec::new(), Vec::new());
    for (i, frame) in pcm.chunks_exact(FRAME).enumerate() {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let now = Duration::from_millis(20 * i as u64);
        if !(seed >> 33).is_multiple_of(33) {
            let packet = sender.frame(frame.try_into().unwrap()).unwrap().to_vec();
            flying.push((now + Duration::from_millis((seed >> 40) % 50), packet));
        } else {
            sender.frame(frame.try_into().unwrap());
        }
        flying.sort_by_key(|(at, _)| *at);
        let landed = flying.partition_point(|(at, _)| *at <= now);
        for (at, packet) in flying.drain(..landed) {
            receiver.packet(at, &packet).unwrap();
        }
        let mut out = [0; FRAME];
        receiver.frame(now, &mut out);
        heard.extend_from_slice(&out);
    }
    heard
}

fn quieter(pcm: &[i16], by: i16) -> Vec<i16> {
    pcm.iter().map(|s| s / by).collect()
}

#[test]
fn every_source_is_told_apart_through_every_codec() {
    let sources = sources();
    let known = compare::Sources::new(&candidates(&sources));
    for codec in Codec::ALL {
        for (i, (name, pcm)) in sources.iter().enumerate() {
            let mut call = vec![0; 48_000 * (i % 3)];
            call.extend(quieter(pcm, 3));
            let heard = through(codec, &call, i as u64);
            let found = known.best_match(&heard, 48_000);
            let found = found.unwrap_or_else(|| panic!("{codec:?} {name}: {:?}", &known.ranking(&heard, 48_000)[..2]));
            assert_eq!(&found.name, name, "{codec:?}");
            assert!(found.score > 0.7 && found.score > found.runner_up + 0.2, "{codec:?} {found:?}");
            let expected = 1000 * (i as i64 % 3);
            assert!((found.offset_ms - expected - 60).abs() <= 100, "{codec:?} {found:?}");
            assert!((found.level_dbfs - level_dbfs(pcm) + 9.5).abs() < 3.0, "{codec:?} {found:?}");
        }
    }
}

#[test]
fn three_seconds_from_the_middle_are_enough() {
    let sources = sources();
    let known = compare::Sources::new(&candidates(&sources));
    for codec in [Codec::Pcmu, Codec::Opus] {
        let long = sources.iter().filter(|(_, pcm)| pcm.len() >= 4 * 48_000);
        for (i, (name, pcm)) in long.enumerate() {
            let heard = through(codec, &pcm[48_000..4 * 48_000], i as u64);
            let found = known.best_match(&heard, 48_000);
            let found = found.unwrap_or_else(|| panic!("{codec:?} {name}"));
            assert_eq!(&found.name, name, "{codec:?}");
        }
    }
}

#[test]
fn an_8_khz_recording_with_other_things_around_is_recognised() {
    let sources = sources();
    let candidates = candidates(&sources);
    let (_, ravi) = sources.iter().find(|(name, _)| name == "ravi").unwrap();
    let mut call = tones::ringback();
    call.extend(ravi);
    call.extend(vec![0; 96_000]);
    let bytes = wav::write(&call, 8000);
    let mut narrow = Vec::new();
    media::Resampler::new(48_000, 8000).resample(&wav::parse(&bytes).unwrap(), &mut narrow);
    let found = compare::best_match(&narrow, 8000, &candidates).unwrap();
    assert_eq!(found.name, "ravi");
    assert!((found.offset_ms - 5000).abs() <= 40, "{found:?}");
}

#[test]
fn silence_noise_and_tones_match_nothing() {
    let sources = sources();
    let candidates = candidates(&sources);
    let mut seed = 1_u32;
    let noise: Vec<i16> = std::iter::repeat_with(|| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 16) as i16 / 8
    })
    .take(5 * 48_000)
    .collect();
    let ringback = [tones::ringback(), tones::ringback()].concat();
    let rings = tones::ring(tones::Ring::Transfer).repeat(3);
    for (what, pcm) in [
        ("silence", vec![0; 240_000]),
        ("nothing", Vec::new()),
        ("noise", noise),
        ("tone", tones::sine(440.0, 5000, -10.0)),
        ("ringback", ringback),
        ("ring", rings),
        ("beep", tones::beep()),
    ] {
        let found = compare::best_match(&pcm, 48_000, &candidates);
        assert_eq!(found, None, "{what}");
    }
}

#[test]
fn a_voice_that_is_no_candidate_matches_nothing() {
    let sources = sources();
    for (name, pcm) in &sources {
        let others: Vec<(&str, &[i16])> = candidates(&sources).into_iter().filter(|(other, _)| other != name).collect();
        let found = compare::best_match(&through(Codec::Pcma, pcm, 5), 48_000, &others);
        assert_eq!(found, None, "{name}");
    }
}
