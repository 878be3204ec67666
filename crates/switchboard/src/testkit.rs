//! Plays the engine and the clock. Knows, from the orders alone, what every leg hears, and compares that with the
//! state the switchboard believes in: silence can't hide behind a state with a good name.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::{BTreeMap, BTreeSet};

use protocol::{
    AuditAction, AuditEntry, AuditOutcome, CallId, CallRecord, DepartmentId, DeviceId, LegId, LiveCall, Party,
    Presence, Reason, Role, Strategy, Target, Timestamp, TransferId, TransferKind, UserId,
};

use crate::{
    Account, Command, DepartmentConfig, EngineEvent, Fact, Fallback, FallbackStep, Input, MailboxOf, Order, Origin,
    Output, OutsideRule, Policy, RecallWhom, Refusal, Release, RingCard, Switchboard, Unavailable, UserConfig,
    call::{Call, ConsultStage, State},
};

/// What a leg hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ear {
    Nothing,
    /// We ring it.
    Rung(Option<DeviceId>),
    Ringback,
    Music,
    Prompt,
    Mailbox,
    With(LegId),
}

pub(crate) struct Office {
    pub board: Switchboard,
    pub now: Timestamp,
    pub ears: BTreeMap<LegId, Ear>,
    pub legs: Vec<LegId>,
    pub orders: Vec<Order>,
    pub cards: BTreeMap<LegId, RingCard>,
    pub records: Vec<CallRecord>,
    pub trail: Vec<AuditEntry>,
    pub answers: Vec<Result<TransferId, Refusal>>,
    pub asked: usize,
    pub shown: BTreeMap<CallId, LiveCall>,
    next_leg: u64,
}

pub(crate) const USERS: [&str; 6] = ["alex", "maya", "ravi", "mina", "tom", "omar"];

pub(crate) fn account() -> Account {
    let user = |id: &str, name: &str, extension: &str, role, departments: &[&str]| UserConfig {
        id: id.into(),
        name: name.into(),
        extension: extension.into(),
        role,
        departments: departments.iter().map(|d| DepartmentId::from(*d)).collect(),
        disabled: false,
        may_transfer_outside: None,
        fallback: None,
    };
    let department = |id: &str, name: &str, extension: &str, number: &str| DepartmentConfig {
        id: id.into(),
        name: name.into(),
        extension: extension.into(),
        numbers: vec![number.into()],
        ring_seconds: 15,
        queue_seconds: 120,
        strategy: Strategy::AllAtOnce,
        fallback: None,
    };
    Account {
        name: "Northwind Desk".into(),
        users: vec![
            user("alex", "Alex Moreno", "100", Role::Administrator, &[]),
            user("maya", "Maya Lindqvist", "101", Role::Manager, &["support"]),
            user("ravi", "Ravi Kumar", "103", Role::Agent, &["support"]),
            user("mina", "Mina Shah", "104", Role::Agent, &["support"]),
            user("tom", "Tom Okafor", "105", Role::Agent, &["sales"]),
            user("omar", "Omar Haddad", "107", Role::Agent, &["support"]),
        ],
        departments: vec![
            department("support", "Support", "200", "+44 20 7946 0200"),
            department("sales", "Sales", "300", "+442079460300"),
        ],
        policy: Policy {
            agents_may_transfer: true,
            transfer_across_departments: true,
            outside: OutsideRule::default(),
            unavailable: Unavailable::default(),
            release: Release::default(),
            transfer_ring_seconds: 20,
            feature_code: Some("*2".into()),
            fallback: Fallback::of(vec![
                FallbackStep::Recall { whom: RecallWhom::FormerAgent, seconds: 20 },
                FallbackStep::NextAgent { strategy: Strategy::AllAtOnce, seconds: 25 },
                FallbackStep::Voicemail { of: MailboxOf::Target },
            ]),
        },
        has_trunk: true,
    }
}

impl Office {
    /// The office with nobody's device registered.
    pub(crate) fn closed(account: Account) -> Self {
        Self {
            board: Switchboard::new(account, "test".into(), (0, String::new()), 0),
            now: Timestamp(1_000_000),
            ears: BTreeMap::new(),
            legs: Vec::new(),
            orders: Vec::new(),
            cards: BTreeMap::new(),
            records: Vec::new(),
            trail: Vec::new(),
            answers: Vec::new(),
            asked: 0,
            shown: BTreeMap::new(),
            next_leg: 1,
        }
    }

    /// The office with a device `NAME-desk` for each of `users`.
    pub(crate) fn with(users: &[&str]) -> Self {
        Self::of(account(), users)
    }

    pub(crate) fn of(account: Account, users: &[&str]) -> Self {
        let mut office = Self::closed(account);
        users.iter().for_each(|user| office.register(user, "desk"));
        office
    }

    // What happens.

    pub(crate) fn register(&mut self, user: &str, device: &str) {
        let device = DeviceId(format!("{user}-{device}"));
        self.engine(EngineEvent::DeviceRegistered { user: user.into(), device });
    }

    pub(crate) fn vanish(&mut self, user: &str, device: &str) {
        let device = DeviceId(format!("{user}-{device}"));
        self.engine(EngineEvent::DeviceGone { user: user.into(), device });
    }

    pub(crate) fn outside_call(&mut self, number: &str) -> LegId {
        let caller = Party { name: "Priya Nair".into(), number: "+919812345678".into() };
        self.arrive(Origin::Trunk, caller, number)
    }

    pub(crate) fn device_call(&mut self, user: &str, to: &str) -> LegId {
        let device = DeviceId(format!("{user}-desk"));
        self.arrive(Origin::Device { user: user.into(), device }, Party::default(), to)
    }

    fn arrive(&mut self, origin: Origin, caller: Party, dialled: &str) -> LegId {
        self.try_arrive(origin, caller, dialled).unwrap()
    }

    pub(crate) fn try_arrive(&mut self, origin: Origin, caller: Party, dialled: &str) -> Result<LegId, String> {
        let leg = LegId(self.next_leg);
        self.next_leg += 2;
        self.legs.push(leg);
        self.ears.insert(leg, Ear::Nothing);
        let event = EngineEvent::Arrived { leg, origin, caller, dialled: dialled.into() };
        self.try_handle(Input::Engine(event)).map(|()| leg)
    }

    pub(crate) fn answer(&mut self, leg: LegId) {
        self.engine(EngineEvent::Answered { leg });
    }

    pub(crate) fn end(&mut self, leg: LegId, reason: Reason) {
        self.engine(EngineEvent::Ended { leg, reason });
    }

    pub(crate) fn engine(&mut self, event: EngineEvent) {
        if let EngineEvent::Ended { leg, .. } = &event {
            self.silence(*leg);
        }
        self.handle(Input::Engine(event));
    }

    pub(crate) fn presence(&mut self, user: &str, presence: Presence) {
        self.handle(Input::Command(Command::SetPresence { by: user.into(), presence }));
    }

    pub(crate) fn transfer(&mut self, by: &str, call: &CallId, target: Target) -> Result<TransferId, Refusal> {
        let revision = self.shown.get(call).map_or(0, |c| c.revision);
        self.transfer_at(by, call, revision, target)
    }

    pub(crate) fn transfer_at(
        &mut self,
        by: &str,
        call: &CallId,
        revision: u32,
        target: Target,
    ) -> Result<TransferId, Refusal> {
        self.asked += 1;
        let (call, note) = (call.clone(), Some("needs an invoice".to_owned()));
        self.handle(Input::Command(Command::Transfer {
            by: by.into(),
            call,
            revision,
            target,
            kind: TransferKind::Blind,
            note,
        }));
        self.answers.last().expect("each transfer is answered").clone()
    }

    pub(crate) fn cancel(&mut self, by: &str, transfer: &TransferId) {
        self.handle(Input::Command(Command::CancelTransfer { by: by.into(), transfer: transfer.clone() }));
    }

    /// Lets time pass, ticking whenever a timer is due.
    pub(crate) fn wait(&mut self, seconds: u64) {
        let end = self.now.plus_ms(seconds * 1_000);
        while let Some((at, _)) = self.board.poll_timeout().filter(|(at, _)| *at <= end) {
            self.now = self.now.max(at);
            self.handle(Input::Tick);
        }
        self.now = end;
    }

    pub(crate) fn handle(&mut self, input: Input) {
        self.try_handle(input).unwrap();
    }

    /// One step, with all promises checked after it.
    pub(crate) fn try_handle(&mut self, input: Input) -> Result<(), String> {
        let said = format!("after {input:?}");
        self.orders.clear();
        self.board.handle(self.now, input);
        while let Some(output) = self.board.poll_output() {
            match output {
                Output::Order(order) => self.carry_out(order),
                Output::Fact(fact) => self.learn(fact)?,
            }
        }
        self.board.check().map_err(|v| format!("{v} {said}"))?;
        self.promise().map_err(|v| format!("{v} {said}"))
    }

    // The engine.

    fn carry_out(&mut self, order: Order) {
        self.orders.push(order.clone());
        match order {
            Order::Ring { leg, device, card } => {
                self.legs.push(leg);
                self.cards.insert(leg, card);
                self.ears.insert(leg, Ear::Rung(Some(device)));
            }
            Order::Dial { leg, .. } => {
                self.legs.push(leg);
                self.ears.insert(leg, Ear::Rung(None));
            }
            Order::IndicateRinging { leg } => self.hears(leg, Ear::Ringback),
            Order::Answer { .. } | Order::ReferProgress { .. } | Order::Notice { .. } => {}
            Order::Bridge { a, b } => {
                self.hears(a, Ear::With(b));
                self.hears(b, Ear::With(a));
            }
            Order::PlayMusic { leg } => self.hears(leg, Ear::Music),
            Order::PlayRingback { leg } => self.hears(leg, Ear::Ringback),
            Order::PlayPrompt { leg, .. } => self.hears(leg, Ear::Prompt),
            Order::RecordVoicemail { leg, .. } => self.hears(leg, Ear::Mailbox),
            Order::HangUp { leg, .. } => self.silence(leg),
        }
    }

    fn hears(&mut self, leg: LegId, ear: Ear) {
        let Some(now) = self.ears.get_mut(&leg) else { return };
        if let Ear::With(other) = std::mem::replace(now, ear)
            && let Some(other) = self.ears.get_mut(&other).filter(|e| **e == Ear::With(leg))
        {
            *other = Ear::Nothing;
        }
    }

    pub(crate) fn silence(&mut self, leg: LegId) {
        self.hears(leg, Ear::Nothing);
        self.ears.remove(&leg);
    }

    fn learn(&mut self, fact: Fact) -> Result<(), String> {
        match fact {
            Fact::CallChanged(call) => {
                let before = self.shown.insert(call.id.clone(), call.clone());
                let counts = call.revision == before.as_ref().map_or(1, |b| b.revision + 1);
                let differs = before.is_none_or(|b| LiveCall { revision: call.revision, ..b } != call);
                if counts && differs { Ok(()) } else { Err(format!("revision {} is no change", call.revision)) }
            }
            Fact::CallGone(id) => self.shown.remove(&id).map(drop).ok_or(format!("{id} went twice")),
            Fact::Record(record) => {
                self.records.push(*record);
                Ok(())
            }
            Fact::Audit(entry) => {
                self.trail.push(entry);
                Ok(())
            }
            Fact::TransferAnswer { answer, .. } => {
                self.answers.push(answer);
                Ok(())
            }
            Fact::UserChanged(_) | Fact::DepartmentChanged(_) | Fact::Draft(_) | Fact::StepAnswer { .. } => Ok(()),
        }
    }

    /// The promise, judged by what is heard.
    fn promise(&self) -> Result<(), String> {
        for call in self.board.calls.values() {
            self.caller_hears(call)
                .map_err(|ear| format!("{}: {:?} but the caller hears {ear:?}", call.id, call.state))?;
        }
        let forgotten = self.ears.keys().find(|leg| !self.board.legs.contains_key(leg));
        forgotten.map_or(Ok(()), |leg| Err(format!("{leg} lives on, and nobody knows it")))
    }

    fn caller_hears(&self, call: &Call) -> Result<(), Option<Ear>> {
        let ear = self.ears.get(&call.caller.leg);
        let right = match &call.state {
            State::Dialling { .. } => matches!(ear, Some(Ear::Rung(None))),
            State::Ringing { .. } => ear == Some(&Ear::Ringback),
            State::Talking { with, held, .. } => {
                self.together((call.caller.leg, call.caller.holds), (with.leg(), *held))
            }
            State::Queued(_) => ear == Some(&Ear::Music),
            State::Transferring { transfer, .. } => {
                let kept = transfer.kept.as_ref().filter(|k| !k.held).map(|k| k.agent.leg);
                let waits = if call.caller.up { Ear::Music } else { Ear::Ringback };
                ear == Some(&waits) && kept.is_none_or(|leg| self.ears.get(&leg) == Some(&Ear::Ringback))
            }
            State::Consulting { agent, held, stage, .. } => {
                let agent = (agent.leg, *held);
                let music = |leg: LegId| self.ears.get(&leg) == Some(&Ear::Music);
                match stage {
                    ConsultStage::Ringing(_) | ConsultStage::Dialling(_) => {
                        music(call.caller.leg) && (*held || self.ears.get(&agent.0) == Some(&Ear::Ringback))
                    }
                    ConsultStage::Speaking(target) => {
                        music(call.caller.leg) && self.together(agent, (target.side.leg(), target.holds))
                    }
                    ConsultStage::Swapped(target) => {
                        music(target.side.leg()) && self.together((call.caller.leg, call.caller.holds), agent)
                    }
                }
            }
            State::Voicemail { .. } => ear == Some(&Ear::Mailbox),
            State::Closing { .. } => ear == Some(&Ear::Prompt),
            State::AwaitingRecording { .. } => ear.is_none(),
            State::Over { .. } => false,
        };
        if right { Ok(()) } else { Err(ear.cloned()) }
    }

    /// Who holds listens to nobody; the one held hears music; else they hear each other.
    fn together(&self, (a, a_holds): (LegId, bool), (b, b_holds): (LegId, bool)) -> bool {
        let hears = |leg: LegId, ear: Ear| self.ears.get(&leg) == Some(&ear);
        match (a_holds, b_holds) {
            (false, false) => hears(a, Ear::With(b)) && hears(b, Ear::With(a)),
            (true, false) => hears(b, Ear::Music),
            (false, true) => hears(a, Ear::Music),
            (true, true) => true,
        }
    }

    // Questions.

    /// The leg that rings `NAME-desk` now.
    pub(crate) fn rung(&self, device: &str) -> LegId {
        let device = DeviceId::from(device);
        let rung = self.ears.iter().find(|(_, ear)| **ear == Ear::Rung(Some(device.clone())));
        *rung.unwrap_or_else(|| panic!("{device} does not ring")).0
    }

    pub(crate) fn ringing(&self) -> BTreeSet<String> {
        let device = |ear: &Ear| if let Ear::Rung(Some(device)) = ear { Some(device.to_string()) } else { None };
        self.ears.values().filter_map(device).collect()
    }

    pub(crate) fn only_call(&self) -> LiveCall {
        assert_eq!(self.shown.len(), 1, "{:?}", self.shown);
        self.shown.values().next().unwrap().clone()
    }

    pub(crate) fn ordered(&self, order: &Order) -> bool {
        self.orders.contains(order)
    }

    pub(crate) fn hung_up(&self, leg: LegId) -> Option<Reason> {
        self.orders.iter().find_map(|o| match o {
            Order::HangUp { leg: l, reason } if *l == leg => Some(*reason),
            _ => None,
        })
    }

    /// A call to Support that `agent` has answered: the caller's leg, the agent's, and the call.
    pub(crate) fn talking_with(&mut self, agent: &str) -> (LegId, LegId, CallId) {
        let caller = self.outside_call("+442079460200");
        let leg = self.rung(&format!("{agent}-desk"));
        self.answer(leg);
        let call = self.shown.values().find(|c| c.agent.as_ref().is_some_and(|a| a.id.as_str() == agent)).unwrap();
        (caller, leg, call.id.clone())
    }

    /// Everyone hangs up; afterwards nothing may be left, and everything must have been said exactly once.
    pub(crate) fn drain(&mut self) -> Result<(), String> {
        let live: Vec<LegId> = self.ears.keys().copied().collect();
        for leg in live {
            self.silence(leg);
            self.try_handle(Input::Engine(EngineEvent::Ended { leg, reason: Reason::CallerGone }))?;
        }
        while let Some((at, _)) = self.board.poll_timeout() {
            self.now = self.now.max(at);
            // A caller who went back to a line when an agent's leg ended is not there any more.
            self.try_handle(Input::Tick)?;
        }
        let board = &self.board;
        let left = (board.calls.len(), board.legs.len(), board.by_id.len(), board.by_transfer.len(), self.shown.len());
        if left != (0, 0, 0, 0, 0) {
            return Err(format!("left over (calls, legs, ids, transfers, shown): {left:?}"));
        }
        let ids: BTreeSet<_> = self.records.iter().map(|r| &r.id).collect();
        if ids.len() != self.records.len() || ids.len() as u64 != board.counters.call {
            return Err(format!("{} calls, {} records", board.counters.call, self.records.len()));
        }
        let settled = |e: &&AuditEntry| {
            matches!(e.action, AuditAction::Transfer | AuditAction::Consult)
                && matches!(e.outcome, AuditOutcome::Completed | AuditOutcome::FellBack)
        };
        let outcomes = self.trail.iter().filter(settled).count() as u64;
        if outcomes != board.counters.transfer || self.answers.len() != self.asked {
            return Err(format!("{} transfers, {outcomes} outcomes", board.counters.transfer));
        }
        self.chain()
    }

    fn chain(&self) -> Result<(), String> {
        let mut previous = String::new();
        for entry in &self.trail {
            if entry.chained(&previous) != entry.hash {
                return Err(format!("the trail is broken at {}", entry.seq));
            }
            previous.clone_from(&entry.hash);
        }
        Ok(())
    }
}

pub(crate) fn to_user(user: &str) -> Target {
    Target::User(UserId::from(user))
}

pub(crate) fn to_department(department: &str) -> Target {
    Target::Department(DepartmentId::from(department))
}
