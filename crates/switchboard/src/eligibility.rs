//! Who can take a transfer now, and why not.

use protocol::{Ineligible, Presence, Reason, Target, TransferKind, UserId};

use crate::{
    Miss, Switchboard, Unavailable,
    call::Call,
    directory::{UserState, dialable},
};

impl Switchboard {
    /// Whether `target` can be given `call` by `by` now. Whether `by` may is another question:
    /// [`Self::may_send`].
    pub(crate) fn eligible(
        &self,
        by: &UserId,
        call: &Call,
        kind: TransferKind,
        target: &Target,
    ) -> Result<(), Ineligible> {
        self.eligible_at(self.too_far(by, call, self.towards(by, target)), call, kind, target)
    }

    /// As [`Self::eligible`]; `too_far`: the account keeps whoever asks from moving the call there.
    pub(crate) fn eligible_at(
        &self,
        too_far: bool,
        call: &Call,
        kind: TransferKind,
        target: &Target,
    ) -> Result<(), Ineligible> {
        match target {
            Target::User(user) => self.user_eligible(too_far, call, kind, user),
            Target::Department(department) => {
                let Some(state) = self.directory.departments.get(department) else { return Err(Ineligible::Unknown) };
                let parties = call.parties().into_iter().filter_map(|id| self.directory.users.get(id));
                let parties = parties.filter(|u| u.rung_by(department) && u.staffed()).count() as u32;
                if state.staffed <= parties && kind != TransferKind::Voicemail {
                    return Err(Ineligible::NobodyThere);
                }
                if too_far { Err(Ineligible::OtherDepartment) } else { Ok(()) }
            }
            Target::Outside(number) => {
                if dialable(number).is_none() {
                    return Err(Ineligible::NotANumber);
                }
                if self.directory.has_trunk { Ok(()) } else { Err(Ineligible::NoTrunk) }
            }
        }
    }

    fn user_eligible(&self, too_far: bool, call: &Call, kind: TransferKind, user: &UserId) -> Result<(), Ineligible> {
        let to_mailbox = kind == TransferKind::Voicemail;
        // Who talks with the caller may send them to their own mailbox.
        if call.parties().contains(user) && (!to_mailbox || call.caller.user.as_ref() == Some(user)) {
            return Err(Ineligible::InThisCall);
        }
        let Some(state) = self.directory.users.get(user) else { return Err(Ineligible::Unknown) };
        if too_far {
            return Err(Ineligible::OtherDepartment);
        }
        if state.config.disabled {
            return Err(Ineligible::Disabled);
        }
        let follows = kind == TransferKind::Blind && self.directory.policy.unavailable == Unavailable::Follow;
        if to_mailbox || follows { Ok(()) } else { self.reachable(user, call) }
    }

    /// Whether the user could be rung for `call` now. Being on that very call does not count.
    pub(crate) fn reachable(&self, user: &UserId, call: &Call) -> Result<(), Ineligible> {
        let Some(user) = self.directory.users.get(user) else { return Err(Ineligible::Unknown) };
        if user.config.disabled {
            return Err(Ineligible::Disabled);
        }
        match user.presence {
            Presence::Away => return Err(Ineligible::Away { since: user.presence_since }),
            Presence::DoNotDisturb => return Err(Ineligible::DoNotDisturb { since: user.presence_since }),
            Presence::Available => {}
        }
        if user.devices.is_empty() {
            return Err(Ineligible::NoDevice);
        }
        if user.on_call(Some(call.key)) { Err(Ineligible::OnCall) } else { Ok(()) }
    }
}

impl UserState {
    /// Could answer once they are free.
    pub(crate) fn staffed(&self) -> bool {
        !self.config.disabled && !self.devices.is_empty()
    }
}

impl Miss {
    /// As far as a fallback differs by it.
    pub(crate) fn of(reason: Reason) -> Self {
        match reason {
            Reason::Busy => Self::Busy,
            Reason::Declined | Reason::HungUpAtOnce => Self::Declined,
            Reason::DoNotDisturb => Self::DoNotDisturb,
            Reason::Away => Self::Away,
            Reason::Unreachable | Reason::Failed => Self::NoDevice,
            Reason::NoAnswer
            | Reason::NobodyFree
            | Reason::CallerGone
            | Reason::AgentGone
            | Reason::OutsideGone
            | Reason::Cancelled
            | Reason::AnsweredElsewhere
            | Reason::Shutdown
            | Reason::SentToVoicemail
            | Reason::Joined
            | Reason::ExchangeFailed
            | Reason::AppStopped => Self::NoAnswer,
        }
    }

    /// Why nobody was rung, for the fallback and in words.
    pub(crate) fn without_ringing(why: &Ineligible) -> (Self, Reason) {
        match why {
            Ineligible::OnCall | Ineligible::InThisCall => (Self::Busy, Reason::Busy),
            Ineligible::DoNotDisturb { .. } => (Self::DoNotDisturb, Reason::DoNotDisturb),
            Ineligible::Away { .. } => (Self::Away, Reason::Away),
            Ineligible::OtherDepartment
            | Ineligible::Disabled
            | Ineligible::NoDevice
            | Ineligible::NobodyThere
            | Ineligible::NotANumber
            | Ineligible::NoTrunk
            | Ineligible::Unknown => (Self::NoDevice, Reason::Unreachable),
        }
    }
}
