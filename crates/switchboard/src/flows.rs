//! Each flow as a script in virtual time. Every step also runs all the checks of the testkit.

#![allow(clippy::unwrap_used)]

mod attended;
mod consult;
mod crash;
mod divert;
mod join;
mod keys;
mod policy;
mod resume;
mod stale;
mod team;
mod undo;
mod ways;

use protocol::{
    AuditAction, AuditOutcome, CallOutcome, CallState, Denied, ForecastStep, Ineligible, JourneyEvent, Presence,
    Reason, TransferStage,
};

use crate::{
    BackFrom, EngineEvent, FallbackStep, Input, Order, ReferProgress, Refusal, Replaces, RingKind,
    testkit::{Office, account, to_department, to_user},
};

fn outcome_of(office: &Office) -> (AuditOutcome, String) {
    let settled = |e: &&protocol::AuditEntry| {
        e.action == AuditAction::Transfer && !matches!(e.outcome, AuditOutcome::Accepted | AuditOutcome::Refused)
    };
    let entry = office.trail.iter().rfind(settled).unwrap();
    (entry.outcome, entry.rule.clone())
}

fn stage(office: &Office) -> TransferStage {
    office.only_call().transfer.unwrap().stage
}

#[test]
fn a_call_rings_all_free_agents_and_the_first_to_answer_has_it() {
    let mut office = Office::with(&["ravi", "mina", "tom"]);
    office.register("ravi", "laptop");
    let caller = office.outside_call("+442079460200");
    assert!(office.ordered(&Order::IndicateRinging { leg: caller }));
    assert_eq!(office.ringing(), ["mina-desk", "ravi-desk", "ravi-laptop"].map(String::from).into());
    let (won, lost) = (office.rung("ravi-laptop"), [office.rung("ravi-desk"), office.rung("mina-desk")]);
    assert_eq!(office.cards[&won].kind, RingKind::Outside);
    assert_eq!(office.cards[&won].department.as_deref(), Some("Support"));
    office.answer(won);
    for leg in lost {
        assert_eq!(office.hung_up(leg), Some(Reason::AnsweredElsewhere));
    }
    let tail = &office.orders[office.orders.len() - 2..];
    assert_eq!(tail, [Order::Answer { leg: caller }, Order::Bridge { a: caller, b: won }]);
    office.end(caller, Reason::CallerGone);
    assert_eq!(office.hung_up(won), Some(Reason::CallerGone));
    let record = &office.records[0];
    assert_eq!((record.outcome, record.agents[0].id.as_str()), (CallOutcome::Answered, "ravi"));
    office.drain().unwrap();
}

#[test]
fn nobody_answers_so_the_caller_queues_and_the_next_free_agent_is_rung() {
    let mut office = Office::with(&["ravi"]);
    let caller = office.outside_call("+442079460200");
    office.wait(15);
    assert!(matches!(office.only_call().state, CallState::Queued { position: 1, .. }));
    office.wait(1);
    // Ravi has just let it ring out; Mina has not.
    assert!(office.ringing().is_empty());
    office.register("mina", "desk");
    assert_eq!(office.ringing(), ["mina-desk".to_owned()].into());
    let leg = office.rung("mina-desk");
    office.answer(leg);
    assert!(office.ordered(&Order::Bridge { a: caller, b: leg }));
    office.drain().unwrap();
}

#[test]
fn an_agent_who_let_it_ring_out_is_asked_again_after_a_while() {
    let mut office = Office::with(&["ravi"]);
    office.outside_call("+442079460200");
    office.wait(15 + 29);
    assert!(office.ringing().is_empty());
    office.wait(1);
    assert_eq!(office.ringing(), ["ravi-desk".to_owned()].into());
    office.drain().unwrap();
}

#[test]
fn the_queue_ends_in_voicemail_and_the_record_holds_the_message() {
    let mut office = Office::with(&[]);
    let first = office.outside_call("+442079460200");
    let second = office.outside_call("+442079460200");
    let position = |office: &Office, n: usize| match &office.shown.values().nth(n).unwrap().state {
        CallState::Queued { position, .. } => *position,
        other => panic!("{other:?}"),
    };
    assert_eq!((position(&office, 0), position(&office, 1)), (1, 2));
    office.end(first, Reason::CallerGone);
    assert_eq!(position(&office, 0), 1);
    office.wait(120);
    assert!(matches!(office.only_call().state, CallState::Voicemail { .. }));
    office.end(second, Reason::CallerGone);
    assert_eq!(office.records.len(), 1, "the message is still to come");
    office.engine(EngineEvent::Recorded { leg: second, duration_ms: 4_200, file: "x.wav".into() });
    let record = &office.records[1];
    assert_eq!(record.outcome, CallOutcome::Voicemail);
    assert_eq!(record.voicemail.as_ref().unwrap().duration_ms, 4_200);
    office.drain().unwrap();
}

#[test]
fn an_unknown_number_hears_the_closing_announcement() {
    let mut office = Office::with(&["ravi"]);
    let caller = office.outside_call("+15550100");
    assert_eq!(office.only_call().state, CallState::Closing);
    office.engine(EngineEvent::PromptFinished { leg: caller });
    assert!(office.hung_up(caller).is_some());
    assert_eq!(office.records[0].outcome, CallOutcome::Announced);
    office.drain().unwrap();
}

#[test]
fn hold_plays_music_and_resume_bridges_again() {
    let mut office = Office::with(&["ravi"]);
    let (caller, agent, _) = office.talking_with("ravi");
    office.engine(EngineEvent::Held { leg: agent, held: true });
    assert!(matches!(office.only_call().state, CallState::Held { .. }));
    assert!(office.ordered(&Order::PlayMusic { leg: caller }));
    office.engine(EngineEvent::Held { leg: agent, held: false });
    assert!(office.ordered(&Order::Bridge { a: caller, b: agent }));
    office.end(agent, Reason::CallerGone);
    assert_eq!(office.records[0].ended_because, Reason::AgentGone);
    office.drain().unwrap();
}

#[test]
fn a_manager_who_watches_moves_a_call_to_a_colleague() {
    let mut office = Office::with(&["ravi", "tom"]);
    let (caller, agent, call) = office.talking_with("ravi");
    office.transfer("maya", &call, to_user("tom")).unwrap();
    assert!(office.ordered(&Order::PlayMusic { leg: caller }));
    assert!(office.hung_up(agent).is_some(), "the former agent is released at Go");
    assert!(matches!(stage(&office), TransferStage::Ringing { .. }));
    let leg = office.rung("tom-desk");
    let card = &office.cards[&leg];
    assert_eq!((card.kind, card.note.as_deref()), (RingKind::Transfer, Some("needs an invoice")));
    assert_eq!(card.transferred_by.as_ref().unwrap().name, "Maya Lindqvist");
    office.answer(leg);
    assert!(office.ordered(&Order::Bridge { a: caller, b: leg }));
    assert_eq!(outcome_of(&office), (AuditOutcome::Completed, "answered by Tom Okafor".into()));
    office.end(caller, Reason::CallerGone);
    let record = &office.records[0];
    assert!(record.journey.iter().any(|s| matches!(s.what, JourneyEvent::TransferDone { .. })));
    assert_eq!(record.audit.len(), 2);
    office.drain().unwrap();
}

#[test]
fn a_refused_transfer_comes_back_then_tries_the_next_agent_then_voicemail() {
    let mut office = Office::with(&["ravi"]);
    let (caller, _, call) = office.talking_with("ravi");
    office.register("mina", "desk");
    office.register("tom", "desk");
    office.transfer("maya", &call, to_user("tom")).unwrap();
    let leg = office.rung("tom-desk");
    office.end(leg, Reason::Declined);
    let recall = office.rung("ravi-desk");
    assert_eq!(office.cards[&recall].kind, RingKind::Recall);
    assert_eq!(
        office.cards[&recall].back_from,
        Some(BackFrom { name: "Tom Okafor".into(), reason: Reason::Declined, seconds: 0 })
    );
    office.wait(20);
    // Ravi rang in vain: only Mina is asked.
    assert_eq!(office.ringing(), ["mina-desk".to_owned()].into());
    assert!(matches!(stage(&office), TransferStage::NextAgent { because: Reason::Declined, .. }));
    office.wait(25);
    assert!(matches!(stage(&office), TransferStage::Voicemail { because: Reason::Declined, .. }));
    let mailbox =
        |o: &Order| matches!(o, Order::RecordVoicemail { mailbox, leg, .. } if mailbox == "tom" && *leg == caller);
    assert!(office.orders.iter().any(mailbox));
    assert_eq!(outcome_of(&office).0, AuditOutcome::FellBack);
    office.drain().unwrap();
}

#[test]
fn the_recalled_agent_answers() {
    let mut office = Office::with(&["ravi", "tom"]);
    let (caller, _, call) = office.talking_with("ravi");
    office.transfer("ravi", &call, to_user("tom")).unwrap();
    office.wait(20);
    let leg = office.rung("ravi-desk");
    office.answer(leg);
    assert!(office.ordered(&Order::Bridge { a: caller, b: leg }));
    assert_eq!(outcome_of(&office), (AuditOutcome::FellBack, "no answer after 20 s; back with Ravi Kumar".into()));
    office.drain().unwrap();
}

#[test]
fn a_target_that_vanishes_while_ringing_is_no_end() {
    let mut office = Office::with(&["ravi", "tom"]);
    let (_, _, call) = office.talking_with("ravi");
    office.transfer("ravi", &call, to_user("tom")).unwrap();
    office.vanish("tom", "desk");
    assert!(matches!(stage(&office), TransferStage::Recalling { because: Reason::Unreachable, .. }));
    office.drain().unwrap();
}

#[test]
fn no_fallback_at_all_ends_with_the_announcement() {
    let mut account = account();
    account.policy.fallback.steps.clear();
    let mut office = Office::of(account, &["ravi", "tom"]);
    let (_, _, call) = office.talking_with("ravi");
    office.transfer("ravi", &call, to_user("tom")).unwrap();
    office.wait(20);
    assert_eq!(office.only_call().state, CallState::Closing);
    office.drain().unwrap();
}

#[test]
fn a_department_rings_then_queues_then_falls_back() {
    let mut office = Office::with(&["ravi", "tom"]);
    let (caller, _, call) = office.talking_with("ravi");
    office.transfer("maya", &call, to_department("sales")).unwrap();
    assert_eq!(office.ringing(), ["tom-desk".to_owned()].into());
    office.wait(20);
    assert!(matches!(stage(&office), TransferStage::Queued { .. }));
    office.wait(30);
    let leg = office.rung("tom-desk");
    office.answer(leg);
    assert!(office.ordered(&Order::Bridge { a: caller, b: leg }));
    assert_eq!(office.only_call().department.unwrap().name, "Sales");
    assert_eq!(outcome_of(&office).0, AuditOutcome::Completed);
    office.drain().unwrap();
}

#[test]
fn cancel_rings_the_former_agent_at_once() {
    let mut office = Office::with(&["ravi", "tom"]);
    let (_, _, call) = office.talking_with("ravi");
    let transfer = office.transfer("maya", &call, to_user("tom")).unwrap();
    assert_eq!(office.cancel("tom", &transfer), Err(Refusal::Denied(Denied::NotYourCall)));
    assert_eq!(office.trail.last().unwrap().outcome, AuditOutcome::Refused);
    let rung = office.rung("tom-desk");
    office.cancel("maya", &transfer).unwrap();
    assert_eq!(office.hung_up(rung), Some(Reason::Cancelled));
    let leg = office.rung("ravi-desk");
    assert_eq!(office.cards[&leg].kind, RingKind::Recall);
    office.answer(leg);
    assert_eq!(outcome_of(&office), (AuditOutcome::FellBack, "cancelled; back with Ravi Kumar".into()));
    office.drain().unwrap();
}

#[test]
fn a_device_transfers_by_refer_and_is_told_how_it_goes() {
    let mut office = Office::with(&["ravi", "tom"]);
    let (_, agent, _) = office.talking_with("ravi");
    office.engine(EngineEvent::ReferRequested { leg: agent, to: "nobody".into(), replaces: Replaces::Nothing });
    assert_eq!(office.orders, [Order::ReferProgress { leg: agent, progress: ReferProgress::Refused }]);
    office.engine(EngineEvent::ReferRequested { leg: agent, to: "105".into(), replaces: Replaces::Nothing });
    assert!(office.ordered(&Order::ReferProgress { leg: agent, progress: ReferProgress::Accepted }));
    let leg = office.rung("tom-desk");
    office.engine(EngineEvent::Ringing { leg });
    assert!(office.ordered(&Order::ReferProgress { leg: agent, progress: ReferProgress::Ringing }));
    office.answer(leg);
    assert!(office.ordered(&Order::ReferProgress { leg: agent, progress: ReferProgress::Done }));
    assert!(office.hung_up(agent).is_some());
    office.drain().unwrap();
}

#[test]
fn who_calls_a_colleague_and_transfers_moves_the_colleague() {
    let mut office = Office::with(&["ravi", "mina", "tom"]);
    let calling = office.device_call("ravi", "104");
    let mina = office.rung("mina-desk");
    assert_eq!(office.cards[&mina].kind, RingKind::Internal);
    office.answer(mina);
    let call = office.only_call().id;
    office.transfer("ravi", &call, to_user("tom")).unwrap();
    assert!(office.ordered(&Order::PlayMusic { leg: mina }));
    assert!(office.hung_up(calling).is_some());
    let tom = office.rung("tom-desk");
    assert_eq!(office.cards[&tom].caller.name, "Mina Shah");
    office.answer(tom);
    assert!(office.ordered(&Order::Bridge { a: mina, b: tom }));
    office.drain().unwrap();
}

#[test]
fn an_outbound_call_moves_the_outside_party() {
    let mut office = Office::with(&["ravi", "tom"]);
    let desk = office.device_call("ravi", "+44 (20) 7946-0999");
    let [Order::Dial { leg: outside, number, .. }] = &office.orders[..] else { panic!("{:?}", office.orders) };
    let (outside, number) = (*outside, number.clone());
    assert_eq!(number, "+442079460999");
    office.answer(outside);
    assert_eq!(office.orders, [Order::Answer { leg: desk }, Order::Bridge { a: outside, b: desk }]);
    let call = office.only_call().id;
    office.transfer("ravi", &call, to_user("tom")).unwrap();
    assert!(office.ordered(&Order::PlayMusic { leg: outside }));
    office.drain().unwrap();
}

#[test]
fn a_leg_that_breaks_puts_the_caller_back_in_line() {
    let mut office = Office::with(&["ravi"]);
    let (_, agent, _) = office.talking_with("ravi");
    office.engine(EngineEvent::OrderFailed { leg: agent, detail: "no common codec".into(), fatal: true });
    assert!(matches!(office.only_call().state, CallState::Queued { .. }));
    office.drain().unwrap();
}

#[test]
fn refusals_are_answered_and_audited() {
    let mut office = Office::with(&["ravi", "mina", "tom"]);
    let (_, _, call) = office.talking_with("ravi");
    let denied = |d| Err(Refusal::Denied(d));
    assert_eq!(office.transfer("tom", &call, to_user("mina")), denied(Denied::NotYourCall));
    assert_eq!(office.trail.last().unwrap().rule, "denied: not_your_call");
    assert_eq!(office.transfer("ghost", &call, to_user("mina")), denied(Denied::UnknownUser));
    let stale = office.transfer_at("ravi", &call, 99, to_user("mina"));
    assert!(matches!(stale, Err(Refusal::Denied(Denied::Stale { .. }))));
    assert_eq!(office.transfer("ravi", &"gone".into(), to_user("mina")), Err(Refusal::UnknownCall));
    assert_eq!(office.transfer("ravi", &call, to_user("ravi")), Err(Refusal::Ineligible(Ineligible::InThisCall)));
    assert_eq!(office.transfer("ravi", &call, to_user("omar")), Err(Refusal::Ineligible(Ineligible::NoDevice)));
    office.presence("mina", Presence::DoNotDisturb);
    let dnd = Err(Refusal::Ineligible(Ineligible::DoNotDisturb { since: office.now }));
    assert_eq!(office.transfer("ravi", &call, to_user("mina")), dnd);
    office.transfer("ravi", &call, to_user("tom")).unwrap();
    let again = office.transfer("maya", &call, to_user("tom"));
    assert!(matches!(again, Err(Refusal::Denied(Denied::AlreadyTransferring { .. }))));
    assert_eq!(office.trail.iter().filter(|e| e.outcome == AuditOutcome::Refused).count(), 8);
    office.drain().unwrap();
}

#[test]
fn agents_transfer_only_where_the_account_lets_them() {
    let mut account = account();
    account.policy.agents_may_transfer = false;
    let mut office = Office::of(account, &["ravi", "tom"]);
    let (_, _, call) = office.talking_with("ravi");
    let refused = office.transfer("ravi", &call, to_user("tom"));
    assert_eq!(refused, Err(Refusal::Denied(Denied::AgentsMayNotTransfer)));
    assert!(office.board.may_transfer(&"maya".into(), &call).is_ok());
    office.drain().unwrap();
}

#[test]
fn who_sees_what() {
    let mut office = Office::with(&["ravi", "tom"]);
    let (caller, _, _) = office.talking_with("ravi");
    let live = office.only_call();
    let sees =
        |office: &Office| ["alex", "maya", "ravi", "mina", "tom"].map(|u| office.board.may_see(&u.into(), &live));
    assert_eq!(sees(&office), [true, true, true, false, false]);
    office.transfer("maya", &live.id, to_user("tom")).unwrap();
    assert!(sees(&office)[4], "whoever is rung sees what rings");
    office.end(caller, Reason::CallerGone);
    let record = &office.records[0];
    let sees = ["alex", "maya", "ravi", "mina", "tom"].map(|u| office.board.may_see_record(&u.into(), record));
    assert_eq!(sees, [true, true, true, false, true]);
    office.drain().unwrap();
}

#[test]
fn targets_come_sorted_with_reasons_and_forecast() {
    let mut office = Office::with(&["ravi", "mina", "tom"]);
    let (_, _, call) = office.talking_with("ravi");
    let targets = office.targets("maya", &call).unwrap();
    let names: Vec<_> = targets.iter().map(|t| t.name.as_str()).collect();
    let sorted =
        ["Alex Moreno", "Maya Lindqvist", "Mina Shah", "Omar Haddad", "Ravi Kumar", "Tom Okafor", "Sales", "Support"];
    assert_eq!(names, sorted);
    assert_eq!(targets[4].ineligible, Some(Ineligible::InThisCall));
    let line = "rings Tom Okafor 20 s, then back to Ravi Kumar 20 s, then next free agent of Support (1 free) 25 s, \
                then voicemail of Tom Okafor";
    assert_eq!(targets[5].forecast_line, line);
    office.drain().unwrap();
}

/// If nobody answers and nothing else changes, what was forecast is what happens, step by step.
#[test]
fn the_forecast_comes_true() {
    let mut account = account();
    account.policy.fallback.steps.insert(1, FallbackStep::Recall { whom: crate::RecallWhom::Transferor, seconds: 10 });
    for target in [to_user("tom"), to_user("mina"), to_department("sales"), to_department("support")] {
        let mut office = Office::of(account.clone(), &["ravi", "mina", "tom", "maya"]);
        let (_, _, call) = office.talking_with("ravi");
        let rows = office.targets("maya", &call).unwrap();
        let forecast = rows.into_iter().find(|t| t.target == target).unwrap().forecast;
        office.transfer("maya", &call, target.clone()).unwrap();
        for step in &forecast {
            let shown = office.only_call();
            let stage = shown.transfer.as_ref().map(|t| t.stage.clone());
            let names = |users: &[protocol::UserRef]| users.iter().map(|u| u.id.clone()).collect::<Vec<_>>();
            let seconds = match (step, stage) {
                (ForecastStep::Ring { users, seconds }, Some(TransferStage::Ringing { towards, .. })) => {
                    assert_eq!(names(users), names(&towards));
                    *seconds
                }
                (ForecastStep::Recall { user, seconds }, Some(TransferStage::Recalling { towards, .. })) => {
                    assert_eq!(*user, towards);
                    *seconds
                }
                (ForecastStep::NextAgent { free, seconds, .. }, Some(TransferStage::NextAgent { towards, .. })) => {
                    assert_eq!(*free as usize, towards.len());
                    *seconds
                }
                (ForecastStep::Queue { department, .. }, Some(TransferStage::Queued { department: there, .. })) => {
                    assert_eq!(*department, there.name);
                    // Nobody to ask again while we wait.
                    let waiting = |office: &Office| {
                        matches!(
                            office.only_call().transfer.map(|t| t.stage),
                            Some(TransferStage::Queued { .. } | TransferStage::Ringing { .. })
                        )
                    };
                    while waiting(&office) {
                        office.wait(1);
                    }
                    0
                }
                (ForecastStep::Voicemail { mailbox }, Some(TransferStage::Voicemail { mailbox: there, .. })) => {
                    assert_eq!(*mailbox, there);
                    0
                }
                (step, stage) => panic!("forecast {step:?}, but {stage:?} for {target:?}"),
            };
            office.wait(u64::from(seconds));
        }
        office.drain().unwrap();
    }
}

#[test]
fn late_and_duplicate_events_mean_nothing() {
    let mut office = Office::with(&["ravi", "mina"]);
    let (caller, agent, _) = office.talking_with("ravi");
    let shown = office.only_call();
    for event in [
        EngineEvent::Answered { leg: agent },
        EngineEvent::Answered { leg: caller },
        EngineEvent::Ringing { leg: agent },
        EngineEvent::PromptFinished { leg: caller },
        EngineEvent::Recorded { leg: caller, duration_ms: 1, file: String::new() },
        EngineEvent::Held { leg: agent, held: false },
        EngineEvent::Ended { leg: protocol::LegId(4_000), reason: Reason::Failed },
    ] {
        office.engine(event);
        assert_eq!((office.only_call(), &office.orders[..]), (shown.clone(), &[][..]));
    }
    office.drain().unwrap();
}

#[test]
fn shutdown_ends_everything() {
    let mut office = Office::with(&["ravi"]);
    let (caller, agent, _) = office.talking_with("ravi");
    office.outside_call("+442079460200");
    office.handle(Input::Shutdown);
    assert_eq!((office.hung_up(caller), office.hung_up(agent)), (Some(Reason::Shutdown), Some(Reason::Shutdown)));
    assert_eq!(office.records.len(), 2);
    office.drain().unwrap();
}
