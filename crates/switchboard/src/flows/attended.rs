//! A phone with two calls takes itself out of both.

use protocol::{
    AuditAction, AuditOutcome, CallId, CallOutcome, CallState, JourneyEvent, LegId, Party, Reason, TargetRef,
    TransferStage,
};

use super::stage;
use crate::{
    EngineEvent, Order, Origin, ReferProgress, Replaces, RingKind,
    testkit::{Office, account, to_department, to_user},
};

/// Ravi talks with a caller, holds them, and has `second` as another call.
fn ravi_and(users: &[&str]) -> (Office, LegId, LegId, CallId) {
    let mut account = account();
    account.policy.outside = crate::OutsideRule::Everyone;
    let mut office = Office::of(account, &["ravi"]);
    let (caller, ravi, call) = office.talking_with("ravi");
    users.iter().for_each(|user| office.register(user, "desk"));
    office.engine(EngineEvent::Held { leg: ravi, held: true });
    (office, caller, ravi, call)
}

fn refer(office: &mut Office, leg: LegId, replaces: Replaces) {
    office.engine(EngineEvent::ReferRequested { leg, to: "104".into(), replaces });
}

fn is_joined(office: &Office, first: LegId, second: LegId) {
    let said = |progress| Order::ReferProgress { leg: first, progress };
    let at = |order: &Order| office.orders.iter().position(|o| o == order);
    assert!(at(&said(ReferProgress::Accepted)) < at(&said(ReferProgress::Done)));
    assert!(office.hung_up(first).is_some() && office.hung_up(second).is_some());
    assert_eq!(office.records.last().unwrap().ended_because, Reason::Joined);
}

#[test]
fn the_caller_is_joined_with_a_colleague_who_was_called() {
    let (mut office, caller, ravi, call) = ravi_and(&["mina"]);
    let second = office.device_call("ravi", "104");
    let mina = office.rung("mina-desk");
    office.answer(mina);
    refer(&mut office, ravi, Replaces::Leg(second));
    is_joined(&office, ravi, second);
    assert!(office.ordered(&Order::Bridge { a: caller, b: mina }));
    let shown = office.only_call();
    assert_eq!((shown.id, shown.agent.unwrap().id.as_str()), (call, "mina"));
    let entry = office.trail.last().unwrap();
    assert_eq!((entry.outcome, entry.rule.as_str()), (AuditOutcome::Completed, "talking with Mina Shah"));
    office.end(caller, Reason::CallerGone);
    assert_eq!(office.hung_up(mina), Some(Reason::CallerGone));
    office.drain().unwrap();
}

#[test]
fn the_first_call_may_be_the_colleagues_and_the_second_the_callers() {
    let (mut office, caller, ravi, _) = ravi_and(&["mina"]);
    let second = office.device_call("ravi", "104");
    let mina = office.rung("mina-desk");
    office.answer(mina);
    refer(&mut office, second, Replaces::Leg(ravi));
    is_joined(&office, second, ravi);
    assert!(office.ordered(&Order::Bridge { a: mina, b: caller }));
    assert!(matches!(office.only_call().state, CallState::TalkingOutside { .. }));
    office.drain().unwrap();
}

#[test]
fn the_colleague_still_rings() {
    let (mut office, caller, ravi, call) = ravi_and(&["mina"]);
    let second = office.device_call("ravi", "104");
    let mina = office.rung("mina-desk");
    refer(&mut office, ravi, Replaces::Leg(second));
    assert!(office.hung_up(second).is_some() && office.hung_up(ravi).is_none());
    let shown = office.only_call();
    assert_eq!(shown.id, call);
    assert!(matches!(&shown.transfer.unwrap().target, TargetRef::User(user) if user.id.as_str() == "mina"));
    office.answer(mina);
    assert!(office.ordered(&Order::Bridge { a: caller, b: mina }));
    assert!(office.ordered(&Order::ReferProgress { leg: ravi, progress: ReferProgress::Done }));
    office.drain().unwrap();
}

#[test]
fn the_colleague_never_answers_and_the_fallback_follows() {
    let (mut office, _, ravi, _) = ravi_and(&["mina"]);
    let second = office.device_call("ravi", "104");
    refer(&mut office, ravi, Replaces::Leg(second));
    office.wait(30);
    assert!(matches!(stage(&office), TransferStage::Recalling { because: Reason::NoAnswer, .. }));
    office.rung("ravi-desk");
    office.drain().unwrap();
}

#[test]
fn a_place_in_a_line_is_taken_over() {
    let (mut office, caller, ravi, _) = ravi_and(&[]);
    let second = office.device_call("ravi", "300");
    assert!(office.shown.values().any(|c| matches!(c.state, CallState::Queued { .. })));
    refer(&mut office, ravi, Replaces::Leg(second));
    assert!(matches!(stage(&office), TransferStage::Queued { position: 1, .. }));
    office.register("tom", "desk");
    let tom = office.rung("tom-desk");
    office.answer(tom);
    assert!(office.ordered(&Order::Bridge { a: caller, b: tom }));
    office.drain().unwrap();
}

/// Maya calls Support, which rings Ravi (once he is available), and calls Ravi, who answers that. Ravi's leg there, the
/// one that still rings, and Maya's two: with Ravi and with Support.
fn maya_and_ravi(office: &mut Office) -> (LegId, LegId, [LegId; 2]) {
    let support = office.device_call("maya", "200");
    office.presence("ravi", protocol::Presence::Available);
    let rings = office.rung("ravi-desk");
    let maya = office.device_call("maya", "103");
    let ravi = office.ears.rung().map(|(leg, _)| leg).max().unwrap();
    office.answer(ravi);
    (ravi, rings, [maya, support])
}

#[test]
fn a_ring_that_is_taken_over_does_not_ring_the_transferee() {
    let mut office = Office::with(&["maya", "ravi", "mina"]);
    let (ravi, rings, [maya, support]) = maya_and_ravi(&mut office);
    refer(&mut office, maya, Replaces::Leg(support));
    assert_eq!(office.hung_up(rings), Some(Reason::AnsweredElsewhere));
    assert_eq!(office.ringing(), ["mina-desk".to_owned()].into());
    assert!(matches!(stage(&office), TransferStage::Ringing { towards, .. } if towards[0].id.as_str() == "mina"));
    let mina = office.rung("mina-desk");
    office.answer(mina);
    assert!(office.ordered(&Order::Bridge { a: ravi, b: mina }));
    office.drain().unwrap();
}

#[test]
fn a_ring_towards_the_transferee_alone_comes_to_nothing_and_the_next_step_follows() {
    // The first ring, or one out of a line.
    for from_line in [false, true] {
        let mut office = Office::with(&["maya", "ravi"]);
        if from_line {
            office.presence("ravi", protocol::Presence::Away);
        }
        let (ravi, rings, [maya, support]) = maya_and_ravi(&mut office);
        refer(&mut office, maya, Replaces::Leg(support));
        assert_eq!(office.hung_up(rings), Some(Reason::AnsweredElsewhere));
        assert!(matches!(stage(&office), TransferStage::Queued { .. }));
        office.register("mina", "desk");
        let mina = office.rung("mina-desk");
        office.answer(mina);
        assert!(office.ordered(&Order::Bridge { a: ravi, b: mina }));
        office.drain().unwrap();
    }
}

#[test]
fn a_transferred_caller_sees_their_place_in_line_move_up() {
    let mut office = Office::with(&["ravi"]);
    let (_, _, call) = office.talking_with("ravi");
    let first = office.device_call("alex", "300");
    office.register("tom", "desk");
    office.presence("tom", protocol::Presence::Away);
    office.transfer("maya", &call, to_department("sales")).unwrap();
    let place = |office: &Office| match &office.shown[&call].transfer.as_ref().unwrap().stage {
        TransferStage::Queued { position, .. } => *position,
        other => panic!("{other:?}"),
    };
    assert_eq!(place(&office), 2);
    office.end(first, Reason::CallerGone);
    assert_eq!(place(&office), 1);
    office.drain().unwrap();
}

#[test]
fn a_call_out_that_still_rings_is_joined_with_an_incoming_one() {
    let (mut office, caller, ravi, call) = ravi_and(&[]);
    let second = office.device_call("ravi", "+442079460999");
    let dialled = office.dialled();
    refer(&mut office, ravi, Replaces::Leg(second));
    let shown = office.only_call();
    assert_eq!(shown.id, call);
    assert!(matches!(stage(&office), TransferStage::Ringing { towards, .. } if towards.is_empty()));
    office.answer(dialled);
    assert!(office.ordered(&Order::Bridge { a: caller, b: dialled }));
    office.drain().unwrap();
}

/// Ravi has two callers from outside, one of them on hold: Arun Das, who came to Support, and Priya Nair, whom Mina
/// sent to him while Arun's call rang. Each with the leg of the caller, Ravi's, and the call.
fn two_callers() -> (Office, [(LegId, LegId, CallId); 2]) {
    let mut office = Office::with(&["mina"]);
    let (priya, _, hers) = office.talking_with("mina");
    office.register("ravi", "desk");
    let arun = Party { name: "Arun Das".into(), number: "+911234567890".into() };
    let arun = office.try_arrive(Origin::Trunk, arun, "+442079460200").unwrap();
    let first = office.rung("ravi-desk");
    office.transfer("mina", &hers, to_user("ravi")).unwrap();
    let ring = |leg: &LegId| office.cards[leg].call == hers && office.cards[leg].kind == RingKind::Transfer;
    let second = *office.cards.keys().find(|leg| ring(leg)).unwrap();
    office.answer(first);
    office.engine(EngineEvent::Held { leg: first, held: true });
    office.answer(second);
    let his = office.shown.keys().find(|id| **id != hers).unwrap().clone();
    (office, [(arun, first, his), (priya, second, hers)])
}

#[test]
fn two_incoming_callers_are_joined() {
    // The one on hold goes on, or the one talked with; either of them hangs up.
    for (held_goes_on, caller_ends) in [(true, true), (true, false), (false, true), (false, false)] {
        let (mut office, calls) = two_callers();
        let [(caller, first, call), (other, second, ended)] = if held_goes_on {
            calls
        } else {
            let [a, b] = calls;
            [b, a]
        };
        refer(&mut office, first, Replaces::Leg(second));
        is_joined(&office, first, second);
        assert!(office.ordered(&Order::Bridge { a: caller, b: other }));
        let with = if held_goes_on { "Priya Nair" } else { "Arun Das" };
        let shown = office.only_call();
        assert_eq!((&shown.id, &shown.transfer), (&call, &None));
        assert!(matches!(&shown.state, CallState::TalkingOutside { with: party } if party.name == with));
        let entry = office.trail.last().unwrap();
        assert_eq!((entry.user.as_str(), entry.action), ("ravi", AuditAction::Consult));
        assert_eq!((entry.outcome, entry.rule.clone()), (AuditOutcome::Completed, format!("talking with {with}")));
        let ravi = office.board.users().into_iter().find(|u| u.id.as_str() == "ravi").unwrap();
        assert!(!ravi.on_call, "free for the next call");

        let (gone, left) = if caller_ends { (caller, other) } else { (other, caller) };
        office.end(gone, Reason::CallerGone);
        assert!(office.hung_up(left).is_some() && office.shown.is_empty());
        let [joined, record] = &office.records[..] else { panic!("{:?}", office.records) };
        assert_eq!((&joined.id, &record.id), (&ended, &call));
        assert_eq!((joined.ended_because, joined.outcome), (Reason::Joined, CallOutcome::Answered));
        assert_eq!(record.outcome, CallOutcome::Answered);
        for (of, to, name) in [(record, joined, with), (joined, record, record.caller.name.as_str())] {
            let joins = JourneyEvent::Joined { call: to.id.clone(), with: name.to_owned() };
            assert_eq!(of.journey.iter().filter(|step| step.what == joins).count(), 1);
        }
        assert_eq!(record.agents.last().map(|a| a.id.as_str()), Some("ravi"));
        office.drain().unwrap();
    }
}

#[test]
fn an_incoming_and_an_outgoing_call_are_joined() {
    for turned in [false, true] {
        let (mut office, caller, ravi, _) = ravi_and(&[]);
        let second = office.device_call("ravi", "+442079460999");
        let outside = office.dialled();
        office.answer(outside);
        let (first, second) = if turned { (second, ravi) } else { (ravi, second) };
        refer(&mut office, first, Replaces::Leg(second));
        is_joined(&office, first, second);
        let (a, b) = if turned { (outside, caller) } else { (caller, outside) };
        assert!(office.ordered(&Order::Bridge { a, b }));
        office.end(outside, Reason::CallerGone);
        assert!(office.hung_up(caller).is_some());
        office.drain().unwrap();
    }
}

#[test]
fn whoever_holds_goes_on_holding() {
    let (mut office, caller, ravi, _) = ravi_and(&["mina"]);
    let second = office.device_call("ravi", "104");
    let mina = office.rung("mina-desk");
    office.answer(mina);
    office.engine(EngineEvent::Held { leg: mina, held: true });
    refer(&mut office, ravi, Replaces::Leg(second));
    assert!(matches!(office.only_call().state, CallState::Held { .. }));
    office.engine(EngineEvent::Held { leg: mina, held: false });
    assert!(office.ordered(&Order::Bridge { a: caller, b: mina }));
    office.drain().unwrap();
}

#[test]
fn what_can_not_be_joined_is_refused_and_the_calls_go_on() {
    let (mut office, _, ravi, _) = ravi_and(&["mina", "tom"]);
    let second = office.device_call("ravi", "104");
    let mina = office.rung("mina-desk");
    office.answer(mina);
    let toms = office.device_call("tom", "+442079460999");
    let refused = |office: &mut Office, leg, replaces| {
        let before: Vec<_> = office.shown.values().cloned().collect();
        refer(office, leg, replaces);
        assert_eq!(office.orders, [Order::ReferProgress { leg, progress: ReferProgress::Refused }]);
        assert_eq!(office.trail.last().unwrap().outcome, AuditOutcome::Refused);
        assert_eq!(before, office.shown.values().cloned().collect::<Vec<_>>());
    };
    for replaces in [
        Replaces::Gone,
        Replaces::Leg(LegId(4_444)),
        Replaces::Leg(ravi),
        // The far side's own, and somebody else's.
        Replaces::Leg(mina),
        Replaces::Leg(toms),
    ] {
        refused(&mut office, ravi, replaces);
    }
    let call =
        office.shown.values().find(|c| c.agent.as_ref().is_some_and(|a| a.id.as_str() == "mina")).unwrap().id.clone();
    office.register("omar", "desk");
    office.consult("ravi", &call, to_user("omar")).unwrap();
    refused(&mut office, ravi, Replaces::Leg(second));
    office.drain().unwrap();
}

#[test]
fn a_number_that_may_not_be_dialled_for_a_caller_is_not_joined_with_one() {
    let mut office = Office::with(&["ravi"]);
    let (_, ravi, _) = office.talking_with("ravi");
    let second = office.device_call("ravi", "+442079460999");
    office.answer(office.dialled());
    for (first, second) in [(ravi, second), (second, ravi)] {
        refer(&mut office, first, Replaces::Leg(second));
        assert!(office.ordered(&Order::ReferProgress { leg: first, progress: ReferProgress::Refused }));
    }
    assert_eq!(office.shown.len(), 2);
    office.drain().unwrap();
}
