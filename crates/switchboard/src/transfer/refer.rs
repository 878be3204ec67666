//! A device asks by REFER for what Go does in the app, or sends a ringing call elsewhere by 302: the same rules, the
//! same path (RFC 3515, RFC 5589, RFC 3261 section 21.3.3).

use protocol::{Denied, Ineligible, LegId, Reason, Target, TransferKind};

use super::{Way, Wish};
use crate::{
    Order, ReferProgress, Refusal, Replaces, Switchboard,
    call::{Call, State},
};

impl Switchboard {
    pub(crate) fn refer_requested(&mut self, call: &mut Call, leg: LegId, to: &str, replaces: Replaces) {
        // Only a user's device may ask; the trunk may not move calls inside the account.
        let Some(by) = self.legs.get(&leg).and_then(|of| of.user.clone()) else {
            return self.order(Order::ReferProgress { leg, progress: ReferProgress::Refused });
        };
        let target = self.written(to);
        let kind = match replaces {
            Replaces::Nothing => TransferKind::Blind,
            Replaces::Leg(_) | Replaces::Gone => TransferKind::Consult,
        };
        let wish = Wish { by: &by, target: &target, kind, revision: None };
        let begun = match replaces {
            _ if !is_end(call, leg) => Err(Refusal::Denied(Denied::NotAnsweredYet)),
            Replaces::Nothing => self.refer_blind(call, leg, &wish),
            Replaces::Leg(other) => self.refer_attended(call, leg, other, &wish),
            Replaces::Gone => Err(Refusal::Denied(Denied::Ended)),
        };
        if let Err(refusal) = begun {
            self.refuse(Some(call), &wish, &refusal, None);
            self.order(Order::ReferProgress { leg, progress: ReferProgress::Refused });
        }
    }

    fn refer_blind(&mut self, call: &mut Call, leg: LegId, wish: &Wish<'_>) -> Result<(), Refusal> {
        let rule = self.may_begin(call, wish)?;
        let mut asked = self.accept(call, wish, None, rule);
        asked.way = Way::Refer;
        self.order(Order::ReferProgress { leg, progress: ReferProgress::Accepted });
        self.begin(call, asked);
        Ok(())
    }

    /// A rung leg, over now, sends the call elsewhere: its user diverts it if they may, and has declined it if not.
    pub(crate) fn diverted(&mut self, call: &mut Call, leg: LegId, to: &str) {
        let rung = call.state.ring().and_then(|r| r.legs.get(&leg)).map(|r| r.user.clone());
        let Some(by) = rung else { return self.ended(call, leg, Reason::Declined) };
        let target = self.written(to);
        let wish = Wish { by: &by, target: &target, kind: TransferKind::Blind, revision: None };
        let itself = target == Target::User(by.clone());
        let judged =
            if itself { Err(Refusal::Ineligible(Ineligible::InThisCall)) } else { self.may_begin(call, &wish) };
        match judged {
            Ok(rule) => {
                self.forget_leg(leg);
                call.state.ring_mut().and_then(|r| r.legs.remove(&leg));
                let asked = self.accept(call, &wish, None, rule);
                self.begin(call, asked);
            }
            Err(refusal) => {
                self.refuse(Some(call), &wish, &refusal, None);
                self.ended(call, leg, Reason::Declined);
            }
        }
    }

    /// Whom a device means.
    fn written(&self, to: &str) -> Target {
        self.directory.inside(to).unwrap_or_else(|| Self::normal(&Target::Outside(to.to_owned())))
    }
}

/// Whether the leg is one of the two ends of a conversation.
fn is_end(call: &Call, leg: LegId) -> bool {
    match &call.state {
        State::Talking { with, .. } => leg == call.caller.leg || leg == with.leg(),
        // Said by `movable` with the right reason.
        State::Transferring { .. } | State::Consulting { .. } => true,
        State::Dialling { .. }
        | State::Ringing { .. }
        | State::Queued(_)
        | State::Voicemail { .. }
        | State::Closing { .. }
        | State::AwaitingRecording { .. }
        | State::Over { .. } => false,
    }
}
