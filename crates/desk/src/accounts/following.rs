//! Being handed over by REFER: the phone calls whom the other side names, and to the person it stays one call.

use protocol::{JourneyEvent, Party, TargetRef, TransferKind};
use softphone::Ended;

use super::calls::{Moving, person};
use super::record::refusal;
use crate::owner::Owner;
use crate::rings::name;
use crate::{PhoneCallId, Tone};

impl Owner {
    /// `next`, which the other side of `id` has us call, is no call of its own unless we are handing that one over ourselves.
    pub(crate) fn own_following(&mut self, id: PhoneCallId, next: PhoneCallId, to: &Party) {
        let now = self.clock.now();
        let Some(own) = self.own.get_mut(&id).filter(|own| own.moving == Moving::No) else { return };
        let transfer = super::transfer::new_id();
        let (by, target) = (person(own.other()), TargetRef::Outside { number: name(to) });
        let (transfer_id, kind) = (transfer.clone(), TransferKind::Blind);
        own.step(
            now,
            JourneyEvent::TransferStarted { transfer: transfer_id, by, from: None, to: target, kind, note: None },
        );
        own.moving = Moving::Followed { next, id: transfer, to: to.clone() };
        if let Some(next) = self.own.get_mut(&next) {
            next.about = Some(id);
        }
    }

    /// Whoever was named has answered: the call goes on with them.
    pub(super) fn follow_answered(&mut self, next: PhoneCallId) {
        let now = self.clock.now();
        let Some(id) = self.followed_by(next) else { return };
        let named = self.own.get(&next).filter(|_| id != next).map(|next| (next.other().clone(), next.codec.clone()));
        let Some(own) = self.own.get_mut(&id) else { return };
        let Moving::Followed { to, .. } = std::mem::replace(&mut own.moving, Moving::No) else { return };
        let handed_over = name(own.other());
        let with = match named {
            Some((with, codec)) => {
                own.codec = codec;
                with
            }
            None => to,
        };
        own.is_with(&with, now);
        self.own_goes_on_as(id, next);
        self.announce(Tone::Plain, format!("{handed_over} has handed you over to {}.", name(&with)));
    }

    /// Whoever handed us over has left before the other has answered: says whether the call goes on as that with the other.
    pub(super) fn goes_on_following(&mut self, id: PhoneCallId) -> bool {
        let next = match self.own.get(&id).map(|own| &own.moving) {
            Some(Moving::Followed { next, .. }) if *next != id && self.own.contains_key(next) => *next,
            Some(Moving::Followed { .. } | Moving::No | Moving::Blind { .. } | Moving::Consult(_) | Moving::Done)
            | None => return false,
        };
        self.own_goes_on_as(id, next);
        true
    }

    /// Whoever was named can't be had.
    pub(super) fn follow_ended(&mut self, next: PhoneCallId, ended: &Ended) {
        let now = self.clock.now();
        let Some(own) = self.followed_by(next).and_then(|id| self.own.get_mut(&id)) else { return };
        let Moving::Followed { id: transfer, to, .. } = std::mem::replace(&mut own.moving, Moving::No) else { return };
        let (target, reason) = (TargetRef::Outside { number: name(&to) }, refusal(ended.status));
        own.step(now, JourneyEvent::TransferBounced { transfer, target, reason });
    }

    /// The call that `next` is to go on as.
    fn followed_by(&self, next: PhoneCallId) -> Option<PhoneCallId> {
        let follows = |moving: &Moving| matches!(moving, Moving::Followed { next: by, .. } if *by == next);
        self.own.iter().find(|(_, own)| follows(&own.moving)).map(|(id, _)| *id)
    }
}
