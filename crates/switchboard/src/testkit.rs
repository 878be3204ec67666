//! Plays the engine and the clock, and looks at everything that is said in each step.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod before;
mod ears;

use std::collections::{BTreeMap, BTreeSet};

use before::Before;
pub(crate) use ears::Ears;
use protocol::{
    AuditAction, AuditEntry, AuditOutcome, CallId, CallRecord, DepartmentId, DeviceId, Disposition, LegId, LegQuality,
    LiveCall, Party, Presence, Reason, Role, Strategy, Target, Timestamp, TransferId, TransferKind, TransferTarget,
    UserId,
};

use crate::{
    Account, Command, DepartmentConfig, EngineEvent, Fact, Fallback, FallbackStep, Input, MailboxOf, Order, Origin,
    Output, OutsideRule, Policy, RecallWhom, Refusal, Release, RingCard, Switchboard, TargetList, Unavailable,
    UserConfig,
};

pub(crate) struct Office {
    pub board: Switchboard,
    pub now: Timestamp,
    pub ears: Ears,
    pub legs: Vec<LegId>,
    pub orders: Vec<Order>,
    pub cards: BTreeMap<LegId, RingCard>,
    pub records: Vec<CallRecord>,
    pub trail: Vec<AuditEntry>,
    pub measured: Vec<(CallId, LegQuality)>,
    pub answers: Vec<Result<TransferId, Refusal>>,
    pub steps: Vec<Result<(), Refusal>>,
    pub shown: BTreeMap<CallId, LiveCall>,
    /// The newest draft of each call without a record.
    pub drafts: BTreeMap<CallId, CallRecord>,
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
        dispositions: [("resolved", "Resolved"), ("call_back", "Call back")]
            .map(|(id, name)| Disposition { id: id.into(), name: name.into() })
            .into(),
    }
}

impl Office {
    /// The office with nobody's device registered.
    pub(crate) fn closed(account: Account) -> Self {
        Self {
            board: Switchboard::new(account, "test".into(), (0, String::new()), 0),
            now: Timestamp(1_000_000),
            ears: Ears::default(),
            legs: Vec::new(),
            orders: Vec::new(),
            cards: BTreeMap::new(),
            records: Vec::new(),
            trail: Vec::new(),
            measured: Vec::new(),
            answers: Vec::new(),
            steps: Vec::new(),
            shown: BTreeMap::new(),
            drafts: BTreeMap::new(),
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
        self.ears.arrive(leg);
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
        self.ask(by, call, revision, target, TransferKind::Blind)
    }

    pub(crate) fn consult(&mut self, by: &str, call: &CallId, target: Target) -> Result<TransferId, Refusal> {
        let revision = self.shown.get(call).map_or(0, |c| c.revision);
        self.ask(by, call, revision, target, TransferKind::Consult)
    }

    pub(crate) fn ask(
        &mut self,
        by: &str,
        call: &CallId,
        revision: u32,
        target: Target,
        kind: TransferKind,
    ) -> Result<TransferId, Refusal> {
        let (by, call, note) = (by.into(), call.clone(), Some("needs an invoice".to_owned()));
        self.handle(Input::Command(Command::Transfer { by, call, revision, target, kind, note }));
        self.answers.last().expect("each transfer is answered").clone()
    }

    /// The dialog's list, read in small pages.
    pub(crate) fn targets(&self, by: &str, call: &CallId) -> Option<Vec<TransferTarget>> {
        let (mut list, mut all) = (TargetList::default(), Vec::new());
        loop {
            let page = self.board.transfer_targets(&by.into(), call, &mut list, 2)?;
            if page.is_empty() {
                return Some(all);
            }
            all.extend(page);
        }
    }

    pub(crate) fn cancel(&mut self, by: &str, transfer: &TransferId) -> Result<(), Refusal> {
        self.step(Command::CancelTransfer { by: by.into(), transfer: transfer.clone() })
    }

    pub(crate) fn complete(&mut self, by: &str, transfer: &TransferId) -> Result<(), Refusal> {
        self.step(Command::CompleteTransfer { by: by.into(), transfer: transfer.clone() })
    }

    pub(crate) fn swap(&mut self, by: &str, transfer: &TransferId) -> Result<(), Refusal> {
        self.step(Command::SwapTransfer { by: by.into(), transfer: transfer.clone() })
    }

    fn step(&mut self, command: Command) -> Result<(), Refusal> {
        self.handle(Input::Command(command));
        self.steps.last().expect("each step is answered").clone()
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
        self.step_of(input).map_err(|wrong| format!("{wrong} {said}"))
    }

    fn step_of(&mut self, input: Input) -> Result<(), String> {
        match &input {
            Input::Engine(EngineEvent::Ended { leg, .. } | EngineEvent::Diverted { leg, .. }) => self.ears.end(*leg),
            Input::Engine(EngineEvent::Answered { leg }) => self.ears.answer(*leg),
            Input::Engine(EngineEvent::OrderFailed { leg, .. }) => self.ears.deafen(*leg),
            Input::Engine(_) | Input::Command(_) | Input::Tick | Input::Shutdown => {}
        }
        let before = Before::of(self, &input);
        self.orders.clear();
        self.board.handle(self.now, input);
        let mut first = true;
        while let Some(output) = self.board.poll_output() {
            if before.owed().1 == 1 && first != matches!(output, Output::Fact(Fact::StepAnswer { .. })) {
                return Err("a step is not answered first".to_owned());
            }
            first = false;
            match output {
                Output::Order(order) => {
                    self.ears.carry_out(&order)?;
                    self.note(order);
                }
                Output::Fact(fact) => self.learn(fact)?,
            }
        }
        self.board.check().map_err(|v| v.to_string())?;
        self.board.calls.values().try_for_each(|call| self.ears.promise(call))?;
        if let Some(leg) = self.ears.live().find(|leg| !self.board.legs.contains_key(leg)) {
            return Err(format!("{leg} lives on, and nobody knows it"));
        }
        before.compare(self)
    }

    fn note(&mut self, order: Order) {
        match &order {
            Order::Ring { leg, card, .. } => {
                self.legs.push(*leg);
                self.cards.insert(*leg, card.clone());
            }
            Order::Dial { leg, .. } => self.legs.push(*leg),
            Order::IndicateRinging { .. }
            | Order::Answer { .. }
            | Order::Bridge { .. }
            | Order::PlayMusic { .. }
            | Order::PlayRingback { .. }
            | Order::Notice { .. }
            | Order::PlayPrompt { .. }
            | Order::RecordVoicemail { .. }
            | Order::HangUp { .. }
            | Order::ReferProgress { .. } => {}
        }
        self.orders.push(order);
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
                self.drafts.remove(&record.id);
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
            Fact::StepAnswer { answer, .. } => {
                self.steps.push(answer);
                Ok(())
            }
            Fact::Draft(draft) if self.records.iter().any(|r| r.id == draft.id) => {
                Err(format!("a draft of {} after its record", draft.id))
            }
            Fact::Draft(draft) => {
                self.drafts.insert(draft.id.clone(), *draft);
                Ok(())
            }
            Fact::Measured { call, .. } if self.records.iter().all(|r| r.id != call) => {
                Err(format!("{call} is measured late, and has no record"))
            }
            Fact::Measured { call, quality } => {
                self.measured.push((call, quality));
                Ok(())
            }
            Fact::UserChanged(_) | Fact::DepartmentChanged(_) => Ok(()),
        }
    }

    // Questions.

    /// The leg that rings `NAME-desk` now.
    pub(crate) fn rung(&self, device: &str) -> LegId {
        let device = DeviceId::from(device);
        let rung = self.ears.rung().find(|(_, rung)| *rung == Some(&device));
        rung.unwrap_or_else(|| panic!("{device} does not ring")).0
    }

    /// The leg of the outside number that is dialled now.
    pub(crate) fn dialled(&self) -> LegId {
        self.ears.rung().find(|(_, device)| device.is_none()).expect("nobody is dialled").0
    }

    pub(crate) fn ringing(&self) -> BTreeSet<String> {
        self.ears.rung().filter_map(|(_, device)| device.map(ToString::to_string)).collect()
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
        let live: Vec<LegId> = self.ears.live().collect();
        for leg in live {
            self.try_handle(Input::Engine(EngineEvent::Ended { leg, reason: Reason::CallerGone }))?;
        }
        let mut ticks = 0;
        while let Some((at, why)) = self.board.poll_timeout() {
            self.now = self.now.max(at);
            ticks += 1;
            if ticks > 10_000 {
                return Err(format!("{why:?} never comes to an end"));
            }
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
        if outcomes != board.counters.transfer {
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
