//! The made-up devices, which other rooms' tests rely on.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use audio::{Kind, Sound, SoundError};
use media::tones;

#[test]
fn what_is_spoken_and_played_arrives() {
    let (sound, devices) = Sound::fake();
    let mut microphone = sound.microphone(None).unwrap();
    let mut speaker = sound.speaker(Some(&sound.devices().speakers[0].id)).unwrap();
    devices.speak(&[1, 2, 3]);
    let mut out = [9; 4];
    assert_eq!(microphone.pull(&mut out), 4);
    assert_eq!(out, [1, 2, 3, 0]);
    speaker.push(&out);
    assert_eq!(devices.take_heard(), [1, 2, 3, 0]);
    assert!(devices.take_heard().is_empty());
}

#[test]
fn ringing_starts_changes_and_stops() {
    let (sound, devices) = Sound::fake();
    let mut ringer = sound.ringer(None);
    assert_eq!(devices.ringing(), None);
    let tone = tones::ring(tones::Ring::Transfer);
    ringer.start(&tone).unwrap();
    assert_eq!(devices.ringing(), Some(tone));
    ringer.stop();
    ringer.stop();
    assert_eq!(devices.ringing(), None);
    ringer.start(&[1]).unwrap();
    drop(ringer);
    assert_eq!(devices.ringing(), None);
}

#[test]
fn a_missing_device_is_named_in_a_sentence() {
    let (sound, devices) = Sound::fake();
    let error = sound.speaker(Some("headset")).map(drop).unwrap_err();
    assert_eq!(
        error.to_string(),
        "The speaker \"headset\" is not connected. Connect it, or choose another in the settings."
    );
    let speaker = sound.speaker(None).unwrap();
    assert_eq!(speaker.trouble(), None);
    devices.unplug(true);
    assert_eq!(speaker.trouble(), Some(SoundError::Gone(Kind::Speaker)));
    assert_eq!(sound.microphone(None).map(drop), Err(SoundError::None(Kind::Microphone)));
    assert!(sound.devices().speakers.is_empty());
}
