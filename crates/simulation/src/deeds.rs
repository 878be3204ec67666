//! Acts become deeds: each is fitted to what there is at the moment, or comes to nothing.

use protocol::{LegId, Party, Reason, UserId};
use switchboard::{Command, EngineEvent, Input, Origin, Replaces};

use crate::{
    act::{Act, Deed, Pick},
    books::Checked,
    engine::{Far, Kind, Leg, nth},
    office,
    world::World,
};

/// More calls at once than this are not begun: the queues of a small office stay small.
const CALLS: usize = 7;

impl World {
    pub fn act(&mut self, act: &Act) -> Checked {
        self.advance(u64::from(act.after_ms), true)?;
        let now = self.now;
        match &act.deed {
            Deed::OutsideCall { dialled } => self.outside_call(*dialled),
            Deed::DeviceCall { user, device, to } => self.device_call(*user, *device, *to),
            Deed::Rings(leg) => self.tell(*leg, |l| l.far == Far::Ringing, |leg| EngineEvent::Ringing { leg }),
            Deed::Answer(leg) => self.answer(*leg, false),
            Deed::AnswerAndGo(leg) => self.answer(*leg, true),
            Deed::Refuse(leg, reason) => self.leave(*leg, *reason, |l| l.far == Far::Ringing),
            Deed::Divert(leg, to) => {
                if let Some(leg) = self.engine.choose(*leg, |l| l.far == Far::Ringing && l.user.is_some()) {
                    let to = self.place(*to);
                    self.engine.divert_far(leg, now, to);
                }
            }
            Deed::HangUp(leg) => self.hang_up(*leg, |l| l.far == Far::Up),
            Deed::CallerHangsUp(leg) => self.hang_up(*leg, |l| l.far == Far::Up && l.user.is_none()),
            Deed::Break(leg, reason) => self.leave(*leg, *reason, |l| l.far == Far::Up),
            Deed::Hold(leg, held) => {
                let held = *held;
                self.tell(*leg, |l| talks(l) && l.holds != held, |leg| EngineEvent::Held { leg, held });
            }
            Deed::Refer { leg, to } => {
                let to = self.place(*to);
                let refer = |leg| EngineEvent::ReferRequested { leg, to, replaces: Replaces::Nothing };
                self.tell(*leg, |l| talks(l) && l.user.is_some(), refer);
            }
            Deed::Attended { leg, other, gone } => self.attended(*leg, *other, *gone),
            Deed::Keys { leg, to, flaw, hash } => self.keys(*leg, *to, *flaw, *hash),
            Deed::Register { user, device } => {
                let user = self.user(*user);
                self.engine.register(&user, &office::device(&user, *device), now);
            }
            Deed::Vanish { user, device } => {
                let user = self.user(*user);
                self.engine.vanish(&user, &office::device(&user, *device), now);
            }
            Deed::SetPresence(user, presence) => {
                let command = Command::SetPresence { by: self.user(*user), presence: *presence };
                return self.step(&Input::Command(command)).map(drop);
            }
            Deed::Press(press) => return self.press(press),
            Deed::Together(one, other) => return self.press_together(one, other),
            Deed::NextTimer => {
                let wait = self.board.poll_timeout().map_or(0, |(at, _)| at.0.saturating_sub(now));
                return self.advance(wait, true);
            }
            fault => return self.fault(fault),
        }
        Ok(())
    }

    fn fault(&mut self, deed: &Deed) -> Checked {
        match deed {
            Deed::Lose(pick) => {
                let lost = self.engine.lose(*pick);
                self.trace.fault("lost or told much later", lost.as_ref());
            }
            Deed::Delay(pick, ms) => {
                let late = self.engine.delay(*pick, *ms);
                self.trace.fault("delayed", late.as_ref());
            }
            Deed::Duplicate(pick, ms) => {
                let twice = self.engine.duplicate(*pick, *ms);
                self.trace.fault("told twice", twice.as_ref());
            }
            Deed::Reorder(a, b) if self.engine.reorder(*a, *b) => self.trace.say("the engine's events change places"),
            Deed::FailOrder { skip, fatal } => self.engine.fail_order(*skip, *fatal),
            Deed::LateTick(ms) => {
                self.engine.faults.count("clock late");
                self.advance(u64::from(*ms), false)?;
                return self.tick();
            }
            Deed::EarlyTick => return self.step(&Input::Tick).map(drop),
            Deed::Stray { leg, what } => return self.stray(*leg, *what),
            Deed::Kill => return self.kill(),
            Deed::Restart => return self.restart(),
            _ => {}
        }
        Ok(())
    }

    // Calls.

    fn outside_call(&mut self, dialled: Pick) {
        if self.books.cases.len() >= CALLS {
            return;
        }
        let leg = self.engine.arrive(None);
        let known = dialled % 16 != 15;
        let department = usize::from(dialled / 16) % self.account.departments.len();
        let dialled = if known { office::number(department) } else { "+15550199".into() };
        let caller = Party { name: format!("Caller {}", leg.0), number: format!("+91{:08}", leg.0) };
        let event = EngineEvent::Arrived { leg, origin: Origin::Trunk, caller, dialled };
        self.engine.post_soon(self.now, false, event);
    }

    fn device_call(&mut self, user: Pick, device: u8, to: Pick) {
        if self.books.cases.len() >= CALLS {
            return;
        }
        // Most of them are in a call already, and may want to connect the two.
        let talking = |l: &Leg| talks(l) && l.user.is_some();
        let busy = self.engine.choose(user / 4, talking).filter(|_| !user.is_multiple_of(4));
        let busy = busy.and_then(|leg| self.engine.legs.get(&leg)?.user.clone());
        let user = busy.unwrap_or_else(|| self.user(user));
        let mut devices = self.engine.registered.iter().filter(|(u, _)| *u == user).map(|(_, d)| d.clone());
        let first = devices.next();
        let Some(device) = (if device == 0 { first } else { devices.next().or(first) }) else { return };
        let leg = self.engine.arrive(Some(user.clone()));
        let dialled = self.place(to);
        let origin = Origin::Device { user, device };
        let event = EngineEvent::Arrived { leg, origin, caller: Party::default(), dialled };
        self.engine.post_soon(self.now, false, event);
    }

    /// What somebody dials, or refers to.
    fn place(&self, pick: Pick) -> String {
        let n = pick / 16;
        let extension = |user: &UserId| self.account.users.iter().find(|u| u.id == *user).map(|u| u.extension.clone());
        match pick % 16 {
            0..=6 => extension(&self.user(n)).unwrap_or_default(),
            7 => self.user(n).to_string(),
            8..=10 => {
                let department = self.department(n);
                let of = self.account.departments.iter().find(|d| d.id == department);
                of.map(|d| d.extension.clone()).unwrap_or_default()
            }
            11..=14 => format!("+1555010{:02}", n % 100),
            _ => "nobody".into(),
        }
    }

    // Far ends.

    fn tell(&mut self, pick: Pick, fits: impl Fn(&Leg) -> bool, event: impl FnOnce(LegId) -> EngineEvent) {
        if let Some(leg) = self.engine.choose(pick, fits) {
            self.engine.post_soon(self.now, true, event(leg));
        }
    }

    fn answer(&mut self, pick: Pick, and_go: bool) {
        let Some(leg) = self.engine.choose(pick, |l| l.far == Far::Ringing) else { return };
        self.engine.answer(leg, self.now);
        if and_go {
            self.engine.end_far(leg, self.now, Reason::AgentGone);
        }
    }

    fn leave(&mut self, pick: Pick, reason: Reason, fits: impl Fn(&Leg) -> bool) {
        if let Some(leg) = self.engine.choose(pick, fits) {
            self.engine.end_far(leg, self.now, reason);
        }
    }

    fn hang_up(&mut self, pick: Pick, fits: impl Fn(&Leg) -> bool) {
        let Some(leg) = self.engine.choose(pick, fits) else { return };
        let colleague = self.engine.legs.get(&leg).is_some_and(|l| matches!(l.kind, Kind::Rung(_)));
        self.engine.end_far(leg, self.now, if colleague { Reason::AgentGone } else { Reason::CallerGone });
    }

    /// Mostly a person with two calls, who connects them.
    fn attended(&mut self, pick: Pick, other: Pick, gone: bool) {
        let users: Vec<(LegId, UserId)> = self
            .engine
            .legs
            .iter()
            .filter_map(|(id, l)| Some((*id, l.user.clone()?)))
            .filter(|(id, _)| self.up(*id))
            .collect();
        let mut pairs = Vec::new();
        for (a, user) in &users {
            pairs.extend(users.iter().filter(|(b, u)| b != a && u == user).map(|(b, _)| (*a, *b)));
        }
        let pair = if pairs.is_empty() || pick % 8 == 7 {
            let leg = nth(users.len(), pick).map(|n| users[n].0);
            leg.zip(self.engine.choose(other, |l| l.far == Far::Up))
        } else {
            nth(pairs.len(), pick / 8).map(|n| pairs[n])
        };
        let Some((leg, other)) = pair.filter(|(leg, _)| self.engine.legs.get(leg).is_some_and(talks)) else { return };
        let replaces = if gone { Replaces::Gone } else { Replaces::Leg(other) };
        let event = EngineEvent::ReferRequested { leg, to: self.place(pick), replaces };
        self.engine.post_soon(self.now, true, event);
    }

    fn up(&self, leg: LegId) -> bool {
        self.engine.legs.get(&leg).is_some_and(|l| l.known && l.far == Far::Up && (l.up || l.is_arrived()))
    }

    fn keys(&mut self, pick: Pick, to: Pick, flaw: Pick, hash: bool) {
        let Some(leg) = self.engine.choose(pick, |l| talks(l) && l.user.is_some()) else { return };
        let code = self.account.policy.feature_code.clone().unwrap_or_else(|| "*2".into());
        let mut keys = match flaw % 10 {
            0 => "*9".to_owned() + &self.place(to),
            1 => code + "999",
            2 => code,
            3 => code + "1",
            _ => code + &self.place(to),
        };
        keys.extend(hash.then_some('#'));
        for (n, digit) in keys.chars().filter(|c| c.is_ascii_digit() || matches!(c, '*' | '#')).enumerate() {
            let delay = 120 * n as u64 + 10;
            self.engine.post(self.now, delay, true, EngineEvent::Digit { leg, digit });
        }
    }

    /// Something is said of a leg that is long gone, or never was.
    fn stray(&mut self, pick: Pick, what: u8) -> Checked {
        let past = &self.engine.past;
        let leg = nth(past.len(), pick).filter(|_| !pick.is_multiple_of(5)).map_or(LegId(1_000_000), |n| past[n]);
        if self.engine.legs.contains_key(&leg) || self.books.of_leg.get(&leg).is_some_and(|k| self.awaits(*k)) {
            return Ok(());
        }
        self.engine.faults.count("event of a leg that is gone");
        let detail = String::new();
        let event = match what {
            0 => EngineEvent::Ringing { leg },
            1 => EngineEvent::Answered { leg },
            2 => EngineEvent::Held { leg, held: true },
            3 => EngineEvent::Ended { leg, reason: Reason::AgentGone },
            4 => EngineEvent::PromptFinished { leg },
            5 => EngineEvent::Recorded { leg, duration_ms: 5_000, file: String::new() },
            6 => EngineEvent::OrderFailed { leg, detail, fatal: true },
            _ => EngineEvent::Digit { leg, digit: '*' },
        };
        self.hand_in(event)
    }

    /// The caller is gone, the message has not been handed over.
    fn awaits(&self, key: u32) -> bool {
        self.books.cases.get(&key).is_some_and(|c| c.shown.is_none())
    }
}

/// Connected, as both the far end and the switchboard know.
fn talks(leg: &Leg) -> bool {
    leg.known && leg.up && leg.far == Far::Up
}
