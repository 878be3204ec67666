//! How things end: the exchange is killed or stopped, and at last everybody goes home.

use protocol::{Reason, Timestamp};
use switchboard::{Fact, Input, Output, Switchboard};

use super::World;
use crate::{
    books::{Checked, Said, Violation, check},
    engine::Far,
    promise::needs_timer,
};

/// More steps than any world needs to come to rest.
const LAST_STEPS: usize = 20_000;

impl World {
    /// The process dies between two steps; what was kept is given to the next.
    pub fn kill(&mut self) -> Checked {
        self.engine.faults.count("exchange killed");
        let drafts = self.books.drafts()?;
        let open: u64 = self.books.cases.values().filter(|c| c.open.is_some()).count() as u64;
        let drafted = drafts.len() as u64;
        let before = self.books.records;
        self.engine.die(self.now);
        self.begin_again();
        self.books.cases.values_mut().for_each(|case| case.shown = None);
        self.board.recover(Timestamp(self.now), drafts);
        let mut settled = 0;
        while let Some(output) = self.board.poll_output() {
            let Output::Fact(fact) = output else {
                return Err(Violation::other(format!("recovery orders {output:?}")));
            };
            self.trace.fact(&fact);
            match fact {
                Fact::Audit(entry) => {
                    let right = entry.action == protocol::AuditAction::Recover;
                    check(right, || format!("recovery writes {:?}", entry.action))?;
                    let key = entry.call.as_ref().and_then(|id| self.books.ids.get(id)).copied();
                    self.books.audit(&entry, &mut Said::default())?;
                    let closed = key.and_then(|key| self.books.cases.get_mut(&key)?.open.take());
                    check(closed.is_some(), || "recovery settles a transfer that did not go on".to_owned())?;
                    self.books.tally.outcomes.count("the exchange failed");
                    settled += 1;
                }
                Fact::Record(record) => {
                    let right = record.ended_because == Reason::ExchangeFailed;
                    let left = self.books.ids.get(&record.id).and_then(|key| self.books.cases.get(key)?.caller_left);
                    check(right || left.is_some(), || format!("{} ended {:?}", record.id, record.ended_because))?;
                    self.books.recovered(&record)?;
                }
                Fact::CallChanged(_)
                | Fact::CallGone(_)
                | Fact::Draft(_)
                | Fact::Measured { .. }
                | Fact::TransferAnswer { .. }
                | Fact::StepAnswer { .. } => return Err(Violation::other(format!("recovery says {fact:?}"))),
                Fact::UserChanged(_) | Fact::DepartmentChanged(_) => {}
            }
        }
        check(settled == open, || format!("{open} transfers were cut off, {settled} settled"))?;
        let closed = self.books.records - before;
        check(closed == drafted && self.books.cases.is_empty(), || format!("{drafted} calls, {closed} closed"))?;
        self.own_check()
    }

    /// Stopped in good order, and started again.
    pub fn restart(&mut self) -> Checked {
        self.engine.faults.count("exchange restarted");
        self.step(&Input::Shutdown)?;
        let left = self.books.cases.len();
        check(left == 0, || format!("{left} calls are left after the end"))?;
        check(self.board.poll_timeout().is_none(), || "a timer is left after the end".to_owned())?;
        self.engine.die(self.now);
        self.begin_again();
        Ok(())
    }

    fn begin_again(&mut self) {
        self.lives += 1;
        let instance = format!("w{:x}r{}", self.seed, self.lives);
        let (trail, records) = (self.books.trail.clone(), self.books.records);
        self.board = Switchboard::new(self.account.clone(), instance, trail, records);
        (self.plant)(&mut self.board);
    }

    /// Nobody does anything any more. First everyone waits; then those who talk hang up; then nothing may be left.
    pub(super) fn come_to_rest(&mut self) -> Checked {
        if self.seed.is_multiple_of(2) {
            self.settle_down(true)?;
            let waiting = self.books.cases.values().find(|c| c.shown.as_ref().is_some_and(needs_timer));
            if let Some(case) = waiting {
                return Err(Violation::lost(format!("{} waits for ever", case.id)));
            }
        }
        for _ in 0..LAST_STEPS {
            let Some(leg) = self.engine.choose((self.now & 0xFF) as u16, |l| l.far == Far::Up) else { break };
            self.engine.end_far(leg, self.now, Reason::CallerGone);
            self.advance(u64::from(self.now as u32 % 700), true)?;
        }
        self.settle_down(false)?;
        let (calls, legs) = (self.books.cases.len(), self.engine.which(|l| l.known).len());
        check((calls, legs) == (0, 0), || format!("at the end {calls} calls and {legs} legs are left"))?;
        check(self.board.poll_timeout().is_none(), || "at the end a timer is left".to_owned())?;
        self.own_check()?;
        let begun = self.books.tally.transfers;
        let ended = self.books.tally.outcomes.total();
        check(begun == ended, || format!("{begun} transfers, {ended} outcomes"))
    }

    fn settle_down(&mut self, patiently: bool) -> Checked {
        for _ in 0..LAST_STEPS {
            let timer = self.board.poll_timeout().map(|(at, _)| at.0);
            let Some(next) = self.engine.next_at().into_iter().chain(timer).min() else { return Ok(()) };
            self.advance(next.saturating_sub(self.now), true)?;
            if !patiently {
                // Whoever is rung after the callers have gone, and everyone who is left, goes too.
                for leg in self.engine.which(|l| l.far == Far::Up) {
                    self.engine.end_far(leg, self.now, Reason::AgentGone);
                }
            }
        }
        Err(Violation::other("the world never comes to rest"))
    }
}
