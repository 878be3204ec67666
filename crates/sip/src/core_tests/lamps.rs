//! Subscriptions that others keep with us.

use super::*;
use crate::{
    DialogState, MessageCount, MessageSummary, Notice, Package, Subscription, SubscriptionEvent, WatchedDialog,
    WatcherKey,
};

/// 0 wants to be told by 1, which has said nothing yet.
fn asked(package: Package) -> (World, SubscriptionKey, WatcherKey) {
    let mut world = World::perfect(2);
    world.nodes[1].core.watchers = super::watchers::Watchers::new(true);
    let key = world.endpoint(0).subscribe(Subscription {
        to: Uri::at("200", world.nodes[1].address, Transport::Udp),
        from: NameAddr::new(None, Uri::at("alice", world.nodes[0].address, Transport::Udp)),
        package,
        through: None,
        credentials: None,
        expires: 600,
    });
    match world.event(1) {
        Event::Watch(watch) => {
            assert_eq!((watch.user.as_str(), watch.package), ("200", package));
            (world, key, watch.watcher)
        }
        other => panic!("{other:?}"),
    }
}

fn told(world: &mut World) -> SubscriptionEvent {
    match world.event(0) {
        Event::Subscription { event, .. } => event,
        other => panic!("{other:?}"),
    }
}

fn dialog(state: DialogState) -> WatchedDialog {
    let remote = NameAddr::new(Some("\"A & <B>\""), "sip:1@x".parse().unwrap());
    WatchedDialog { state, called: Some(false), remote: Some(remote) }
}

#[test]
fn a_lamp_shows_each_change_once_and_goes_on_after_its_refresh() {
    let (mut world, key, lamp) = asked(Package::Dialog);
    world.endpoint(1).notify(lamp, Notice::Dialogs(vec![]));
    assert_eq!(told(&mut world), SubscriptionEvent::Dialogs(vec![]));
    let rings = vec![dialog(DialogState::Early)];
    for _ in 0..2 {
        world.endpoint(1).notify(lamp, Notice::Dialogs(rings.clone()));
    }
    assert_eq!(told(&mut world), SubscriptionEvent::Dialogs(rings.clone()));
    world.pass(Duration::from_secs(2));
    assert_eq!(world.times(1, "NOTIFY").len(), 2, "the same is not said twice");
    // Two changes while a NOTIFY has no answer: the second is what counts.
    world.endpoint(1).notify(lamp, Notice::Dialogs(vec![dialog(DialogState::Confirmed)]));
    world.settle();
    world.endpoint(1).notify(lamp, Notice::Dialogs(rings));
    world.endpoint(1).notify(lamp, Notice::Dialogs(vec![]));
    assert_eq!(told(&mut world), SubscriptionEvent::Dialogs(vec![dialog(DialogState::Confirmed)]));
    assert_eq!(told(&mut world), SubscriptionEvent::Dialogs(vec![]));
    world.pass(Duration::from_secs(3600));
    assert!(world.times(0, "SUBSCRIBE").len() > 5, "refreshed");
    world.endpoint(0).unsubscribe(key);
    assert!(matches!(world.event(1), Event::Unwatched(over) if over == lamp));
    while world.step() {}
    while world.nodes[0].events.try_recv().is_ok() {}
    world.all_over();
    assert!(world.sent.iter().rev().any(|p| p.text.contains("Subscription-State: terminated;reason=timeout")));
}

#[test]
fn a_telephone_that_vanished_is_told_nothing_for_ever() {
    for silent_from_the_beginning in [true, false] {
        let (mut world, _, lamp) = asked(Package::MessageSummary);
        let summary = |new| {
            let voice = Some(MessageCount { new, ..MessageCount::default() });
            Notice::Messages(MessageSummary { waiting: new > 0, voice })
        };
        if !silent_from_the_beginning {
            world.endpoint(1).notify(lamp, summary(0));
            told(&mut world);
            world.pass(Duration::from_secs(1));
        }
        world.loses = Box::new(|packet| packet.to == 0);
        world.endpoint(1).notify(lamp, summary(1));
        assert!(matches!(world.event(1), Event::Unwatched(over) if over == lamp));
        assert!(world.nodes[1].core.watchers.is_empty());
    }
}

#[test]
fn what_is_not_offered_is_refused_with_the_reason() {
    let (mut world, _, lamp) = asked(Package::Dialog);
    world.endpoint(1).refuse_watcher(lamp, 404);
    assert_eq!(told(&mut world), SubscriptionEvent::Failed { status: 404, retry_in_seconds: None });
    let mut world = notifier();
    let refusals = [
        ("Event: presence\nExpires: 60\n", "489"),
        ("Expires: 60\n", "489"),
        ("Event: dialog\nAccept: text/plain\n", "406"),
        ("Event: dialog\nExpires: 5\n", "423"),
        ("Event: dialog\nExpires: soon\n", "400"),
    ];
    for (number, (more, status)) in (1..).zip(refusals) {
        world.says(&request("SUBSCRIBE", "theirs", number, "", more, ""));
        assert!(world.last().starts_with(&format!("SIP/2.0 {status} ")), "{more}: {}", world.last());
    }
    world.says(&request("SUBSCRIBE", "theirs", 90, "unknown", "Event: dialog\n", ""));
    assert!(world.last().starts_with("SIP/2.0 481 "));
}

#[test]
fn a_lamp_too_many_is_refused_and_those_that_are_lit_stay() {
    let mut world = notifier();
    let lamps: Vec<_> = (1..=250).map(|of| lit(&mut world, &ask(of, of))).collect();
    world.says(&ask(251, 251));
    assert!(world.last().starts_with("SIP/2.0 480 "), "{}", world.last());
    world.endpoint(0).notify(lamps[0], Notice::Dialogs(vec![dialog(DialogState::Early)]));
    let notify = world.last();
    assert!(notify.starts_with("NOTIFY ") && notify.contains("early"), "the oldest is told of changes: {notify}");
    // A device that knows nothing of it any more makes room.
    world.says(&answer(&notify, "481 Subscription Does Not Exist", ""));
    assert!(matches!(world.event(0), Event::Unwatched(lamp) if lamp == lamps[0]));
    world.says(&ask(252, 252));
    assert!(matches!(world.event(0), Event::Watch(_)));
}

/// The SUBSCRIBE number `number` of the telephone that the test plays, to the line `of`.
fn ask(number: u32, of: u32) -> String {
    let text = request("SUBSCRIBE", "theirs", number, "", "Event: dialog\nExpires: 3600\n", "");
    text.replacen("sip:alice@", &format!("sip:{of}@"), 1)
}

/// Node 0, which the test asks for a lamp, grants it.
fn lit(world: &mut World, ask: &str) -> WatcherKey {
    world.says(ask);
    loop {
        match world.event(0) {
            Event::Watch(watch) => {
                world.endpoint(0).notify(watch.watcher, Notice::Dialogs(vec![]));
                let notify = world.last();
                world.says(&answer(&notify, "200 OK", ""));
                return watch.watcher;
            }
            Event::Unwatched(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

/// Node 0 has lamps, and the test plays a telephone that asks for them.
fn notifier() -> World {
    let mut world = World::perfect(2);
    world.nodes[0].core.watchers = super::watchers::Watchers::new(true);
    world.play_1();
    world
}

fn burning(world: &World, lamps: &[WatcherKey]) -> Vec<bool> {
    lamps.iter().map(|lamp| world.nodes[0].core.watchers.has(*lamp)).collect()
}

#[test]
fn a_telephone_that_is_started_anew_again_and_again_has_all_its_lamps() {
    let mut world = notifier();
    let mut number = 0;
    for pause in [300, 5, 5, 300] {
        let lamps: Vec<_> = (1..=250)
            .map(|of| {
                number += 1;
                lit(&mut world, &ask(number, of))
            })
            .collect();
        assert!(burning(&world, &lamps).iter().all(|burns| *burns));
        assert_eq!(world.nodes[0].core.watchers.count(), 250, "none is left of those before");
        world.pass(Duration::from_secs(pause));
    }
    assert!(world.sent.iter().any(|p| p.text.contains("Subscription-State: terminated;reason=deactivated")));
}

#[test]
fn a_lamp_ends_only_for_another_of_the_same_device() {
    let elsewhere = |text: &str| text.replace("Contact: <sip:bob@10.0.0.2:5060>", "Contact: <sip:bob@10.0.0.2:5070>");
    let of_instance = |text: &str, name: &str| {
        let contact = "Contact: <sip:bob@10.0.0.2:5060>";
        text.replace(contact, &format!("{contact};+sip.instance=\"<urn:uuid:{name}>\""))
    };
    let mailbox = |text: &str| text.replace("Event: dialog", "Event: message-summary");
    let glance = |text: &str| text.replace("Expires: 3600", "Expires: 0");
    let (first, again) = (ask(1, 200), ask(2, 200));
    for (first, again, stays) in [
        (first.clone(), again.clone(), false),
        (first.clone(), elsewhere(&again), true),
        (first.clone(), ask(2, 201), true),
        (first.clone(), mailbox(&again), true),
        (first.clone(), glance(&again), true),
        (of_instance(&first, "1"), of_instance(&again, "2"), true),
        (of_instance(&first, "1"), of_instance(&again, "1"), false),
        (of_instance(&first, "1"), elsewhere(&of_instance(&again, "1")), false),
        (first.clone(), of_instance(&again, "1"), true),
    ] {
        let mut world = notifier();
        let lamp = lit(&mut world, &first);
        world.pass(Duration::from_secs(600));
        lit(&mut world, &again);
        assert_eq!(burning(&world, &[lamp]), [stays], "{again}");
    }
}

#[test]
fn two_keys_for_one_colleague_do_not_put_each_other_out() {
    let mut world = notifier();
    let lamps = [lit(&mut world, &ask(1, 200)), lit(&mut world, &ask(2, 200))];
    world.pass(Duration::from_secs(600));
    assert_eq!(burning(&world, &lamps), [true, true]);
    // Started anew: both are of the old life. One that were ended wrongly and asked again would be left alone.
    let anew = [lit(&mut world, &ask(3, 200)), lit(&mut world, &ask(4, 200))];
    assert_eq!((burning(&world, &lamps), burning(&world, &anew)), (vec![false, false], vec![true, true]));
}

#[test]
fn the_lamps_of_a_device_go_out_where_it_is_registered_no_more() {
    let mut world = notifier();
    let lamps =
        [lit(&mut world, &ask(1, 200)), lit(&mut world, &ask(2, 201).replace("10.0.0.2:5060>", "10.0.0.2:5070>"))];
    let left = vec!["sip:bob@10.0.0.2:5060;transport=udp".parse().unwrap()];
    world.endpoint(0).end_watchers("somebody else".into(), left.clone());
    world.settle();
    assert_eq!(burning(&world, &lamps), [true, true]);
    world.endpoint(0).end_watchers(String::new(), left);
    world.settle();
    assert_eq!(burning(&world, &lamps), [false, true]);
}

#[test]
fn a_notifier_that_stops_says_so_and_is_asked_again() {
    let (mut world, _, lamp) = asked(Package::Dialog);
    world.endpoint(1).notify(lamp, Notice::Dialogs(vec![]));
    told(&mut world);
    world.nodes[1].core.shut_down(None);
    world.settle();
    assert!(world.sent.last().unwrap().text.contains("terminated;reason=deactivated"));
}
