//! Microphones, speakers and ring tones of a phone in a call, on made-up devices.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;
use std::time::Duration;

use audio::{FakeDevices, Kind};
use media::{Codec, level_dbfs, tones, wav};
use softphone::{Phone, PhoneConfig, PhoneEvent, Processing, Sound, SoundChoice};

mod common;

use common::{Desk, PATIENCE, connect};

const PLAIN: SoundChoice =
    SoundChoice { microphone: None, speaker: None, ringer: None, ring_both: false, processing: Processing::OFF };

async fn with_devices(choice: SoundChoice, set_up: impl FnOnce(&FakeDevices)) -> (Desk, FakeDevices) {
    let (sound, fake) = audio::Sound::fake();
    set_up(&fake);
    let mut config = PhoneConfig::new("127.0.0.1:0".parse().unwrap());
    config.sound = Sound::Devices(choice);
    config.codecs = vec![Codec::Pcmu];
    let (phone, events) = Phone::start_on(config, sound).await.unwrap();
    (Desk { phone, events }, fake)
}

/// Looks until it is so: what happens in the threads of sound is not told.
async fn until(what: &str, mut so: impl FnMut() -> bool) {
    let looking = async {
        while !so() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, looking).await.expect(what);
}

/// Waits until what this speaker plays has for 200 ms a level that is `right`.
async fn plays(fake: &FakeDevices, speaker: &str, what: &str, right: impl Fn(f32) -> bool) {
    let _before = fake.take_heard_on(speaker);
    let mut heard = Vec::new();
    until(what, || {
        heard.extend(fake.take_heard_on(speaker));
        heard.len() >= 9600 && right(level_dbfs(&heard[heard.len() - 9600..]))
    })
    .await;
}

async fn trouble(desk: &mut Desk, what: &str) -> Option<String> {
    desk.until(what, |event| match event {
        PhoneEvent::SoundTrouble(trouble) => Some(trouble),
        _ => None,
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn devices_ring_listen_and_play() {
    let (mut b, fake) = with_devices(SoundChoice::default(), |_| {}).await;
    let mut a = Desk::speaking().await;
    let out = a.phone.call(&b.uri());
    let call = b.rung().await.key;
    until("it does not ring", || fake.ringing().is_some()).await;
    assert_eq!(fake.ringing(), Some(tones::ring(tones::Ring::Outside)));
    fake.speak(&tones::sine(500.0, 20_000, -12.0));
    b.phone.answer(call);
    b.hears(call).await;
    a.hears(out).await;
    plays(&fake, "fake:speaker", "nothing came out of the speaker", |level| level > -40.0).await;
    assert_eq!(fake.ringing(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_rings_as_chosen_and_only_knocks_while_the_person_talks_elsewhere() {
    let (mut b, fake) = with_devices(SoundChoice::default(), |_| {}).await;
    b.phone.ring_tone(softphone::RingTone::Chime);
    let a = Desk::silent().await;
    a.phone.call(&b.uri());
    b.rung().await;
    let chime = tones::ring(tones::Ring::Chime);
    let rings = |loudly: bool| fake.ringing().is_some_and(|pcm| (pcm == chime) == loudly);
    until("it does not ring", || rings(true)).await;
    b.phone.talking_elsewhere(true);
    until("it goes on ringing loudly", || rings(false)).await;
    b.phone.talking_elsewhere(false);
    until("it does not ring again", || rings(true)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_rings_on_both_and_on_what_is_left() {
    let choice = SoundChoice { ringer: Some("loud".into()), speaker: Some("headset".into()), ring_both: true, ..PLAIN };
    let (mut b, fake) = with_devices(choice, |fake| {
        fake.plug_in(Kind::Speaker, "loud");
        fake.plug_in(Kind::Speaker, "headset");
    })
    .await;
    let a = Desk::silent().await;
    let out = a.phone.call(&b.uri());
    b.rung().await;
    until("it does not ring on both", || fake.ringing_on() == ["headset", "loud"]).await;
    fake.pull_out(Kind::Speaker, "headset");
    until("it does not go on ringing", || fake.ringing_on() == ["loud"]).await;
    fake.pull_out(Kind::Speaker, "loud");
    until("it does not ring on the default", || fake.ringing_on() == ["fake:speaker"]).await;
    a.phone.hang_up(out);
    until("it rings on", || fake.ringing_on().is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pulled_out_in_mid_call_the_default_plays_until_the_chosen_one_is_back() {
    let choice = SoundChoice { microphone: Some("headset".into()), speaker: Some("headset".into()), ..PLAIN };
    let both = [Kind::Microphone, Kind::Speaker];
    let (mut b, fake) = with_devices(choice, |fake| both.iter().for_each(|kind| fake.plug_in(*kind, "headset"))).await;
    let mut a = Desk::speaking().await;
    connect(&mut a, &mut b).await;
    let loud = |level| level > -40.0;
    plays(&fake, "headset", "the headset is silent", loud).await;
    both.iter().for_each(|kind| fake.pull_out(*kind, "headset"));
    let sentence = trouble(&mut b, "sentence about the headset").await.unwrap();
    assert_eq!(
        sentence,
        "The microphone \"headset\" is not connected. Connect it, or choose another in the settings. \
         \"Made-up microphone\" is used meanwhile."
    );
    plays(&fake, "fake:speaker", "the default is silent", loud).await;
    both.iter().for_each(|kind| fake.plug_in(*kind, "headset"));
    assert_eq!(trouble(&mut b, "end of the trouble").await, None);
    plays(&fake, "headset", "the headset was not taken up again", loud).await;
    let _before = fake.take_heard_on("fake:speaker");
    plays(&fake, "headset", "the headset is silent again", loud).await;
    assert!(fake.take_heard_on("fake:speaker").is_empty());

    // All gone, and something else comes.
    fake.unplug(true);
    trouble(&mut b, "sentence about no device").await.unwrap();
    fake.unplug(false);
    plays(&fake, "headset", "no sound after all were gone", loud).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bluetooth_headset_that_changes_its_profile_is_the_chosen_one() {
    let id = |profile| format!("fake:bluez_sink.00_1B_66_A1_B2_C3.{profile}");
    let (music, speech) = (id("a2dp_sink"), id("handsfree_head_unit"));
    let choice = SoundChoice { speaker: Some(music.clone()), ..PLAIN };
    let (mut b, fake) = with_devices(choice, |fake| fake.plug_in(Kind::Speaker, &music)).await;
    let mut a = Desk::speaking().await;
    connect(&mut a, &mut b).await;
    plays(&fake, &music, "the headset is silent", |level| level > -40.0).await;
    fake.pull_out(Kind::Speaker, &music);
    fake.plug_in(Kind::Speaker, &speech);
    plays(&fake, &speech, "the headset is silent in its other profile", |level| level > -40.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_far_end_hears_no_echo_of_itself_unless_that_is_switched_off() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/voices/priya.wav");
    let voice = wav::parse(&std::fs::read(file).unwrap()).unwrap();
    let (mut a, near) = with_devices(PLAIN, |fake| fake.speak(&voice.repeat(20))).await;
    let (mut b, _room) = with_devices(PLAIN, |fake| fake.echo(80, -6.0)).await;
    connect(&mut a, &mut b).await;
    plays(&near, "fake:speaker", "there is no echo to be taken out", |level| level > -35.0).await;
    let echo = Processing { echo: true, ..Processing::OFF };
    b.phone.choose_sound(SoundChoice { processing: echo, ..PLAIN });
    // The voice pauses for less than a second.
    let mut heard = Vec::new();
    until("the echo stays", || {
        heard.extend(near.take_heard());
        heard.len() >= 72_000 && level_dbfs(&heard[heard.len() - 72_000..]) < -60.0
    })
    .await;
    b.phone.choose_sound(PLAIN);
    plays(&near, "fake:speaker", "the echo is taken out though nobody wants it", |level| level > -35.0).await;
}
