#![allow(clippy::unwrap_used)]

use audio::{FakeDevices, Kind};
use media::{Processing, tones};

use super::*;

const PLAIN: SoundChoice =
    SoundChoice { microphone: None, speaker: None, ringer: None, ring_both: false, processing: Processing::OFF };

/// The whole test on made-up devices, in virtual time: all events but the levels, and the loudest levels.
async fn tried(set_up: impl FnOnce(&FakeDevices)) -> (Vec<SoundTestEvent>, (f32, f32), FakeDevices) {
    let (sound, fake) = Sound::fake();
    set_up(&fake);
    let (events, mut stream) = mpsc::unbounded_channel();
    run(&sound, &PLAIN, &events).await;
    drop(events);
    let (mut told, mut loudest) = (Vec::new(), (f32::MIN, f32::MIN));
    while let Some(event) = stream.recv().await {
        match event {
            SoundTestEvent::Level { microphone, speaker } => {
                loudest = (loudest.0.max(microphone), loudest.1.max(speaker));
            }
            event => told.push(event),
        }
    }
    (told, loudest, fake)
}

/// Speech that begins when the test listens.
fn sentence() -> Vec<i16> {
    let mut pcm = vec![0; 40 * media::FRAME];
    for _ in 0..4 {
        pcm.extend(tones::sine(300.0, 500, -20.0));
        pcm.extend([0; 24_000]);
    }
    pcm
}

#[tokio::test(start_paused = true)]
async fn it_beeps_listens_and_plays_what_it_heard() {
    let (told, loudest, fake) = tried(|fake| fake.speak(&sentence())).await;
    let done = SoundTestEvent::Done { microphone: Ok(MicrophoneVerdict::Well), speaker: Ok(SpeakerVerdict::Plays) };
    assert_eq!(told, [SoundTestEvent::Beep, SoundTestEvent::Listening, SoundTestEvent::Playing, done]);
    assert!(loudest.0 > -25.0 && loudest.1 > -25.0, "{loudest:?}");
    let heard = fake.take_heard();
    let second = media::RATE as usize;
    assert!(heard[..19_200] == tones::beep());
    // 0.8 s of beep and 4 s of silence later: the sentence.
    let played = &heard[second * 48 / 10..];
    assert!(played == &sentence()[40 * media::FRAME..]);
    assert!(heard[20_000..second * 48 / 10].iter().all(|sample| *sample == 0));
}

#[tokio::test(start_paused = true)]
async fn a_loudspeaker_is_heard_and_a_muted_microphone_is_noticed() {
    let (told, ..) = tried(|fake| fake.echo(100, -20.0)).await;
    let done = SoundTestEvent::Done { microphone: Ok(MicrophoneVerdict::Silent), speaker: Ok(SpeakerVerdict::Heard) };
    assert_eq!(told.last(), Some(&done));
}

#[tokio::test(start_paused = true)]
async fn what_is_missing_or_stuck_is_said_and_the_other_is_tested() {
    let (told, ..) = tried(|fake| fake.pull_out(Kind::Speaker, "fake:speaker")).await;
    let missing = "There is no speaker. Connect one, or choose another in the settings.".to_owned();
    let done = SoundTestEvent::Done { microphone: Ok(MicrophoneVerdict::Silent), speaker: Err(missing) };
    assert_eq!(told.last(), Some(&done));

    let (told, ..) = tried(|fake| {
        fake.jam();
        fake.speak(&sentence());
    })
    .await;
    let done = SoundTestEvent::Done { microphone: Ok(MicrophoneVerdict::Well), speaker: Ok(SpeakerVerdict::NoSound) };
    assert_eq!(told.last(), Some(&done));

    let (told, ..) = tried(|fake| fake.unplug(true)).await;
    assert!(matches!(&told[..], [SoundTestEvent::Done { microphone: Err(_), speaker: Err(_) }]), "{told:?}");
}

#[test]
fn dropping_the_test_ends_it() {
    let (sound, _fake) = Sound::fake();
    let (test, mut events) = SoundTest::start_on(sound, PLAIN).unwrap();
    assert_eq!(events.blocking_recv(), Some(SoundTestEvent::Beep));
    drop(test);
    while let Some(event) = events.blocking_recv() {
        assert!(!matches!(event, SoundTestEvent::Done { .. }));
    }
}
