//! A headset's buttons and lamps.

use headset::{Button, Event};
use softphone::{CallEvent, CallKey, Codec, Ended, HeldBy, PhoneEvent};

use crate::Rig;
use crate::exchange::FakeExchange;
use crate::ringing::incoming;

async fn report(rig: &Rig, event: CallEvent) {
    rig.phones.report(PhoneEvent::Call { call: CallKey(1), event }).await;
}

async fn press(rig: &Rig, button: Button) {
    rig.phones.headset(Event::Button(button)).await;
}

#[tokio::test]
async fn a_ringing_call_is_answered_muted_held_and_hung_up_from_the_headset() {
    let exchange = FakeExchange::start();
    let rig = Rig::online(&exchange).await;
    rig.phones.headset(Event::Found { name: "Ear 20".into() }).await;
    rig.screen.until("the headset", |view| view.sound.headset.as_ref().is_some_and(|h| h.name == "Ear 20")).await;
    // Nothing rings: nothing happens.
    press(&rig, Button::OffHook).await;
    press(&rig, Button::OnHook).await;
    rig.phones.report(PhoneEvent::Incoming(incoming(1))).await;
    rig.phones.asked("lamps ring").await;
    press(&rig, Button::OffHook).await;
    rig.phones.asked("answer 1").await;
    report(&rig, CallEvent::Answered { codec: Codec::Opus }).await;
    rig.phones.asked("lamps off hook").await;
    // The headset repeats what its lamp was told.
    press(&rig, Button::OffHook).await;

    press(&rig, Button::Mute).await;
    rig.phones.asked("mute 1 true").await;
    report(&rig, CallEvent::Muted { muted: true }).await;
    rig.phones.asked("lamps off hook, mute").await;
    press(&rig, Button::Mute).await;
    rig.phones.asked("mute 1 false").await;
    report(&rig, CallEvent::Muted { muted: false }).await;
    press(&rig, Button::Flash).await;
    rig.phones.asked("hold 1 true").await;
    report(&rig, CallEvent::Held { by: HeldBy::Us }).await;
    rig.phones.asked("lamps hold").await;
    press(&rig, Button::OffHook).await;
    rig.phones.asked("hold 1 false").await;
    report(&rig, CallEvent::Resumed { by: HeldBy::Us }).await;
    rig.screen.until("resumed", |view| view.phone.calls.iter().any(|call| !call.held)).await;
    press(&rig, Button::OnHook).await;
    rig.phones.asked("hang up 1").await;
    let ended = Ended { cause: "hung up".into(), status: None, answered_elsewhere: false, talked: None };
    report(&rig, CallEvent::Ended(ended)).await;
    rig.phones.asked("lamps ").await;
    let asked = rig.phones.all_asked();
    assert_eq!(asked.iter().filter(|asked| asked.starts_with("answer") || asked.starts_with("hang up")).count(), 2);
    rig.end().await;
}

#[tokio::test]
async fn drop_declines_and_a_headset_that_may_not_be_opened_is_said() {
    let exchange = FakeExchange::start();
    let rig = Rig::online(&exchange).await;
    let sentence = "The buttons of Ear 20 can't be used: this program may not open /dev/hidraw3.".to_owned();
    rig.phones.headset(Event::Refused { name: "Ear 20".into(), sentence: sentence.clone() }).await;
    let refused =
        |view: &desk::View| view.sound.headset.as_ref().is_some_and(|h| h.trouble.as_ref() == Some(&sentence));
    rig.screen.until("the sentence", refused).await;
    rig.phones.headset(Event::Gone).await;
    rig.screen.until("no headset", |view| view.sound.headset.is_none()).await;
    rig.phones.report(PhoneEvent::Incoming(incoming(1))).await;
    rig.phones.asked("lamps ring").await;
    press(&rig, Button::Drop).await;
    rig.phones.asked("decline 1").await;
    rig.end().await;
}
