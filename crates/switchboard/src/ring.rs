//! Ringing: all devices of all asked users at once; the first to answer has the call.

use std::collections::BTreeMap;

use protocol::{Bounce, JourneyEvent, LegId, Reason, TargetRef, Timestamp, UserId, UserRef};

use crate::{
    Fault, Order, ReferProgress, RingKind, Switchboard,
    call::{AgentLeg, Call, Ring, RungDevice, Stage, State, Transfer},
    card::ring_card,
};

/// How many of the newest bounces a call shows.
const BOUNCES: usize = 50;

impl Switchboard {
    /// Rings every device of `users`, who have been found reachable.
    pub(crate) fn start_ring(
        &mut self,
        call: &mut Call,
        users: Vec<UserRef>,
        seconds: u32,
        card: Option<(&Transfer, RingKind)>,
    ) -> Ring {
        let mut legs = BTreeMap::new();
        for user in &users {
            let devices = self.directory.users.get(&user.id).map(|u| u.devices.clone()).unwrap_or_default();
            for device in devices {
                let leg = self.new_leg();
                self.know_leg(leg, call.key, &user.id, &device);
                self.leg_rings(leg, call.key, &user.id);
                let card = ring_card(call, &device, card);
                self.order(Order::Ring { leg, device: device.clone(), card });
                legs.insert(leg, RungDevice { user: user.id.clone(), device });
            }
        }
        self.step(call, JourneyEvent::Rang { users: users.clone() });
        // A ring of no length would end in the step that starts it.
        let until = self.now.plus_ms(u64::from(seconds.max(1)) * 1_000);
        Ring { legs, towards: users, since: self.now, until, last: None, joins: None }
    }

    /// A leg we ring says that it rings.
    pub(crate) fn rings(&mut self, call: &mut Call, leg: LegId) {
        match &call.state {
            State::Dialling { agent, .. } if leg == call.caller.leg => {
                let order = Order::IndicateRinging { leg: agent.leg };
                self.order(order);
            }
            State::Transferring { transfer, stage: Stage::Ringing(_) | Stage::Dialling(_) } => {
                let rung = call.state.ring().is_some_and(|r| r.legs.contains_key(&leg));
                let dialled = call.state.dial().is_some_and(|d| d.leg == leg);
                if let Some(kept) = transfer.kept.as_ref().filter(|k| k.by_refer && (rung || dialled)) {
                    let order = Order::ReferProgress { leg: kept.agent.leg, progress: ReferProgress::Ringing };
                    self.order(order);
                }
            }
            // The caller already hears ringing or music.
            State::Dialling { .. }
            | State::Ringing { .. }
            | State::Talking { .. }
            | State::Queued(_)
            | State::Transferring { .. }
            | State::Consulting { .. }
            | State::Voicemail { .. }
            | State::Closing { .. }
            | State::AwaitingRecording { .. }
            | State::Over { .. } => {}
        }
    }

    /// A leg was answered: the far end of a leg we ring, or (nothing new) one that we answered.
    pub(crate) fn answered(&mut self, call: &mut Call, leg: LegId) {
        if leg == call.caller.leg {
            return self.outside_answered(call);
        }
        if call.state.dial().is_some_and(|d| d.leg == leg) {
            return self.number_answered(call);
        }
        let Some(ring) = call.state.ring_mut() else { return };
        let Some(won) = ring.legs.remove(&leg) else { return };
        let others: Vec<LegId> = std::mem::take(&mut ring.legs).into_keys().collect();
        for other in others {
            self.hang_up(other, Reason::AnsweredElsewhere);
        }
        self.leg_is_busy(leg, call.key, &won.user);
        let agent = AgentLeg { leg, user: self.directory.user_ref(&won.user) };
        self.connect(call, agent);
    }

    /// A leg that was ringing is over.
    pub(crate) fn ring_leg_ended(&mut self, call: &mut Call, leg: LegId, reason: Reason) {
        let Some(ring) = call.state.ring_mut() else { return };
        let Some(gone) = ring.legs.remove(&leg) else { return };
        let mine = |d: &RungDevice| d.user == gone.user;
        // Declining is said by the person, the other reasons by one device.
        if reason == Reason::Declined {
            let rest: Vec<LegId> = ring.legs.iter().filter(|(_, d)| mine(d)).map(|(leg, _)| *leg).collect();
            ring.legs.retain(|_, d| !mine(d));
            for other in rest {
                self.hang_up(other, Reason::Declined);
            }
        }
        let Some(ring) = call.state.ring_mut() else { return };
        if ring.legs.values().any(mine) {
            return;
        }
        self.bounced(call, &gone.user, reason);
        if call.state.ring().is_some_and(|r| r.legs.is_empty()) {
            self.ring_failed(call);
        }
    }

    /// The ring has gone on for as long as it may.
    pub(crate) fn rang_out(&mut self, call: &mut Call) {
        if let State::Dialling { .. } = &call.state {
            return self.end(call, Reason::NoAnswer);
        }
        if let Some(leg) = call.state.dial().map(|d| d.leg) {
            self.hang_up(leg, Reason::NoAnswer);
            return self.number_failed(call, Reason::NoAnswer);
        }
        let Some(ring) = call.state.ring_mut() else { return };
        let legs = std::mem::take(&mut ring.legs);
        let users = ring.towards.clone();
        for leg in legs.into_keys() {
            self.hang_up(leg, Reason::NoAnswer);
        }
        for user in users {
            self.bounced(call, &user.id, Reason::NoAnswer);
        }
        self.ring_failed(call);
    }

    /// Ends what rings, with nobody to blame for it.
    pub(crate) fn withdraw(&mut self, ring: Ring, reason: Reason) {
        for leg in ring.legs.into_keys() {
            self.hang_up(leg, reason);
        }
    }

    /// A user was asked in vain.
    fn bounced(&mut self, call: &mut Call, user: &UserId, reason: Reason) {
        call.bounced.insert(user.clone(), self.now);
        if let Some(transfer) = call.state.transfer_mut() {
            transfer.course.in_vain.insert(user.clone());
        }
        let target = TargetRef::User(self.directory.user_ref(user));
        let Some(ring) = call.state.ring_mut() else { return };
        ring.towards.retain(|u| u.id != *user);
        ring.last = Some(reason);
        let since = ring.since;
        self.note_bounce(call, target, reason, since);
    }

    /// Adds to the chain of those who were tried in vain.
    pub(crate) fn note_bounce(&self, call: &mut Call, target: TargetRef, reason: Reason, since: Timestamp) {
        if call.bounces.len() == BOUNCES {
            call.bounces.remove(0);
        }
        call.bounces.push(Bounce { target, reason, at: self.now, rang_ms: self.now.ms_since(since) });
    }

    /// Nobody is left who could answer this ring.
    fn ring_failed(&mut self, call: &mut Call) {
        let reason = call.state.ring().and_then(|r| r.last).unwrap_or(Reason::NoAnswer);
        if self.planted(Fault::ForgetAfterRing) {
            return;
        }
        self.came_to_nothing(call, reason);
    }
}
