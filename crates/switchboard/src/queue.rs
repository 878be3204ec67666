//! Waiting in a department's line: music, a position, a timer, and a new try whenever an agent becomes free.

use std::{collections::BTreeSet, ops::Bound};

use protocol::{DepartmentId, DepartmentRef, JourneyEvent, Reason, Strategy, TargetRef, UserId, UserRef};

use crate::{
    Order, RingKind, Switchboard,
    call::{Call, Stage, State, Transfer, Wait},
    strategy::{Next, Past},
    transfer::{Course, Point, Team},
};

impl Switchboard {
    /// Puts the caller at the end of the department's line, for as long as it lets callers wait; then as the department
    /// falls back.
    pub(crate) fn enter_line(&mut self, call: &mut Call, id: &DepartmentId) {
        let seconds = self.directory.departments.get(id).map_or(0, |d| d.config.queue_seconds);
        self.stand_in_line(call, id, seconds, None);
        let target = TargetRef::Department(self.directory.department_ref(id));
        call.course = Some(Box::new(Course { point: Point::Fallback(0), ..Course::arriving(target) }));
    }

    /// Puts the caller at the end of the line. `transfer` is the transfer that does so, if one does.
    pub(crate) fn stand_in_line(
        &mut self,
        call: &mut Call,
        id: &DepartmentId,
        seconds: u32,
        transfer: Option<Box<Transfer>>,
    ) {
        // Whoever transfers has put the caller on hold already.
        if transfer.is_none() || !call.caller.up {
            self.answer_caller(call);
            self.order(Order::PlayMusic { leg: call.caller.leg });
        }
        self.counters.ticket += 1;
        let ticket = self.counters.ticket;
        let department = self.directory.department_ref(id);
        let mut position = 1;
        if let Some(state) = self.directory.departments.get_mut(id) {
            state.line.insert(ticket, call.key);
            position = state.line.len() as u32;
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
        match self.take(call) {
            State::Queued(wait) => {
                self.leave_line(&wait);
                self.go_on(call, Reason::NobodyFree);
            }
            other => {
                call.state = other;
                self.came_to_nothing(call, Reason::NobodyFree);
            }
        }
    }

    /// Asks whoever became free for those who wait, first come first served; then they join what rings.
    pub(crate) fn offer_lines(&mut self) {
        let mut free = BTreeSet::new();
        loop {
            for user in std::mem::take(&mut self.changed.woken) {
                if let Some(state) = self.directory.users.get(&user) {
                    self.changed.departments.extend(state.rung_by.iter().cloned());
                    self.changed.lines.extend(state.rung_by.iter().cloned());
                    free.insert(user);
                }
            }
            if let Some(department) = self.changed.lines.pop_first() {
                self.offer_line(&department);
            } else if let Some(user) = free.pop_first() {
                self.join_rings(&user);
            } else {
                return;
            }
        }
    }

    fn offer_line(&mut self, department: &DepartmentId) {
        let mut after = 0;
        loop {
            let Some(state) = self.directory.departments.get(department) else { return };
            let behind = (Bound::Excluded(after), Bound::Unbounded);
            let Some((ticket, key)) = state.line.range(behind).next().filter(|_| !state.free.is_empty()) else {
                return;
            };
            after = *ticket;
            self.with_call(*key, Self::offer);
        }
    }

    /// Rings those of the free who may be asked for this call.
    fn offer(&mut self, call: &mut Call) {
        let Some(wait) = call.state.wait().filter(|w| w.offer.is_none()) else { return };
        let department = wait.department.clone();
        let free = self.could_be_asked(call, &department.id);
        match self.line_asks(&department.id, free, &Past::so_far(call, self.now)) {
            Next::Ask(users) => self.offer_to(call, &department, &users),
            Next::NotBefore(at) => {
                if let Some(wait) = call.state.wait_mut() {
                    wait.retry_at = Some(at);
                }
            }
            Next::Nobody => {}
        }
    }

    fn could_be_asked(&self, call: &Call, department: &DepartmentId) -> Vec<UserId> {
        let free = self.directory.departments.get(department).into_iter().flat_map(|d| d.free.values());
        free.filter(|user| !self.is_spared(call, user)).cloned().collect()
    }

    fn offer_to(&mut self, call: &mut Call, department: &DepartmentRef, asked: &[UserId]) {
        let users: Vec<UserRef> = asked.iter().map(|u| self.directory.user_ref(u)).collect();
        let config = self.directory.departments.get(&department.id).map(|d| &d.config);
        let (seconds, strategy) = config.map_or((1, Strategy::default()), |c| (c.ring_seconds, c.strategy));
        let state = self.take(call);
        let card = state.transfer().map(|t| (t, RingKind::Transfer));
        let team = Team { department: department.clone(), strategy };
        let ring = self.ring_team(call, users, seconds, Some(&team), card);
        call.state = state;
        call.state_since = self.now;
        if let Some(wait) = call.state.wait_mut() {
            wait.offer = Some(ring);
            wait.retry_at = None;
        }
    }
}
