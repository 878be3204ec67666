//! Whoever answers a transfer and hangs up at once has not taken the call.

use protocol::{AuditOutcome, CallState, JourneyEvent, Presence, Reason, Target};

use crate::{
    EngineEvent, Order, Replaces,
    testkit::{Office, account, to_department, to_user},
};

#[test]
fn the_transfer_goes_on_where_it_was() {
    let mut office = Office::with(&["ravi", "tom"]);
    let (caller, _, call) = office.talking_with("ravi");
    let first = office.transfer("maya", &call, to_user("tom")).unwrap();
    let tom = office.rung("tom-desk");
    office.answer(tom);
    office.wait(2);
    office.end(tom, Reason::AgentGone);
    assert!(office.ordered(&Order::PlayMusic { leg: caller }));
    let progress = office.only_call().transfer.clone().unwrap();
    assert_ne!(progress.id, first);
    assert_eq!(progress.by.id.as_str(), "maya");
    let desk = office.rung("ravi-desk");
    assert_eq!(office.cards[&desk].back_from.as_ref().map(|b| b.reason), Some(Reason::HungUpAtOnce));
    office.answer(desk);
    assert!(office.ordered(&Order::Bridge { a: caller, b: desk }));
    office.end(caller, Reason::CallerGone);
    let record = &office.records[0];
    let outcomes: Vec<_> = record.audit.iter().map(|e| (e.outcome, e.rule.as_str())).collect();
    assert_eq!(
        outcomes[1..],
        [
            (AuditOutcome::Completed, "answered by Tom Okafor"),
            (AuditOutcome::Accepted, "Tom Okafor hung up at once"),
            (AuditOutcome::FellBack, "hung up at once; back with Ravi Kumar"),
        ]
    );
    assert!(record.journey.iter().any(|s| matches!(s.what, JourneyEvent::TransferResumed { .. })));
    office.drain().unwrap();
}

#[test]
fn a_goodbye_after_a_word_ends_the_call() {
    let mut office = Office::with(&["ravi", "tom"]);
    let (caller, _, call) = office.talking_with("ravi");
    office.transfer("ravi", &call, to_user("tom")).unwrap();
    let tom = office.rung("tom-desk");
    office.answer(tom);
    office.wait(3);
    office.end(tom, Reason::AgentGone);
    assert_eq!(office.hung_up(caller), Some(Reason::AgentGone));
    office.drain().unwrap();
}

/// They have spoken with each other, and with whoever was consulted: a goodbye is one.
#[test]
fn a_completed_consultation_is_no_such_transfer() {
    let mut office = Office::with(&["ravi", "tom"]);
    let (caller, _, call) = office.talking_with("ravi");
    let transfer = office.consult("ravi", &call, to_user("tom")).unwrap();
    let tom = office.rung("tom-desk");
    office.answer(tom);
    office.complete("ravi", &transfer).unwrap();
    office.end(tom, Reason::AgentGone);
    assert_eq!(office.hung_up(caller), Some(Reason::AgentGone));
    office.drain().unwrap();
}

#[test]
fn nobody_who_hung_up_at_once_is_asked_again_and_the_last_step_is_reached() {
    let mut office = Office::with(&["ravi", "tom", "mina"]);
    let (caller, _, call) = office.talking_with("ravi");
    office.transfer("ravi", &call, to_user("tom")).unwrap();
    for device in ["tom-desk", "ravi-desk", "mina-desk"] {
        let leg = office.rung(device);
        office.answer(leg);
        office.end(leg, Reason::AgentGone);
    }
    assert!(matches!(&office.only_call().state, CallState::Voicemail { mailbox } if mailbox == "Tom Okafor"));
    assert!(office.hung_up(caller).is_none());
    office.drain().unwrap();
}

#[test]
fn whoever_waited_in_line_waits_in_line_again() {
    let mut office = Office::with(&["ravi", "tom"]);
    office.presence("tom", Presence::Away);
    let (_, _, call) = office.talking_with("ravi");
    office.transfer("ravi", &call, to_department("sales")).unwrap();
    office.presence("tom", Presence::Available);
    let tom = office.rung("tom-desk");
    office.answer(tom);
    office.end(tom, Reason::AgentGone);
    let stage = office.only_call().transfer.map(|t| t.stage);
    assert!(matches!(stage, Some(protocol::TransferStage::Queued { .. })), "{stage:?}");
    office.drain().unwrap();
}

/// A device that broke, or a number outside whose line drops at once, are no goodbye either.
#[test]
fn a_broken_leg_and_an_outside_number_count_too() {
    let mut config = account();
    config.users[1].may_transfer_outside = Some(true);
    let mut office = Office::of(config, &["ravi", "tom"]);
    let (caller, _, call) = office.talking_with("ravi");
    office.transfer("maya", &call, Target::Outside("+15550100".into())).unwrap();
    let number = office.dialled();
    office.answer(number);
    assert!(matches!(office.only_call().state, CallState::TalkingOutside { .. }));
    office.end(number, Reason::AgentGone);
    let desk = office.rung("ravi-desk");
    office.answer(desk);
    office.engine(EngineEvent::OrderFailed { leg: desk, detail: "no sound".into(), fatal: true });
    assert!(office.hung_up(caller).is_none());
    assert!(matches!(office.only_call().state, CallState::Voicemail { .. }), "{:?}", office.only_call().state);
    office.drain().unwrap();
}

/// Some telephones hang up by themselves once their REFER has failed, when they have the caller back.
#[test]
fn a_phone_that_hangs_up_after_its_refer_failed_is_rung() {
    let mut office = Office::with(&["ravi", "tom"]);
    let (caller, leg, _) = office.talking_with("ravi");
    office.engine(EngineEvent::ReferRequested { leg, to: "105".into(), replaces: Replaces::Nothing });
    office.end(office.rung("tom-desk"), Reason::Busy);
    assert!(office.ordered(&Order::Bridge { a: caller, b: leg }), "back without a ring");
    office.end(leg, Reason::AgentGone);
    let desk = office.rung("ravi-desk");
    assert_eq!(office.cards[&desk].back_from.as_ref().map(|b| b.reason), Some(Reason::Busy));
    office.answer(desk);
    assert!(office.ordered(&Order::Bridge { a: caller, b: desk }));
    office.end(desk, Reason::AgentGone);
    assert!(office.hung_up(caller).is_none(), "and once more it is none");
    office.drain().unwrap();
}
