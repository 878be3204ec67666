//! Devices come and go, and people say how they are.

use protocol::{AuditAction, AuditOutcome, DeviceId, LegId, Presence, Reason, UserId};

use crate::{Switchboard, audit::Attempt};

/// More devices than one person has; keeps a runaway registration from ringing without end.
const DEVICES: usize = 20;

impl Switchboard {
    pub(crate) fn device_registered(&mut self, user: &UserId, device: &DeviceId) {
        let Some(state) = self.directory.users.get_mut(user) else { return };
        if state.devices.len() < DEVICES && state.devices.insert(device.clone()) {
            self.touch(user);
            self.join_device(user, device);
        }
    }

    /// A device that rings and vanishes will not answer. One that talks may: its leg says when it is over.
    pub(crate) fn device_gone(&mut self, user: &UserId, device: &DeviceId) {
        let Some(state) = self.directory.users.get_mut(user) else { return };
        if !state.devices.remove(device) {
            return;
        }
        let ringing: Vec<LegId> = state.ringing.keys().copied().collect();
        self.touch(user);
        for leg in ringing {
            self.on_leg(leg, |board, call| {
                let rung = call.state.ring().and_then(|r| r.legs.get(&leg));
                if rung.is_some_and(|r| r.device == *device) {
                    board.hang_up(leg, Reason::Unreachable);
                    board.ring_leg_ended(call, leg, Reason::Unreachable);
                }
            });
        }
    }

    pub(crate) fn set_presence(&mut self, by: &UserId, presence: Presence) {
        let now = self.now;
        let Some(state) = self.directory.users.get_mut(by) else {
            return self.say(by, AuditAction::SetPresence, false, "unknown user".to_owned());
        };
        if state.presence != presence {
            state.presence = presence;
            state.presence_since = now;
            self.touch(by);
        }
        let to = match presence {
            Presence::Available => "available",
            Presence::Away => "away",
            Presence::DoNotDisturb => "do not disturb",
        };
        self.say(by, AuditAction::SetPresence, true, to.to_owned());
    }

    pub(crate) fn signed_in(&mut self, user: &UserId, accepted: bool, rule: String) {
        self.say(user, AuditAction::SignIn, accepted, rule);
    }

    pub(crate) fn signed_out(&mut self, user: &UserId) {
        self.say(user, AuditAction::SignOut, true, "asked by the user".to_owned());
    }

    fn say(&mut self, user: &UserId, action: AuditAction, accepted: bool, rule: String) {
        let outcome = if accepted { AuditOutcome::Accepted } else { AuditOutcome::Refused };
        self.audit(None, Attempt { user, action, target: None, outcome, rule });
    }
}
