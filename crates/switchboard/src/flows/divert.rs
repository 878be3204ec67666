//! Calls that nobody has answered yet are moved, and phones that send them elsewhere.

use protocol::{
    AuditOutcome, CallOutcome, CallState, Ineligible, JourneyEvent, Reason, Target, TransferKind, TransferStage,
};

use super::{outcome_of, stage};
use crate::{
    EngineEvent, Order, Refusal, RingKind,
    testkit::{Office, account, to_department, to_user},
};

#[test]
fn a_ringing_call_is_moved_and_nobody_has_missed_it() {
    let mut office = Office::with(&["ravi", "mina", "tom"]);
    let caller = office.outside_call("+442079460200");
    let call = office.only_call().id;
    let rung = [office.rung("ravi-desk"), office.rung("mina-desk")];
    // Who is rung may do so too.
    let allowed = ["alex", "maya", "ravi", "tom"].map(|u| office.board.may_transfer(&u.into(), &call).is_ok());
    assert_eq!(allowed, [true, true, true, false]);
    office.transfer("ravi", &call, to_user("tom")).unwrap();
    assert!(rung.iter().all(|leg| office.hung_up(*leg) == Some(Reason::AnsweredElsewhere)));
    assert!(!office.ordered(&Order::PlayMusic { leg: caller }), "not answered yet: the caller goes on hearing ringing");
    let progress = office.only_call().transfer.unwrap();
    assert_eq!((progress.from, progress.by.id.as_str()), (None, "ravi"));
    let tom = office.rung("tom-desk");
    assert_eq!(office.cards[&tom].kind, RingKind::Transfer);
    office.answer(tom);
    assert_eq!(office.orders[..], [Order::Answer { leg: caller }, Order::Bridge { a: caller, b: tom }]);
    office.drain().unwrap();
}

#[test]
fn a_diverted_call_that_nobody_takes_follows_the_fallback() {
    let mut office = Office::with(&["ravi", "tom"]);
    let caller = office.outside_call("+442079460200");
    let call = office.only_call().id;
    office.transfer("maya", &call, to_user("tom")).unwrap();
    office.wait(20);
    // There is no former agent to recall.
    assert!(matches!(stage(&office), TransferStage::NextAgent { .. }));
    office.wait(25);
    assert!(matches!(stage(&office), TransferStage::Voicemail { because: Reason::NoAnswer, .. }));
    office.end(caller, Reason::CallerGone);
    office.drain().unwrap();
}

#[test]
fn a_waiting_call_is_moved_with_music() {
    let mut office = Office::with(&["ravi", "tom"]);
    office.presence("ravi", protocol::Presence::Away);
    let caller = office.outside_call("+442079460200");
    let call = office.only_call().id;
    assert!(matches!(office.only_call().state, CallState::Queued { .. }));
    office.transfer("maya", &call, to_user("tom")).unwrap();
    let queued = office.board.departments().into_iter().map(|d| d.queued).sum::<u32>();
    assert_eq!(queued, 0, "the place in the line is given up");
    let tom = office.rung("tom-desk");
    office.answer(tom);
    assert!(office.ordered(&Order::Bridge { a: caller, b: tom }));
    office.drain().unwrap();
}

#[test]
fn an_outgoing_call_that_rings_is_not_moved() {
    let mut office = Office::with(&["ravi", "tom"]);
    office.device_call("ravi", "+442079460999");
    let call = office.only_call().id;
    let refused = office.transfer("ravi", &call, to_user("tom"));
    assert_eq!(refused, Err(Refusal::Denied(protocol::Denied::NotAnsweredYet)));
    office.drain().unwrap();
}

#[test]
fn a_phone_sends_its_ring_elsewhere() {
    let mut office = Office::with(&["ravi", "mina", "tom"]);
    office.outside_call("+442079460200");
    let (ravi, mina) = (office.rung("ravi-desk"), office.rung("mina-desk"));
    office.engine(EngineEvent::Diverted { leg: ravi, to: "105".into() });
    assert_eq!(office.hung_up(mina), Some(Reason::AnsweredElsewhere));
    assert_eq!(office.ringing(), ["tom-desk".to_owned()].into());
    office.end(office.rung("tom-desk"), Reason::Busy);
    assert_eq!(office.ringing(), ["mina-desk".to_owned()].into(), "Ravi sent it away");
    office.drain().unwrap();
}

/// A call that rings at Ravi is sent to `to` by his phone or in his app.
fn ravi_sends_it_on(office: &mut Office, by_phone: bool, (to, target): (&str, Target)) -> protocol::TransferId {
    office.outside_call("+442079460200");
    let (call, ravi) = (office.only_call().id, office.rung("ravi-desk"));
    if by_phone {
        office.engine(EngineEvent::Diverted { leg: ravi, to: to.into() });
    } else {
        office.transfer("ravi", &call, target).unwrap();
    }
    office.only_call().transfer.unwrap().id
}

#[test]
fn who_sends_a_ringing_call_on_is_not_rung_by_what_follows() {
    let mut account = account();
    account.policy.fallback.steps.insert(2, crate::FallbackStep::Queue { department: None, seconds: 60 });
    let to = [("105", to_user("tom")), ("200", to_department("support"))];
    for (by_phone, to) in [true, false].into_iter().flat_map(|phone| to.clone().map(|to| (phone, to))) {
        let mut office = Office::of(account.clone(), &["ravi", "mina", "tom"]);
        let line = to.0 == "200";
        ravi_sends_it_on(&mut office, by_phone, to);
        office.vanish("mina", "desk");
        office.vanish("tom", "desk");
        assert!(matches!(stage(&office), TransferStage::Queued { .. }));
        // Longer than the cool-down of a line.
        for _ in 0..if line { 17 } else { 5 } {
            office.wait(10);
            assert!(matches!(stage(&office), TransferStage::Queued { .. }) && office.ringing().is_empty());
            // As good as becoming free again.
            office.presence("ravi", protocol::Presence::Away);
            office.presence("ravi", protocol::Presence::Available);
        }
        office.wait(20);
        assert!(matches!(stage(&office), TransferStage::Voicemail { .. }));
        office.drain().unwrap();
    }
}

#[test]
fn who_takes_back_what_they_sent_on_is_rung() {
    for by_phone in [true, false] {
        for by in ["ravi", "maya"] {
            let mut office = Office::with(&["ravi", "tom"]);
            let transfer = ravi_sends_it_on(&mut office, by_phone, ("105", to_user("tom")));
            office.cancel(by, &transfer).unwrap();
            assert_eq!(office.ringing().contains("ravi-desk"), by == "ravi");
            office.drain().unwrap();
        }
    }
}

#[test]
fn only_who_sent_it_elsewhere_is_spared_by_the_recall() {
    let mut account = account();
    let recall = crate::FallbackStep::Recall { whom: crate::RecallWhom::Transferor, seconds: 20 };
    account.policy.fallback = crate::Fallback::of(vec![recall]);
    account.policy.fallback.steps.push(crate::FallbackStep::Announcement);
    // Maya sends a ringing call to Tom, whose phone would send it on: it is on its way, so he has declined.
    let mut office = Office::of(account.clone(), &["maya", "ravi", "mina", "tom"]);
    office.outside_call("+442079460200");
    let call = office.only_call().id;
    office.transfer("maya", &call, to_user("tom")).unwrap();
    office.engine(EngineEvent::Diverted { leg: office.rung("tom-desk"), to: "104".into() });
    assert!(office.trail.iter().any(|e| e.user.as_str() == "tom" && e.outcome == AuditOutcome::Refused));
    assert!(matches!(stage(&office), TransferStage::Recalling { because: Reason::Declined, .. }));
    assert_eq!(office.ringing(), ["maya-desk".to_owned()].into());
    office.drain().unwrap();
    // Ravi, who talks, sends it to Tom, and Tom's phone does the same.
    let mut office = Office::of(account.clone(), &["ravi", "tom"]);
    let (_, _, call) = office.talking_with("ravi");
    office.transfer("ravi", &call, to_user("tom")).unwrap();
    office.engine(EngineEvent::Diverted { leg: office.rung("tom-desk"), to: "104".into() });
    assert_eq!(office.ringing(), ["ravi-desk".to_owned()].into());
    office.drain().unwrap();
    // Ravi's phone sends on what rings there: he is the transferor, and has said that he does not want it.
    let mut office = Office::of(account, &["ravi", "mina", "tom"]);
    office.outside_call("+442079460200");
    office.engine(EngineEvent::Diverted { leg: office.rung("ravi-desk"), to: "105".into() });
    office.end(office.rung("tom-desk"), Reason::Busy);
    assert!(office.ringing().is_empty());
    assert!(matches!(office.only_call().state, CallState::Closing));
    office.drain().unwrap();
}

#[test]
fn a_phone_that_may_not_send_it_elsewhere_has_declined() {
    let mut account = account();
    account.policy.agents_may_transfer = false;
    for to in ["105", "103", "nobody", "+1 555 0100"] {
        let mut office = Office::of(account.clone(), &["ravi", "mina", "tom"]);
        office.outside_call("+442079460200");
        let ravi = office.rung("ravi-desk");
        office.engine(EngineEvent::Diverted { leg: ravi, to: to.into() });
        assert_eq!(office.trail.last().unwrap().outcome, AuditOutcome::Refused);
        assert_eq!(office.only_call().bounces[0].reason, Reason::Declined);
        assert_eq!(office.ringing(), ["mina-desk".to_owned()].into());
        office.drain().unwrap();
    }
}

#[test]
fn phones_that_point_at_each_other_end_in_the_fallback() {
    let mut office = Office::with(&["ravi", "tom"]);
    office.device_call("ravi", "105");
    office.engine(EngineEvent::Diverted { leg: office.rung("tom-desk"), to: "103".into() });
    assert_eq!(office.trail.last().unwrap().rule, "ineligible: in_this_call");
    assert!(matches!(office.only_call().state, CallState::Voicemail { .. }));
    office.drain().unwrap();

    let mut office = Office::with(&["mina", "tom"]);
    office.outside_call("+442079460200");
    office.engine(EngineEvent::Diverted { leg: office.rung("mina-desk"), to: "105".into() });
    office.engine(EngineEvent::Diverted { leg: office.rung("tom-desk"), to: "104".into() });
    assert!(matches!(stage(&office), TransferStage::Voicemail { because: Reason::Declined, .. }));
    office.drain().unwrap();
}

#[test]
fn straight_to_the_mailbox() {
    let mut office = Office::with(&["ravi"]);
    let (caller, ravi, call) = office.talking_with("ravi");
    let revision = office.only_call().revision;
    let outside = Target::Outside("+15550100".into());
    let refused = office.ask("ravi", &call, revision, outside, TransferKind::Voicemail);
    assert!(refused.is_err());
    // Tom has no phone; his mailbox has.
    office.ask("ravi", &call, revision, to_user("tom"), TransferKind::Voicemail).unwrap();
    assert!(office.hung_up(ravi).is_some());
    assert!(matches!(&office.only_call().state, CallState::Voicemail { mailbox } if mailbox == "Tom Okafor"));
    assert_eq!(office.only_call().transfer.unwrap().kind, TransferKind::Voicemail);
    assert!(matches!(stage(&office), TransferStage::Voicemail { because: Reason::SentToVoicemail, .. }));
    assert_eq!(outcome_of(&office), (AuditOutcome::Completed, "voicemail of Tom Okafor".into()));
    office.end(caller, Reason::CallerGone);
    office.engine(EngineEvent::Recorded { leg: caller, duration_ms: 900, file: String::new() });
    assert_eq!(office.records[0].outcome, CallOutcome::Voicemail);
    office.drain().unwrap();

    let caller = office.outside_call("+442079460200");
    let call = office.only_call().id;
    office.ask("maya", &call, 1, to_department("sales"), TransferKind::Voicemail).unwrap();
    assert!(matches!(&office.orders[..], [.., Order::Answer { leg }, Order::RecordVoicemail { mailbox, .. }]
        if *leg == caller && mailbox == "sales"));
    office.drain().unwrap();
}

#[test]
fn an_outside_number_takes_the_call() {
    let mut account = account();
    account.policy.outside = crate::OutsideRule::Everyone;
    let number = Target::Outside("+44 (20) 7946-0999".into());
    let mut office = Office::of(account.clone(), &["ravi", "tom"]);
    let (caller, _, call) = office.talking_with("ravi");
    office.transfer("ravi", &call, number.clone()).unwrap();
    assert!(matches!(stage(&office), TransferStage::Ringing { towards, .. } if towards.is_empty()));
    let outside = office.dialled();
    office.answer(outside);
    assert!(office.ordered(&Order::Bridge { a: caller, b: outside }));
    assert_eq!(outcome_of(&office), (AuditOutcome::Completed, "answered by +442079460999".into()));
    let shown = office.only_call();
    assert!(matches!(&shown.state, CallState::TalkingOutside { with } if with.number == "+442079460999"));
    assert_eq!(shown.agent.unwrap().id.as_str(), "ravi", "who last had it");
    // It can be fetched from there again.
    office.transfer("maya", &call, to_user("tom")).unwrap();
    assert!(office.hung_up(outside).is_some());
    let tom = office.rung("tom-desk");
    office.answer(tom);
    office.end(caller, Reason::CallerGone);
    let done = |s: &protocol::JourneyStep| matches!(s.what, JourneyEvent::TransferDoneOutside { .. });
    assert!(office.records[0].journey.iter().any(done));
    office.drain().unwrap();

    for (end, because) in [(true, Reason::Busy), (false, Reason::NoAnswer)] {
        let mut office = Office::of(account.clone(), &["ravi"]);
        let (_, _, call) = office.talking_with("ravi");
        office.transfer("ravi", &call, number.clone()).unwrap();
        if end {
            office.end(office.dialled(), because);
        } else {
            office.wait(20);
        }
        assert!(matches!(stage(&office), TransferStage::Recalling { because: b, .. } if b == because));
        office.drain().unwrap();
    }
    let mut office = Office::with(&["ravi"]);
    let (_, _, call) = office.talking_with("ravi");
    assert!(office.transfer("ravi", &call, number).is_err(), "not unless the account says so");
    assert!(matches!(
        office.transfer("ravi", &call, Target::Outside("no number".into())),
        Err(Refusal::Ineligible(Ineligible::NotANumber) | Refusal::Denied(_))
    ));
    office.drain().unwrap();
}
