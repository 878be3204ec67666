//! Undo, and who stays on the line meanwhile.

use protocol::{AuditOutcome, CallState, Denied, Reason, TransferStage};

use super::{outcome_of, stage};
use crate::{
    AnswerMode, EngineEvent, FallbackStep, Order, ReferProgress, Refusal, Release, Replaces,
    testkit::{Office, account, to_department, to_user},
};

fn staying() -> Office {
    let mut account = account();
    account.policy.release = Release::WhenAnswered;
    Office::of(account, &["ravi", "tom"])
}

#[test]
fn who_takes_back_their_own_call_has_it_on_the_device_that_had_it() {
    let mut office = Office::with(&["ravi", "tom"]);
    office.register("ravi", "laptop");
    let (caller, _, call) = office.talking_with("ravi");
    let transfer = office.transfer("ravi", &call, to_user("tom")).unwrap();
    office.wait(3);
    office.cancel("ravi", &transfer).unwrap();
    let (desk, laptop) = (office.rung("ravi-desk"), office.rung("ravi-laptop"));
    let modes = [desk, laptop].map(|leg| office.cards[&leg].answer);
    assert_eq!(modes, [AnswerMode::Auto, AnswerMode::Manual]);
    assert_eq!(office.cancel("ravi", &transfer), Err(Refusal::Denied(Denied::ComingBack)));
    office.answer(desk);
    assert!(office.ordered(&Order::Bridge { a: caller, b: desk }));
    let outcome = "cancelled after 3 s; back with Ravi Kumar".to_owned();
    assert_eq!(office.cancel("ravi", &transfer), Err(Refusal::Denied(Denied::Settled { outcome })));
    office.drain().unwrap();
}

#[test]
fn a_manager_who_takes_it_back_makes_no_phone_answer_by_itself() {
    let mut office = Office::with(&["ravi", "tom"]);
    let (_, _, call) = office.talking_with("ravi");
    let transfer = office.transfer("ravi", &call, to_user("tom")).unwrap();
    office.cancel("maya", &transfer).unwrap();
    let desk = office.rung("ravi-desk");
    assert_eq!(office.cards[&desk].answer, AnswerMode::Manual);
    office.drain().unwrap();
}

#[test]
fn too_late_says_what_became_of_it() {
    let mut office = Office::with(&["ravi", "tom"]);
    let (caller, _, call) = office.talking_with("ravi");
    let transfer = office.transfer("ravi", &call, to_user("tom")).unwrap();
    let tom = office.rung("tom-desk");
    office.answer(tom);
    let outcome = "answered by Tom Okafor".to_owned();
    let settled = Err(Refusal::Denied(Denied::Settled { outcome }));
    assert_eq!(office.cancel("ravi", &transfer), settled);
    assert_eq!(office.cancel("mina", &transfer), Err(Refusal::UnknownTransfer));
    office.end(caller, Reason::CallerGone);
    let refused = |e: &&protocol::AuditEntry| e.outcome == AuditOutcome::Refused;
    let said: Vec<_> = office.records[0].audit.iter().filter(refused).map(|e| e.user.as_str()).collect();
    assert_eq!(said, ["ravi", "mina"], "asked while the call was live");
    assert_eq!(office.cancel("ravi", &transfer), settled, "also when the call is over");
    assert_eq!(office.cancel("maya", &transfer), Err(Refusal::UnknownTransfer));
    office.drain().unwrap();
}

#[test]
fn an_agent_who_stays_is_let_go_when_the_target_answers() {
    let mut office = staying();
    let (caller, ravi, call) = office.talking_with("ravi");
    office.transfer("ravi", &call, to_user("tom")).unwrap();
    assert!(office.ordered(&Order::PlayMusic { leg: caller }) && office.ordered(&Order::PlayRingback { leg: ravi }));
    let tom = office.rung("tom-desk");
    office.answer(tom);
    assert!(office.hung_up(ravi).is_some() && office.ordered(&Order::Bridge { a: caller, b: tom }));
    office.drain().unwrap();
}

#[test]
fn an_agent_who_stays_has_the_caller_back_at_once() {
    let back = |office: &mut Office, caller, ravi, rule: &str| {
        assert!(office.ordered(&Order::Bridge { a: caller, b: ravi }) && office.ringing().is_empty());
        assert_eq!(outcome_of(office), (AuditOutcome::FellBack, rule.to_owned()));
        assert!(matches!(office.only_call().state, CallState::Talking { .. }));
        office.drain().unwrap();
    };
    let mut office = staying();
    let (caller, ravi, call) = office.talking_with("ravi");
    office.transfer("maya", &call, to_user("tom")).unwrap();
    office.wait(20);
    back(&mut office, caller, ravi, "no answer after 20 s; back with Ravi Kumar");

    let mut office = staying();
    let (caller, ravi, call) = office.talking_with("ravi");
    let transfer = office.transfer("ravi", &call, to_user("tom")).unwrap();
    office.cancel("ravi", &transfer).unwrap();
    back(&mut office, caller, ravi, "cancelled; back with Ravi Kumar");
}

#[test]
fn an_agent_who_stays_and_holds_is_rung() {
    let mut office = staying();
    let (_, ravi, call) = office.talking_with("ravi");
    office.transfer("ravi", &call, to_user("tom")).unwrap();
    office.engine(EngineEvent::Held { leg: ravi, held: true });
    office.wait(20);
    assert!(office.hung_up(ravi).is_some());
    office.rung("ravi-desk");
    office.drain().unwrap();
}

#[test]
fn an_agent_who_stays_and_holds_is_rung_as_the_next_free_one_too() {
    let mut account = account();
    account.policy.release = Release::WhenAnswered;
    account.policy.fallback.steps.remove(0);
    let mut office = Office::of(account, &["ravi", "tom"]);
    let (_, ravi, call) = office.talking_with("ravi");
    office.transfer("ravi", &call, to_user("tom")).unwrap();
    office.engine(EngineEvent::Held { leg: ravi, held: true });
    office.wait(20);
    assert!(matches!(stage(&office), TransferStage::NextAgent { .. }));
    assert_eq!((office.hung_up(ravi), office.ringing().len()), (Some(Reason::AnsweredElsewhere), 1));
    let again = office.rung("ravi-desk");
    office.answer(again);
    assert!(matches!(office.only_call().state, CallState::Talking { .. }));
    office.drain().unwrap();
}

#[test]
fn an_agent_who_stays_may_leave() {
    let mut office = staying();
    let (_, ravi, call) = office.talking_with("ravi");
    office.transfer("ravi", &call, to_user("tom")).unwrap();
    office.end(ravi, Reason::AgentGone);
    office.wait(20);
    assert!(matches!(stage(&office), TransferStage::Recalling { .. }));
    office.rung("ravi-desk");
    office.drain().unwrap();
}

#[test]
fn an_agent_who_stays_waits_through_a_line() {
    let mut office = staying();
    let (caller, ravi, call) = office.talking_with("ravi");
    office.transfer("ravi", &call, to_department("sales")).unwrap();
    office.wait(20);
    assert!(matches!(stage(&office), TransferStage::Queued { .. }));
    office.wait(100);
    assert!(office.ears.of(ravi).is_some());
    office.wait(60);
    assert!(office.shown[&call].transfer.is_none(), "back with Ravi");
    office.end(caller, Reason::CallerGone);
    assert!(office.hung_up(ravi).is_some());
    office.drain().unwrap();
}

#[test]
fn a_device_that_did_not_hold_has_the_caller_back_on_the_same_leg() {
    for held in [false, true] {
        let mut office = Office::with(&["ravi", "tom"]);
        let (caller, ravi, _) = office.talking_with("ravi");
        office.engine(EngineEvent::Held { leg: ravi, held });
        office.engine(EngineEvent::ReferRequested { leg: ravi, to: "105".into(), replaces: Replaces::Nothing });
        office.end(office.rung("tom-desk"), Reason::Busy);
        assert!(office.ordered(&Order::ReferProgress { leg: ravi, progress: ReferProgress::Failed(Reason::Busy) }));
        assert_eq!(office.ordered(&Order::Bridge { a: caller, b: ravi }), !held);
        assert_eq!(office.hung_up(ravi).is_some(), held);
        assert_eq!(office.ringing().contains("ravi-desk"), held);
        office.drain().unwrap();
    }
}

#[test]
fn the_card_of_a_recall_names_the_target_however_many_were_tried_after_it() {
    let mut account = account();
    account.policy.fallback.steps.swap(0, 1);
    let mut office = Office::of(account, &["ravi"]);
    let (_, _, call) = office.talking_with("ravi");
    office.register("mina", "desk");
    office.register("tom", "desk");
    office.presence("ravi", protocol::Presence::DoNotDisturb);
    office.transfer("maya", &call, to_user("tom")).unwrap();
    office.presence("ravi", protocol::Presence::Available);
    office.wait(20);
    assert!(matches!(stage(&office), TransferStage::NextAgent { .. }));
    office.end(office.rung("ravi-desk"), Reason::Declined);
    office.wait(25);
    assert!(matches!(stage(&office), TransferStage::Voicemail { .. }), "Ravi has just refused it");
    office.drain().unwrap();

    let mut account = account_with_recall_last();
    account.policy.agents_may_transfer = true;
    let mut office = Office::of(account, &["ravi"]);
    let (_, _, call) = office.talking_with("ravi");
    office.register("mina", "desk");
    office.register("tom", "desk");
    office.register("maya", "desk");
    office.transfer("maya", &call, to_user("tom")).unwrap();
    office.presence("ravi", protocol::Presence::Away);
    office.wait(20);
    office.wait(25);
    let back = office.rung("maya-desk");
    let from = office.cards[&back].back_from.clone().unwrap();
    assert_eq!((from.name.as_str(), from.reason, from.seconds), ("Tom Okafor", Reason::NoAnswer, 20));
    office.drain().unwrap();
}

fn account_with_recall_last() -> crate::Account {
    let mut account = account();
    let steps = &mut account.policy.fallback.steps;
    steps.retain(|step| matches!(step, FallbackStep::NextAgent { .. }));
    steps.push(FallbackStep::Recall { whom: crate::RecallWhom::Transferor, seconds: 20 });
    account
}
