//! Call control with no I/O: who talks to whom, and what happens next when something goes wrong.
//!
//! Shape: [`Switchboard::handle`]`(now, input)`, then drain [`Switchboard::poll_output`], then wait until
//! [`Switchboard::poll_timeout`] and hand in [`Input::Tick`]. There is no clock, thread, socket or file in here.
//!
//! **The invariant** (checked by [`Switchboard::check`] after every step of every test): a caller who has not hung up
//! is always in exactly one of: talking; hearing music while the agent who has them, and is on the line, asks somebody;
//! ringing towards someone with a timer running; queued with a position and a timer running; leaving a voicemail;
//! hearing a configured closing announcement. Never silence, never nothing.

mod account;
mod amend;
mod arrive;
mod audit;
mod call;
mod card;
mod check;
mod directory;
mod draft;
mod eligibility;
mod end;
mod faults;
mod hold;
mod input;
mod join;
mod journey;
mod leave;
mod legs;
mod output;
mod people;
mod permission;
mod publish;
mod quality;
mod queue;
mod repair;
mod ring;
mod rules;
mod scope;
mod stale;
mod strategy;
mod talk;
mod timer;
mod transfer;
mod view;

#[cfg(test)]
mod flows;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod testkit;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

pub use account::*;
pub use amend::{Amendment, NotAmended};
pub use check::Violation;
#[cfg(feature = "faults")]
pub use faults::Fault;
#[cfg(not(feature = "faults"))]
pub(crate) use faults::Fault;
pub use input::*;
pub use output::*;
pub use permission::Rights;
use protocol::{
    CallId, Department, DepartmentId, Disposition, LegId, LiveCall, Reason, Timestamp, TransferId, User, UserId,
};
pub use timer::TimerReason;
pub use transfer::TargetList;

use crate::{
    audit::Trail,
    call::{Call, CallKey, Stage, State},
    directory::Directory,
    legs::LegUse,
    quality::Parting,
    timer::Timers,
    transfer::{Request, Settled, Wish},
};

/// Everything an account's calls are doing now.
pub struct Switchboard {
    directory: Directory,
    calls: BTreeMap<CallKey, Call>,
    by_id: BTreeMap<CallId, CallKey>,
    by_transfer: BTreeMap<TransferId, CallKey>,
    legs: BTreeMap<LegId, LegUse>,
    /// Legs whose end is ordered, but not confirmed.
    parting: BTreeMap<LegId, Parting>,
    timers: Timers,
    outputs: VecDeque<Output>,
    trail: Trail,
    instance: String,
    counters: Counters,
    settled: Settled,
    changed: Changed,
    now: Timestamp,
    /// How many inputs have been taken in.
    handled: u64,
    stopped: bool,
    #[cfg(any(test, feature = "faults"))]
    fault: Option<Fault>,
}

#[derive(Debug, Default)]
struct Counters {
    call: u64,
    transfer: u64,
    /// Legs that we ring have even ids.
    leg: u64,
    ticket: u64,
    record: u64,
}

/// What has to be looked at again at the end of a step.
#[derive(Debug, Default)]
struct Changed {
    users: BTreeSet<UserId>,
    departments: BTreeSet<DepartmentId>,
    /// Users who may have become free.
    woken: BTreeSet<UserId>,
    /// Lines with somebody to ask for.
    lines: BTreeSet<DepartmentId>,
    /// Calls whose place in a line has moved.
    moved: BTreeSet<CallKey>,
}

impl Switchboard {
    /// `instance` makes call and transfer ids unique across restarts; `last_audit` is the sequence number and hash of
    /// the newest entry of the audit trail (0 and empty if there is none); `last_record_seq` the newest record's.
    #[must_use]
    pub fn new(account: Account, instance: String, last_audit: (u64, String), last_record_seq: u64) -> Self {
        let mut board = Self {
            directory: Directory::new(account),
            calls: BTreeMap::new(),
            by_id: BTreeMap::new(),
            by_transfer: BTreeMap::new(),
            legs: BTreeMap::new(),
            parting: BTreeMap::new(),
            timers: Timers::default(),
            outputs: VecDeque::new(),
            trail: Trail::after(last_audit),
            instance,
            counters: Counters { record: last_record_seq, ..Counters::default() },
            settled: Settled::default(),
            changed: Changed::default(),
            now: Timestamp::default(),
            handled: 0,
            stopped: false,
            #[cfg(any(test, feature = "faults"))]
            fault: None,
        };
        board.directory.show_all();
        board
    }

    /// Takes in one thing that happened at `now`. Drain [`Self::poll_output`] afterwards.
    pub fn handle(&mut self, now: Timestamp, input: Input) {
        self.pass_time(now);
        self.handled += 1;
        match input {
            Input::Engine(event) => self.engine(event),
            Input::Command(command) => self.command(command),
            Input::Tick => self.tick(),
            Input::Shutdown => self.shut_down(),
        }
        self.offer_lines();
        self.publish_changed();
    }

    /// What is to be done and known, in order.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to hand in the next [`Input::Tick`], and why.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<(Timestamp, TimerReason)> {
        self.timers.next()
    }

    /// All live calls, oldest first.
    pub fn live_calls(&self) -> impl Iterator<Item = &LiveCall> {
        self.calls.values().filter_map(|call| call.shown.as_ref())
    }

    /// All users by id, as they are now.
    #[must_use]
    pub fn users(&self) -> Vec<User> {
        self.directory.users.values().map(Directory::user_view).collect()
    }

    /// All departments by id, as they are now.
    #[must_use]
    pub fn departments(&self) -> Vec<Department> {
        self.directory.departments.values().map(Directory::department_view).collect()
    }

    /// What finished calls can be marked as, in the order in which they are offered.
    #[must_use]
    pub fn dispositions(&self) -> &[Disposition] {
        &self.directory.dispositions
    }

    fn pass_time(&mut self, now: Timestamp) {
        if self.now == Timestamp::default() {
            self.directory.present_since(now);
        }
        self.now = self.now.max(now);
    }

    fn engine(&mut self, event: EngineEvent) {
        match event {
            EngineEvent::Arrived { leg, origin, caller, dialled } => self.arrived(leg, origin, &caller, &dialled),
            EngineEvent::Ringing { leg } => self.on_leg(leg, |board, call| board.rings(call, leg)),
            EngineEvent::Answered { leg } => self.on_leg(leg, |board, call| board.answered(call, leg)),
            EngineEvent::Held { leg, held } => self.on_leg(leg, |board, call| board.held(call, leg, held)),
            EngineEvent::ReferRequested { leg, to, replaces } => {
                self.on_leg(leg, |board, call| board.refer_requested(call, leg, &to, replaces));
            }
            EngineEvent::Diverted { leg, to } => {
                self.parting.remove(&leg);
                self.on_leg(leg, |board, call| board.diverted(call, leg, &to));
            }
            EngineEvent::Digit { leg, digit } => self.on_leg(leg, |board, call| board.key_pressed(call, leg, digit)),
            EngineEvent::Ended { leg, reason } => {
                self.parting.remove(&leg);
                self.on_leg(leg, |board, call| board.ended(call, leg, reason));
            }
            EngineEvent::Quality { leg, quality } => self.measured(leg, quality),
            EngineEvent::PromptFinished { leg } => self.on_leg(leg, |board, call| board.prompt_finished(call, leg)),
            EngineEvent::Recorded { leg, duration_ms, file: _ } => {
                self.on_leg(leg, |board, call| board.recorded(call, leg, duration_ms));
            }
            EngineEvent::OrderFailed { leg, detail: _, fatal: true } => {
                self.on_leg(leg, |board, call| board.leg_broken(call, leg));
            }
            EngineEvent::OrderFailed { leg, detail: _, fatal: false } => {
                self.on_leg(leg, |board, call| board.order_failed(call, leg));
            }
            EngineEvent::DeviceRegistered { user, device } => self.device_registered(&user, &device),
            EngineEvent::DeviceGone { user, device } => self.device_gone(&user, &device),
        }
    }

    fn command(&mut self, command: Command) {
        match command {
            Command::Transfer { by, call, revision, target, kind, note } => {
                let wish = Wish { by: &by, target: &target, kind, revision: Some(revision) };
                self.transfer(&call, &wish, note);
            }
            Command::CompleteTransfer { by, transfer } => self.step_transfer(&by, &transfer, Request::Complete),
            Command::SwapTransfer { by, transfer } => self.step_transfer(&by, &transfer, Request::Swap),
            Command::CancelTransfer { by, transfer } => self.step_transfer(&by, &transfer, Request::Cancel),
            Command::SetPresence { by, presence } => self.set_presence(&by, presence),
            Command::SignedIn { user, accepted, rule } => self.signed_in(&user, accepted, rule),
            Command::SignedOut { user } => self.signed_out(&user),
        }
    }

    fn tick(&mut self) {
        // One round: a timer that is due again at once waits for the next tick, so that no step can go on for ever.
        for (key, deadline) in self.timers.due(self.now) {
            self.with_call(key, |board, call| {
                if call.timer == Some(deadline) {
                    board.expired(call, deadline.1);
                }
            });
        }
    }

    fn expired(&mut self, call: &mut Call, why: TimerReason) {
        match why {
            TimerReason::RingEnds => self.rang_out(call),
            TimerReason::QueueEnds => self.waited_out(call),
            TimerReason::KeysEnd => self.keys_end(call),
            TimerReason::QueueRetry => self.ask_again(call),
            TimerReason::ClosingOverdue | TimerReason::RecordingOverdue => self.overdue(call),
        }
    }

    fn shut_down(&mut self) {
        self.stopped = true;
        let keys: Vec<_> = self.calls.keys().copied().collect();
        for key in keys {
            self.with_call(key, |board, call| board.end(call, Reason::Shutdown));
        }
    }

    fn find(&self, id: &CallId) -> Option<&Call> {
        self.calls.get(self.by_id.get(id)?)
    }

    fn on_leg(&mut self, leg: LegId, step: impl FnOnce(&mut Self, &mut Call)) {
        if let Some(key) = self.legs.get(&leg).map(|of| of.key) {
            self.with_call(key, step);
        }
    }

    /// Takes a call out, lets `step` change it, and puts it back in order: timer, facts, record.
    fn with_call(&mut self, key: CallKey, step: impl FnOnce(&mut Self, &mut Call)) {
        if let Some(mut call) = self.calls.remove(&key) {
            step(self, &mut call);
            self.put_back(call);
        }
    }

    fn put_back(&mut self, mut call: Call) {
        let deadline = call.state.deadline();
        if call.timer != deadline {
            call.timer.inspect(|old| self.timers.stop(call.key, *old));
            let drop = self.planted(Fault::DropRecallTimer)
                && matches!(call.state, State::Transferring { stage: Stage::Recalling(_), .. });
            deadline.filter(|_| !drop).inspect(|new| self.timers.start(call.key, *new));
            call.timer = deadline;
        }
        self.publish(&mut call);
        if let State::Over { because } = call.state {
            self.by_id.remove(&call.id);
            self.record(&call, because);
        } else {
            self.draft(&mut call);
            self.calls.insert(call.key, call);
        }
    }

    fn order(&mut self, order: Order) {
        self.outputs.push_back(Output::Order(order));
    }

    fn fact(&mut self, fact: Fact) {
        self.outputs.push_back(Output::Fact(fact));
    }
}
