//! What is chosen for sound, and the test "hear yourself".

use desk::{Levels, SoundSettings, SoundTestStage, Tone, Wish};
use softphone::{
    CallEvent, CallKey, Codec, MicrophoneVerdict, PhoneEvent, SoundDevice, SoundDevices, SoundTestEvent, SpeakerVerdict,
};

use crate::Rig;
use crate::exchange::FakeExchange;

fn headset(profile: &str) -> SoundDevices {
    let id = format!("pulseaudio:bluez_sink.00_1B_66_A1_B2_C3.{profile}");
    SoundDevices { microphones: Vec::new(), speakers: vec![SoundDevice { id, name: "Headset".into() }] }
}

#[tokio::test]
async fn what_is_chosen_is_kept_with_its_name_and_found_again_under_another_id() {
    let exchange = FakeExchange::start();
    let rig = Rig::online(&exchange).await;
    rig.phones.plug(headset("a2dp_sink"));
    let id = Some(headset("a2dp_sink").speakers[0].id.clone());
    let choice = SoundSettings { speaker: id.clone(), reduce_noise: false, ..SoundSettings::default() };
    rig.desk.wish(Wish::ChooseSound { choice: choice.clone() });
    rig.phones.asked(&format!("sound {id:?} Processing {{ echo: true, noise: false, gain: true }}")).await;
    rig.screen.until("the name", |view| view.sound.remembered.iter().any(|device| device.name == "Headset")).await;

    let rig = rig.again().await;
    rig.phones.plug(SoundDevices::default());
    let view = rig.screen.until("the choice of before", |view| view.sound.choice == choice).await;
    assert_eq!(view.sound.remembered[0].name, "Headset");
    rig.phones.plug(headset("handsfree_head_unit"));
    rig.up().await;
    rig.phones.report(PhoneEvent::SoundTrouble(None)).await;
    let other = headset("handsfree_head_unit").speakers[0].id.clone();
    rig.screen.until("the other profile", |view| view.sound.choice.speaker.as_ref() == Some(&other)).await;
    rig.end().await;
}

#[tokio::test]
async fn a_sound_test_goes_through_its_stages_and_says_what_is_wrong() {
    let exchange = FakeExchange::start();
    let rig = Rig::online(&exchange).await;
    let levels = rig.desk.levels();
    let stage = |wanted| move |view: &desk::View| view.sound.test.as_ref().is_some_and(|test| test.stage == wanted);
    rig.desk.wish(Wish::TestSound);
    rig.phones.asked("test None").await;
    rig.screen.until("opening", stage(SoundTestStage::Opening)).await;
    rig.phones.test(SoundTestEvent::Beep).await;
    rig.screen.until("beep", stage(SoundTestStage::Beep)).await;
    rig.phones.test(SoundTestEvent::Level { microphone: -30.4, speaker: -12.6 }).await;
    rig.phones.test(SoundTestEvent::Listening).await;
    rig.screen.until("listening", stage(SoundTestStage::Listening)).await;
    assert_eq!(*levels.borrow(), Levels { microphone: -30, speaker: -13 });
    rig.phones.test(SoundTestEvent::Playing).await;
    let verdicts = (Ok(MicrophoneVerdict::TooQuiet), Ok(SpeakerVerdict::Heard));
    rig.phones.test(SoundTestEvent::Done { microphone: verdicts.0, speaker: verdicts.1 }).await;
    let view = rig.screen.until("verdicts", stage(SoundTestStage::Done)).await;
    let verdicts = view.sound.test.unwrap().verdicts;
    assert_eq!((verdicts[0].tone, verdicts[1].tone), (Tone::Bad, Tone::Good));
    assert!(verdicts[0].sentence.starts_with("The microphone is too quiet."));
    rig.desk.wish(Wish::EndSoundTest);
    rig.screen.until("closed", |view| view.sound.test.is_none()).await;
    rig.end().await;
}

#[tokio::test]
async fn a_call_ends_the_test_and_during_a_call_there_is_none() {
    let exchange = FakeExchange::start();
    let rig = Rig::online(&exchange).await;
    rig.desk.wish(Wish::TestSound);
    rig.screen.until("a test", |view| view.sound.test.is_some()).await;
    rig.desk.wish(Wish::Dial { number: "200".into() });
    rig.phones.asked("call 200").await;
    rig.screen.until("no test", |view| view.sound.test.is_none()).await;
    let call = CallKey(101);
    rig.phones.report(PhoneEvent::Call { call, event: CallEvent::Answered { codec: Codec::Opus } }).await;
    rig.desk.wish(Wish::TestSound);
    let refused =
        |view: &desk::View| view.notices.iter().any(|notice| notice.sentence.starts_with("End the call first"));
    let view = rig.screen.until("a refusal", refused).await;
    assert!(view.sound.test.is_none());
    // What a test of before still says is not of this one.
    rig.phones.test(SoundTestEvent::Playing).await;
    rig.phones.report(PhoneEvent::Call { call, event: CallEvent::Level { microphone: -20.0, speaker: -40.0 } }).await;
    let mut levels = rig.desk.levels();
    levels.wait_for(|levels| *levels == Levels { microphone: -20, speaker: -40 }).await.unwrap();
    assert!(rig.desk.view().sound.test.is_none());
    rig.end().await;
}
