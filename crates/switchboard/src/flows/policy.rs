//! Whose fallback counts, for which reason, and each of its steps.

use protocol::{AuditOutcome, CallState, Ineligible, JourneyEvent, Presence, Reason, TransferKind, TransferStage};

use super::{outcome_of, stage};
use crate::{
    Account, Fallback, FallbackStep, MailboxOf, Miss, Order, RecallWhom, Refusal, Unavailable,
    testkit::{Office, account, to_department, to_user},
};

fn mailbox(of: MailboxOf) -> FallbackStep {
    FallbackStep::Voicemail { of }
}

fn queue(department: Option<&str>, seconds: u32) -> FallbackStep {
    FallbackStep::Queue { department: department.map(Into::into), seconds }
}

/// A fallback that can be told from others by how long it waits for Sales.
fn marked(seconds: u32) -> Fallback {
    Fallback::of(vec![queue(Some("sales"), seconds)])
}

fn user<'a>(account: &'a mut Account, id: &str) -> &'a mut crate::UserConfig {
    account.users.iter_mut().find(|u| u.id.as_str() == id).unwrap()
}

/// For how long the caller waits after `target` has not answered, by `account`.
fn wait_after(account: Account, target: &protocol::Target) -> u64 {
    let mut office = Office::of(account, &["ravi", "mina"]);
    let (_, _, call) = office.talking_with("ravi");
    if *target == to_user("tom") {
        office.register("tom", "desk");
    }
    office.transfer("maya", &call, target.clone()).unwrap();
    let leg = office.rung(if *target == to_user("tom") { "tom-desk" } else { "mina-desk" });
    office.end(leg, Reason::NoAnswer);
    let TransferStage::Queued { until, .. } = stage(&office) else { panic!("{:?}", stage(&office)) };
    until.ms_since(office.now) / 1_000
}

#[test]
fn the_targets_own_fallback_before_its_departments_before_the_calls_before_the_accounts() {
    let mut account = account();
    account.policy.fallback = marked(10);
    assert_eq!(wait_after(account.clone(), &to_user("tom")), 10);
    account.departments[0].fallback = Some(marked(20));
    assert_eq!(wait_after(account.clone(), &to_user("tom")), 20, "of the call's department");
    assert_eq!(wait_after(account.clone(), &to_user("mina")), 20, "of her department");
    account.departments[1].fallback = Some(marked(30));
    assert_eq!(wait_after(account.clone(), &to_user("tom")), 30, "of his department");
    assert_eq!(wait_after(account.clone(), &to_user("mina")), 20);
    user(&mut account, "tom").fallback = Some(marked(40));
    assert_eq!(wait_after(account.clone(), &to_user("tom")), 40, "his own");
    assert_eq!(wait_after(account, &to_user("mina")), 20);
}

#[test]
fn the_fallback_may_differ_by_why_the_target_did_not_take_it() {
    let mut account = account();
    let reasons = [
        (Miss::NoAnswer, Reason::NoAnswer, 1),
        (Miss::Busy, Reason::Busy, 2),
        (Miss::Declined, Reason::Declined, 3),
        (Miss::NoDevice, Reason::Unreachable, 4),
        (Miss::DoNotDisturb, Reason::DoNotDisturb, 5),
    ];
    account.policy.fallback = marked(50);
    account.policy.fallback.on = reasons.iter().map(|(miss, _, s)| (*miss, marked(*s).steps)).collect();
    for (miss, reason, seconds) in reasons {
        for special in [true, false] {
            let mut account = account.clone();
            if !special {
                account.policy.fallback.on.remove(&miss);
            }
            let mut office = Office::of(account, &["ravi", "tom"]);
            let (_, _, call) = office.talking_with("ravi");
            office.transfer("maya", &call, to_user("tom")).unwrap();
            let tom = office.rung("tom-desk");
            office.end(tom, reason);
            let TransferStage::Queued { until, .. } = stage(&office) else { panic!("{reason:?}") };
            let expected = if special { seconds } else { 50 };
            assert_eq!(until.ms_since(office.now), u64::from(expected) * 1_000, "{reason:?}");
            office.drain().unwrap();
        }
    }
}

#[test]
fn a_target_who_is_not_available_is_refused_or_followed() {
    let mut account = account();
    account.policy.fallback = marked(50);
    let misses = [
        (Miss::Away, Reason::Away),
        (Miss::DoNotDisturb, Reason::DoNotDisturb),
        (Miss::NoDevice, Reason::Unreachable),
        (Miss::Busy, Reason::Busy),
    ];
    account.policy.fallback.on = (1..).zip(misses).map(|(s, (miss, _))| (miss, marked(s).steps)).collect();
    for ((miss, reason), seconds) in misses.into_iter().zip(1..) {
        for follow in [false, true] {
            let mut account = account.clone();
            account.policy.unavailable = if follow { Unavailable::Follow } else { Unavailable::Refuse };
            let mut office = Office::of(account, &["ravi", "tom"]);
            let (_, _, call) = office.talking_with("ravi");
            match miss {
                Miss::Away => office.presence("tom", Presence::Away),
                Miss::DoNotDisturb => office.presence("tom", Presence::DoNotDisturb),
                Miss::NoDevice => office.vanish("tom", "desk"),
                Miss::Busy => drop(office.device_call("tom", "+441632960999")),
                Miss::NoAnswer | Miss::Declined => unreachable!(),
            }
            let answer = office.transfer("ravi", &call, to_user("tom"));
            if !follow {
                assert!(matches!(answer, Err(Refusal::Ineligible(_))), "{answer:?}");
                office.drain().unwrap();
                continue;
            }
            let shown = &office.shown[&call];
            let TransferStage::Queued { until, .. } = shown.transfer.as_ref().unwrap().stage else { panic!() };
            assert_eq!(until.ms_since(office.now), seconds * 1_000, "{miss:?}");
            let bounced =
                |e: &JourneyEvent| matches!(e, JourneyEvent::TransferBounced { reason: r, .. } if *r == reason);
            assert!(office.drafts[&call].journey.iter().any(|step| bounced(&step.what)), "passed over as {reason:?}");
            office.drain().unwrap();
        }
    }
}

#[test]
fn the_mailbox_of_somebody_away_is_open_but_not_that_of_the_disabled() {
    let mut account = account();
    user(&mut account, "omar").disabled = true;
    let mut office = Office::of(account, &["ravi"]);
    let (_, _, call) = office.talking_with("ravi");
    let revision = office.only_call().revision;
    let refused = office.ask("ravi", &call, revision, to_user("omar"), TransferKind::Voicemail);
    assert_eq!(refused, Err(Refusal::Ineligible(Ineligible::Disabled)));
    office.presence("tom", Presence::Away);
    office.ask("ravi", &call, revision, to_user("tom"), TransferKind::Voicemail).unwrap();
    assert!(matches!(office.only_call().state, CallState::Voicemail { mailbox } if mailbox == "Tom Okafor"));
    office.drain().unwrap();
}

#[test]
fn a_line_in_the_fallback_asks_its_agents_and_ends_after_its_own_time() {
    let mut account = account();
    account.policy.fallback =
        Fallback::of(vec![queue(Some("sales"), 40), queue(None, 25), mailbox(MailboxOf::Department)]);
    let mut office = Office::of(account, &["ravi"]);
    let (caller, _, call) = office.talking_with("ravi");
    office.register("mina", "desk");
    office.transfer("maya", &call, to_user("mina")).unwrap();
    office.vanish("ravi", "desk");
    office.wait(20);
    let TransferStage::Queued { department, .. } = stage(&office) else { panic!() };
    assert_eq!(department.name, "Sales");
    office.vanish("mina", "desk");
    office.wait(40);
    let TransferStage::Queued { department, until, .. } = stage(&office) else { panic!() };
    assert_eq!((department.name.as_str(), until.ms_since(office.now)), ("Support", 25_000));
    office.wait(25);
    assert!(matches!(stage(&office), TransferStage::Voicemail { mailbox, .. } if mailbox == "Support"));
    office.end(caller, Reason::CallerGone);
    office.drain().unwrap();
}

#[test]
fn who_takes_the_call_from_a_line_of_the_fallback_did_not_complete_the_transfer() {
    let mut account = account();
    account.policy.fallback = Fallback::of(vec![queue(Some("sales"), 40)]);
    let mut office = Office::of(account, &["ravi", "mina"]);
    let (_, _, call) = office.talking_with("ravi");
    office.transfer("maya", &call, to_user("mina")).unwrap();
    office.wait(20);
    office.register("tom", "desk");
    let tom = office.rung("tom-desk");
    office.answer(tom);
    let rule = "no answer after 20 s; answered by Tom Okafor after waiting for Sales".to_owned();
    assert_eq!(outcome_of(&office), (AuditOutcome::FellBack, rule));
    office.drain().unwrap();
}

#[test]
fn who_is_gone_is_passed_over_and_the_announcement_ends_it() {
    let mut account = account();
    let recall = |whom| FallbackStep::Recall { whom, seconds: 9 };
    account.policy.fallback = Fallback::of(vec![
        recall(RecallWhom::FormerAgent),
        recall(RecallWhom::Transferor),
        FallbackStep::Announcement,
        mailbox(MailboxOf::Target),
    ]);
    let mut office = Office::of(account, &["ravi", "tom", "maya"]);
    let (_, _, call) = office.talking_with("ravi");
    office.transfer("maya", &call, to_user("tom")).unwrap();
    office.vanish("ravi", "desk");
    office.wait(20);
    assert!(matches!(stage(&office), TransferStage::Recalling { towards, .. } if towards.id.as_str() == "maya"));
    office.wait(9);
    assert_eq!(office.only_call().state, CallState::Closing);
    office.drain().unwrap();
}

#[test]
fn a_colleague_called_directly_falls_back_without_anybody_to_come_back_to() {
    let mut account = account();
    user(&mut account, "tom").fallback = Some(Fallback::of(vec![
        FallbackStep::Recall { whom: RecallWhom::Transferor, seconds: 9 },
        queue(Some("sales"), 12),
        mailbox(MailboxOf::Target),
    ]));
    let mut office = Office::of(account, &["ravi", "tom"]);
    office.device_call("ravi", "105");
    office.wait(30);
    assert!(matches!(office.only_call().state, CallState::Queued { .. }));
    office.wait(12);
    assert!(matches!(office.only_call().state, CallState::Voicemail { mailbox } if mailbox == "Tom Okafor"));
    office.drain().unwrap();
}

#[test]
fn a_colleague_called_directly_who_is_away_falls_back_at_once_by_that_reason() {
    let mut account = account();
    account.policy.fallback.on.insert(Miss::Away, vec![FallbackStep::Announcement]);
    let mut office = Office::of(account, &["ravi", "tom"]);
    office.presence("tom", Presence::Away);
    office.device_call("ravi", "105");
    assert_eq!(office.only_call().state, CallState::Closing);
    office.drain().unwrap();
}

#[test]
fn a_department_that_nobody_answers_falls_back_as_it_says() {
    let mut account = account();
    account.departments[0].fallback = Some(Fallback::of(vec![queue(Some("sales"), 20), FallbackStep::Announcement]));
    let mut office = Office::of(account, &["ravi", "tom"]);
    office.presence("ravi", Presence::Away);
    office.presence("tom", Presence::Away);
    let caller = office.outside_call("+442079460200");
    office.wait(120);
    let CallState::Queued { department, position, .. } = office.only_call().state else { panic!() };
    assert_eq!((department.name.as_str(), position), ("Sales", 1));
    office.presence("tom", Presence::Available);
    let tom = office.rung("tom-desk");
    office.end(tom, Reason::Declined);
    office.wait(20);
    assert_eq!(office.only_call().state, CallState::Closing);
    office.end(caller, Reason::CallerGone);
    office.drain().unwrap();
}

#[test]
fn next_agents_of_an_arriving_call_ring_after_music_too() {
    let mut account = account();
    account.departments[0].queue_seconds = 0;
    account.departments[0].fallback = Some(Fallback::of(vec![
        queue(Some("sales"), 5),
        FallbackStep::NextAgent { strategy: protocol::Strategy::AllAtOnce, seconds: 8 },
        mailbox(MailboxOf::Target),
    ]));
    let mut office = Office::of(account, &[]);
    let caller = office.outside_call("+442079460200");
    office.register("mina", "desk");
    assert!(office.ringing().is_empty(), "it waits for Sales");
    office.wait(5);
    assert!(office.ordered(&Order::PlayRingback { leg: caller }));
    let mina = office.rung("mina-desk");
    office.wait(7);
    office.answer(mina);
    assert!(office.ordered(&Order::Bridge { a: caller, b: mina }));
    office.drain().unwrap();
}

#[test]
fn a_department_target_has_its_own_mailbox_and_the_calls_for_a_number() {
    let mut account = account();
    account.policy.outside = crate::OutsideRule::Everyone;
    account.policy.fallback = Fallback::of(vec![mailbox(MailboxOf::Target)]);
    account.departments[1].queue_seconds = 0;
    for (target, expected) in
        [(to_department("sales"), "Sales"), (protocol::Target::Outside("+441632960123".into()), "Support")]
    {
        let mut office = Office::of(account.clone(), &["ravi", "tom"]);
        let (_, _, call) = office.talking_with("ravi");
        office.transfer("maya", &call, target).unwrap();
        office.wait(20);
        assert!(matches!(office.only_call().state, CallState::Voicemail { mailbox } if mailbox == expected));
        office.drain().unwrap();
    }
}
