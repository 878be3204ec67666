//! Calls that come in at this device.

use desk::{PhoneCallId, PhoneCallState, RingKind, Wish};
use protocol::{Party, Reason};
use softphone::{CallEvent, CallKey, Ended, IncomingCall, PhoneEvent, Recalled, Security};

use crate::Rig;
use crate::doubles::Shown;
use crate::exchange::{FakeExchange, party, row};

pub fn incoming(key: u32) -> IncomingCall {
    IncomingCall {
        key: CallKey(key),
        kind: softphone::RingKind::Transfer,
        caller: party("Priya Nair", "+919812345678"),
        transferred_by: Some(party("Ravi Kumar", "ravi")),
        department: Some("Support".into()),
        note: Some("invoice 7".into()),
        call_id: Some("c".into()),
        back: None,
        forwarded: None,
        answers_itself: false,
        security: None,
    }
}

fn ended(key: u32, answered_elsewhere: bool) -> PhoneEvent {
    let ended = Ended { cause: "given up".into(), status: None, answered_elsewhere, talked: None };
    PhoneEvent::Call { call: CallKey(key), event: CallEvent::Ended(ended) }
}

#[tokio::test]
async fn a_transfer_rings_in_the_ring_window_before_anything_else_and_becomes_a_call() {
    let exchange = FakeExchange::start();
    exchange.script(|script| script.live = vec![row("c", 1)]);
    let rig = Rig::online(&exchange).await;
    rig.screen.until("the call", |view| view.live.calls.len() == 1).await;
    rig.phones.report(PhoneEvent::Incoming(incoming(1))).await;
    let view = rig.screen.until("ringing", |view| !view.rings.is_empty()).await;
    let ring = &view.rings[0];
    assert_eq!((ring.kind, ring.headline.as_str()), (RingKind::Transfer, "Internal transfer from Ravi Kumar"));
    assert_eq!((ring.department.as_deref(), ring.note.as_deref()), (Some("Support"), Some("invoice 7")));
    let shown = rig.screen.shown();
    let window = shown.iter().position(|s| matches!(s, Shown::Ring(rings) if rings == &view.rings)).unwrap();
    let patch = shown.iter().position(|s| matches!(s, Shown::Patch(patch) if patch.rings.is_some())).unwrap();
    assert!(window < patch);

    let id = PhoneCallId(1);
    rig.desk.wish(Wish::Answer { id });
    rig.phones.asked("answer 1").await;
    rig.screen.until("answering", |view| view.rings.iter().any(|ring| ring.answering)).await;
    let answered = CallEvent::Answered { codec: softphone::Codec::Opus };
    rig.phones.report(PhoneEvent::Call { call: CallKey(1), event: answered }).await;
    let view = rig.screen.until("talking", |view| !view.phone.calls.is_empty()).await;
    assert!(view.rings.is_empty());
    let call = &view.phone.calls[0];
    assert_eq!((call.state, call.codec.as_deref()), (PhoneCallState::Talking, Some("Opus")));
    assert_eq!(call.call.as_ref().map(protocol::CallId::as_str), Some("c"), "tied to its row");
    assert_eq!(call.transfer_right, Some(protocol::TransferRight::Allowed));
    assert!(
        matches!(rig.screen.shown().iter().rfind(|s| matches!(s, Shown::Ring(_))), Some(Shown::Ring(r)) if r.is_empty())
    );
    rig.end().await;
}

/// From the ring to the end, whatever the far end makes of it.
#[tokio::test]
async fn a_call_says_who_can_listen_in_and_follows_each_change() {
    let exchange = FakeExchange::start();
    let rig = Rig::online(&exchange).await;
    let event = |key, event| PhoneEvent::Call { call: CallKey(key), event };
    let security = |view: &desk::View| view.phone.calls.first().map(|call| call.security);
    let card = IncomingCall { security: Some(Security::Pinned), ..incoming(1) };
    rig.phones.report(PhoneEvent::Incoming(card)).await;
    rig.screen.until("the ring", |view| view.rings.iter().any(|ring| ring.security == Some(Security::Pinned))).await;
    rig.phones.report(event(1, CallEvent::Security(Security::Verified))).await;
    rig.screen.until("verified", |view| view.rings.iter().any(|ring| ring.security == Some(Security::Verified))).await;
    rig.phones.report(event(1, CallEvent::Answered { codec: softphone::Codec::Opus })).await;
    rig.screen.until("the call", |view| security(view) == Some(Some(Security::Verified))).await;
    rig.phones.report(event(1, CallEvent::Security(Security::Clear))).await;
    let view = rig.screen.until("in the clear", |view| security(view) == Some(Some(Security::Clear))).await;
    assert!(
        view.notices.iter().any(|notice| notice.sentence.contains("is not encrypted any more")),
        "{:?}",
        view.notices
    );
    // Nobody knows yet how it is with whoever took the far end's place.
    let with = party("Tom", "300");
    rig.phones.report(event(1, CallEvent::Replaced { by: CallKey(2), with, referred_by: None })).await;
    rig.screen.until("another far end", |view| security(view) == Some(None)).await;
    rig.phones.report(event(2, CallEvent::Security(Security::Verified))).await;
    rig.screen.until("verified again", |view| security(view) == Some(Some(Security::Verified))).await;
    rig.end().await;
}

/// The far end transfers, while it rings here and again in the call.
#[tokio::test]
async fn whoever_is_at_the_other_end_now_is_shown() {
    let exchange = FakeExchange::start();
    let rig = Rig::online(&exchange).await;
    let event = |event| PhoneEvent::Call { call: CallKey(1), event };
    let named = |name: &str| Party { name: name.into(), number: "300".into() };
    rig.phones.report(PhoneEvent::Incoming(incoming(1))).await;
    rig.phones.report(event(CallEvent::Identity { party: named("Zoe") })).await;
    rig.screen.until("Zoe rings", |view| view.rings.iter().any(|ring| ring.caller == named("Zoe"))).await;
    rig.phones.report(event(CallEvent::Answered { codec: softphone::Codec::Opus })).await;
    rig.phones.report(event(CallEvent::Identity { party: named("Tom") })).await;
    rig.screen.until("Tom talks", |view| view.phone.calls.iter().any(|call| call.with == named("Tom"))).await;
    rig.end().await;
}

#[tokio::test]
async fn it_rings_while_the_control_link_is_down() {
    let exchange = FakeExchange::start();
    let rig = Rig::online(&exchange).await;
    exchange.cut();
    rig.screen.until("down", |view| matches!(view.link.control, desk::LinkState::Down { .. })).await;
    rig.phones.report(PhoneEvent::Incoming(incoming(1))).await;
    rig.screen.until("ringing", |view| view.rings.len() == 1).await;
    rig.end().await;
}

#[tokio::test]
async fn answered_elsewhere_clears_it_and_is_no_missed_call() {
    let exchange = FakeExchange::start();
    let rig = Rig::online(&exchange).await;
    rig.phones.report(PhoneEvent::Incoming(incoming(1))).await;
    rig.screen.until("ringing", |view| view.rings.len() == 1).await;
    rig.phones.report(ended(1, true)).await;
    let view = rig.screen.until_notice("Answered on another phone: Priya Nair.").await;
    assert!(view.rings.is_empty());
    assert!(!view.notices.iter().any(|notice| notice.sentence.contains("Missed")));
    rig.end().await;
}

#[tokio::test]
async fn given_up_is_a_missed_call_and_declined_is_not() {
    let exchange = FakeExchange::start();
    let rig = Rig::online(&exchange).await;
    rig.phones.report(PhoneEvent::Incoming(incoming(1))).await;
    rig.phones.report(PhoneEvent::Incoming(incoming(2))).await;
    rig.screen.until("two", |view| view.rings.len() == 2).await;
    rig.desk.wish(Wish::Decline { id: PhoneCallId(1) });
    rig.phones.asked("decline 1").await;
    let view = rig.screen.until_notice("You declined: Internal transfer from Ravi Kumar, Priya Nair.").await;
    assert_eq!(view.rings.len(), 1);
    rig.phones.report(ended(1, false)).await;
    rig.phones.report(ended(2, false)).await;
    let view = rig.screen.until_notice("Missed: Internal transfer from Ravi Kumar, Priya Nair.").await;
    assert!(view.rings.is_empty());
    assert_eq!(view.notices.len(), 2, "{:?}", view.notices);
    rig.end().await;
}

#[tokio::test]
async fn every_kind_says_in_words_what_it_is() {
    let exchange = FakeExchange::start();
    let rig = Rig::online(&exchange).await;
    let back = Recalled {
        from: party("Ravi Kumar", "ravi"),
        because: Some(Reason::NoAnswer),
        after: Some(std::time::Duration::from_secs(20)),
    };
    let calls = [
        IncomingCall { kind: softphone::RingKind::Recall, back: Some(back), ..incoming(1) },
        IncomingCall { kind: softphone::RingKind::Outside, ..incoming(2) },
        IncomingCall { kind: softphone::RingKind::Outside, department: None, transferred_by: None, ..incoming(3) },
        IncomingCall {
            kind: softphone::RingKind::Internal,
            caller: party(" ", ""),
            transferred_by: None,
            ..incoming(4)
        },
        IncomingCall { kind: softphone::RingKind::Outside, department: None, ..incoming(5) },
        IncomingCall {
            kind: softphone::RingKind::Internal,
            transferred_by: None,
            forwarded: Some(Recalled { from: party("Mina Shah", "300"), because: Some(Reason::Busy), after: None }),
            ..incoming(6)
        },
    ];
    for call in calls {
        rig.phones.report(PhoneEvent::Incoming(call)).await;
    }
    let view = rig.screen.until("all", |view| view.rings.len() == 6).await;
    let headlines: Vec<_> = view.rings.iter().map(|ring| ring.headline.as_str()).collect();
    let wanted = [
        "Back from Ravi Kumar: no answer after 20 s",
        "Call for Support",
        "Call from Priya Nair",
        "Call from an unknown caller",
        "Transferred by Ravi Kumar",
        &format!("Forwarded from Mina Shah: {}", Reason::Busy.phrase()),
    ];
    assert_eq!(headlines, wanted);
    rig.end().await;
}

#[tokio::test]
async fn a_ring_never_touches_an_open_transfer_dialog() {
    let exchange = FakeExchange::start();
    exchange.script(|script| script.live = vec![row("c", 1)]);
    let rig = Rig::online(&exchange).await;
    rig.screen.until("the call", |view| view.live.calls.len() == 1).await;
    rig.desk.wish(Wish::OpenTransfer { call: "c".into() });
    let is_ready =
        |view: &desk::View| matches!(&view.dialog, Some(d) if matches!(d.body, desk::DialogBody::Ready { .. }));
    let before = rig.screen.until("ready", is_ready).await.dialog;
    rig.phones.report(PhoneEvent::Incoming(incoming(1))).await;
    rig.screen.until("ringing", |view| view.rings.len() == 1).await;
    rig.desk.wish(Wish::Answer { id: PhoneCallId(1) });
    let answered = CallEvent::Answered { codec: softphone::Codec::Pcmu };
    rig.phones.report(PhoneEvent::Call { call: CallKey(1), event: answered }).await;
    let view = rig.screen.until("talking", |view| view.phone.calls.len() == 1).await;
    assert_eq!(view.dialog, before);
    rig.end().await;
}

#[tokio::test]
async fn stopping_the_desk_stops_the_phone() {
    let exchange = FakeExchange::start();
    let rig = Rig::online(&exchange).await;
    rig.phones.started().await;
    rig.phones.report(PhoneEvent::Incoming(incoming(1))).await;
    rig.screen.until("ringing", |view| view.rings.len() == 1).await;
    rig.desk.clone().stop().await;
    assert_eq!(rig.phones.all_asked(), ["lamps ring", "stop"]);
}
