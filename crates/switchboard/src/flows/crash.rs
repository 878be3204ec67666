//! The exchange fails at some stage of a transfer; the next run closes what went on, with the true reason.

use protocol::{
    AuditAction, AuditEntry, AuditOutcome, CallOutcome, CallRecord, JourneyEvent, Reason, Timestamp, TransferStage,
};

use super::stage;
use crate::{
    Fact, Output, Switchboard,
    testkit::{Office, account, to_department, to_user},
};

/// What the next run says of the drafts that this one leaves.
fn crash(office: &Office) -> (Vec<CallRecord>, Vec<AuditEntry>) {
    let last = office.trail.last().map_or((0, String::new()), |e| (e.seq, e.hash.clone()));
    let newest = office.records.iter().map(|r| r.seq).max().unwrap_or(0);
    let mut next = Switchboard::new(account(), "next".into(), last, newest);
    next.recover(office.now.plus_ms(5_000), office.drafts.values().cloned().collect());
    let (mut records, mut trail) = (Vec::new(), Vec::new());
    while let Some(output) = next.poll_output() {
        match output {
            Output::Fact(Fact::Record(record)) => records.push(*record),
            Output::Fact(Fact::Audit(entry)) => trail.push(entry),
            other => panic!("nothing else may come of it: {other:?}"),
        }
    }
    assert!(next.live_calls().next().is_none() && next.poll_timeout().is_none());
    let mut previous = office.trail.last().map(|e| e.hash.clone()).unwrap_or_default();
    for entry in &trail {
        assert_eq!(entry.chained(&previous), entry.hash, "the chain is whole");
        previous.clone_from(&entry.hash);
    }
    (records, trail)
}

/// The one call that was cut off, found closed in order, with or without a transfer to settle.
fn closed(office: &Office, transferring: bool) -> CallRecord {
    let (records, trail) = crash(office);
    let [record] = &records[..] else { panic!("{records:?}") };
    assert_eq!(record.ended_because, Reason::ExchangeFailed);
    assert_eq!(record.seq, office.records.len() as u64 + 1);
    assert_eq!(record.ended_at, office.now.plus_ms(5_000));
    let ends = record.journey.iter().filter(|s| matches!(s.what, JourneyEvent::Ended { .. })).count();
    assert_eq!(
        (ends, &record.journey.last().unwrap().what),
        (1, &JourneyEvent::Ended { because: Reason::ExchangeFailed })
    );
    assert_eq!(trail.len(), usize::from(transferring));
    for entry in trail {
        assert_eq!((entry.action, entry.outcome), (AuditAction::Recover, AuditOutcome::FellBack));
        assert_eq!((entry.rule.as_str(), entry.call.as_ref()), ("the exchange failed", Some(&record.id)));
        assert_eq!(record.audit.last(), Some(&entry));
    }
    record.clone()
}

fn names(record: &CallRecord) -> Vec<&str> {
    record.agents.iter().map(|a| a.id.as_str()).collect()
}

#[test]
fn a_call_that_rings_is_closed_as_failed() {
    let mut office = Office::with(&["ravi"]);
    office.outside_call("+442079460200");
    let record = closed(&office, false);
    assert_eq!(record.outcome, CallOutcome::Failed);
    assert_eq!(record.department.unwrap().name, "Support");
}

#[test]
fn a_conversation_is_closed_as_answered() {
    let mut office = Office::with(&["ravi"]);
    office.talking_with("ravi");
    office.wait(600);
    let record = closed(&office, false);
    assert_eq!((record.outcome, names(&record)), (CallOutcome::Answered, vec!["ravi"]));
    assert_eq!(record.answered_at, Some(Timestamp(1_000_000)));
}

#[test]
fn each_stage_of_a_transfer_is_closed_and_settled() {
    let mut office = Office::with(&["ravi", "mina", "tom"]);
    let (_, _, call) = office.talking_with("ravi");
    office.transfer("maya", &call, to_user("tom")).unwrap();
    let record = closed(&office, true);
    assert!(matches!(record.journey[record.journey.len() - 2].what, JourneyEvent::Rang { .. }));
    office.wait(20);
    assert!(matches!(stage(&office), TransferStage::Recalling { .. }));
    let record = closed(&office, true);
    assert!(record.journey.iter().any(|s| matches!(s.what, JourneyEvent::Recalled { .. })));
    office.wait(20);
    assert!(matches!(stage(&office), TransferStage::NextAgent { .. }));
    closed(&office, true);
    let mina = office.rung("mina-desk");
    office.answer(mina);
    let record = closed(&office, false);
    assert_eq!(names(&record), ["ravi", "mina"]);
    assert_eq!(record.audit, office.trail);
    let transfer = office.consult("mina", &call, to_user("tom")).unwrap();
    closed(&office, true);
    let tom = office.rung("tom-desk");
    office.answer(tom);
    closed(&office, true);
    office.swap("mina", &transfer).unwrap();
    closed(&office, true);
    office.complete("mina", &transfer).unwrap();
    assert_eq!(names(&closed(&office, false)), ["ravi", "mina", "tom"]);
    office.transfer("maya", &call, to_department("support")).unwrap();
    office.wait(20);
    assert!(matches!(stage(&office), TransferStage::Queued { .. }));
    let record = closed(&office, true);
    assert!(record.journey.iter().any(|s| matches!(s.what, JourneyEvent::Queued { .. })));
    office.drain().unwrap();
    assert_eq!(crash(&office), (Vec::new(), Vec::new()), "what is over leaves no draft");
}

#[test]
fn a_message_being_left_is_closed_too() {
    let mut office = Office::with(&[]);
    office.outside_call("+442079460200");
    office.wait(120);
    let record = closed(&office, false);
    assert!(record.journey.iter().any(|s| matches!(s.what, JourneyEvent::VoicemailStarted { .. })));
}

#[test]
fn holding_and_resuming_without_end_writes_no_drafts() {
    let mut office = Office::with(&["ravi"]);
    let (_, agent, _) = office.talking_with("ravi");
    let before = office.drafts.clone();
    for held in [true, false, true, false] {
        office.engine(crate::EngineEvent::Held { leg: agent, held });
    }
    assert_eq!(office.drafts, before);
    office.drain().unwrap();
}

#[test]
fn a_clock_that_was_set_back_ends_no_call_before_it_began() {
    let mut office = Office::with(&["ravi"]);
    office.talking_with("ravi");
    let mut next = Switchboard::new(account(), "next".into(), (0, String::new()), 0);
    next.recover(Timestamp(5), office.drafts.values().cloned().collect());
    let Some(Output::Fact(Fact::Record(record))) = next.poll_output() else { panic!() };
    assert_eq!(record.ended_at, office.now);
}
