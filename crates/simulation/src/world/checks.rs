//! What must be true after every step.

use protocol::LegId;
use switchboard::{EngineEvent, Input, Origin};

use super::{AT_ONCE_MS, Kept, World};
use crate::{
    books::{Checked, Said, Violation, check, outcome},
    promise::{judge, needs_timer, until},
};

impl World {
    pub(super) fn settled(&mut self, input: &Input, said: &mut Said) -> Checked {
        for (key, open, out) in std::mem::take(&mut said.settled) {
            if let (Input::Engine(EngineEvent::Answered { leg }), Some(case)) = (input, self.books.cases.get_mut(&key))
            {
                case.given = Some((*leg, self.now + AT_ONCE_MS));
            }
            let case = self.books.cases.get(&key);
            let kind = outcome(case, &open, out)?;
            self.books.tally.outcomes.count(kind);
        }
        // Who has the caller back without anybody's doing may be a telephone that hangs up by itself.
        for leg in std::mem::take(&mut self.before.in_vain) {
            let stays = self.engine.legs.get(&leg).is_some_and(|l| l.known && l.up);
            let key = self.books.of_leg.get(&leg).copied().filter(|_| stays);
            if let Some(case) = key.and_then(|key| self.books.cases.get_mut(&key)) {
                case.given = Some((leg, self.now + AT_ONCE_MS));
            }
        }
        Ok(())
    }

    /// What was asked is answered once, and every attempt is written down.
    pub(super) fn audited(&mut self, input: &Input, said: &Said) -> Checked {
        crate::desk::audited(self, input, said)
    }

    /// The exchange hangs up on a caller only where that is how it must end.
    pub(super) fn callers_kept(&self, input: &Input) -> Checked {
        for leg in &self.before.hung_up {
            let kept = match self.before.callers.iter().find(|kept| kept.leg == *leg) {
                Some(kept) => {
                    let turned = self.books.cases.get(&kept.key).is_some_and(|case| case.caller != *leg);
                    turned || self.may_drop(kept, input)
                }
                None => {
                    !matches!(input, Input::Engine(EngineEvent::Arrived { leg: l, origin: Origin::Trunk, .. }) if l == leg)
                }
            };
            if !kept {
                return Err(Violation::lost(format!("the exchange hangs up on {leg}, the caller, after {input:?}")));
            }
        }
        Ok(())
    }

    fn may_drop(&self, kept: &Kept, input: &Input) -> bool {
        match input {
            Input::Shutdown => true,
            Input::Engine(EngineEvent::OrderFailed { leg, fatal: true, .. }) if *leg == kept.leg => true,
            // A user who hands over the call that they made themselves.
            Input::Engine(EngineEvent::ReferRequested { .. }) => kept.user,
            _ if kept.transfer || kept.given => false,
            Input::Engine(EngineEvent::Ended { .. } | EngineEvent::OrderFailed { fatal: true, .. }) if kept.talking => {
                self.before.key == Some(kept.key)
            }
            Input::Tick | Input::Engine(_) => kept.resting,
            Input::Command(_) => false,
        }
    }

    pub(super) fn everyone_hears(&self) -> Checked {
        for case in self.books.cases.values() {
            judge(&self.engine, case)?;
        }
        let stray = |(id, l): &(&LegId, &crate::engine::Leg)| l.known && !self.books.of_leg.contains_key(*id);
        match self.engine.legs.iter().find(stray) {
            Some((id, l)) if l.is_arrived() => Err(Violation::lost(format!("{id} arrived, and nobody knows it"))),
            Some((id, _)) => Err(Violation::other(format!("{id} lives on, and nobody knows it"))),
            None => Ok(()),
        }
    }

    pub(super) fn timers_run(&self) -> Checked {
        let next = self.board.poll_timeout().map(|(at, _)| at.0);
        for case in self.books.cases.values() {
            let Some(call) = &case.shown else {
                check(next.is_some(), || format!("{} waits for its message without a timer", case.id))?;
                continue;
            };
            let right = match (until(call), next) {
                (Some(until), Some(next)) => next <= until,
                (Some(_), None) => false,
                (None, next) => next.is_some() || !needs_timer(call),
            };
            if !right {
                let state = (&call.state, &call.transfer);
                return Err(Violation::lost(format!("{} has no timer: {state:?}, next {next:?}", case.id)));
            }
        }
        let idle = self.books.cases.is_empty();
        check(!idle || next.is_none(), || "a timer runs for no call".to_owned())
    }

    pub(super) fn own_check(&self) -> Checked {
        self.board.check().map_err(|v| Violation::other(format!("the switchboard finds in itself: {v}")))?;
        let mut live = self.board.live_calls();
        let shown = self.board.live_calls().count();
        let ours = self.books.cases.values().filter(|c| c.shown.is_some()).count();
        let same = live.all(|call| {
            self.books.ids.get(&call.id).and_then(|key| self.books.cases.get(key)?.shown.as_ref()) == Some(call)
        });
        check(same && shown == ours, || "what was published differs from what is live".to_owned())
    }
}
