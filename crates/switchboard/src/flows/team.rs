//! In which order the agents of a department are asked.

use protocol::{CallState, Reason, Strategy, TransferStage};

use super::stage;
use crate::{
    FallbackStep,
    testkit::{Office, account, to_department, to_user},
};

fn office(strategy: Strategy) -> Office {
    let mut account = account();
    account.departments[0].strategy = strategy;
    account.departments[0].ring_seconds = 5;
    Office::of(account, &["ravi", "mina", "omar", "tom"])
}

/// Who is rung now; one at a time.
fn rung(office: &Office) -> String {
    let ringing: Vec<String> = office.ringing().into_iter().collect();
    let [one] = &ringing[..] else { panic!("{ringing:?}") };
    one.trim_end_matches("-desk").to_owned()
}

/// Who is rung for a call that nobody answers, until it waits in line.
fn asked(office: &mut Office) -> Vec<String> {
    let caller = office.outside_call("+442079460200");
    let mut asked = Vec::new();
    while let CallState::Ringing { .. } = office.only_call().state {
        asked.push(rung(office));
        office.wait(5);
    }
    assert!(matches!(office.only_call().state, CallState::Queued { position: 1, .. }));
    office.end(caller, Reason::CallerGone);
    asked
}

#[test]
fn in_the_order_of_the_configuration() {
    let mut office = office(Strategy::FixedOrder);
    for _ in 0..2 {
        assert_eq!(asked(&mut office), ["ravi", "mina", "omar"]);
    }
    office.drain().unwrap();
}

#[test]
fn beginning_after_whoever_was_asked_last() {
    let mut office = office(Strategy::RoundRobin);
    let mut first = Vec::new();
    for _ in 0..4 {
        let caller = office.outside_call("+442079460200");
        first.push(rung(&office));
        office.end(caller, Reason::CallerGone);
    }
    assert_eq!(first, ["ravi", "mina", "omar", "ravi"]);
    assert_eq!(asked(&mut office), ["mina", "omar", "ravi"]);
    office.drain().unwrap();
}

#[test]
fn beginning_with_who_has_been_free_for_longest() {
    let mut office = office(Strategy::LongestIdle);
    office.wait(10);
    // Ravi talks, then Mina is next; Ravi has been free for the shortest time then.
    let caller = office.outside_call("+442079460200");
    assert_eq!(rung(&office), "ravi");
    let ravi = office.rung("ravi-desk");
    office.answer(ravi);
    office.wait(10);
    office.end(caller, Reason::CallerGone);
    assert_eq!(asked(&mut office), ["mina", "omar", "ravi"]);
    // Whoever let it ring out goes to the end too: the first is not asked for ever.
    assert_eq!(asked(&mut office), ["mina", "omar", "ravi"]);
    office.drain().unwrap();
}

#[test]
fn every_agent_has_their_share() {
    for strategy in [Strategy::RoundRobin, Strategy::LongestIdle] {
        let mut office = office(strategy);
        let mut share = std::collections::BTreeMap::new();
        for _ in 0..30 {
            let caller = office.outside_call("+442079460200");
            let who = rung(&office);
            let leg = office.rung(&format!("{who}-desk"));
            office.answer(leg);
            office.wait(7);
            office.end(caller, Reason::CallerGone);
            *share.entry(who).or_insert(0) += 1;
        }
        assert_eq!(share.values().copied().collect::<Vec<_>>(), [10, 10, 10], "{strategy:?}");
        office.drain().unwrap();
    }
}

#[test]
fn a_line_asks_one_at_a_time_and_each_waiting_caller_has_one() {
    let mut office = office(Strategy::FixedOrder);
    for user in ["ravi", "mina", "omar"] {
        office.vanish(user, "desk");
    }
    office.outside_call("+442079460200");
    office.outside_call("+442079460200");
    office.register("omar", "desk");
    office.register("mina", "desk");
    let call_of = |office: &Office, device: &str| office.cards[&office.rung(device)].call.clone();
    assert_ne!(call_of(&office, "omar-desk"), call_of(&office, "mina-desk"));
    office.register("ravi", "desk");
    assert_eq!(office.ringing().len(), 2, "nobody else waits");
    office.drain().unwrap();
}

#[test]
fn a_transfer_to_a_department_asks_one_after_the_other_then_waits() {
    let mut office = office(Strategy::FixedOrder);
    let (_, _, call) = office.talking_with("ravi");
    let line = office.board.transfer_target(&"ravi".into(), &call, &to_department("support")).unwrap().forecast_line;
    assert!(
        line.starts_with("next free agent of Support (2 free), in order, each 20 s, then waits for Support"),
        "{line}"
    );
    office.transfer("ravi", &call, to_department("support")).unwrap();
    assert_eq!(rung(&office), "mina");
    office.wait(20);
    assert_eq!(rung(&office), "omar");
    let omar = office.rung("omar-desk");
    office.end(omar, Reason::Busy);
    assert!(matches!(stage(&office), TransferStage::Queued { .. }));
    office.drain().unwrap();
}

#[test]
fn next_agents_are_asked_one_after_the_other() {
    let mut account = account();
    account.policy.fallback.steps = vec![
        FallbackStep::NextAgent { strategy: Strategy::FixedOrder, seconds: 5 },
        FallbackStep::Voicemail { of: crate::MailboxOf::Target },
    ];
    let mut office = Office::of(account, &["ravi", "mina", "omar", "tom"]);
    let (_, _, call) = office.talking_with("ravi");
    office.transfer("maya", &call, to_user("tom")).unwrap();
    office.wait(20);
    for who in ["ravi", "mina", "omar"] {
        assert_eq!(rung(&office), who);
        assert!(matches!(stage(&office), TransferStage::NextAgent { because: Reason::NoAnswer, .. }));
        office.wait(5);
    }
    assert!(matches!(stage(&office), TransferStage::Voicemail { .. }));
    office.drain().unwrap();
}

#[test]
fn who_is_next_in_turn_is_foretold_though_the_line_asks_somebody_twice() {
    let mut account = account();
    let support = &mut account.departments[0];
    (support.strategy, support.ring_seconds, support.queue_seconds) = (Strategy::RoundRobin, 11, 28);
    account.policy.transfer_ring_seconds = 3;
    account.policy.fallback.steps = vec![
        FallbackStep::Queue { department: None, seconds: 1 },
        FallbackStep::NextAgent { strategy: Strategy::AllAtOnce, seconds: 1 },
        FallbackStep::Announcement,
    ];
    let mut office = Office::of(account, &["ravi", "mina", "omar"]);
    let (_, _, call) = office.talking_with("ravi");
    let line = office.board.transfer_target(&"alex".into(), &call, &to_department("support")).unwrap().forecast_line;
    assert_eq!(
        line,
        "next free agent of Support (2 free), in turn, each 3 s, then waits for Support up to 28 s, then waits for \
         Support up to 1 s, then next free agent of Support (1 free) 1 s, then closing announcement"
    );
    office.transfer("alex", &call, to_department("support")).unwrap();
    // Mina a second time, as soon as she may be asked again; so the second line goes on with Omar, and Ravi is left.
    for (who, seconds) in [("mina", 3), ("omar", 3), ("", 27), ("mina", 11), ("omar", 11), ("ravi", 1)] {
        assert_eq!(office.ringing().first().map_or("", |device| device.trim_end_matches("-desk")), who);
        office.wait(seconds);
    }
    assert_eq!(office.only_call().state, CallState::Closing);
    office.drain().unwrap();
}
