//! One small world: an office, its exchange, the people who call it, and all that goes wrong.

mod checks;
mod ends;

use std::panic::{AssertUnwindSafe, catch_unwind};

use protocol::{CallId, CallState, DepartmentId, Direction, LegId, Reason, Timestamp, TransferId, UserId};
use switchboard::{Account, EngineEvent, Fact, Input, Order, Output, ReferProgress, Replaces, Switchboard};

use crate::{
    act::{Act, life},
    books::{Books, Case, Checked, Said, Violation, check},
    engine::{Engine, leg_of},
    office,
    promise::{needs_timer, until},
    report::Tally,
    rng::{Rng, mix},
    trace::Trace,
};

/// Something done to each new switchboard: tests plant a fault.
pub type Plant = fn(&mut Switchboard);

/// More ticks than any honest moment needs.
const TICKS: usize = 200;
/// Whoever hangs up so soon after answering a transfer has not taken the call.
const AT_ONCE_MS: u64 = 3_000;
/// The clock of every world begins here.
const EPOCH: u64 = 1_000_000;

/// A world and the life that is lived in it.
#[derive(Debug, Clone)]
pub struct Script {
    pub seed: u64,
    pub acts: Vec<Act>,
}

impl Script {
    /// World `number` of a run.
    #[must_use]
    pub fn new(run: u64, number: u64) -> Self {
        let seed = mix(run ^ mix(number.wrapping_add(1)));
        Self { seed, acts: life(&mut Rng::new(mix(seed ^ 1))) }
    }
}

/// How a world went.
#[derive(Debug)]
pub struct Lived {
    pub tally: Tally,
    pub digest: u64,
    /// The promise that was broken, and after which act.
    pub violation: Option<(usize, Violation)>,
    pub transcript: Vec<String>,
}

/// Lives the script. `own_check_every`: how often the switchboard is asked to look at itself.
#[must_use]
pub fn live(script: &Script, plant: Plant, own_check_every: u32, trace: bool) -> Lived {
    let mut world = World::new(script.seed, plant, own_check_every, trace);
    let mut at = 0;
    let lived = catch_unwind(AssertUnwindSafe(|| {
        for (index, act) in script.acts.iter().enumerate() {
            at = index;
            world.act(act)?;
        }
        at = script.acts.len();
        world.come_to_rest()
    }));
    let violation = match lived {
        Ok(Ok(())) => None,
        Ok(Err(violation)) => Some((at, violation)),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("?");
            Some((at, Violation::lost(format!("the switchboard panicked: {text}"))))
        }
    };
    let mut tally = world.books.tally;
    tally.faults.add(&world.engine.faults);
    Lived { tally, digest: world.books.digest, violation, transcript: world.trace.lines() }
}

pub struct World {
    pub account: Account,
    pub board: Switchboard,
    pub engine: Engine,
    pub books: Books,
    pub now: u64,
    pub trace: Trace,
    plant: Plant,
    own_check_every: u32,
    seed: u64,
    lives: u32,
    /// Legs that were dialled in this step, of a call yet to be named.
    dialled: Vec<LegId>,
    before: Before,
}

/// How things stood before a step, as far as that decides what the step may do.
#[derive(Debug, Default)]
struct Before {
    callers: Vec<Kept>,
    /// The call that the input is about.
    key: Option<u32>,
    /// The leg that an attended transfer names, its call, and everyone in that.
    other: Option<(u32, Vec<LegId>)>,
    /// Legs whose end was ordered.
    hung_up: Vec<LegId>,
    /// Legs that were told that their REFER failed.
    in_vain: Vec<LegId>,
}

/// A caller who must not be hung up on without a reason.
#[derive(Debug)]
struct Kept {
    leg: LegId,
    key: u32,
    /// A transfer goes on.
    transfer: bool,
    talking: bool,
    /// Nobody has answered yet.
    arriving: bool,
    /// At a mailbox or announcement, or calling somebody who may refuse.
    resting: bool,
    /// A user of the account.
    user: bool,
    /// Whoever goes has only just answered a transfer.
    given: bool,
}

impl World {
    fn new(seed: u64, plant: Plant, own_check_every: u32, trace: bool) -> Self {
        let account = office::account(&mut Rng::new(seed));
        let mut board = Switchboard::new(account.clone(), format!("w{seed:x}"), (0, String::new()), 0);
        plant(&mut board);
        let mut trace = Trace::new(trace, EPOCH);
        trace.account(&account);
        Self {
            account,
            board,
            engine: Engine::new(seed),
            books: Books::new(seed),
            now: EPOCH,
            trace,
            plant,
            own_check_every,
            seed,
            lives: 0,
            dialled: Vec::new(),
            before: Before::default(),
        }
    }

    // Time.

    /// Lets time pass: what the engine reports and what the timers say comes in its order.
    pub fn advance(&mut self, ms: u64, ticking: bool) -> Checked {
        let end = self.now + ms;
        loop {
            let event = self.engine.next_at().filter(|at| *at <= end);
            let timer = self.board.poll_timeout().map(|(at, _)| at.0).filter(|at| ticking && *at <= end);
            match (event, timer) {
                (Some(event), timer) if timer.is_none_or(|t| event <= t) => {
                    self.now = self.now.max(event);
                    self.deliver()?;
                }
                (_, Some(timer)) => {
                    self.now = self.now.max(timer);
                    self.tick()?;
                }
                (_, None) => break,
            }
        }
        self.now = end;
        Ok(())
    }

    fn deliver(&mut self) -> Checked {
        match self.engine.deliver() {
            Some(event) => self.hand_in(event),
            None => Ok(()),
        }
    }

    pub fn hand_in(&mut self, event: EngineEvent) -> Checked {
        if let Some(key) = leg_of(&event).and_then(|leg| self.books.of_leg.get(&leg))
            && let Some(case) = self.books.cases.get_mut(key)
        {
            match &event {
                EngineEvent::Ended { leg, reason } if *leg == case.caller => {
                    case.caller_left.get_or_insert(*reason);
                }
                EngineEvent::Recorded { leg, duration_ms, .. } if *leg == case.caller => {
                    case.message |= *duration_ms > 0;
                }
                EngineEvent::Arrived { .. }
                | EngineEvent::Ringing { .. }
                | EngineEvent::Answered { .. }
                | EngineEvent::Held { .. }
                | EngineEvent::ReferRequested { .. }
                | EngineEvent::Diverted { .. }
                | EngineEvent::Digit { .. }
                | EngineEvent::Ended { .. }
                | EngineEvent::Quality { .. }
                | EngineEvent::PromptFinished { .. }
                | EngineEvent::Recorded { .. }
                | EngineEvent::OrderFailed { .. }
                | EngineEvent::DeviceRegistered { .. }
                | EngineEvent::DeviceGone { .. } => {}
            }
        }
        self.step(&Input::Engine(event)).map(drop)
    }

    /// Ticks until no timer is due; then nothing that is shown may be overdue.
    pub fn tick(&mut self) -> Checked {
        for _ in 0..TICKS {
            self.step(&Input::Tick)?;
            if self.board.poll_timeout().is_none_or(|(at, _)| at.0 > self.now) {
                return self.nothing_overdue();
            }
        }
        Err(Violation::other("the timers never rest"))
    }

    fn nothing_overdue(&self) -> Checked {
        let overdue = |c: &&Case| c.shown.as_ref().and_then(until).is_some_and(|until| until <= self.now);
        match self.books.cases.values().find(overdue) {
            Some(case) => Err(Violation::lost(format!(
                "{} waits for something that should be over: {:?}",
                case.id,
                case.shown.as_ref().map(|c| (&c.state, &c.transfer))
            ))),
            None => Ok(()),
        }
    }

    // Steps.

    /// One input, all outputs, all checks.
    pub fn step(&mut self, input: &Input) -> Result<Said, Violation> {
        self.books.tally.steps += 1;
        self.remember(input);
        let mut said = Said::default();
        self.board.handle(Timestamp(self.now), input.clone());
        while let Some(output) = self.board.poll_output() {
            match output {
                Output::Order(order) => {
                    said.orders += 1;
                    self.ordered(&order, input)?;
                }
                Output::Fact(fact) => self.learn(fact, input, &mut said)?,
            }
        }
        self.joined(&said);
        self.met();
        self.settled(input, &mut said)?;
        self.audited(input, &said)?;
        self.callers_kept(input)?;
        self.everyone_hears()?;
        self.timers_run()?;
        if self.books.tally.steps.is_multiple_of(u64::from(self.own_check_every)) {
            self.own_check()?;
        }
        Ok(said)
    }

    fn remember(&mut self, input: &Input) {
        self.trace.input(self.now, input);
        let before = &mut self.before;
        before.callers.clear();
        before.hung_up.clear();
        before.in_vain.clear();
        (before.key, before.other) = (None, None);
        let goes = match input {
            Input::Engine(EngineEvent::Ended { leg, .. } | EngineEvent::OrderFailed { leg, .. }) => Some(*leg),
            Input::Engine(_) | Input::Command(_) | Input::Tick | Input::Shutdown => None,
        };
        for (key, case) in &self.books.cases {
            let Some(call) = &case.shown else { continue };
            before.callers.push(Kept {
                leg: case.caller,
                key: *key,
                transfer: case.open.is_some(),
                talking: !needs_timer(call),
                arriving: matches!(call.state, CallState::Ringing { .. } | CallState::Queued { .. }),
                resting: matches!(call.state, CallState::Voicemail { .. } | CallState::Closing)
                    || (call.direction != Direction::Inbound && call.answered_at.is_none()),
                user: self.engine.legs.get(&case.caller).is_some_and(|l| l.user.is_some()),
                given: case.given.is_some_and(|(leg, until)| Some(leg) == goes && self.now < until),
            });
        }
        let Input::Engine(event) = input else { return };
        before.key = leg_of(event).and_then(|leg| self.books.of_leg.get(&leg)).copied();
        if let EngineEvent::ReferRequested { replaces: Replaces::Leg(other), .. } = event
            && let Some(case) = self.books.case_of(*other)
        {
            let key = self.books.of_leg.get(other).copied().unwrap_or_default();
            before.other = Some((key, case.legs.clone()));
        }
    }

    fn ordered(&mut self, order: &Order, input: &Input) -> Checked {
        self.trace.order(order);
        let (kind, leg) = signature(order);
        self.books.note(kind << 32 ^ leg.0);
        self.possible(order)?;
        match order {
            Order::Ring { leg, card, .. } => {
                let key = self.case(&card.call, input)?;
                self.books.attach(key, *leg);
            }
            Order::Dial { leg, .. } => self.dialled.push(*leg),
            Order::HangUp { leg, .. } => self.before.hung_up.push(*leg),
            Order::Bridge { a, b } => {
                let same = self.books.of_leg.get(a) == self.books.of_leg.get(b);
                let joins = matches!(input, Input::Engine(EngineEvent::ReferRequested { .. }));
                check(same || joins, || format!("{a} and {b} of two calls are connected"))?;
                self.engine.meet(*a, *b);
            }
            Order::IndicateRinging { .. }
            | Order::Answer { .. }
            | Order::PlayMusic { .. }
            | Order::PlayRingback { .. }
            | Order::Notice { .. }
            | Order::PlayPrompt { .. }
            | Order::RecordVoicemail { .. }
            | Order::ReferProgress { .. } => {}
        }
        self.refer_progress(order)?;
        let done = self.engine.carry_out(self.now, order);
        if !done {
            self.trace.say("  the engine fails to do that");
        }
        Ok(())
    }

    /// No engine can do these; the real one would say so, and somebody would hear nothing.
    fn possible(&self, order: &Order) -> Checked {
        let up = |leg: &LegId| self.engine.legs.get(leg).is_none_or(|l| !l.known || l.up);
        let needs_sound: &[&LegId] = match order {
            Order::Bridge { a, b } => &[a, b],
            Order::PlayMusic { leg }
            | Order::PlayRingback { leg }
            | Order::PlayPrompt { leg, .. }
            | Order::RecordVoicemail { leg, .. } => &[leg],
            Order::Ring { .. }
            | Order::Dial { .. }
            | Order::IndicateRinging { .. }
            | Order::Answer { .. }
            | Order::Notice { .. }
            | Order::HangUp { .. }
            | Order::ReferProgress { .. } => &[],
        };
        match needs_sound.iter().find(|leg| !up(leg)) {
            Some(leg) => Err(Violation::lost(format!("{order:?}, but {leg} has not been answered"))),
            None => Ok(()),
        }
    }

    /// Each REFER is accepted or refused once; each accepted one gets its last answer before its leg is let go.
    fn refer_progress(&mut self, order: &Order) -> Checked {
        match order {
            Order::ReferProgress { leg, progress } => {
                let Some(l) = self.engine.legs.get_mut(leg) else { return Ok(()) };
                match progress {
                    ReferProgress::Accepted | ReferProgress::Refused => {
                        let asked = std::mem::take(&mut l.asked);
                        l.refers |= *progress == ReferProgress::Accepted;
                        check(asked, || format!("{leg} is answered a REFER it did not ask"))
                    }
                    ReferProgress::Ringing => check(l.refers, || format!("{leg} is told of a REFER that is over")),
                    ReferProgress::Done | ReferProgress::Failed(_) => {
                        self.before.in_vain.extend(matches!(progress, ReferProgress::Failed(_)).then_some(*leg));
                        let open = std::mem::take(&mut l.refers);
                        check(open, || format!("{leg} is told twice how its REFER went"))
                    }
                }
            }
            Order::HangUp { leg, reason } => {
                let waits = self.engine.legs.get(leg).is_some_and(|l| l.known && l.refers);
                let fair = !waits || matches!(reason, Reason::Failed | Reason::Shutdown);
                check(fair, || format!("{leg} is let go without an answer to its REFER"))
            }
            _ => Ok(()),
        }
    }

    fn learn(&mut self, fact: Fact, input: &Input, said: &mut Said) -> Checked {
        self.trace.fact(&fact);
        match fact {
            Fact::CallChanged(call) => {
                let key = self.case(&call.id, input)?;
                self.books.changed(key, call)?;
                self.turned(key);
                Ok(())
            }
            Fact::CallGone(id) => self.books.gone(&id, said),
            Fact::Record(record) => {
                self.case(&record.id, input)?;
                self.books.record(&record)
            }
            Fact::Draft(record) => {
                let key = self.case(&record.id, input)?;
                self.books.cases.get_mut(&key).into_iter().for_each(|c| c.draft = Some(record.clone()));
                Ok(())
            }
            Fact::Audit(entry) => {
                let fresh = entry.call.as_ref().filter(|id| !self.books.ids.contains_key(*id));
                if let (Some(id), Input::Engine(EngineEvent::Arrived { .. })) = (fresh, input) {
                    self.case(&id.clone(), input)?;
                }
                self.books.audit(&entry, said)
            }
            Fact::TransferAnswer { answer, call: _ } => {
                said.answered_late |= said.orders > 0;
                said.transfer_answers.push(answer);
                Ok(())
            }
            Fact::StepAnswer { answer, transfer: _ } => {
                said.answered_late |= said.orders > 0;
                said.step_answers.push(answer);
                Ok(())
            }
            // The engine here measures nothing.
            Fact::Measured { call, .. } => Err(Violation::other(format!("{call} is said to have been measured"))),
            Fact::UserChanged(_) | Fact::DepartmentChanged(_) => Ok(()),
        }
    }

    /// The books' number of a call; a new one begins with the leg that has just arrived.
    fn case(&mut self, id: &CallId, input: &Input) -> Result<u32, Violation> {
        let dialled = std::mem::take(&mut self.dialled);
        if let Some(key) = self.books.ids.get(id).copied() {
            for leg in dialled {
                self.books.attach(key, leg);
            }
            return Ok(key);
        }
        let Input::Engine(EngineEvent::Arrived { leg, .. }) = input else {
            return Err(Violation::other(format!("{id} comes from nowhere")));
        };
        Ok(match dialled.first() {
            // An outgoing call: the party that is served is the outside one.
            Some(outside) => self.books.open_case(id, *outside, Some(*leg)),
            None => self.books.open_case(id, *leg, None),
        })
    }

    /// Who transfers their own outgoing internal call moves the other side: from then on that is the caller.
    fn turned(&mut self, key: u32) {
        let Some(case) = self.books.cases.get_mut(&key) else { return };
        let Some(call) = &case.shown else { return };
        if call.direction != Direction::Internal {
            return;
        }
        let extension = |leg: &LegId| {
            let user = self.engine.legs.get(leg).filter(|l| l.known)?.user.as_ref()?;
            Some(&self.account.users.iter().find(|u| u.id == *user)?.extension)
        };
        let is = |leg: &LegId| extension(leg) == Some(&call.caller.number);
        if is(&case.caller) {
            return;
        }
        // The other side may be somebody outside.
        let outside = |leg: &&LegId| self.engine.legs.get(leg).is_some_and(|l| l.known && l.user.is_none());
        let other = case.legs.iter().find(|leg| is(leg));
        let rest = || case.legs.iter().find(outside).filter(|leg| **leg != case.caller);
        if let Some(other) = other.or_else(rest) {
            (case.caller, case.turned) = (*other, true);
        }
    }

    /// After an attended transfer the legs of the call that was given up belong to the one that goes on.
    fn joined(&mut self, said: &Said) {
        let (Some(goes_on), Some((gone, legs))) = (self.before.key, self.before.other.take()) else { return };
        if gone == goes_on || !said.gone.contains(&gone) {
            return;
        }
        for leg in legs {
            if self.engine.legs.get(&leg).is_some_and(|l| l.known) {
                self.books.attach(goes_on, leg);
            }
        }
    }

    /// With whom callers have been connected.
    fn met(&mut self) {
        for case in self.books.cases.values_mut() {
            let met = self.engine.legs.get_mut(&case.caller).and_then(|l| l.met.take());
            if let Some(Some(user)) = met
                && case.agents.last() != Some(&user)
            {
                case.agents.push(user);
            }
        }
    }

    /// Whether the call was still ringing or waiting before this step.
    pub fn was_arriving(&self, id: &CallId) -> bool {
        let key = self.books.ids.get(id);
        self.before.callers.iter().any(|kept| Some(&kept.key) == key && kept.arriving)
    }

    pub fn user(&self, pick: u16) -> UserId {
        self.account.users[usize::from(pick) % self.account.users.len()].id.clone()
    }

    pub fn department(&self, pick: u16) -> DepartmentId {
        self.account.departments[usize::from(pick) % self.account.departments.len()].id.clone()
    }

    /// The transfer that goes on in the call, or the last one, or none that ever was.
    pub fn transfer_of(&self, key: Option<u32>) -> TransferId {
        let case = key.and_then(|key| self.books.cases.get(&key));
        let shown = case.and_then(|c| Some(c.shown.as_ref()?.transfer.as_ref()?.id.clone()));
        shown.or_else(|| self.books.last_transfer.clone()).unwrap_or_else(|| TransferId::from("none"))
    }
}

fn signature(order: &Order) -> (u64, LegId) {
    match order {
        Order::Ring { leg, .. } => (1, *leg),
        Order::Dial { leg, .. } => (2, *leg),
        Order::IndicateRinging { leg } => (3, *leg),
        Order::Answer { leg } => (4, *leg),
        Order::Bridge { a, b } => (5 + (b.0 << 8), *a),
        Order::PlayMusic { leg } => (6, *leg),
        Order::PlayRingback { leg } => (7, *leg),
        Order::Notice { leg, .. } => (8, *leg),
        Order::PlayPrompt { leg, .. } => (9, *leg),
        Order::RecordVoicemail { leg, .. } => (10, *leg),
        Order::HangUp { leg, reason } => (11 + ((*reason as u64) << 8), *leg),
        Order::ReferProgress { leg, .. } => (12, *leg),
    }
}
