//! The promises, looked at one by one. Costs a look at every call: for tests and for a doctor, not for every step.

use std::collections::{BTreeMap, BTreeSet};

use protocol::{CallId, LegId, UserId};

use crate::{
    Switchboard,
    call::{Call, CallKey, State},
};

/// A broken promise.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    #[error("{0} has no timer where it needs one, or the wrong one")]
    Timer(CallId),
    #[error("a timer runs for a call that does not exist")]
    OrphanTimer,
    #[error("{0} rings nobody")]
    RingsNobody(CallId),
    #[error("{0} is in two calls, or twice in one")]
    SharedLeg(LegId),
    #[error("somebody is twice in {0}")]
    TwiceInCall(CallId),
    #[error("{0} belongs to no call, or its call is not in the index")]
    OrphanLeg(LegId),
    #[error("what {0} is said to be doing differs from the calls they are in")]
    UserIndex(UserId),
    #[error("{0} is not where the line says it is")]
    Line(CallId),
    #[error("{0} is over but was not put away")]
    NotPutAway(CallId),
    #[error("a transfer is indexed that does not go on, or goes on and is not indexed")]
    Transfers,
    #[error("{0} looks different from what was published")]
    NotPublished(CallId),
}

impl Switchboard {
    /// # Errors
    /// The first broken promise found.
    pub fn check(&self) -> Result<(), Violation> {
        let mut legs = BTreeMap::new();
        for call in self.calls.values() {
            self.check_call(call)?;
            for (leg, user) in legs_of(call) {
                if legs.insert(leg, (call.key, user)).is_some() {
                    return Err(Violation::SharedLeg(leg));
                }
            }
        }
        self.check_timers()?;
        self.check_legs(&legs)?;
        self.check_users()?;
        self.check_lines()?;
        self.check_transfers()
    }

    fn check_call(&self, call: &Call) -> Result<(), Violation> {
        if let State::Over { .. } = call.state {
            return Err(Violation::NotPutAway(call.id.clone()));
        }
        // A caller on hold has the live leg of an agent, or a timer.
        let may_go_on = matches!(call.state, State::Talking { .. }) || call.state.consulted().is_some();
        if call.timer != call.state.deadline() || (call.timer.is_none() && !may_go_on) {
            return Err(Violation::Timer(call.id.clone()));
        }
        if call.state.ring().is_some_and(|r| r.legs.is_empty() || r.towards.is_empty()) {
            return Err(Violation::RingsNobody(call.id.clone()));
        }
        let legs = call.state.legs();
        if call.parties().len() < legs.iter().filter(|(_, user)| user.is_some()).count() + call.caller.user.iter().len()
        {
            return Err(Violation::TwiceInCall(call.id.clone()));
        }
        if call.view() != call.shown {
            return Err(Violation::NotPublished(call.id.clone()));
        }
        Ok(())
    }

    fn check_timers(&self) -> Result<(), Violation> {
        let mut running = BTreeMap::new();
        for (key, deadline) in self.timers.iter() {
            if !self.calls.contains_key(&key) || running.insert(key, deadline).is_some() {
                return Err(Violation::OrphanTimer);
            }
        }
        match self.calls.values().find(|call| call.timer != running.get(&call.key).copied()) {
            Some(call) => Err(Violation::Timer(call.id.clone())),
            None => Ok(()),
        }
    }

    fn check_legs(&self, legs: &BTreeMap<LegId, (CallKey, Option<&UserId>)>) -> Result<(), Violation> {
        let odd = self.legs.iter().find(|(leg, of)| legs.get(leg) != Some(&(of.key, of.user.as_ref())));
        if let Some((leg, _)) = odd {
            return Err(Violation::OrphanLeg(*leg));
        }
        match legs.keys().find(|leg| !self.legs.contains_key(leg)) {
            Some(leg) => Err(Violation::OrphanLeg(*leg)),
            None => Ok(()),
        }
    }

    fn check_users(&self) -> Result<(), Violation> {
        let mut busy: BTreeMap<&UserId, BTreeSet<LegId>> = BTreeMap::new();
        let mut ringing: BTreeMap<&UserId, BTreeSet<LegId>> = BTreeMap::new();
        for call in self.calls.values() {
            for (leg, rung) in call.state.ring().into_iter().flat_map(|r| &r.legs) {
                ringing.entry(&rung.user).or_default().insert(*leg);
            }
            if let Some(user) = &call.caller.user {
                busy.entry(user).or_default().insert(call.caller.leg);
            }
            for (leg, user) in call.state.legs() {
                if let Some(user) = user {
                    busy.entry(user).or_default().insert(leg);
                }
            }
        }
        for (id, user) in &self.directory.users {
            let is_busy: BTreeSet<LegId> = user.busy.keys().copied().collect();
            let is_ringing: BTreeSet<LegId> = user.ringing.keys().copied().collect();
            let right =
                is_busy == busy.remove(id).unwrap_or_default() && is_ringing == ringing.remove(id).unwrap_or_default();
            if !right {
                return Err(Violation::UserIndex(id.clone()));
            }
        }
        Ok(())
    }

    fn check_lines(&self) -> Result<(), Violation> {
        let mut waiting: BTreeSet<CallKey> =
            self.calls.values().filter(|c| c.state.wait().is_some()).map(|c| c.key).collect();
        for (id, department) in &self.directory.departments {
            for (place, (ticket, key)) in department.line.iter().enumerate() {
                let Some(call) = self.calls.get(key) else { return Err(Violation::OrphanTimer) };
                let right = call
                    .state
                    .wait()
                    .is_some_and(|w| w.ticket == *ticket && w.department.id == *id && w.position as usize == place + 1);
                if !right || !waiting.remove(key) {
                    return Err(Violation::Line(call.id.clone()));
                }
            }
        }
        match waiting.first().and_then(|key| self.calls.get(key)) {
            Some(lost) => Err(Violation::Line(lost.id.clone())),
            None => Ok(()),
        }
    }

    fn check_transfers(&self) -> Result<(), Violation> {
        let going = self.calls.values().filter_map(|c| c.state.transfer().map(|t| (&t.id, &c.key)));
        let going: BTreeMap<_, _> = going.collect();
        let indexed: BTreeMap<_, _> = self.by_transfer.iter().collect();
        if going == indexed { Ok(()) } else { Err(Violation::Transfers) }
    }
}

fn legs_of(call: &Call) -> Vec<(LegId, Option<&UserId>)> {
    let mut legs = vec![(call.caller.leg, call.caller.user.as_ref())];
    legs.extend(call.state.legs());
    legs.extend(call.state.ring().into_iter().flat_map(|r| &r.legs).map(|(leg, rung)| (*leg, Some(&rung.user))));
    legs
}
