//! Waiting in a department's line: music, a position, a timer, and a new try whenever an agent becomes free.

use std::ops::Bound;

use protocol::{DepartmentId, JourneyEvent, Reason, Timestamp, UserId, UserRef};

use crate::{
    Order, RingKind, Switchboard,
    call::{Call, CallKey, Mailbox, Stage, State, Transfer, Wait},
};

/// For how long an agent who let a call ring out is not asked for it again.
const COOL_DOWN_MS: u64 = 30_000;

impl Switchboard {
    /// Puts the caller at the end of the line. `transfer` is the transfer that does so, if one does.
    pub(crate) fn enter_line(&mut self, call: &mut Call, id: &DepartmentId, transfer: Option<Box<Transfer>>) {
        if !call.caller.up {
            self.answer_caller(call);
            self.order(Order::PlayMusic { leg: call.caller.leg });
        }
        self.counters.ticket += 1;
        let ticket = self.counters.ticket;
        let department = self.directory.department_ref(id);
        let (mut position, mut seconds) = (1, 0);
        if let Some(state) = self.directory.departments.get_mut(id) {
            state.line.insert(ticket, call.key);
            position = state.line.len() as u32;
            seconds = state.config.queue_seconds;
        }
        self.changed.departments.insert(id.clone());
        self.changed.lines.insert(id.clone());
        self.step(call, JourneyEvent::Queued { department: department.clone() });
        let until = self.now.plus_ms(u64::from(seconds) * 1_000);
        let wait = Wait { department, ticket, position, until, retry_at: None, offer: None };
        let state = match transfer {
            None => State::Queued(wait),
            Some(transfer) => State::Transferring { transfer, stage: Stage::Queued(wait) },
        };
        call.enter(self.now, state);
    }

    /// Gives up the place; those behind move up.
    pub(crate) fn leave_line(&mut self, wait: &Wait) {
        let id = &wait.department.id;
        self.changed.departments.insert(id.clone());
        let Some(state) = self.directory.departments.get_mut(id) else { return };
        state.line.remove(&wait.ticket);
        for key in state.line.range(wait.ticket..).map(|(_, key)| *key) {
            if let Some(behind) = self.calls.get_mut(&key).and_then(|c| c.state.wait_mut()) {
                behind.position -= 1;
                self.changed.moved.insert(key);
            }
        }
    }

    /// An offer to agents came to nothing; the caller keeps their place.
    pub(crate) fn offer_failed(&mut self, call: &mut Call) {
        let now = self.now;
        let Some(wait) = call.state.wait_mut() else { return };
        wait.offer = None;
        let department = wait.department.id.clone();
        if wait.until <= now {
            return self.waited_out(call);
        }
        self.changed.lines.insert(department);
    }

    /// Somebody's cool-down is over.
    pub(crate) fn ask_again(&mut self, call: &mut Call) {
        if let Some(wait) = call.state.wait_mut() {
            wait.retry_at = None;
            self.changed.lines.insert(wait.department.id.clone());
        }
    }

    /// The caller has waited long enough.
    pub(crate) fn waited_out(&mut self, call: &mut Call) {
        let Some(wait) = call.state.wait() else { return };
        let mailbox = Mailbox { id: wait.department.id.to_string(), name: wait.department.name.clone() };
        if call.state.transfer().is_some() {
            return self.came_to_nothing(call, Reason::NobodyFree);
        }
        if let State::Queued(wait) = self.take(call) {
            self.leave_line(&wait);
        }
        self.leave_voicemail(call, mailbox, Reason::NobodyFree, None);
    }

    /// Asks whoever became free for those who wait, first come first served.
    pub(crate) fn offer_lines(&mut self) {
        loop {
            for user in std::mem::take(&mut self.changed.woken) {
                if let Some(state) = self.directory.users.get(&user) {
                    self.changed.departments.extend(state.config.departments.iter().cloned());
                    self.changed.lines.extend(state.config.departments.iter().cloned());
                }
            }
            let Some(department) = self.changed.lines.pop_first() else { return };
            self.offer_line(&department);
        }
    }

    fn offer_line(&mut self, department: &DepartmentId) {
        let mut free = self.directory.free_members(department, None);
        let mut after = 0;
        while !free.is_empty() {
            let Some((ticket, key)) = self.behind(department, after) else { return };
            after = ticket;
            let mut rung = Vec::new();
            self.with_call(key, |board, call| rung = board.offer(call, &free));
            free.retain(|u| !rung.contains(u));
        }
    }

    fn behind(&self, department: &DepartmentId, ticket: u64) -> Option<(u64, CallKey)> {
        let line = &self.directory.departments.get(department)?.line;
        let next = line.range((Bound::Excluded(ticket), Bound::Unbounded)).next();
        next.map(|(ticket, key)| (*ticket, *key))
    }

    /// Rings those of `free` who may be asked for this call; answers whom.
    fn offer(&mut self, call: &mut Call, free: &[UserId]) -> Vec<UserId> {
        if call.state.wait().is_none_or(|w| w.offer.is_some()) {
            return Vec::new();
        }
        let fits = |u: &&UserId| {
            let given = call.state.transfer().is_some_and(|t| t.course.gave_away(u));
            !given && call.caller.user.as_ref() != Some(*u)
        };
        let (asked, cooling): (Vec<&UserId>, Vec<&UserId>) =
            free.iter().filter(fits).partition(|u| call.bounced.get(*u).is_none_or(|at| cooled(*at) <= self.now));
        if asked.is_empty() {
            let retry = cooling.iter().filter_map(|u| call.bounced.get(*u)).map(|at| cooled(*at)).min();
            if let Some(wait) = call.state.wait_mut() {
                wait.retry_at = retry;
            }
            return Vec::new();
        }
        let asked: Vec<UserId> = asked.into_iter().cloned().collect();
        self.offer_to(call, &asked);
        asked
    }

    fn offer_to(&mut self, call: &mut Call, asked: &[UserId]) {
        let users: Vec<UserRef> = asked.iter().map(|u| self.directory.user_ref(u)).collect();
        let state = self.take(call);
        let seconds = state
            .wait()
            .and_then(|w| self.directory.departments.get(&w.department.id))
            .map_or(1, |d| d.config.ring_seconds);
        let card = state.transfer().map(|t| (t, RingKind::Transfer));
        let ring = self.start_ring(call, users, seconds, card);
        call.state = state;
        call.state_since = self.now;
        if let Some(wait) = call.state.wait_mut() {
            wait.offer = Some(ring);
            wait.retry_at = None;
        }
    }
}

fn cooled(bounced: Timestamp) -> Timestamp {
    bounced.plus_ms(COOL_DOWN_MS)
}
