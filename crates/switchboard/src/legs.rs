//! Which leg belongs to which call and user. A leg is known from the order or event that makes it until its end, or
//! until we order its end: whatever the engine says of it after that is late and means nothing.

use protocol::{DeviceId, LegId, Party, Reason, UserId};

use crate::{Order, Switchboard, call::CallKey};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LegUse {
    pub key: CallKey,
    /// Who is at its end: a name, or a number.
    pub party: String,
    pub user: Option<UserId>,
    pub device: Option<DeviceId>,
}

impl Switchboard {
    /// A new leg of ours, towards a device or the trunk.
    pub(crate) fn new_leg(&mut self) -> LegId {
        self.counters.leg += 2;
        LegId(self.counters.leg)
    }

    /// A leg of the network's.
    pub(crate) fn know_outside_leg(&mut self, leg: LegId, key: CallKey, party: &Party) {
        let party = if party.name.is_empty() { &party.number } else { &party.name }.clone();
        self.legs.insert(leg, LegUse { key, party, user: None, device: None });
    }

    /// A leg of a user's device.
    pub(crate) fn know_leg(&mut self, leg: LegId, key: CallKey, user: &UserId, device: &DeviceId) {
        let party = self.directory.user_ref(user).name;
        self.legs.insert(leg, LegUse { key, party, user: Some(user.clone()), device: Some(device.clone()) });
    }

    /// The leg goes over to another call, doing there what it did.
    pub(crate) fn hand_over(&mut self, leg: LegId, to: CallKey) {
        let Some(of) = self.legs.get_mut(&leg) else { return };
        of.key = to;
        if let Some(state) = of.user.as_ref().and_then(|u| self.directory.users.get_mut(u)) {
            for legs in [&mut state.busy, &mut state.ringing] {
                legs.entry(leg).and_modify(|key| *key = to);
            }
        }
    }

    /// The user takes part in the leg's call from now on.
    pub(crate) fn leg_is_busy(&mut self, leg: LegId, key: CallKey, user: &UserId) {
        if let Some(state) = self.directory.users.get_mut(user) {
            state.ringing.remove(&leg);
            state.busy.insert(leg, key);
        }
        self.touch(user);
    }

    pub(crate) fn leg_rings(&mut self, leg: LegId, key: CallKey, user: &UserId) {
        if let Some(state) = self.directory.users.get_mut(user) {
            state.ringing.insert(leg, key);
        }
        self.touch(user);
    }

    /// Forgets a leg that has ended; gives what it was, if it was known.
    pub(crate) fn forget_leg(&mut self, leg: LegId) -> Option<LegUse> {
        let of = self.legs.remove(&leg)?;
        if let Some(user) = &of.user {
            if let Some(state) = self.directory.users.get_mut(user) {
                state.ringing.remove(&leg);
                state.busy.remove(&leg);
            }
            self.touch(user);
        }
        Some(of)
    }

    /// Ends a leg unless it has ended already.
    pub(crate) fn hang_up(&mut self, leg: LegId, reason: Reason) {
        if let Some(of) = self.forget_leg(leg) {
            self.part(leg, of);
            self.order(Order::HangUp { leg, reason });
        }
    }

    /// Something about the user changed: views, and perhaps a waiting caller's chance.
    pub(crate) fn touch(&mut self, user: &UserId) {
        self.directory.recount(user, self.now);
        self.changed.users.insert(user.clone());
        self.changed.woken.insert(user.clone());
    }
}
