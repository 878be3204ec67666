//! Echo, noise and level, on real voices in a made-up room.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{fs, path::Path};

use media::{FRAME, Frame, Processing, Processor, compare, level_dbfs, tones, wav};

const ECHO: Processing = Processing { echo: true, ..Processing::OFF };
const SECOND: usize = 48_000;

fn voice(name: &str) -> Vec<i16> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../tests/voices/{name}.wav"));
    wav::parse(&fs::read(file).unwrap()).unwrap()
}

/// `name` again and again, for `seconds`.
fn talking(name: &str, seconds: usize) -> Vec<i16> {
    voice(name).into_iter().cycle().take(seconds * SECOND).collect()
}

struct Random(u64);

impl Random {
    /// −1 to 1.
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / (1 << 23) as f32 - 1.0
    }
}

/// What a microphone hears of a speaker: late by `delay_ms`, and by the walls of a room whose echo falls by 60 dB in
/// 250 ms; in all `level_db` louder.
fn room(pcm: &[i16], delay_ms: usize, level_db: f32) -> Vec<i16> {
    let mut random = Random(7);
    let delay = delay_ms * SECOND / 1000;
    // The direct way and a hundred walls.
    let mut ways = vec![(0, 1.0)];
    for _ in 0..100 {
        let late = (random.next().abs() * 0.12 * SECOND as f32) as usize + 48;
        ways.push((late, random.next() * 0.4 * 10_f32.powf(-3.0 * late as f32 / (0.25 * SECOND as f32))));
    }
    let energy: f32 = ways.iter().map(|(_, gain)| gain * gain).sum();
    let gain = 10_f32.powf(level_db / 20.0) / energy.sqrt();
    let heard = |i: usize| -> f32 {
        let parts = ways.iter().map(|&(late, part)| Some(part * f32::from(pcm[i.checked_sub(delay + late)?])));
        parts.flatten().sum()
    };
    (0..pcm.len()).map(|i| (gain * heard(i)) as i16).collect()
}

fn sum(a: &[i16], b: &[i16]) -> Vec<i16> {
    a.iter().zip(b).map(|(a, b)| a.saturating_add(*b)).collect()
}

fn noise(seconds: usize, peak: f32) -> Vec<i16> {
    let mut random = Random(3);
    (0..seconds * SECOND).map(|_| (random.next() * peak) as i16).collect()
}

/// What is sent, if the microphone hears `near` while the speaker plays `far`, 20 ms at a time as a call does it.
fn sent(processor: &mut Processor, near: &[i16], far: &[i16]) -> Vec<i16> {
    let mut played: &Frame = &[0; FRAME];
    let mut sent = Vec::new();
    for (near, far) in near.as_chunks::<FRAME>().0.iter().zip(far.as_chunks::<FRAME>().0) {
        let mut said = *near;
        processor.process(&mut said, played);
        played = far;
        sent.extend(said);
    }
    sent
}

/// Both from 5 s on.
fn suppression(echo: &[i16], sent: &[i16]) -> f32 {
    level_dbfs(&echo[5 * SECOND..]) - level_dbfs(&sent[5 * SECOND..])
}

#[test]
fn echo_is_taken_out_whatever_speaker_and_microphone_take() {
    let far = talking("priya", 10);
    for delay_ms in [25, 60, 120, 240, 400, 500] {
        let echo = room(&far, delay_ms, -10.0);
        let sent = sent(&mut Processor::new(ECHO), &echo, &far);
        let by = suppression(&echo, &sent);
        println!("{delay_ms} ms: {by:.1} dB");
        assert!(by >= 30.0, "{delay_ms} ms: {by:.1} dB");
    }
}

#[test]
fn echo_stays_out_when_its_delay_changes_and_drifts() {
    let far = talking("lena", 20);
    // A late callback makes it 20 ms more after 5 s; and the clocks of the two devices differ by 100 ppm.
    let (mut echo, later) = (room(&far, 80, -10.0), room(&far, 100, -10.0));
    echo[5 * SECOND..].copy_from_slice(&later[5 * SECOND..]);
    let drifting: Vec<i16> = (0..echo.len() - 200).map(|i| echo[i + i / 10_000]).collect();
    let sent = sent(&mut Processor::new(ECHO), &drifting, &far);
    let by = level_dbfs(&drifting[9 * SECOND..]) - level_dbfs(&sent[9 * SECOND..]);
    println!("{by:.1} dB");
    assert!(by >= 30.0, "{by}");
}

#[test]
fn who_speaks_while_the_speaker_plays_is_understood() {
    let names = ["priya", "ravi", "mina", "tom", "sam"];
    let voices: Vec<(&str, Vec<i16>)> = names.iter().map(|name| (*name, voice(name))).collect();
    let voices: Vec<(&str, &[i16])> = voices.iter().map(|(name, pcm)| (*name, pcm.as_slice())).collect();
    let far = talking("priya", 16);
    let echo = room(&far, 80, -16.0);
    let mut near = vec![0; 6 * SECOND];
    near.extend(voice("ravi"));
    near.resize(far.len(), 0);
    let sent = sent(&mut Processor::new(Processing::default()), &sum(&echo, &near), &far);
    let spoken = &sent[6 * SECOND..6 * SECOND + voices[1].1.len()];
    println!("{:?}", compare::ranking(spoken, media::RATE, &voices));
    assert_eq!(compare::best_match(spoken, media::RATE, &voices).map(|found| found.name), Some("ravi".into()));
    let by = level_dbfs(&echo[4 * SECOND..6 * SECOND]) - level_dbfs(&sent[4 * SECOND..6 * SECOND]);
    assert!(by >= 30.0, "{by}");
}

#[test]
fn noise_is_lowered_and_the_voice_stays() {
    let fan = noise(10, 600.0);
    let only = Processing { noise: true, ..Processing::OFF };
    let quiet = vec![0; fan.len()];
    let by = suppression(&fan, &sent(&mut Processor::new(only), &fan, &quiet));
    let spoken = sum(&talking("mina", 10), &fan);
    let heard = sent(&mut Processor::new(only), &spoken, &quiet);
    let (before, after) = (level_dbfs(&spoken[5 * SECOND..]), level_dbfs(&heard[5 * SECOND..]));
    println!("noise lowered by {by:.1} dB; the voice was at {before:.1} and is at {after:.1} dBFS");
    assert!(by >= 12.0, "{by}");
    assert!((before - after).abs() < 3.0, "{before} {after}");
    let voices: Vec<_> = ["mina", "ravi", "tom"].map(|name| (name, voice(name))).into();
    let voices: Vec<(&str, &[i16])> = voices.iter().map(|(name, pcm)| (*name, pcm.as_slice())).collect();
    let found = compare::best_match(&heard[SECOND..], media::RATE, &voices).map(|found| found.name);
    assert_eq!(found, Some("mina".into()));
}

#[test]
fn soft_and_loud_voices_become_alike() {
    let levels = [-18_i32, 0, 6].map(|db| {
        let gain = 10_f32.powf(db as f32 / 20.0);
        let near: Vec<i16> = talking("sam", 20).iter().map(|s| (f32::from(*s) * gain) as i16).collect();
        let only = Processing { gain: true, ..Processing::OFF };
        let sent = sent(&mut Processor::new(only), &near, &vec![0; near.len()]);
        let (before, after) = (level_dbfs(&near[15 * SECOND..]), level_dbfs(&sent[15 * SECOND..]));
        println!("{before:.1} dBFS becomes {after:.1}");
        after
    });
    let most = levels.iter().copied().fold(f32::MIN, f32::max);
    let least = levels.iter().copied().fold(f32::MAX, f32::min);
    assert!(most - least < 9.0, "{levels:?}");
}

#[test]
fn off_changes_no_bit_and_each_can_be_switched_in_mid_call() {
    let near: Vec<i16> = sum(&talking("tom", 4), &noise(4, 800.0));
    let far = tones::sine(700.0, 4000, -10.0);
    let mut processor = Processor::new(Processing::OFF);
    assert!(sent(&mut processor, &near, &far) == near);
    for switches in 1..8 {
        let wanted = Processing { echo: switches & 1 > 0, noise: switches & 2 > 0, gain: switches & 4 > 0 };
        processor.set(wanted);
        assert!(sent(&mut processor, &near, &far) != near, "{wanted:?}");
    }
    processor.set(Processing::OFF);
    assert!(sent(&mut processor, &near, &far) == near);
}
