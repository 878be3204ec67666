//! Joining a ring that goes on: a second device of somebody who is rung, and an agent who becomes free while all free
//! agents of their department are rung.

use protocol::{DepartmentId, DeviceId, JourneyEvent, Strategy, UserId};

use crate::{
    Order, RingKind, Switchboard,
    call::{Call, CallKey, RungDevice, Stage, State, Transfer},
    card::ring_card,
    transfer::Team,
};

impl Switchboard {
    /// Whether who becomes free may join the ring of this team that begins.
    pub(crate) fn opens_ring(&mut self, key: CallKey, team: &Team) -> Option<DepartmentId> {
        match team.strategy {
            Strategy::AllAtOnce => {
                let id = &team.department.id;
                self.directory.departments.get_mut(id)?.open_rings.insert(key);
                Some(id.clone())
            }
            Strategy::LongestIdle | Strategy::RoundRobin | Strategy::FixedOrder => None,
        }
    }

    /// Who has become free joins those whom a department is just ringing.
    pub(crate) fn join_rings(&mut self, user: &UserId) {
        let departments = self.directory.users.get(user).map(|u| u.rung_by.clone()).unwrap_or_default();
        for id in departments {
            let rings = self.directory.departments.get(&id).map(|d| d.open_rings.clone()).unwrap_or_default();
            for key in rings {
                if !self.directory.users.get(user).is_some_and(|u| u.free(None)) {
                    return;
                }
                let of_department = |call: &Call| call.state.ring().is_some_and(|r| r.joins.as_ref() == Some(&id));
                if self.calls.get(&key).is_some_and(of_department) {
                    self.with_call(key, |board, call| board.join_ring(call, user));
                } else if let Some(department) = self.directory.departments.get_mut(&id) {
                    department.open_rings.remove(&key);
                }
            }
        }
    }

    fn join_ring(&mut self, call: &mut Call, user: &UserId) {
        if call.bounced.contains_key(user) || self.is_spared(call, user) {
            return;
        }
        let user = self.directory.user_ref(user);
        let devices = self.directory.users.get(&user.id).map(|u| u.devices.clone()).unwrap_or_default();
        for device in devices {
            self.ring_also(call, &user.id, device);
        }
        if let Some(ring) = call.state.ring_mut() {
            ring.towards.push(user.clone());
        }
        self.step(call, JourneyEvent::Rang { users: vec![user] });
    }

    /// A device of somebody who is being rung has come: it rings too.
    pub(crate) fn join_device(&mut self, user: &UserId, device: &DeviceId) {
        let Some(state) = self.directory.users.get(user) else { return };
        let mut keys: Vec<CallKey> = state.ringing.values().copied().collect();
        keys.dedup();
        for key in keys {
            self.with_call(key, |board, call| {
                let rung = |d: &RungDevice| d.user == *user && d.device != *device;
                if call.state.ring().is_some_and(|r| r.legs.values().any(rung)) {
                    board.ring_also(call, user, device.clone());
                }
            });
        }
    }

    fn ring_also(&mut self, call: &mut Call, user: &UserId, device: DeviceId) {
        let leg = self.new_leg();
        self.know_leg(leg, call.key, user, &device);
        self.leg_rings(leg, call.key, user);
        let kind = ring_kind(&call.state);
        let card = ring_card(call, &device, call.state.transfer().zip(kind));
        self.order(Order::Ring { leg, device: device.clone(), card });
        if let Some(ring) = call.state.ring_mut() {
            ring.legs.insert(leg, RungDevice { user: user.clone(), device });
        }
    }

    /// Who is not asked for this call as one of a department: the caller, whoever just gave it to that department, and
    /// who sent it on when it rang at them.
    pub(crate) fn is_spared(&self, call: &Call, user: &UserId) -> bool {
        let gave = |t: &Transfer| t.bounced_after_ms.is_none() && t.course.gave_away(user);
        call.caller.user.as_ref() == Some(user)
            || call.state.transfer().is_some_and(|t| gave(t) || t.course.was_sent_on_by(user))
    }
}

/// As what a transfer rings now.
fn ring_kind(state: &State) -> Option<RingKind> {
    match state {
        State::Transferring { stage, .. } => match stage {
            Stage::Recalling(_) => Some(RingKind::Recall),
            Stage::Holding | Stage::Ringing(_) | Stage::Dialling(_) | Stage::NextAgent(_) | Stage::Queued(_) => {
                Some(RingKind::Transfer)
            }
        },
        State::Consulting { .. } => Some(RingKind::Consult),
        State::Dialling { .. }
        | State::Ringing { .. }
        | State::Talking { .. }
        | State::Queued(_)
        | State::Voicemail { .. }
        | State::Closing { .. }
        | State::AwaitingRecording { .. }
        | State::Over { .. } => None,
    }
}
