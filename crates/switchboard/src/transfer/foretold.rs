//! What is forecast is what then happens, step by step, over random policies and states, if nobody answers.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use proptest::prelude::*;
use protocol::{CallId, DepartmentId, ForecastStep, Presence, Role, Strategy as Order, Target, UserId, UserRef};

use crate::{
    Account, Fallback, FallbackStep, MailboxOf, Miss, RecallWhom, Release, Unavailable, UserConfig,
    call::{Ring, Stage, State},
    testkit::{Office, account, to_department, to_user},
    transfer::Wish,
};

const PEOPLE: [&str; 9] = ["alex", "maya", "ravi", "mina", "tom", "omar", "ann", "bob", "cleo"];

/// The policies of an account.
#[derive(Debug, Clone)]
struct Rules {
    account: Fallback,
    support: Option<Fallback>,
    sales: Option<Fallback>,
    tom: Option<Fallback>,
    mina: Option<Fallback>,
    strategies: (Order, Order),
    ring_seconds: (u32, u32),
    queue_seconds: (u32, u32),
    transfer_seconds: u32,
    follow: bool,
    stays: bool,
}

/// How the office is when Go is pressed.
#[derive(Debug, Clone)]
struct Scene {
    /// Per person: absent, there, away, not to be disturbed, on another call.
    people: Vec<u8>,
    /// Calls that were rung in vain before, and for how long each: who is next in turn, who is idle for longest.
    past: Vec<(bool, u64)>,
    call: Talk,
    by: usize,
    target: usize,
}

#[derive(Debug, Clone, Copy)]
enum Talk {
    Inbound,
    Outbound,
    Internal,
    StillRinging,
    Waiting,
}

fn order() -> impl Strategy<Value = Order> {
    prop_oneof![Just(Order::AllAtOnce), Just(Order::LongestIdle), Just(Order::RoundRobin), Just(Order::FixedOrder)]
}

fn step() -> impl Strategy<Value = FallbackStep> {
    let whom = prop_oneof![Just(RecallWhom::FormerAgent), Just(RecallWhom::Transferor)];
    let of = prop_oneof![Just(MailboxOf::Target), Just(MailboxOf::Department)];
    let line = prop_oneof![
        Just(None),
        Just(Some(DepartmentId::from("support"))),
        Just(Some(DepartmentId::from("sales"))),
        Just(Some(DepartmentId::from("gone")))
    ];
    prop_oneof![
        6 => (whom, 1..25_u32).prop_map(|(whom, seconds)| FallbackStep::Recall { whom, seconds }),
        8 => (order(), 1..25_u32).prop_map(|(strategy, seconds)| FallbackStep::NextAgent { strategy, seconds }),
        6 => (line, 0..70_u32).prop_map(|(department, seconds)| FallbackStep::Queue { department, seconds }),
        1 => of.prop_map(|of| FallbackStep::Voicemail { of }),
        1 => Just(FallbackStep::Announcement),
    ]
}

fn fallback() -> impl Strategy<Value = Fallback> {
    let miss = prop_oneof![
        Just(Miss::NoAnswer),
        Just(Miss::Busy),
        Just(Miss::NoDevice),
        Just(Miss::DoNotDisturb),
        Just(Miss::Away)
    ];
    let steps = || prop::collection::vec(step(), 0..8);
    (steps(), prop::collection::btree_map(miss, steps(), 0..4)).prop_map(|(steps, on)| Fallback { steps, on })
}

fn rules() -> impl Strategy<Value = Rules> {
    let maybe = || prop::option::weighted(0.3, fallback());
    let lists = (fallback(), maybe(), maybe(), maybe(), maybe());
    let seconds = ((1..20_u32, 1..20_u32), (0..90_u32, 0..90_u32), 1..30_u32);
    (lists, (order(), order()), seconds, any::<bool>(), prop::bool::weighted(0.3)).prop_map(
        |((account, support, sales, tom, mina), strategies, seconds, follow, stays)| Rules {
            account,
            support,
            sales,
            tom,
            mina,
            strategies,
            ring_seconds: seconds.0,
            queue_seconds: seconds.1,
            transfer_seconds: seconds.2,
            follow,
            stays,
        },
    )
}

fn scene() -> impl Strategy<Value = Scene> {
    let person = prop_oneof![1 => Just(0_u8), 7 => Just(1_u8), 1 => Just(2_u8), 1 => Just(3_u8), 1 => Just(4_u8)];
    let talk = prop_oneof![
        4 => Just(Talk::Inbound), 2 => Just(Talk::Outbound), 2 => Just(Talk::Internal),
        1 => Just(Talk::StillRinging), 1 => Just(Talk::Waiting)
    ];
    let past = prop::collection::vec((any::<bool>(), 0..60_u64), 0..4);
    // An administrator may move every call.
    let by = prop_oneof![2 => Just(0), 1 => 0..PEOPLE.len()];
    (prop::collection::vec(person, PEOPLE.len()), past, talk, by, 0..PEOPLE.len() + 3)
        .prop_map(|(people, past, call, by, target)| Scene { people, past, call, by, target })
}

impl Rules {
    fn account(self) -> Account {
        let mut account = account();
        for (n, name) in ["ann", "bob", "cleo"].into_iter().enumerate() {
            let departments = if n == 2 { vec!["sales", "support"] } else { vec!["sales"] };
            account.users.push(UserConfig {
                id: name.into(),
                name: name.into(),
                extension: format!("11{n}"),
                role: Role::Agent,
                departments: departments.into_iter().map(DepartmentId::from).collect(),
                disabled: false,
                may_transfer_outside: Some(true),
                fallback: None,
            });
        }
        for user in &mut account.users {
            match user.id.as_str() {
                "tom" => user.fallback.clone_from(&self.tom),
                "mina" => user.fallback.clone_from(&self.mina),
                _ => {}
            }
            user.may_transfer_outside = Some(true);
        }
        let [support, sales] = &mut account.departments[..] else { unreachable!() };
        (support.fallback, sales.fallback) = (self.support, self.sales);
        (support.strategy, sales.strategy) = self.strategies;
        (support.ring_seconds, sales.ring_seconds) = self.ring_seconds;
        (support.queue_seconds, sales.queue_seconds) = self.queue_seconds;
        account.policy.fallback = self.account;
        account.policy.transfer_ring_seconds = self.transfer_seconds;
        account.policy.unavailable = if self.follow { Unavailable::Follow } else { Unavailable::Refuse };
        account.policy.release = if self.stays { Release::WhenAnswered } else { Release::AtOnce };
        account
    }
}

impl Scene {
    fn target(&self) -> Target {
        match self.target.checked_sub(PEOPLE.len()) {
            None => to_user(PEOPLE[self.target]),
            Some(0) => to_department("support"),
            Some(1) => to_department("sales"),
            Some(_) => Target::Outside("+44 1632 960123".into()),
        }
    }

    /// The office in this state, and the call that is to be given away.
    fn set(&self, account: Account) -> Option<(Office, CallId)> {
        let mut office = Office::of(account, &PEOPLE);
        office.wait(1);
        for (support, seconds) in &self.past {
            let leg = office.outside_call(if *support { "+442079460200" } else { "+442079460300" });
            office.wait(*seconds);
            office.end(leg, protocol::Reason::CallerGone);
        }
        // Whoever talks in the call, or presses Go, is there.
        let call = self.begin(&mut office)?;
        for (user, state) in PEOPLE.iter().zip(&self.people) {
            match state {
                0 => office.vanish(user, "desk"),
                2 => office.presence(user, Presence::Away),
                3 => office.presence(user, Presence::DoNotDisturb),
                4 if !office.board.directory.users[&UserId::from(*user)].on_call(None) => {
                    office.device_call(user, "+441632960999");
                    let leg = office.dialled();
                    office.answer(leg);
                }
                _ => {}
            }
        }
        Some((office, call))
    }

    fn begin(&self, office: &mut Office) -> Option<CallId> {
        let known: BTreeSet<CallId> = office.shown.keys().cloned().collect();
        let first = |office: &Office| office.ears.rung().next().map(|(leg, _)| leg);
        match self.call {
            Talk::Inbound => {
                office.outside_call("+442079460200");
                let leg = first(office)?;
                office.answer(leg);
            }
            Talk::Outbound => {
                office.device_call("ravi", "+441632960111");
                let leg = office.dialled();
                office.answer(leg);
            }
            Talk::Internal => {
                office.device_call("omar", "103");
                let leg = first(office)?;
                office.answer(leg);
            }
            Talk::StillRinging => drop(office.outside_call("+442079460300")),
            Talk::Waiting => {
                office.outside_call("+442079460200");
                while office.board.calls.values().any(|c| matches!(c.state, State::Ringing { .. })) {
                    office.wait(1);
                }
            }
        }
        office.shown.keys().find(|id| !known.contains(*id)).cloned()
    }
}

/// What goes on now, in the words of a forecast.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Ring(BTreeSet<UserId>),
    NextAgent(BTreeSet<UserId>),
    Recall(UserRef),
    Dial(String),
    Queue(String),
    BackWith(UserId),
    Voicemail(String),
    Announcement,
    Other(String),
}

fn seen(office: &Office, call: &CallId) -> Seen {
    let rung = |ring: &Ring| ring.towards.iter().map(|u| u.id.clone()).collect();
    let Some(call) = office.board.calls.values().find(|c| c.id == *call) else { return Seen::Other("gone".into()) };
    match &call.state {
        State::Transferring { stage, .. } => match stage {
            Stage::Ringing(ring) => Seen::Ring(rung(ring)),
            Stage::NextAgent(ring) => Seen::NextAgent(rung(ring)),
            Stage::Recalling(ring) => Seen::Recall(ring.towards[0].clone()),
            Stage::Dialling(dial) => Seen::Dial(dial.number.clone()),
            Stage::Queued(wait) => Seen::Queue(wait.department.name.clone()),
            Stage::Holding => Seen::Other("holding".into()),
        },
        State::Talking { with, .. } if with.agent().is_some() => Seen::BackWith(with.agent().unwrap().user.id.clone()),
        State::Voicemail { mailbox, .. } => Seen::Voicemail(mailbox.name.clone()),
        State::Closing { .. } => Seen::Announcement,
        state => Seen::Other(format!("{state:?}")),
    }
}

fn comes_true(rules: Rules, scene: &Scene) -> Result<usize, TestCaseError> {
    let longest_ring = u64::from(rules.ring_seconds.0.max(rules.ring_seconds.1));
    let Some((mut office, call)) = scene.set(rules.account()) else { return Ok(0) };
    let (by, target) = (PEOPLE[scene.by], scene.target());
    let Some(row) = office.board.transfer_target(&by.into(), &call, &target) else { return Ok(0) };
    if row.ineligible.is_some() || office.board.may_transfer(&by.into(), &call).is_err() {
        return Ok(0);
    }
    let all = office.targets(by, &call).unwrap();
    for listed in all {
        let alone = office.board.transfer_target(&by.into(), &call, &listed.target).unwrap();
        prop_assert_eq!(&listed.ways, &alone.ways);
        prop_assert_eq!((listed.forecast_line, listed.ineligible), (alone.forecast_line, alone.ineligible));
        for way in &listed.ways {
            let wish = Wish { by: &by.into(), target: &listed.target, kind: way.kind, revision: None };
            let begins = office.board.find(&call).is_some_and(|call| office.board.may_begin(call, &wish).is_ok());
            prop_assert_eq!(begins, way.refused.is_none(), "{:?}", way);
        }
    }
    let forecast = row.forecast;
    prop_assert!(!forecast.is_empty());
    office.transfer(by, &call, target).map_err(|refusal| TestCaseError::fail(format!("{refusal:?}")))?;
    for (place, step) in forecast.iter().enumerate() {
        let now = seen(&office, &call);
        let wrong = format!("step {place}: forecast {forecast:?}, but {now:?}");
        let same = |users: &[UserRef], rung: &BTreeSet<UserId>| users.iter().map(|u| &u.id).eq(rung.iter().by_ref());
        match (step, now) {
            (ForecastStep::Ring { users, seconds }, Seen::Ring(rung)) => {
                let mut users = users.clone();
                users.sort_by(|a, b| a.id.cmp(&b.id));
                prop_assert!(same(&users, &rung), "{}", wrong);
                office.wait(u64::from(*seconds));
            }
            (ForecastStep::NextAgent { free, seconds, strategy: Order::AllAtOnce, .. }, Seen::NextAgent(rung)) => {
                prop_assert_eq!(*free as usize, rung.len(), "{}", wrong);
                office.wait(u64::from(*seconds));
            }
            (ForecastStep::NextAgent { free, seconds, .. }, Seen::NextAgent(_) | Seen::Ring(_)) => {
                let mut all = BTreeSet::new();
                for _ in 0..*free {
                    let (Seen::NextAgent(rung) | Seen::Ring(rung)) = seen(&office, &call) else {
                        return Err(TestCaseError::fail(format!("{wrong}, after {all:?}")));
                    };
                    prop_assert_eq!(rung.len(), 1, "{}", wrong);
                    all.extend(rung);
                    office.wait(u64::from(*seconds));
                }
                prop_assert_eq!(*free as usize, all.len(), "{}", wrong);
            }
            (ForecastStep::Recall { user, seconds: 0 }, Seen::BackWith(with)) => prop_assert_eq!(&user.id, &with),
            (ForecastStep::Recall { user, seconds }, Seen::Recall(rung)) => {
                prop_assert_eq!(user, &rung, "{}", wrong);
                office.wait(u64::from(*seconds));
            }
            (ForecastStep::Dial { number, seconds }, Seen::Dial(dialled)) => {
                prop_assert_eq!(number, &dialled);
                office.wait(u64::from(*seconds));
            }
            (ForecastStep::Queue { department, seconds }, Seen::Queue(waits)) => {
                prop_assert_eq!(department, &waits, "{}", wrong);
                let begun = office.now;
                let queued = |office: &Office| {
                    let call = office.board.calls.values().find(|c| c.id == call);
                    call.and_then(|c| c.state.wait()).map(|w| w.ticket)
                };
                let ticket = queued(&office);
                while queued(&office) == ticket {
                    office.wait(1);
                }
                let waited = office.now.ms_since(begun) / 1_000;
                let longest = u64::from(*seconds) + longest_ring;
                prop_assert!((u64::from(*seconds)..=longest).contains(&waited), "waited {} s; {}", waited, wrong);
            }
            (ForecastStep::Voicemail { mailbox }, Seen::Voicemail(there)) => {
                prop_assert_eq!(mailbox, &there, "{}", wrong);
            }
            (ForecastStep::Announcement, Seen::Announcement) => {}
            _ => return Err(TestCaseError::fail(wrong)),
        }
    }
    let last = matches!(
        forecast.last(),
        Some(ForecastStep::Voicemail { .. } | ForecastStep::Announcement | ForecastStep::Recall { seconds: 0, .. })
    );
    prop_assert!(last, "the forecast has no end: {:?}", forecast);
    office.drain().map_err(TestCaseError::fail)?;
    Ok(forecast.len())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_forecast_comes_true(rules in rules(), scene in scene()) {
        comes_true(rules, &scene)?;
    }
}

/// The property is worth something: most scenes come to a transfer, and many take several steps.
#[test]
fn the_scenes_are_lively() {
    use proptest::{strategy::ValueTree, test_runner::TestRunner};
    let mut runner = TestRunner::deterministic();
    let mut lengths = Vec::new();
    for _ in 0..150 {
        let (rules, scene) = (rules(), scene()).new_tree(&mut runner).unwrap().current();
        lengths.push(comes_true(rules, &scene).unwrap());
    }
    let (begun, long) = (lengths.iter().filter(|n| **n > 0).count(), lengths.iter().filter(|n| **n > 3).count());
    assert!(begun > 60 && long > 18, "{begun} transfers, {long} of them long");
}
