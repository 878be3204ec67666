//! Random lives of an office, in virtual time. After every step all promises are checked; at the end all are drained.

#![allow(clippy::unwrap_used)]

use proptest::{prelude::*, strategy::ValueTree};
use protocol::{
    AuditAction, AuditEntry, AuditOutcome, CallId, LegId, Presence, Reason, Target, TransferId, TransferKind,
};

use crate::{
    Command, EngineEvent, Fault, Input, Origin, OutsideRule, Release, Replaces, SoundQuality,
    testkit::{Office, USERS, account, to_department, to_user},
};

#[derive(Debug, Clone)]
enum Act {
    FromOutside {
        known: bool,
    },
    FromDevice {
        user: usize,
        to: usize,
    },
    Answered(Pick),
    Ended(Pick, Reason),
    Held(Pick, bool),
    Ringing(Pick),
    Refer(Pick, usize),
    Attended(usize, Pick),
    Diverted(Pick, usize),
    /// Part of a feature code.
    Keys(Pick, &'static str),
    PromptFinished(Pick),
    Recorded(Pick, u64),
    Failed(Pick, bool),
    Sounded(Pick),
    Transfer {
        by: usize,
        call: usize,
        to: usize,
        kind: TransferKind,
        stale: bool,
    },
    Step {
        by: usize,
        transfer: usize,
        step: Step,
    },
    Presence {
        user: usize,
        presence: Presence,
    },
    Registered {
        user: usize,
        second: bool,
    },
    Gone {
        user: usize,
        second: bool,
    },
    Wait(u64),
    NextTimer,
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Cancel,
    Complete,
    Swap,
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
        1 => pick().prop_map(Act::Sounded),
        2 => (0..8_usize, pick()).prop_map(|(n, other)| Act::Attended(n, other)),
        1 => (pick(), 0..10_usize).prop_map(|(p, to)| Act::Diverted(p, to)),
        1 => (pick(), prop_oneof![Just("*2104"), Just("*21"), Just("05"), Just("#"), Just("*29")])
            .prop_map(|(p, keys)| Act::Keys(p, keys)),
        10 => (0..n, 0..8_usize, 0..12_usize, kind(), prop::bool::weighted(0.1))
            .prop_map(|(by, call, to, kind, stale)| Act::Transfer { by, call, to, kind, stale }),
        5 => (0..n, 0..8_usize, prop_oneof![Just(Step::Cancel), Just(Step::Complete), Just(Step::Swap)])
            .prop_map(|(by, transfer, step)| Act::Step { by, transfer, step }),
        2 => (0..n, presence).prop_map(|(user, presence)| Act::Presence { user, presence }),
        3 => (0..n, any::<bool>()).prop_map(|(user, second)| Act::Registered { user, second }),
        1 => (0..n, any::<bool>()).prop_map(|(user, second)| Act::Gone { user, second }),
        3 => (0..40_000_u64).prop_map(Act::Wait),
        5 => Just(Act::NextTimer),
    ]
}

fn kind() -> impl Strategy<Value = TransferKind> {
    prop_oneof![5 => Just(TransferKind::Blind), 5 => Just(TransferKind::Consult), 1 => Just(TransferKind::Voicemail)]
}

struct Life {
    office: Office,
    calls: Vec<CallId>,
    transfers: Vec<TransferId>,
}

impl Life {
    fn new(stays: bool, fault: Option<Fault>) -> Self {
        let mut account = account();
        account.policy.outside = OutsideRule::Everyone;
        account.policy.release = if stays { Release::WhenAnswered } else { Release::AtOnce };
        let mut office = Office::of(account, &["alex", "maya", "ravi", "mina", "tom"]);
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
            Act::Attended(n, other) => {
                let (leg, other) = self.two_legs(n).unwrap_or_else(|| (self.leg(&other), self.leg(&Pick::Any(n))));
                let replaces = Replaces::Leg(other);
                EngineEvent::ReferRequested { leg, to: "104".into(), replaces }
            }
            Act::Diverted(p, to) => EngineEvent::Diverted { leg: self.leg(&p), to: place(to).into() },
            Act::Keys(p, keys) => {
                let leg = self.leg(&p);
                let press = |digit| self.office.try_handle(Input::Engine(EngineEvent::Digit { leg, digit }));
                return keys.chars().try_for_each(press);
            }
            Act::PromptFinished(p) => EngineEvent::PromptFinished { leg: self.leg(&p) },
            Act::Recorded(p, duration_ms) => {
                EngineEvent::Recorded { leg: self.leg(&p), duration_ms, file: String::new() }
            }
            Act::Failed(p, fatal) if fatal || self.live(&p) => {
                EngineEvent::OrderFailed { leg: self.leg(&p), detail: String::new(), fatal }
            }
            Act::Failed(..) => return Ok(()),
            Act::Sounded(p) => {
                let (codec, score, lost_permille, jitter_ms, round_trip_ms) = (String::new(), 400, 0, 0, None);
                let quality = SoundQuality {
                    codec,
                    score,
                    lost_permille,
                    jitter_ms,
                    round_trip_ms,
                    trouble: None,
                    encrypted: false,
                };
                EngineEvent::Quality { leg: self.leg(&p), quality }
            }
            Act::Registered { user, second } => {
                EngineEvent::DeviceRegistered { user: USERS[user].into(), device: device(user, second) }
            }
            Act::Gone { user, second } => {
                EngineEvent::DeviceGone { user: USERS[user].into(), device: device(user, second) }
            }
            Act::Transfer { by, call, to, kind, stale } => return self.transfer(by, call, to, kind, stale),
            Act::Step { by, transfer, step } => {
                let Some(transfer) = nth(&self.transfers, transfer) else { return Ok(()) };
                let by = self.doer(by, &transfer);
                let command = match step {
                    Step::Cancel => Command::CancelTransfer { by, transfer },
                    Step::Complete => Command::CompleteTransfer { by, transfer },
                    Step::Swap => Command::SwapTransfer { by, transfer },
                };
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

    /// Often the right one: who began it.
    fn doer(&self, by: usize, transfer: &TransferId) -> protocol::UserId {
        let going = self.office.shown.values().filter_map(|c| c.transfer.as_ref()).find(|t| t.id == *transfer);
        going.filter(|_| by > 1).map_or_else(|| USERS[by].into(), |t| t.by.id.clone())
    }

    /// Two legs of a user who has two.
    fn two_legs(&self, n: usize) -> Option<(LegId, LegId)> {
        let busy = self.office.board.directory.users.values().map(|u| &u.busy).filter(|legs| legs.len() > 1);
        let mut pairs: Vec<_> = busy.filter_map(|legs| legs.keys().next().zip(legs.keys().next_back())).collect();
        pairs.extend(pairs.clone().into_iter().map(|(a, b)| (b, a)));
        pairs.get(n % pairs.len().max(1)).map(|(a, b)| (**a, **b))
    }

    fn transfer(&mut self, by: usize, call: usize, to: usize, kind: TransferKind, stale: bool) -> Result<(), String> {
        let Some(call) = nth(&self.calls, call) else { return Ok(()) };
        let shown = self.office.shown.get(&call);
        let revision = shown.map_or(0, |c| c.revision) + u32::from(stale);
        // Only who talks can ask somebody first.
        let talks = shown.and_then(|c| c.agent.as_ref()).filter(|_| kind == TransferKind::Consult && by > 0);
        let by = talks.map_or_else(|| USERS[by].into(), |agent| agent.id.clone());
        let target = match to {
            to if to < USERS.len() => to_user(USERS[to]),
            6 | 7 => to_department("support"),
            8 | 9 => to_department("sales"),
            _ => Target::Outside("+44 20 7946 0999".into()),
        };
        let command = Command::Transfer { by, call, revision, target, kind, note: None };
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

fn live_through((stays, acts): (bool, Vec<Act>), fault: Option<Fault>) -> Result<(), TestCaseError> {
    let mut life = Life::new(stays, fault);
    for act in acts {
        life.act(act).map_err(TestCaseError::fail)?;
    }
    life.office.drain().map_err(TestCaseError::fail)
}

fn lives() -> impl Strategy<Value = (bool, Vec<Act>)> {
    (any::<bool>(), prop::collection::vec(act(), 1..120))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_caller_is_ever_lost(life in lives()) {
        live_through(life, None)?;
    }

    #[test]
    fn shutdown_completes_every_record((stays, acts) in lives()) {
        let mut life = Life::new(stays, None);
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
        "talking with",
        "the colleague hung up; back with",
        "busy; back with",
        "answered by +44",
    ];
    let (mut swapped, mut joined, mut lives_lived) = (false, false, 0);
    while !(missing.is_empty() && swapped && joined) {
        lives_lived += 1;
        assert!(lives_lived < 2_000, "never seen: {missing:?}, swapped {swapped}, joined {joined}");
        let (stays, acts) = lives().new_tree(&mut runner).unwrap().current();
        let mut life = Life::new(stays, None);
        for act in acts {
            life.act(act).unwrap();
        }
        life.office.drain().unwrap();
        missing.retain(|rule| !life.office.trail.iter().any(|e| e.rule.contains(rule)));
        let swap = |e: &AuditEntry| (e.action, e.outcome) == (AuditAction::SwapTransfer, AuditOutcome::Accepted);
        swapped |= life.office.trail.iter().any(swap);
        joined |= life.office.records.iter().any(|r| r.ended_because == Reason::Joined);
    }
}

/// The properties are worth something: each planted mistake is found.
#[test]
fn planted_faults_are_found() {
    for fault in [
        Fault::DropRecallTimer,
        Fault::ForgetHold,
        Fault::BridgeBeforeAnswer,
        Fault::LoseLastFallbackStep,
        Fault::SkipAuditOfRefusal,
        Fault::LeaveConsultLeg,
        Fault::ForgetAfterRing,
        Fault::LeaveCallerLeg,
    ] {
        let config =
            ProptestConfig { cases: 2_000, failure_persistence: None, max_shrink_iters: 0, ..Default::default() };
        let found =
            proptest::test_runner::TestRunner::new(config).run(&lives(), |life| live_through(life, Some(fault)));
        assert!(found.is_err(), "{fault:?} went unnoticed");
    }
}
