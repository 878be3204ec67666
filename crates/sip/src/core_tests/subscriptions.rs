//! Subscriptions (RFC 6665) with a notifier that the tests play.

use super::*;
use crate::{DialogState, MessageCount, MessageSummary, Package, Subscription, SubscriptionEvent};

fn line(world: &World, package: Package) -> Subscription {
    Subscription {
        to: Uri::at("200", world.nodes[1].address, Transport::Udp),
        from: NameAddr::new(None, Uri::at("alice", world.nodes[0].address, Transport::Udp)),
        package,
        through: None,
        credentials: Some(crate::Credentials { user: "alice".into(), password: "s3cret".into() }),
        expires: 600,
    }
}

fn subscribed(package: Package) -> (World, SubscriptionKey) {
    let mut world = World::perfect(2);
    world.play_1();
    let key = world.endpoint(0).subscribe(line(&world, package));
    (world, key)
}

/// A NOTIFY in the dialog of a SUBSCRIBE.
fn notify(subscribe: &str, number: u32, state: &str, body: &str) -> String {
    format!(
        "NOTIFY sip:alice@10.0.0.1:5060 SIP/2.0\nVia: SIP/2.0/UDP 10.0.0.2:5060;branch=z9hG4bK{number}{}\n\
         Max-Forwards: 70\nFrom: <sip:200@10.0.0.2>;tag=theirs\nTo: {}\nCall-ID: {}\nCSeq: {number} NOTIFY\n\
         Contact: <sip:200@10.0.0.2:5060>\nEvent: {}\nSubscription-State: {state}\n\n{body}",
        body.len(),
        header(subscribe, "From"),
        header(subscribe, "Call-ID"),
        header(subscribe, "Event"),
    )
}

fn info(version: u32, state: &str) -> String {
    format!(
        "<dialog-info xmlns=\"urn:ietf:params:xml:ns:dialog-info\" version=\"{version}\" state=\"full\" entity=\"sip:200\">\
         <dialog id=\"1\"><state>{state}</state></dialog></dialog-info>"
    )
}

fn told(world: &mut World) -> SubscriptionEvent {
    match world.event(0) {
        Event::Subscription { event, .. } => event,
        other => panic!("{other:?}"),
    }
}

fn states(event: SubscriptionEvent) -> Vec<DialogState> {
    match event {
        SubscriptionEvent::Dialogs(dialogs) => dialogs.into_iter().map(|d| d.state).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_line_is_watched_refreshed_and_let_go() {
    let (mut world, key) = subscribed(Package::Dialog);
    let first = world.last();
    assert!(first.starts_with("SUBSCRIBE sip:200@10.0.0.2:5060 "), "{first}");
    assert_eq!((header(&first, "Event"), header(&first, "Expires")), ("dialog", "600"));
    world.says(&answer(
        &first,
        "401 Unauthorized",
        "WWW-Authenticate: Digest realm=\"x\", nonce=\"n\", qop=\"auth\"\n",
    ));
    let first = world.last();
    assert!(header(&first, "Authorization").contains("username=\"alice\"") && header(&first, "CSeq").starts_with('2'));
    world.says(&answer(&first, "200 OK", "Expires: 120\nContact: <sip:200@10.0.0.2:5060>\n"));
    world.says(&notify(&first, 1, "active;expires=120", &info(0, "early")));
    assert!(world.last().starts_with("SIP/2.0 200 "));
    assert_eq!(states(told(&mut world)), [DialogState::Early]);
    world.says(&notify(&first, 2, "active;expires=119", &info(1, "confirmed")));
    assert_eq!(states(told(&mut world)), [DialogState::Confirmed]);
    world.pass(Duration::from_secs(61));
    let refresh = world.last();
    assert!(refresh.starts_with("SUBSCRIBE ") && header(&refresh, "To").ends_with(";tag=theirs"), "{refresh}");
    assert_eq!(header(&refresh, "Call-ID"), header(&first, "Call-ID"));
    world.says(&answer(&refresh, "200 OK", "Expires: 120\n"));
    world.endpoint(0).unsubscribe(key);
    let last = world.last();
    assert_eq!(header(&last, "Expires"), "0");
    world.says(&answer(&last, "200 OK", "Expires: 0\n"));
    world.says(&notify(&first, 3, "terminated;reason=timeout", &info(2, "terminated")));
    assert!(world.last().starts_with("SIP/2.0 200 "), "{}", world.last());
    assert!(world.nodes[0].core.subscriptions.is_empty());
    assert!(world.nodes[0].events.try_recv().is_err(), "whoever has unsubscribed is told no more");
    world.all_over_at(0);
}

#[test]
fn a_notify_may_come_before_the_answer_and_must_belong_to_us() {
    let (mut world, _) = subscribed(Package::Dialog);
    let first = world.last();
    world.says(&notify(&first, 1, "active;expires=600", &info(0, "early")));
    assert_eq!(states(told(&mut world)), [DialogState::Early]);
    world.says(&answer(&first, "202 Accepted", "Expires: 600\n"));
    for (forged, status) in [
        (notify(&first, 2, "active", &info(1, "confirmed")).replace("tag=theirs", "tag=other"), "481"),
        (notify(&first, 3, "active", &info(1, "confirmed")).replace("Call-ID: ", "Call-ID: x"), "481"),
        (notify(&first, 1, "active", &info(11, "confirmed")), "500"),
        (notify(&first, 5, "active", &info(1, "confirmed")).replace("Event: dialog", "Event: presence"), "489"),
    ] {
        world.says(&forged);
        assert!(world.last().starts_with(&format!("SIP/2.0 {status} ")), "{}", world.last());
        assert!(world.nodes[0].events.try_recv().is_err());
    }
}

/// 0 has its subscription, made by this SUBSCRIBE, and the first document.
fn watching() -> (World, String) {
    let (mut world, _) = subscribed(Package::Dialog);
    let first = world.last();
    world.says(&answer(&first, "200 OK", "Expires: 600\n"));
    world.says(&notify(&first, 1, "active", &info(0, "early")));
    told(&mut world);
    (world, first)
}

#[test]
fn a_lost_document_is_asked_for_again() {
    let (mut world, first) = watching();
    world.says(&notify(&first, 2, "active", &info(2, "confirmed").replace("full", "partial")));
    let refresh = world.last();
    assert!(refresh.starts_with("SUBSCRIBE ") && header(&refresh, "Call-ID") == header(&first, "Call-ID"), "{refresh}");
}

#[test]
fn who_has_slept_asks_anew_and_begins_afresh_if_the_notifier_has_forgotten() {
    let (mut world, first) = watching();
    world.endpoint(0).network_changed();
    assert!(matches!(world.event(0), Event::NetworkChanged));
    assert_eq!(world.times(0, "SUBSCRIBE").len(), 1, "another network is no reason");
    world.endpoint(0).woken();
    let refresh = world.last();
    assert!(refresh.starts_with("SUBSCRIBE ") && header(&refresh, "Call-ID") == header(&first, "Call-ID"), "{refresh}");
    world.says(&answer(&refresh, "481 Subscription does not exist", ""));
    let again = world.last();
    assert!(again.starts_with("SUBSCRIBE ") && header(&again, "Call-ID") != header(&first, "Call-ID"), "{again}");
}

#[test]
fn what_a_system_does_not_offer_is_not_asked_for_again() {
    for status in ["489 Bad Event", "405 Method Not Allowed", "404 Not Found", "403 Forbidden"] {
        let (mut world, _) = subscribed(Package::Dialog);
        let first = world.last();
        world.says(&answer(&first, status, ""));
        let number = status[..3].parse().unwrap();
        assert_eq!(told(&mut world), SubscriptionEvent::Failed { status: number, retry_in_seconds: None });
        world.pass(Duration::from_secs(3600));
        assert_eq!(world.times(0, "SUBSCRIBE"), [0]);
        world.all_over_at(0);
    }
}

#[test]
fn a_notifier_that_is_gone_or_silent_is_tried_again_ever_more_rarely() {
    let (mut world, _) = subscribed(Package::Dialog);
    let first = world.last();
    // It accepts and says nothing (timer N).
    world.says(&answer(&first, "200 OK", "Expires: 600\n"));
    let SubscriptionEvent::Failed { status: 408, retry_in_seconds: Some(1) } = told(&mut world) else { panic!() };
    assert_eq!(world.seconds(), 32);
    // Now it does not even answer.
    for _ in 0..8 {
        let SubscriptionEvent::Failed { status: 408, retry_in_seconds: Some(_) } = told(&mut world) else { panic!() };
    }
    let before = world.now;
    told(&mut world);
    assert!(world.now - before > Duration::from_secs(128), "half of 256 s at least");
    let calls: std::collections::BTreeSet<_> =
        world.sent.iter().filter(|p| p.from == 0).map(|p| header(&p.text, "Call-ID").to_owned()).collect();
    assert_eq!(calls.len(), 10, "each time a dialog of its own");
    // It is back: what it asks for is done.
    let before = world.times(0, "SUBSCRIBE").len();
    while world.times(0, "SUBSCRIBE").len() == before {
        assert!(world.step());
    }
    let again = world.last();
    world.says(&answer(&again, "503 Service Unavailable", "Retry-After: 900 (busy)\n"));
    let SubscriptionEvent::Failed { status: 503, retry_in_seconds: Some(900) } = told(&mut world) else { panic!() };
}

#[test]
fn a_dialog_that_the_notifier_has_forgotten_is_made_anew_at_once() {
    let (mut world, key) = subscribed(Package::Dialog);
    let first = world.last();
    world.says(&answer(&first, "200 OK", "Expires: 600\n"));
    world.says(&notify(&first, 1, "active", &info(7, "early")));
    told(&mut world);
    world.endpoint(0).refresh_subscription(key);
    let refresh = world.last();
    world.says(&answer(&refresh, "481 Subscription Does Not Exist", ""));
    let anew = world.last();
    assert!(header(&anew, "Call-ID") != header(&first, "Call-ID") && !header(&anew, "To").contains("tag"), "{anew}");
    world.says(&answer(&anew, "200 OK", "Expires: 600\n"));
    world.says(&notify(&anew, 1, "active", &info(0, "confirmed")));
    assert_eq!(states(told(&mut world)), [DialogState::Confirmed], "its numbers begin anew too");
}

#[test]
fn the_notifier_ends_it_as_it_likes() {
    for (state, failed, pause) in [
        ("terminated;reason=rejected", Some((403, None)), None),
        ("terminated;reason=noresource", Some((404, None)), None),
        ("terminated;reason=probation;retry-after=60", Some((480, Some(60))), Some(60)),
        ("terminated;reason=deactivated", None, Some(1)),
        ("terminated", None, Some(1)),
    ] {
        let (mut world, _) = subscribed(Package::Dialog);
        let first = world.last();
        world.says(&answer(&first, "200 OK", "Expires: 600\n"));
        world.says(&notify(&first, 1, state, ""));
        if let Some((status, retry_in_seconds)) = failed {
            assert_eq!(told(&mut world), SubscriptionEvent::Failed { status, retry_in_seconds }, "{state}");
        }
        let before = world.times(0, "SUBSCRIBE").len();
        world.pass(Duration::from_secs(pause.unwrap_or(7200)));
        assert_eq!(world.times(0, "SUBSCRIBE").len() - before > 0, pause.is_some(), "{state}");
    }
}

#[test]
fn too_short_a_time_is_asked_for_as_the_notifier_wants() {
    let (mut world, _) = subscribed(Package::MessageSummary);
    let first = world.last();
    world.says(&answer(&first, "423 Interval Too Brief", "Min-Expires: 1800\n"));
    assert_eq!(header(&world.last(), "Expires"), "1800");
}

#[test]
fn waiting_messages_are_told_asked_or_unasked_but_by_our_registrar_only() {
    let body = "Messages-Waiting: yes\nVoice-Message: 2/8 (1/0)\n";
    let voice = Some(MessageCount { new: 2, old: 8, new_urgent: 1, old_urgent: 0 });
    let summary = MessageSummary { waiting: true, voice };
    let (mut world, _) = subscribed(Package::MessageSummary);
    let first = world.last();
    world.says(&answer(&first, "200 OK", "Expires: 600\n"));
    world.says(&notify(&first, 1, "active", body));
    assert_eq!(told(&mut world), SubscriptionEvent::Messages(summary));

    let mut world = World::perfect(2);
    world.play_1();
    let unasked = |number| {
        let subscribe = "From: <sip:alice@10.0.0.1>\nCall-ID: unasked\nEvent: message-summary\n";
        notify(subscribe, number, "terminated", body)
    };
    world.says(&unasked(1));
    assert!(world.last().starts_with("SIP/2.0 481 "), "a stranger's");
    let _ = world.endpoint(0).register(crate::Registration {
        registrar: Uri::at("", world.nodes[1].address, Transport::Udp),
        aor: NameAddr::new(None, Uri::at("alice", world.nodes[1].address, Transport::Udp)),
        credentials: None,
        expires: 300,
        outbound_proxy: None,
        instance: None,
        insists: false,
    });
    let register = world.last();
    assert!(register.starts_with("REGISTER "));
    world.says(&answer(&register, "200 OK", ""));
    world.says(&unasked(2));
    assert!(world.last().starts_with("SIP/2.0 200 "), "{}", world.last());
    loop {
        match world.event(0) {
            Event::Messages { user, summary: told } => {
                assert_eq!((user.as_str(), told), ("alice", summary));
                break;
            }
            Event::Registration { .. } => {}
            other => panic!("{other:?}"),
        }
    }
}
