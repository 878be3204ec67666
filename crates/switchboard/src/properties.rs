//! Random lives of an office, in virtual time. After every step all promises are checked; at the end all are drained.

#![allow(clippy::unwrap_used)]

use proptest::{prelude::*, strategy::ValueTree};
use protocol::{CallId, LegId, Presence, Reason, TransferId};

use crate::{
    Command, EngineEvent, Fault, Input, Origin, Replaces,
    testkit::{Office, USERS, account, to_department, to_user},
};

#[derive(Debug, Clone)]
enum Act {
    FromOutside { known: bool },
    FromDevice { user: usize, to: usize },
    Answered(Pick),
    Ended(Pick, Reason),
    Held(Pick, bool),
    Ringing(Pick),
    Refer(Pick, usize),
    PromptFinished(Pick),
    Recorded(Pick, u64),
    Failed(Pick, bool),
    Transfer { by: usize, call: usize, to: usize, stale: bool },
    Cancel { by: usize, transfer: usize },
    Presence { user: usize, presence: Presence },
    Registered { user: usize, second: bool },
    Gone { user: usize, second: bool },
    Wait(u64),
    NextTimer,
}

/// Which leg an engine event is about.
#[derive(Debug, Clone)]
enum Pick {
    Live(usize),
    /// Any leg that ever was: late and duplicate events.
    Any(usize),
    Unknown(u64),
}

fn pick() -> impl Strategy<Value = Pick> {
    prop_oneof![
        12 => (0..64_usize).prop_map(Pick::Live),
        2 => (0..256_usize).prop_map(Pick::Any),
        1 => any::<u64>().prop_map(Pick::Unknown),
    ]
}

fn reason() -> impl Strategy<Value = Reason> {
    prop_oneof![
        Just(Reason::NoAnswer),
        Just(Reason::Busy),
        Just(Reason::Declined),
        Just(Reason::Unreachable),
        Just(Reason::Failed),
        Just(Reason::CallerGone),
        Just(Reason::AgentGone),
        Just(Reason::Cancelled),
    ]
}

fn act() -> impl Strategy<Value = Act> {
    let n = USERS.len();
    let presence = prop_oneof![
        2 => Just(Presence::Available), 1 => Just(Presence::Away), 1 => Just(Presence::DoNotDisturb)
    ];
    prop_oneof![
        6 => prop::bool::weighted(0.9).prop_map(|known| Act::FromOutside { known }),
        2 => (0..n, 0..10_usize).prop_map(|(user, to)| Act::FromDevice { user, to }),
        10 => pick().prop_map(Act::Answered),
        5 => (pick(), reason()).prop_map(|(p, r)| Act::Ended(p, r)),
        2 => (pick(), any::<bool>()).prop_map(|(p, h)| Act::Held(p, h)),
        1 => pick().prop_map(Act::Ringing),
        2 => (pick(), 0..10_usize).prop_map(|(p, to)| Act::Refer(p, to)),
        1 => pick().prop_map(Act::PromptFinished),
        1 => (pick(), 0..5_000_u64).prop_map(|(p, ms)| Act::Recorded(p, ms)),
        1 => (pick(), any::<bool>()).prop_map(|(p, f)| Act::Failed(p, f)),
        10 => (0..n, 0..8_usize, 0..10_usize, prop::bool::weighted(0.1))
            .prop_map(|(by, call, to, stale)| Act::Transfer { by, call, to, stale }),
        2 => (0..n, 0..8_usize).prop_map(|(by, transfer)| Act::Cancel { by, transfer }),
        2 => (0..n, presence).prop_map(|(user, presence)| Act::Presence { user, presence }),
        3 => (0..n, any::<bool>()).prop_map(|(user, second)| Act::Registered { user, second }),
        1 => (0..n, any::<bool>()).prop_map(|(user, second)| Act::Gone { user, second }),
        3 => (0..40_000_u64).prop_map(Act::Wait),
        5 => Just(Act::NextTimer),
    ]
}

struct Life {
    office: Office,
    calls: Vec<CallId>,
    transfers: Vec<TransferId>,
}

impl Life {
    fn new(fault: Option<Fault>) -> Self {
        let mut office = Office::of(account(), &["alex", "maya", "ravi", "mina", "tom"]);
        fault.inspect(|fault| office.board.plant(*fault));
        Self { office, calls: Vec::new(), transfers: Vec::new() }
    }

    fn leg(&self, pick: &Pick) -> LegId {
        let live = || self.office.ears.live().rev();
        match pick {
            Pick::Live(n) => live().nth(n % live().count().max(1)).unwrap_or(LegId(0)),
            Pick::Any(n) => self.office.legs.get(n % self.office.legs.len().max(1)).copied().unwrap_or(LegId(0)),
            Pick::Unknown(n) => LegId(n.saturating_add(10_000)),
        }
    }

    fn live(&self, pick: &Pick) -> bool {
        self.office.ears.of(self.leg(pick)).is_some()
    }

    fn act(&mut self, act: Act) -> Result<(), String> {
        let event = match act {
            Act::FromOutside { known } => {
                return self.arrive(Origin::Trunk, if known { "+442079460200" } else { "+15550100" });
            }
            Act::FromDevice { user, to } => {
                let user = USERS[user];
                let device = format!("{user}-desk").as_str().into();
                return self.arrive(Origin::Device { user: user.into(), device }, place(to));
            }
            Act::Answered(p) => EngineEvent::Answered { leg: self.leg(&p) },
            Act::Ended(p, reason) => EngineEvent::Ended { leg: self.leg(&p), reason },
            Act::Held(p, held) => EngineEvent::Held { leg: self.leg(&p), held },
            Act::Ringing(p) => EngineEvent::Ringing { leg: self.leg(&p) },
            Act::Refer(p, to) => {
                EngineEvent::ReferRequested { leg: self.leg(&p), to: place(to).into(), replaces: Replaces::Nothing }
            }
            Act::PromptFinished(p) => EngineEvent::PromptFinished { leg: self.leg(&p) },
            Act::Recorded(p, duration_ms) => {
                EngineEvent::Recorded { leg: self.leg(&p), duration_ms, file: String::new() }
            }
            Act::Failed(p, fatal) if fatal || self.live(&p) => {
                EngineEvent::OrderFailed { leg: self.leg(&p), detail: String::new(), fatal }
            }
            Act::Failed(..) => return Ok(()),
            Act::Registered { user, second } => {
                EngineEvent::DeviceRegistered { user: USERS[user].into(), device: device(user, second) }
            }
            Act::Gone { user, second } => {
                EngineEvent::DeviceGone { user: USERS[user].into(), device: device(user, second) }
            }
            Act::Transfer { by, call, to, stale } => return self.transfer(by, call, to, stale),
            Act::Cancel { by, transfer } => {
                let Some(transfer) = nth(&self.transfers, transfer) else { return Ok(()) };
                let command = Command::CancelTransfer { by: USERS[by].into(), transfer };
                return self.office.try_handle(Input::Command(command));
            }
            Act::Presence { user, presence } => {
                let command = Command::SetPresence { by: USERS[user].into(), presence };
                return self.office.try_handle(Input::Command(command));
            }
            Act::Wait(ms) => {
                self.office.now = self.office.now.plus_ms(ms);
                return self.office.try_handle(Input::Tick);
            }
            Act::NextTimer => {
                if let Some((at, _)) = self.office.board.poll_timeout() {
                    self.office.now = self.office.now.max(at);
                }
                return self.office.try_handle(Input::Tick);
            }
        };
        self.office.try_handle(Input::Engine(event))
    }

    fn arrive(&mut self, origin: Origin, dialled: &str) -> Result<(), String> {
        let done = self.office.try_arrive(origin, protocol::Party::default(), dialled).map(drop);
        for id in self.office.shown.keys() {
            if !self.calls.contains(id) {
                self.calls.push(id.clone());
            }
        }
        done
    }

    fn transfer(&mut self, by: usize, call: usize, to: usize, stale: bool) -> Result<(), String> {
        let Some(call) = nth(&self.calls, call) else { return Ok(()) };
        let revision = self.office.shown.get(&call).map_or(0, |c| c.revision) + u32::from(stale);
        let target = match to {
            to if to < USERS.len() => to_user(USERS[to]),
            to if to % 2 == 0 => to_department("support"),
            _ => to_department("sales"),
        };
        let command = Command::Transfer {
            by: USERS[by].into(),
            call,
            revision,
            target,
            kind: protocol::TransferKind::Blind,
            note: None,
        };
        let done = self.office.try_handle(Input::Command(command));
        if let Some(Ok(transfer)) = self.office.answers.last() {
            self.transfers.push(transfer.clone());
        }
        done
    }
}

/// The newest are the most interesting.
fn nth<T: Clone>(all: &[T], n: usize) -> Option<T> {
    all.iter().rev().nth(n % all.len().max(1)).cloned()
}

fn place(to: usize) -> &'static str {
    ["100", "101", "ravi", "104", "105", "107", "200", "sales", "+15550123", "nobody"][to]
}

fn device(user: usize, second: bool) -> protocol::DeviceId {
    protocol::DeviceId(format!("{}-{}", USERS[user], if second { "laptop" } else { "desk" }))
}

fn live_through(acts: Vec<Act>, fault: Option<Fault>) -> Result<(), TestCaseError> {
    let mut life = Life::new(fault);
    for act in acts {
        life.act(act).map_err(TestCaseError::fail)?;
    }
    life.office.drain().map_err(TestCaseError::fail)
}

fn lives() -> impl Strategy<Value = Vec<Act>> {
    prop::collection::vec(act(), 1..120)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_caller_is_ever_lost(acts in lives()) {
        live_through(acts, None)?;
    }

    #[test]
    fn shutdown_completes_every_record(acts in lives()) {
        let mut life = Life::new(None);
        for act in acts {
            life.act(act).map_err(TestCaseError::fail)?;
        }
        life.office.try_handle(Input::Shutdown).map_err(TestCaseError::fail)?;
        prop_assert!(life.office.board.calls.is_empty());
        prop_assert_eq!(life.office.board.poll_timeout(), None);
        life.office.drain().map_err(TestCaseError::fail)?;
    }
}

/// The properties are worth something: the lives reach every way in which a transfer can come out.
#[test]
fn the_lives_are_lively() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut missing = vec![
        "answered by",
        "after waiting",
        "back with",
        "next free agent",
        "voicemail of",
        "caller hung up",
        "cancelled",
    ];
    for _ in 0..2_000 {
        let mut life = Life::new(None);
        for act in lives().new_tree(&mut runner).unwrap().current() {
            life.act(act).unwrap();
        }
        life.office.drain().unwrap();
        missing.retain(|rule| !life.office.trail.iter().any(|e| e.rule.contains(rule)));
        if missing.is_empty() {
            return;
        }
    }
    panic!("never seen: {missing:?}");
}

/// The properties are worth something: each planted mistake is found.
#[test]
fn planted_faults_are_found() {
    for fault in [Fault::ForgetAfterRing, Fault::LeaveCallerLeg] {
        let config =
            ProptestConfig { cases: 200, failure_persistence: None, max_shrink_iters: 0, ..Default::default() };
        let found =
            proptest::test_runner::TestRunner::new(config).run(&lives(), |acts| live_through(acts, Some(fault)));
        assert!(found.is_err(), "{fault:?} went unnoticed");
    }
}
