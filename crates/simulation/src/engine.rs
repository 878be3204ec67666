//! The simulated engine and its far ends. It knows from the orders alone what every leg hears; the switchboard's own
//! opinion of that is nowhere asked.
//!
//! What it may lose follows what a real engine can lose. Losing for ever is fair where the switchboard runs a timer:
//! progress of a ring (also its answer and its end), the end of a prompt or recording, keys, holds, REFERs, a
//! registration, and the confirmation of anything the switchboard ended itself. An INVITE that arrived and the end of
//! a leg that was up or calling are only ever late, by no more than [`SESSION_MS`]: SIP's own timers (RFC 3261
//! section 17, RFC 4028) tell an engine of a dead far end.

use std::collections::{BTreeMap, BTreeSet};

use protocol::{DeviceId, LegId, Reason, UserId};
use switchboard::{AnswerMode, EngineEvent, Order};

use crate::{
    report::Faults,
    rng::{Rng, mix},
};

/// After how long an engine notices by itself that a far end is gone.
pub const SESSION_MS: u64 = 90_000;
/// How many legs of the past are remembered for stray events.
const PAST: usize = 32;

/// What a leg hears.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ear {
    Nothing,
    Ringback,
    Music,
    Prompt,
    Mailbox,
    With(LegId),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    Arrived,
    Rung(DeviceId),
    Dialled,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Far {
    /// We ring it.
    Ringing,
    /// It has answered, or it calls us.
    Up,
    Gone,
}

#[derive(Debug)]
pub struct Leg {
    pub kind: Kind,
    pub user: Option<UserId>,
    pub far: Far,
    /// The switchboard has been told of it, or made it, and its end has neither been reported nor ordered.
    pub known: bool,
    /// As the switchboard knows: sound can go through it.
    pub up: bool,
    /// As the switchboard knows: the far end holds us.
    pub holds: bool,
    pub ear: Ear,
    /// Orders about it that failed, of which the switchboard does not know yet.
    pub trouble: u32,
    /// A REFER of it has been accepted and waits for its last answer.
    pub refers: bool,
    /// Asked and not yet told whether it is accepted.
    pub asked: bool,
    /// Connected in this step, with this user or somebody outside.
    pub met: Option<Option<UserId>>,
}

/// An event on its way to the switchboard.
#[derive(Debug, Clone)]
pub struct Pending {
    pub at: u64,
    /// When it happened.
    posted: u64,
    seq: u64,
    pub event: EngineEvent,
    /// Losing it for ever is something a real engine could do.
    pub losable: bool,
}

#[derive(Debug)]
pub struct Engine {
    pub legs: BTreeMap<LegId, Leg>,
    pub past: Vec<LegId>,
    pending: Vec<Pending>,
    seq: u64,
    next_leg: u64,
    pub registered: BTreeSet<(UserId, DeviceId)>,
    chance: Rng,
    /// The order that will fail: how many others before it, and how.
    failing: Option<(u8, bool)>,
    pub faults: Faults,
}

impl Engine {
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            legs: BTreeMap::new(),
            past: Vec::new(),
            pending: Vec::new(),
            seq: 0,
            next_leg: 1,
            registered: BTreeSet::new(),
            chance: Rng::new(mix(seed)),
            failing: None,
            faults: Faults::default(),
        }
    }

    /// A leg that arrives; the switchboard is told soon.
    pub fn arrive(&mut self, user: Option<UserId>) -> LegId {
        let id = LegId(self.next_leg);
        self.next_leg += 2;
        let mut leg = Leg::new(Kind::Arrived, user);
        (leg.far, leg.known) = (Far::Up, false);
        self.legs.insert(id, leg);
        id
    }

    // Events.

    pub fn post(&mut self, now: u64, delay: u64, losable: bool, event: EngineEvent) {
        self.seq += 1;
        let (at, seq) = (now + delay, self.seq);
        self.put_in_order(Pending { at, posted: now, seq, event, losable });
    }

    fn put_in_order(&mut self, pending: Pending) {
        let place = self.pending.partition_point(|p| (p.at, p.seq) < (pending.at, pending.seq));
        self.pending.insert(place, pending);
    }

    /// After what the network and the engine take.
    pub fn post_soon(&mut self, now: u64, losable: bool, event: EngineEvent) {
        let delay = u64::from(self.chance.below(40)) + 1;
        self.post(now, delay, losable, event);
    }

    pub fn next_at(&self) -> Option<u64> {
        self.pending.first().map(|p| p.at)
    }

    /// What the switchboard is told next; from then on it is true for it.
    pub fn deliver(&mut self) -> Option<EngineEvent> {
        let Pending { event, losable, .. } = (!self.pending.is_empty()).then(|| self.pending.remove(0))?;
        if let EngineEvent::Arrived { leg, .. } = &event {
            // A second report of a leg that is over by now would be a second leg: an engine numbers its own.
            if !self.legs.contains_key(leg) {
                return self.deliver();
            }
        } else if let Some(arrival) = leg_of(&event).and_then(|leg| self.arrival(leg)) {
            // Nothing is said of a leg before its arrival is.
            self.post(arrival, 0, losable, event);
            return self.deliver();
        }
        match &event {
            EngineEvent::Arrived { leg, .. } => self.told(*leg, |l| l.known = true),
            EngineEvent::Answered { leg } => self.told(*leg, |l| l.up = true),
            EngineEvent::Held { leg, held } => self.told(*leg, |l| l.holds = *held),
            EngineEvent::Ended { leg, .. } | EngineEvent::Diverted { leg, .. } => self.forget(*leg),
            EngineEvent::OrderFailed { leg, .. } => {
                self.told(*leg, |l| l.trouble = l.trouble.saturating_sub(1));
            }
            EngineEvent::ReferRequested { leg, .. } => self.told(*leg, |l| l.asked = l.known),
            EngineEvent::Ringing { .. }
            | EngineEvent::Digit { .. }
            | EngineEvent::Quality { .. }
            | EngineEvent::PromptFinished { .. }
            | EngineEvent::Recorded { .. }
            | EngineEvent::DeviceRegistered { .. }
            | EngineEvent::DeviceGone { .. } => {}
        }
        Some(event)
    }

    /// When the leg's arrival will be told, if it is still on its way.
    fn arrival(&self, leg: LegId) -> Option<u64> {
        let of = |p: &&Pending| matches!(p.event, EngineEvent::Arrived { leg: l, .. } if l == leg);
        self.pending.iter().find(of).map(|p| p.at)
    }

    fn told(&mut self, leg: LegId, what: impl FnOnce(&mut Leg)) {
        if let Some(leg) = self.legs.get_mut(&leg) {
            what(leg);
        }
    }

    /// The switchboard knows it no more; whoever was bridged with it hears nothing.
    fn forget(&mut self, id: LegId) {
        self.hears(id, Ear::Nothing);
        if let Some(leg) = self.legs.get_mut(&id) {
            leg.known = false;
            leg.trouble = 0;
            if leg.far == Far::Gone {
                self.legs.remove(&id);
            }
            self.remember(id);
        }
    }

    fn remember(&mut self, id: LegId) {
        if self.past.len() == PAST {
            self.past.remove(0);
        }
        self.past.push(id);
    }

    // Faults on their way.

    pub fn lose(&mut self, pick: u16) -> Option<EngineEvent> {
        let index = nth(self.pending.len(), pick)?;
        let mut lost = self.pending.remove(index);
        let event = lost.event.clone();
        if lost.losable {
            self.faults.count("event lost");
        } else {
            self.faults.count("event reported only after the session timer");
            lost.at = lost.at.max(lost.posted + SESSION_MS);
            self.put_in_order(lost);
        }
        Some(event)
    }

    pub fn delay(&mut self, pick: u16, ms: u32) -> Option<EngineEvent> {
        let index = nth(self.pending.len(), pick)?;
        self.faults.count("event late");
        let mut late = self.pending.remove(index);
        let event = late.event.clone();
        late.at += u64::from(ms);
        self.put_in_order(late);
        Some(event)
    }

    pub fn duplicate(&mut self, pick: u16, ms: u32) -> Option<EngineEvent> {
        let index = nth(self.pending.len(), pick)?;
        let Pending { at, event, .. } = self.pending[index].clone();
        // A second report of one failed order would be a second failure.
        if matches!(event, EngineEvent::OrderFailed { .. } | EngineEvent::ReferRequested { .. }) {
            return None;
        }
        self.faults.count("event duplicated");
        self.post(at, u64::from(ms), true, event.clone());
        Some(event)
    }

    pub fn reorder(&mut self, a: u16, b: u16) -> bool {
        let (Some(a), Some(b)) = (nth(self.pending.len(), a), nth(self.pending.len(), b)) else { return false };
        if a == b {
            return false;
        }
        self.faults.count("events reordered");
        let (x, y) = (self.pending[a].at, self.pending[b].at);
        (self.pending[a].at, self.pending[b].at) = (y, x);
        self.pending.sort_by_key(|p| (p.at, p.seq));
        true
    }

    pub fn fail_order(&mut self, skip: u8, fatal: bool) {
        self.failing = Some((skip, fatal));
    }

    // Orders.

    /// Does what is ordered, or fails to. Answers whether it was done.
    pub fn carry_out(&mut self, now: u64, order: &Order) -> bool {
        let failing = match &mut self.failing {
            Some((0, fatal)) => Some(*fatal),
            Some((skip, _)) => {
                *skip -= 1;
                None
            }
            None => None,
        };
        if let Some(fatal) = failing {
            self.failing = None;
            return !self.fail(now, order, fatal);
        }
        self.obey(now, order);
        true
    }

    /// Whether the order can fail in this way; if so, it has.
    fn fail(&mut self, now: u64, order: &Order, fatal: bool) -> bool {
        let leg = match order {
            Order::Ring { leg, device, .. } => {
                self.legs.insert(*leg, Leg::new(Kind::Rung(device.clone()), owner_by_name(device)));
                self.end_far(*leg, now, Reason::Failed);
                self.trouble(*leg, now, true);
                return true;
            }
            Order::Dial { leg, .. } => {
                self.legs.insert(*leg, Leg::new(Kind::Dialled, None));
                self.end_far(*leg, now, Reason::Failed);
                self.trouble(*leg, now, true);
                return true;
            }
            // The engine refuses the caller when it cannot answer.
            Order::Answer { leg } => {
                self.told(*leg, |l| l.up = true);
                self.end_far(*leg, now, Reason::Failed);
                self.trouble(*leg, now, true);
                return true;
            }
            Order::Bridge { a, b } => {
                self.hears(*a, Ear::Nothing);
                self.hears(*b, Ear::Nothing);
                if self.chance.chance(50) { *a } else { *b }
            }
            Order::PlayMusic { leg }
            | Order::PlayRingback { leg }
            | Order::PlayPrompt { leg, .. }
            | Order::RecordVoicemail { leg, .. } => {
                self.hears(*leg, Ear::Nothing);
                *leg
            }
            // A provisional answer and a NOTIFY either go out or the leg is dead; a leg whose end fails is dead too.
            Order::IndicateRinging { leg } | Order::ReferProgress { leg, .. } if fatal => {
                let leg = *leg;
                self.obey(now, order);
                leg
            }
            Order::IndicateRinging { .. }
            | Order::ReferProgress { .. }
            | Order::Notice { .. }
            | Order::HangUp { .. } => {
                self.obey(now, order);
                return false;
            }
        };
        self.trouble(leg, now, fatal);
        true
    }

    fn trouble(&mut self, id: LegId, now: u64, fatal: bool) {
        self.faults.count(if fatal { "order failed, leg unusable" } else { "order failed" });
        self.told(id, |l| l.trouble += 1);
        let event = EngineEvent::OrderFailed { leg: id, detail: "simulated".into(), fatal };
        self.post_soon(now, false, event);
    }

    fn obey(&mut self, now: u64, order: &Order) {
        match order {
            Order::Ring { leg, device, card } => {
                self.ring(now, *leg, device, card.answer);
            }
            Order::Dial { leg, .. } => {
                self.legs.insert(*leg, Leg::new(Kind::Dialled, None));
                let delay = 100 + u64::from(self.chance.below(3_000));
                if self.chance.chance(80) {
                    self.post(now, delay, true, EngineEvent::Ringing { leg: *leg });
                }
            }
            Order::IndicateRinging { leg } => self.hears(*leg, Ear::Ringback),
            Order::Answer { leg } => {
                self.told(*leg, |l| l.up = true);
                self.post_soon(now, true, EngineEvent::Answered { leg: *leg });
            }
            Order::Bridge { a, b } => {
                self.hears(*a, Ear::With(*b));
                self.hears(*b, Ear::With(*a));
            }
            Order::PlayMusic { leg } => self.hears(*leg, Ear::Music),
            Order::PlayRingback { leg } => self.hears(*leg, Ear::Ringback),
            Order::PlayPrompt { leg, .. } => {
                self.hears(*leg, Ear::Prompt);
                let delay = 3_000 + u64::from(self.chance.below(5_000));
                self.post(now, delay, true, EngineEvent::PromptFinished { leg: *leg });
            }
            Order::RecordVoicemail { leg, .. } => {
                self.hears(*leg, Ear::Mailbox);
                let delay = 2_000 + u64::from(self.chance.below(60_000));
                let duration_ms = if self.chance.chance(20) { 0 } else { delay };
                self.post(now, delay, true, EngineEvent::Recorded { leg: *leg, duration_ms, file: String::new() });
            }
            Order::HangUp { leg, reason } => {
                self.forget(*leg);
                if let Some(l) = self.legs.get_mut(leg) {
                    l.far = Far::Gone;
                    self.legs.remove(leg);
                    self.post_soon(now, true, EngineEvent::Ended { leg: *leg, reason: *reason });
                }
            }
            Order::Notice { .. } | Order::ReferProgress { .. } => {}
        }
    }

    fn ring(&mut self, now: u64, leg: LegId, device: &DeviceId, answer: AnswerMode) {
        self.legs.insert(leg, Leg::new(Kind::Rung(device.clone()), owner_by_name(device)));
        if !self.registered.iter().any(|(_, d)| d == device) {
            return self.end_far(leg, now, Reason::Unreachable);
        }
        if self.chance.chance(80) {
            self.post_soon(now, true, EngineEvent::Ringing { leg });
        }
        if answer == AnswerMode::Auto && self.chance.chance(60) {
            self.answer(leg, now);
        }
    }

    fn hears(&mut self, id: LegId, ear: Ear) {
        let Some(leg) = self.legs.get_mut(&id) else { return };
        if let Ear::With(other) = std::mem::replace(&mut leg.ear, ear)
            && let Some(other) = self.legs.get_mut(&other).filter(|l| l.ear == Ear::With(id))
        {
            other.ear = Ear::Nothing;
        }
    }

    /// Two legs are to be connected.
    pub fn meet(&mut self, a: LegId, b: LegId) {
        let user = |leg: LegId| self.legs.get(&leg).and_then(|l| l.user.clone());
        let (first, second) = (user(a), user(b));
        self.told(a, |l| l.met = Some(second));
        self.told(b, |l| l.met = Some(first));
    }

    // What far ends do.

    /// The legs for which `fits`, in order.
    pub fn which(&self, fits: impl Fn(&Leg) -> bool) -> Vec<LegId> {
        self.legs.iter().filter(|(_, leg)| fits(leg)).map(|(id, _)| *id).collect()
    }

    pub fn choose(&self, pick: u16, fits: impl Fn(&Leg) -> bool) -> Option<LegId> {
        let fitting = self.which(fits);
        Some(fitting[nth(fitting.len(), pick)?])
    }

    pub fn answer(&mut self, id: LegId, now: u64) {
        if let Some(leg) = self.legs.get_mut(&id).filter(|l| l.far == Far::Ringing) {
            leg.far = Far::Up;
            self.post_soon(now, true, EngineEvent::Answered { leg: id });
        }
    }

    /// The far end goes; the engine says so soon.
    pub fn end_far(&mut self, id: LegId, now: u64, reason: Reason) {
        let Some(leg) = self.legs.get_mut(&id).filter(|l| l.far != Far::Gone) else { return };
        let losable = leg.far == Far::Ringing;
        leg.far = Far::Gone;
        if leg.ear == Ear::Mailbox && self.chance.chance(90) {
            let duration_ms = u64::from(self.chance.below(4_000));
            self.post_soon(now, true, EngineEvent::Recorded { leg: id, duration_ms, file: String::new() });
        }
        self.post_soon(now, losable, EngineEvent::Ended { leg: id, reason });
    }

    pub fn divert_far(&mut self, id: LegId, now: u64, to: String) {
        if let Some(leg) = self.legs.get_mut(&id).filter(|l| l.far == Far::Ringing) {
            leg.far = Far::Gone;
            self.post_soon(now, true, EngineEvent::Diverted { leg: id, to });
        }
    }

    /// A device is switched off, without a word.
    pub fn vanish(&mut self, user: &UserId, device: &DeviceId, now: u64) {
        if !self.registered.remove(&(user.clone(), device.clone())) {
            return;
        }
        self.faults.count("device vanished");
        let event = EngineEvent::DeviceGone { user: user.clone(), device: device.clone() };
        self.post_soon(now, true, event);
        for leg in self.which(|l| l.kind == Kind::Rung(device.clone()) && l.far != Far::Gone) {
            // Its calls die with it or, as often, go on: only the registration had lapsed.
            if self.chance.chance(50) {
                self.end_far(leg, now, Reason::Unreachable);
            }
        }
    }

    pub fn register(&mut self, user: &UserId, device: &DeviceId, now: u64) {
        self.registered.insert((user.clone(), device.clone()));
        let event = EngineEvent::DeviceRegistered { user: user.clone(), device: device.clone() };
        self.post_soon(now, true, event);
    }

    /// The process is gone and with it every leg; devices register again within a minute.
    pub fn die(&mut self, now: u64) {
        self.legs.clear();
        self.pending.clear();
        self.failing = None;
        for (user, device) in self.registered.clone() {
            let delay = u64::from(self.chance.below(60_000));
            self.post(now, delay, false, EngineEvent::DeviceRegistered { user, device });
        }
    }
}

impl Leg {
    fn new(kind: Kind, user: Option<UserId>) -> Self {
        Self {
            kind,
            user,
            far: Far::Ringing,
            known: true,
            up: false,
            holds: false,
            ear: Ear::Nothing,
            trouble: 0,
            refers: false,
            asked: false,
            met: None,
        }
    }

    pub fn is_arrived(&self) -> bool {
        self.kind == Kind::Arrived
    }
}

/// The leg that an event is about.
pub fn leg_of(event: &EngineEvent) -> Option<LegId> {
    match event {
        EngineEvent::Arrived { leg, .. }
        | EngineEvent::Ringing { leg }
        | EngineEvent::Answered { leg }
        | EngineEvent::Held { leg, .. }
        | EngineEvent::ReferRequested { leg, .. }
        | EngineEvent::Diverted { leg, .. }
        | EngineEvent::Digit { leg, .. }
        | EngineEvent::Ended { leg, .. }
        | EngineEvent::Quality { leg, .. }
        | EngineEvent::PromptFinished { leg }
        | EngineEvent::Recorded { leg, .. }
        | EngineEvent::OrderFailed { leg, .. } => Some(*leg),
        EngineEvent::DeviceRegistered { .. } | EngineEvent::DeviceGone { .. } => None,
    }
}

/// A device is named after its user; one that is rung although it is gone is still somebody's.
fn owner_by_name(device: &DeviceId) -> Option<UserId> {
    device.as_str().split('-').next().map(UserId::from)
}

/// The newest first, round and round.
pub fn nth(count: usize, pick: u16) -> Option<usize> {
    (count > 0).then(|| count - 1 - usize::from(pick) % count)
}

#[cfg(test)]
mod tests {
    use protocol::Reason;

    use super::{Engine, SESSION_MS};

    /// What a real engine can't lose is late at most, however often it is lost.
    #[test]
    fn the_end_of_a_call_is_late_at_most() {
        let mut engine = Engine::new(1);
        let leg = engine.arrive(None);
        engine.end_far(leg, 0, Reason::CallerGone);
        for _ in 0..3 {
            assert!(engine.lose(0).is_some());
        }
        assert_eq!(engine.next_at(), Some(SESSION_MS));
    }
}
